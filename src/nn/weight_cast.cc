#include "nn/weight_cast.h"

#include <ATen/ops/add.h>
#include <ATen/ops/div.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/round.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "nn/cast.h"
#include "tailor/design/channel_scales.h"
#include "tailor/ir/weights.h"

namespace tailor::nn {
namespace {

at::Tensor per_channel(const std::vector<double>& scales, const at::Tensor& weight) {
  at::Tensor host = at::zeros({static_cast<int64_t>(scales.size())}, at::kDouble);
  std::copy(scales.begin(), scales.end(), host.data_ptr<double>());
  return per_output(host.to(weight.device()), weight);
}

/// With the gradient of the identity.
at::Tensor signs_of(const at::Tensor& x) {
  const at::Tensor one = at::ones_like(x);
  const at::Tensor signs = at::where(x.ge(0), one, at::neg(one));
  return at::add(signs.detach(), x.sub(x.detach()));
}

}  // namespace

at::Tensor per_output(const at::Tensor& values, const at::Tensor& weight) {
  std::vector<int64_t> shape(static_cast<size_t>(weight.dim()), 1);
  shape[0] = -1;
  return values.reshape(shape);
}

at::Tensor WeightCast::operator()(const at::Tensor& weight) const {
  if (!scale) return cast(weight, type, /*relu=*/false, range);
  const at::Tensor scales = scales_of(weight.detach());
  const at::Tensor divisor =
      steps.empty() ? scales : per_channel(ir::scales_of_steps(steps, type), weight);
  // A channel without any magnitude is 0.
  const at::Tensor in_steps =
      at::div(weight, at::where(divisor.eq(0), at::ones_like(divisor), divisor));
  return at::mul(is_binary(type) ? signs_of(in_steps) : cast(in_steps, type, false, range), scales);
}

at::Tensor WeightCast::scales_of(const at::Tensor& weight) const {
  if (steps.empty())
    return exact || weight.is_cpu() ? scales_on_host(weight) : scales_on_device(weight);
  std::vector<double> scales = ir::scales_of_steps(steps, type);
  round_scales({scales.data(), scales.size()}, *scale);
  return per_channel(scales, weight);
}

at::Tensor WeightCast::scales_on_host(const at::Tensor& weight) const {
  const at::Tensor host = weight.to(at::kCPU).contiguous();
  const Span<const double> values(host.data_ptr<double>(), static_cast<size_t>(host.numel()));
  return per_channel(channel_scales(values, host.size(0), is_binary(type), *scale), weight);
}

at::Tensor WeightCast::scales_on_device(const at::Tensor& weight) const {
  const at::Tensor rows = weight.reshape({weight.size(0), -1});
  const at::Tensor magnitude =
      is_binary(type) ? at::mean(rows.abs(), {1}) : at::sqrt(at::mean(at::mul(rows, rows), {1}));
  const at::Tensor rounded = at::round(magnitude.mul(1 / scale->step())).mul(scale->step());
  return per_output(rounded.clamp_max(scale->max_value()), weight);
}

}  // namespace tailor::nn

#include "nn/shared_norm.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/native_batch_norm_backward.h>
#include <ATen/ops/var_mean.h>
#include <torch/csrc/autograd/custom_function.h>

#include <memory>

namespace tailor::nn {
namespace {

/// For both passes of one layer.
struct Layer : torch::CustomClassHolder {
  NormParameters norm;
  SumOverWorkers sum;
};

/// [channels] as it multiplies a map.
at::Tensor by_channel(const at::Tensor& values, at::ScalarType type) {
  return values.to(type).reshape({1, -1, 1, 1});
}

/// Mean and biased variance over all workers, float64, and the number of values.
struct Statistics {
  at::Tensor mean, variance;
  double count = 0;
};
Statistics statistics_of(const at::Tensor& x, const SumOverWorkers& sum) {
  const int64_t channels = x.size(1);
  const auto own = at::var_mean(x.to(at::kFloat), at::IntArrayRef({0, 2, 3}), /*unbiased=*/false);
  const at::Tensor mean = std::get<1>(own).to(at::kDouble),
                   variance = std::get<0>(own).to(at::kDouble);
  const int64_t values = x.numel() / channels;
  const auto count = static_cast<double>(values);
  const at::Tensor sums = at::cat({at::full({1}, count, mean.options()), mean.mul(count),
                                   variance.addcmul(mean, mean).mul(count)});
  sum(sums);
  const at::Tensor all = sums.narrow(0, 0, 1), whole = sums.narrow(0, 1, channels).div(all),
                   squares = sums.narrow(0, 1 + channels, channels).div(all);
  return {whole, squares.addcmul(whole, whole, -1).clamp_min(0), all.item<double>()};
}

struct SharedNormFunction : torch::autograd::Function<SharedNormFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& gamma, const at::Tensor& beta,
                            const c10::intrusive_ptr<Layer>& layer) {
    const NormParameters& norm = layer->norm;
    const Statistics s = statistics_of(x, layer->sum);
    const at::Tensor mean = s.mean.to(at::kFloat), variance = s.variance.to(at::kFloat);
    norm.running_mean.mul_(1 - norm.momentum).add_(mean, norm.momentum);
    norm.running_variance.mul_(1 - norm.momentum)
        .add_(variance, norm.momentum * s.count / std::max(s.count - 1, 1.0));
    context->save_for_backward({x, gamma, mean, variance});
    context->saved_data["count"] = s.count;
    context->saved_data["layer"] = c10::IValue::make_capsule(layer);
    return at::batch_norm(x, gamma, beta, mean, variance, /*training=*/false, 0, norm.epsilon,
                          /*cudnn_enabled=*/false);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &gamma = saved[1], &mean = saved[2], &variance = saved[3];
    const auto capsule = context->saved_data["layer"].toCapsule();
    const auto* layer = static_cast<const Layer*>(capsule.get());
    const double count = context->saved_data["count"].toDouble();
    // With given statistics it is dy · scale, the sum of dy · x^, and the sum of dy.
    const auto given =
        at::native_batch_norm_backward(gradients[0], x, gamma, mean, variance, {}, {},
                                       /*train=*/false, layer->norm.epsilon, {true, true, true});
    const at::Tensor &d_gamma = std::get<1>(given), &d_beta = std::get<2>(given);
    const at::Tensor sums = at::cat({d_beta, d_gamma}).to(at::kDouble);
    layer->sum(sums);
    const int64_t channels = x.size(1);
    const at::Tensor inverse = variance.to(at::kDouble).add(layer->norm.epsilon).rsqrt();
    const at::Tensor scale = gamma.to(at::kDouble).mul(inverse).div(count);
    const at::Tensor slope = scale.mul(inverse).mul(sums.narrow(0, channels, channels));
    const at::Tensor offset =
        scale.mul(sums.narrow(0, 0, channels)).addcmul(slope, mean.to(at::kDouble), -1);
    // dx = dy · scale - (offset + slope · x)
    const at::Tensor dx = at::addcmul(std::get<0>(given), x, by_channel(slope, x.scalar_type()), -1)
                              .sub_(by_channel(offset, x.scalar_type()));
    return {dx, d_gamma, d_beta, at::Tensor()};
  }
};

}  // namespace

at::Tensor normalise_shared(const at::Tensor& x, const NormParameters& norm,
                            const SumOverWorkers& sum) {
  auto layer = c10::make_intrusive<Layer>();
  layer->norm = norm, layer->sum = sum;
  return SharedNormFunction::apply(x, norm.gamma, norm.beta, layer);
}

}  // namespace tailor::nn

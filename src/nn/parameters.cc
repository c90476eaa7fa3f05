#include "tailor/nn/parameters.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/as_strided.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "tailor/nn/host.h"

namespace tailor::nn {
namespace {

constexpr int64_t kAlignment = 16;  // floats: one cache line

/// What runs in bfloat16; batch norm keeps float32.
bool is_narrow(TensorRole role) {
  return role == TensorRole::ConvWeight || role == TensorRole::ConvBias ||
         role == TensorRole::LinearWeight || role == TensorRole::LinearBias;
}

/// Strides of a parameter in the flat buffer: channels-last for convolutions, plain otherwise.
std::vector<int64_t> parameter_strides(const Shape& shape) {
  if (shape.size() == 4) return {shape[1] * shape[2] * shape[3], 1, shape[3] * shape[1], shape[1]};
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

}  // namespace

at::Tensor host_view(const Tensor& tensor) {
  return at::from_blob(const_cast<float*>(tensor.as<float>().data()), tensor.shape(), at::kFloat);
}

Tensor to_host(const at::Tensor& tensor) {
  const Shape shape(tensor.sizes().begin(), tensor.sizes().end());
  if (tensor.scalar_type() == at::kDouble) {
    Tensor host(DType::F64, shape);
    at::from_blob(host.as<double>().data(), shape, at::kDouble).copy_(tensor);
    return host;
  }
  Tensor host(DType::F32, shape);
  host_view(host).copy_(tensor);
  return host;
}

at::Tensor ParameterRange::view(const at::Tensor& flat) const {
  return at::as_strided(flat, shape, parameter_strides(shape), offset);
}

Parameters::Parameters(const std::vector<TensorSpec>& specs, const TensorMap& tensors,
                       at::Device device, at::ScalarType compute) {
  at::NoGradGuard no_grad;
  int64_t size = 0;
  std::vector<int64_t> lengths;
  std::vector<bool> narrow;
  for (const TensorSpec& spec : specs) {
    if (is_parameter(spec.role)) {
      ranges.push_back({spec.name, spec.shape, size});
      lengths.push_back((element_count(spec.shape) + kAlignment - 1) / kAlignment * kAlignment);
      size += lengths.back();
      narrow.push_back(compute != at::kFloat && is_narrow(spec.role));
    } else {
      buffers_[spec.name] = host_view(tensors.at(spec.name))
                                .to(device, at::kFloat, /*non_blocking=*/false,
                                    /*copy=*/true);
    }
  }
  const auto options = at::TensorOptions(at::kFloat).device(device);
  values = at::zeros({size}, options);
  gradients = at::zeros({size}, options);
  places = at::tensor(lengths, at::kLong).to(device);
  for (const ParameterRange& range : ranges)
    range.view(values).copy_(host_view(tensors.at(range.name)));
  if (compute != at::kFloat) {
    narrow_values = values.to(compute);
    narrow_gradients = at::zeros({size}, options.dtype(compute));
  }
  for (size_t i = 0; i < ranges.size(); ++i) {
    at::Tensor& leaf = leaves_[ranges[i].name] =
        ranges[i].view(narrow[i] ? narrow_values : values).detach();
    leaf.set_requires_grad(true);
    leaf.mutable_grad() = ranges[i].view(narrow[i] ? narrow_gradients : gradients);
    if (narrow[i]) masters_[ranges[i].name] = ranges[i].view(values);
  }
}

const at::Tensor& Parameters::master(const std::string& name) const {
  const auto found = masters_.find(name);
  return found == masters_.end() ? parameter(name) : found->second;
}

void Parameters::zero_gradients() const {
  gradients.zero_();
  if (narrow_gradients.defined()) narrow_gradients.zero_();
}

void Parameters::gather_gradients(int64_t first, int64_t end) const {
  if (!narrow_gradients.defined()) return;
  gradients.narrow(0, first, end - first).add_(narrow_gradients.narrow(0, first, end - first));
}

void Parameters::spread_values() const {
  if (narrow_values.defined()) narrow_values.copy_(values);
}

int64_t Parameters::count() const {
  int64_t count = 0;
  for (const ParameterRange& range : ranges) count += range.size();
  return count;
}

TensorMap Parameters::tensors() const {
  at::NoGradGuard no_grad;
  TensorMap result;
  for (const ParameterRange& range : ranges)
    result.emplace(range.name, to_host(range.view(values)));
  for (const auto& [name, buffer] : buffers_) result.emplace(name, to_host(buffer));
  return result;
}

}  // namespace tailor::nn

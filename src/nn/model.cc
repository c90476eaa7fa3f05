#include "tailor/nn/model.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/add.h>
#include <ATen/ops/as_strided.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/flatten.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/slice.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include <cmath>
#include <functional>
#include <limits>

#include "nn/convolution.h"

namespace tailor {
namespace {

constexpr int64_t kAlignment = 16;  // floats: one cache line

/// Strides of a parameter in the flat buffer: channels-last for convolutions, plain otherwise.
std::vector<int64_t> parameter_strides(const Shape& shape) {
  if (shape.size() == 4) return {shape[1] * shape[2] * shape[3], 1, shape[3] * shape[1], shape[1]};
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

/// A view of a host tensor; the host tensor must outlive it.
at::Tensor host_view(const Tensor& tensor) {
  return at::from_blob(const_cast<float*>(tensor.as<float>().data()), tensor.shape(), at::kFloat);
}

Tensor to_host(const at::Tensor& tensor) {
  Tensor host(DType::F32, Shape(tensor.sizes().begin(), tensor.sizes().end()));
  host_view(host).copy_(tensor);
  return host;
}

/// One convolution of a description, by the names of its tensors.
struct ConvSpec {
  std::string conv, bn;  // no BN: empty, and the convolution has a bias
  ConvGeometry geometry;
};
ConvSpec stage_spec(const Block& block, size_t i) {
  const Stage& s = block.stages[i - 1];
  return {conv_name(block, i),
          s.batch_norm ? bn_name(block, i) : "",
          {s.stride, s.pad, s.pad_end, s.groups}};
}
ConvSpec projection_spec(const Skip& skip) {
  return {skip.tensors + ".conv", skip.batch_norm ? skip.tensors + ".bn" : "", {skip.stride}};
}
std::vector<ConvSpec> conv_specs(const Network& network) {
  std::vector<ConvSpec> specs;
  for (const Block& block : network.blocks) {
    for (size_t i = 1; i <= block.stages.size(); ++i) {
      if (block.stages[i - 1].kind == StageKind::Conv) specs.push_back(stage_spec(block, i));
    }
    for (const Skip& skip : block.skips) {
      if (skip.kind == SkipKind::Projection) specs.push_back(projection_spec(skip));
    }
  }
  return specs;
}

at::Tensor pool(const at::Tensor& x, const Stage& s) {
  const int64_t p = s.pad;
  if (s.kind == StageKind::AvgPool) {
    const at::Tensor padded =
        p + s.pad_end > 0 ? at::constant_pad_nd(x, {p, s.pad_end, p, s.pad_end}, 0) : x;
    return at::avg_pool2d(padded, {s.kernel, s.kernel}, {s.stride, s.stride});
  }
  if (p == s.pad_end && 2 * p <= s.kernel)
    return at::max_pool2d(x, {s.kernel, s.kernel}, {s.stride, s.stride}, {p, p});
  constexpr double kNever = -std::numeric_limits<double>::infinity();
  return at::max_pool2d(at::constant_pad_nd(x, {p, s.pad_end, p, s.pad_end}, kNever),
                        {s.kernel, s.kernel}, {s.stride, s.stride});
}

using ConvBn = std::function<at::Tensor(const at::Tensor& x, const ConvSpec& spec)>;

at::Tensor skip_term(const Skip& skip, const at::Tensor& from, int64_t out_channels,
                     const ConvBn& conv_bn) {
  switch (skip.kind) {
    case SkipKind::Identity:
      return from;
    case SkipKind::Projection:
      return conv_bn(from, projection_spec(skip));
    case SkipKind::Pad: {
      at::Tensor x = from;
      for (int64_t dimension : {2, 3})
        x = at::slice(x, dimension, 0, x.size(dimension), skip.stride);
      const int64_t before = skip.channel_offset, behind = out_channels - before - from.size(1);
      return at::constant_pad_nd(x, {0, 0, 0, 0, before, behind}, 0);
    }
  }
  return from;
}

/// Walks the chain of every block and adds the skips that end at each point: the one definition of
/// what a description computes in LibTorch.
at::Tensor walk_network(const Network& network, const at::Tensor& input, const ConvBn& conv_bn,
                        const at::Tensor& fc_weight, const at::Tensor& fc_bias) {
  at::Tensor x = input;
  for (const Block& block : network.blocks) {
    std::vector<at::Tensor> points = {x};
    for (size_t i = 1; i <= block.stages.size(); ++i) {
      const Stage& stage = block.stages[i - 1];
      x = is_pool(stage) ? pool(x, stage) : conv_bn(x, stage_spec(block, i));
      const bool before = network.join == Join::BeforeActivation;
      if (stage.relu && !before) x = at::relu(x);
      for (const Skip& skip : block.skips) {
        if (skip.to == static_cast<int64_t>(i)) {
          x = at::add(x, skip_term(skip, points[static_cast<size_t>(skip.from)], stage.out_channels,
                                   conv_bn));
        }
      }
      if (stage.relu && before) x = at::relu(x);
      points.push_back(x);
    }
  }
  const at::Tensor features =
      network.head_pooling == HeadPooling::Average ? at::mean(x, {2, 3}) : at::flatten(x, 1);
  return at::linear(features, fc_weight, fc_bias);
}

}  // namespace

Model::Model(Network network, const TensorMap& tensors, const TensorMap& momentum)
    : network_(std::move(network)) {
  verify_tensors(network_, tensors, "the model");
  build(tensors, momentum);
}

void Model::build(const TensorMap& tensors, const TensorMap& momentum) {
  at::NoGradGuard no_grad;
  parameters_.clear();
  index_.clear();
  buffers_.clear();
  int64_t size = 0;
  for (const TensorSpec& spec : tensor_specs(network_)) {
    if (is_parameter(spec.role)) {
      index_[spec.name] = parameters_.size();
      parameters_.push_back({spec.name, spec.shape, size, {}});
      size += (element_count(spec.shape) + kAlignment - 1) / kAlignment * kAlignment;
    } else {
      buffers_[spec.name] = host_view(tensors.at(spec.name)).clone();
    }
  }
  flat_values_ = at::zeros({size}, at::kFloat);
  flat_gradients_ = at::zeros({size}, at::kFloat);
  flat_momentum_ = at::zeros({size}, at::kFloat);
  for (Entry& entry : parameters_) {
    const std::vector<int64_t> strides = parameter_strides(entry.shape);
    at::Tensor view = at::as_strided(flat_values_, entry.shape, strides, entry.offset);
    view.copy_(host_view(tensors.at(entry.name)));
    if (auto found = momentum.find(entry.name); found != momentum.end()) {
      if (found->second.shape() != entry.shape) {
        fail(ErrorKind::Data, "the momentum of {} has shape {}, expected {}", entry.name,
             to_string(found->second.shape()), to_string(entry.shape));
      }
      at::as_strided(flat_momentum_, entry.shape, strides, entry.offset)
          .copy_(host_view(found->second));
    }
    entry.value = view.detach();
    entry.value.set_requires_grad(true);
    entry.value.mutable_grad() =
        at::as_strided(flat_gradients_, entry.shape, strides, entry.offset);
  }
}

at::Tensor Model::forward(const at::Tensor& x, bool training, std::vector<ConvCall>* calls) {
  return run(x, training, network_.bn_momentum, calls);
}

void Model::absorb_statistics(const at::Tensor& x, double momentum) {
  at::NoGradGuard no_grad;
  run(x, /*training=*/true, momentum, nullptr);
}

at::Tensor Model::run(const at::Tensor& x, bool training, double bn_momentum,
                      std::vector<ConvCall>* calls) {
  auto parameter = [&](const std::string& name) -> const at::Tensor& {
    return parameters_[index_.at(name)].value;
  };
  auto conv_bn = [&](const at::Tensor& in, const ConvSpec& spec) {
    const at::Tensor& weight = parameter(spec.conv + ".weight");
    const at::Tensor bias = spec.bn.empty() ? parameter(spec.conv + ".bias") : at::Tensor();
    const at::Tensor y = convolve(in, spec.geometry, weight, bias);
    if (calls) calls->push_back({spec.conv, spec.geometry, in, weight, bias, y});
    if (spec.bn.empty()) return y;
    return at::batch_norm(y, parameter(spec.bn + ".weight"), parameter(spec.bn + ".bias"),
                          buffers_.at(spec.bn + ".running_mean"),
                          buffers_.at(spec.bn + ".running_var"), training, bn_momentum,
                          network_.bn_epsilon, /*cudnn_enabled=*/false);
  };
  return walk_network(network_, x, conv_bn, parameter("fc.weight"), parameter("fc.bias"));
}

void Model::zero_gradients() { flat_gradients_.zero_(); }

void Model::sgd_step(double lr, double momentum, double weight_decay, bool nesterov) {
  auto* p = flat_values_.data_ptr<float>();
  const auto* gradient = flat_gradients_.data_ptr<float>();
  auto* m = flat_momentum_.data_ptr<float>();
  const int64_t n = flat_values_.numel();
  const auto rate = static_cast<float>(lr), mu = static_cast<float>(momentum),
             decay = static_cast<float>(weight_decay);
  for (int64_t i = 0; i < n; ++i) {
    const float g = gradient[i] + decay * p[i];
    m[i] = mu * m[i] + g;
    p[i] -= rate * (nesterov ? g + mu * m[i] : m[i]);
  }
}

void Model::alter(Network network, const TensorMap& added) {
  TensorMap values = tensors();
  const TensorMap old_momentum = momentum();
  for (const auto& [name, tensor] : added) values[name] = tensor;
  network_ = std::move(network);
  TensorMap kept;
  for (const TensorSpec& spec : tensor_specs(network_))
    kept.emplace(spec.name, find_tensor(values, spec.name, "the altered model"));
  build(kept, old_momentum);
}

TensorMap Model::tensors() const {
  at::NoGradGuard no_grad;
  TensorMap result;
  for (const Entry& entry : parameters_) result.emplace(entry.name, to_host(entry.value));
  for (const auto& [name, buffer] : buffers_) result.emplace(name, to_host(buffer));
  return result;
}

TensorMap Model::momentum() const {
  at::NoGradGuard no_grad;
  TensorMap result;
  for (const Entry& entry : parameters_) {
    result.emplace(entry.name,
                   to_host(at::as_strided(flat_momentum_, entry.shape,
                                          parameter_strides(entry.shape), entry.offset)));
  }
  return result;
}

int64_t Model::parameter_count() const {
  int64_t count = 0;
  for (const Entry& entry : parameters_) count += element_count(entry.shape);
  return count;
}

Tensor run_network(const Network& network, const TensorMap& tensors, const Tensor& inputs) {
  at::NoGradGuard no_grad;
  const at::Tensor planes = host_view(inputs).permute({0, 3, 1, 2}).contiguous();
  return to_host(Model(network, tensors).forward(planes, /*training=*/false));
}

FrozenModel::FrozenModel(const Network& network, const TensorMap& tensors) : network_(network) {
  verify_tensors(network, tensors, "the frozen model");
  c10::InferenceMode guard;
  for (const ConvSpec& spec : conv_specs(network)) {
    const Tensor& weight = tensors.at(spec.conv + ".weight");
    Tensor folded = weight, bias(DType::F32, {weight.shape()[0]});
    if (spec.bn.empty()) {
      bias = tensors.at(spec.conv + ".bias");
    } else {
      const auto gamma = tensors.at(spec.bn + ".weight").as<float>(),
                 beta = tensors.at(spec.bn + ".bias").as<float>();
      const auto mean = tensors.at(spec.bn + ".running_mean").as<float>(),
                 variance = tensors.at(spec.bn + ".running_var").as<float>();
      auto w = folded.as<float>(), b = bias.as<float>();
      const size_t per_output = w.size() / b.size();
      for (size_t o = 0; o < b.size(); ++o) {
        const double scale =
            gamma[o] / std::sqrt(static_cast<double>(variance[o]) + network.bn_epsilon);
        for (size_t i = 0; i < per_output; ++i)
          w[o * per_output + i] = static_cast<float>(w[o * per_output + i] * scale);
        b[o] = static_cast<float>(beta[o] - mean[o] * scale);
      }
    }
    weights_[spec.conv + ".weight"] =
        host_view(folded).contiguous(at::MemoryFormat::ChannelsLast).clone();
    weights_[spec.conv + ".bias"] = host_view(bias).clone();
  }
  for (const char* name : {"fc.weight", "fc.bias"})
    weights_[name] = host_view(tensors.at(name)).clone();
}

at::Tensor FrozenModel::forward(const at::Tensor& x) const {
  at::Tensor logits;
  {
    c10::InferenceMode guard;
    auto conv_bn = [&](const at::Tensor& in, const ConvSpec& spec) {
      return convolve(in, spec.geometry, weights_.at(spec.conv + ".weight"),
                      weights_.at(spec.conv + ".bias"));
    };
    logits = walk_network(network_, x, conv_bn, weights_.at("fc.weight"), weights_.at("fc.bias"));
  }
  return logits.clone();  // an inference tensor cannot be kept for a backward pass
}

}  // namespace tailor

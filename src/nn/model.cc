#include "tailor/nn/model.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/add.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/flatten.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/masked_fill.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/reshape.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <functional>

#include "nn/convolution.h"
#include "nn/fused_norm.h"
#include "nn/gpu/forked_convolution.h"
#include "nn/gpu/fused_norm.h"
#include "nn/layers.h"
#include "nn/map_convolution.h"
#include "nn/shared_norm.h"
#include "tailor/net/batch_norm.h"
#include "tailor/nn/host.h"
#include "tailor/nn/kernels.h"

namespace tailor::nn {
namespace {

/// What layers with tensors make.
struct Layers {
  /// A convolution or a linear layer.
  std::function<at::Tensor(const at::Tensor& x, const NamedLayer& layer)> weighted;
  /// relu?(batch norm of x + skip): the skip may be undefined.
  std::function<at::Tensor(const at::Tensor& x, const NamedLayer& layer, const at::Tensor& skip,
                           bool relu)>
      normalise;
  /// Both, of a convolution and the batch norm right behind it; none: one after the other.
  std::function<at::Tensor(const at::Tensor& x, const NamedLayer& conv, const NamedLayer& norm,
                           const at::Tensor& skip, bool relu)>
      convolve_and_normalise;
};

/// A map on its way through a network that masks, and how many of its columns are each example's
/// own; no lengths: all of them are.
struct Stream {
  at::Tensor map;
  std::vector<int64_t> lengths;
};

/// The columns beyond each length as [n, 1, 1, columns] of bool. Layers of one width share them.
class Masks {
 public:
  const at::Tensor& of(const Stream& stream) {
    const int64_t columns = stream.map.size(3);
    for (const Entry& entry : entries_) {
      if (entry.columns == columns && entry.lengths == stream.lengths) return entry.mask;
    }
    const auto n = static_cast<int64_t>(stream.lengths.size());
    at::Tensor mask = at::zeros({n, 1, 1, columns}, at::kBool);
    bool* at = mask.data_ptr<bool>();
    for (const int64_t length : stream.lengths) {
      std::fill(at + std::min(length, columns), at + columns, true);
      at += columns;
    }
    entries_.push_back({columns, stream.lengths, mask.to(stream.map.device())});
    return entries_.back().mask;
  }

 private:
  struct Entry {
    int64_t columns;
    std::vector<int64_t> lengths;
    at::Tensor mask;
  };
  std::vector<Entry> entries_;
};

/// One pass: what layers with tensors do, and the masks of its batch.
struct Walk {
  const Layers& layers;
  Masks masks;

  at::Tensor run_layer(const at::Tensor& x, const NamedLayer& layer) {
    if (layer.as<ReluLayer>()) return at::relu(x);
    if (const auto* p = layer.as<PoolLayer>()) return pool(x, *p);
    if (const auto* p = layer.as<PickLayer>()) return pick(x, *p);
    return layers.weighted(layer.as<LinearLayer>() ? at::flatten(x, 1) : x, layer);
  }

  /// What a convolution reads.
  at::Tensor masked(const Stream& s) {
    return s.lengths.empty() ? s.map : at::masked_fill(s.map, masks.of(s), 0);
  }

  /// `conv` may be null: the batch norm alone.
  Stream normalise(Stream s, const NamedLayer* conv, const NamedLayer& norm, const at::Tensor& skip,
                   bool relu) {
    if (!conv) {
      s.map = layers.normalise(s.map, norm, skip, relu);
      return s;
    }
    const at::Tensor x = masked(s);
    s.map = layers.convolve_and_normalise
                ? layers.convolve_and_normalise(x, *conv, norm, skip, relu)
                : layers.normalise(layers.weighted(x, *conv), norm, skip, relu);
    for (int64_t& length : s.lengths) length = output_length(*conv->layer, length);
    return s;
  }

  Stream run_chain(Stream s, const std::vector<NamedLayer>& chain) {
    auto is_norm = [&](size_t i) { return i < chain.size() && chain[i].as<BatchNormLayer>(); };
    for (size_t i = 0; i < chain.size(); ++i) {
      const NamedLayer& layer = chain[i];
      const NamedLayer* conv = layer.as<ConvLayer>() && is_norm(i + 1) ? &chain[i++] : nullptr;
      if (is_norm(i)) {
        const bool relu = i + 1 < chain.size() && chain[i + 1].as<ReluLayer>();
        s = normalise(std::move(s), conv, chain[i], {}, relu);
        if (relu) ++i;
        continue;
      }
      if (layer.as<ConvLayer>()) s.map = masked(s);
      s.map = run_layer(s.map, layer);
      for (int64_t& length : s.lengths) length = output_length(*layer.layer, length);
    }
    return s;
  }

  /// A stage whose skips are added before its activation: of one with a batch norm at its end the
  /// first of them goes through that.
  Stream join(Stream s, std::vector<NamedLayer> chain, const std::vector<at::Tensor>& skips) {
    auto ends_in = [&](auto layer) { return !chain.empty() && chain.back().as<decltype(layer)>(); };
    auto take_last = [&] {
      const NamedLayer last = chain.back();
      chain.pop_back();
      return last;
    };
    const bool at_norm = !skips.empty() && ends_in(BatchNormLayer()),
               alone = at_norm && skips.size() == 1;
    if (at_norm) {
      const NamedLayer norm = take_last();
      const bool at_conv = ends_in(ConvLayer());
      const NamedLayer conv = at_conv ? take_last() : NamedLayer();
      s = normalise(run_chain(std::move(s), chain), at_conv ? &conv : nullptr, norm, skips[0],
                    /*relu=*/alone);
    } else {
      s = run_chain(std::move(s), chain);
    }
    for (size_t i = at_norm ? 1 : 0; i < skips.size(); ++i) s.map = at::add(s.map, skips[i]);
    if (!alone) s.map = at::relu(s.map);
    return s;
  }
};

/// What a layer multiplies by, as net::kernel_of, of parameters by name; gradients go back to all.
template <class Parameter>
at::Tensor weight_of(const NamedLayer& layer, const Parameter& parameter) {
  const at::Tensor weight = parameter(layer.name + ".weight");
  const auto* conv = layer.as<ConvLayer>();
  if (!conv || !conv->dirac) return weight;
  const at::Tensor w = weight.to(at::kFloat),
                   size = at::linalg_vector_norm(w, 2, at::IntArrayRef{1, 2, 3}, /*keepdim=*/true),
                   norm = size.add(size.eq(0));  // a filter of 0 stays that
  at::Tensor identity = at::zeros_like(w);
  const int64_t columns = conv->window.kernel.width, centre = centre_tap(conv->window);
  identity.select(3, centre % columns).select(2, centre / columns).diagonal().fill_(1);
  auto by_filter = [&](const char* name) {
    return parameter(layer.name + name).to(at::kFloat).reshape({-1, 1, 1, 1});
  };
  return at::add(at::mul(identity, by_filter(".alpha")), at::mul(w.div(norm), by_filter(".beta")))
      .to(weight.scalar_type());
}

/// The lengths that matter: none where the network does not mask, or nothing is beyond them.
std::vector<int64_t> lengths_to_mask(const Network& network, const at::Tensor& input,
                                     const Lengths& lengths) {
  const int64_t columns = input.size(3);
  if (lengths.empty() || !network.masks_padding) return {};
  TAILOR_CHECK(static_cast<int64_t>(lengths.size()) == input.size(0), "{} lengths of {} examples",
               lengths.size(), input.size(0));
  bool all = true;
  for (const int64_t length : lengths) {
    TAILOR_CHECK(length >= 0 && length <= columns, "a length of {} in {} columns", length, columns);
    all &= length == columns;
  }
  return all ? Lengths() : lengths;
}

/// Walks the chain of every block from the first on and adds the skips that end at each point: the
/// one definition of what a description computes in LibTorch.
at::Tensor walk_network(const Network& network, const at::Tensor& input, const Lengths& lengths,
                        const Layers& layers, BlockMaps* maps, size_t first_block = 0) {
  Walk walk{layers, {}};
  Stream s{input, lengths_to_mask(network, input, lengths)};
  if (maps) maps->maps.assign(maps->blocks.size(), {});
  for (size_t b = first_block; b < network.blocks.size(); ++b) {
    const Block& block = network.blocks[b];
    std::vector<Stream> points = {s};
    for (size_t i = 1; i <= block.stages.size(); ++i) {
      std::vector<NamedLayer> chain = stage_layers(block, i);
      const bool relu_last =
          network.join == Join::BeforeActivation && ends_in_relu(block.stages[i - 1].layers);
      std::vector<at::Tensor> skips;
      for (const Skip& skip : block.skips) {
        if (skip.to != static_cast<int64_t>(i)) continue;
        const at::Tensor map =
            walk.run_chain(points[static_cast<size_t>(skip.from)], skip_layers(skip)).map;
        skips.push_back(skip.weight == 1 ? map : at::mul(map, skip.weight));
      }
      if (relu_last && !skips.empty()) {
        chain.pop_back();
        s = walk.join(std::move(s), std::move(chain), skips);
      } else {
        s = walk.run_chain(std::move(s), chain);
        for (const at::Tensor& skip : skips) s.map = at::add(s.map, skip);
      }
      points.push_back(s);
    }
    for (size_t i = 0; maps && i < maps->blocks.size(); ++i) {
      if (maps->blocks[i] == b) maps->maps[i] = s.map;
    }
  }
  const at::Tensor x = walk.run_chain(std::move(s), head_layers(network)).map;
  if (!network.answers_per_position()) return at::flatten(x, 1);
  return at::flatten(x.permute({0, 2, 3, 1}), 1, 2);
}

}  // namespace

std::vector<at::Tensor> BlockMaps::of(const std::vector<size_t>& some) const {
  std::vector<at::Tensor> result;
  result.reserve(some.size());
  for (const size_t block : some) {
    const auto found = std::find(blocks.begin(), blocks.end(), block);
    TAILOR_CHECK(found != blocks.end(), "no map was asked of block {}", block);
    result.push_back(maps[static_cast<size_t>(found - blocks.begin())]);
  }
  return result;
}

Arithmetic::Arithmetic(at::ScalarType maps_of, at::Device device)
    : maps(maps_of),
      weights(device.is_cpu() && has_narrow_kernels() ? at::ScalarType::Float : maps_of) {}

Model::Model(Network network, const TensorMap& tensors, at::Device device, at::ScalarType compute)
    : network_(std::move(network)), arithmetic_(compute, device) {
  verify_tensors(network_, tensors, "the model");
  parameters_ = Parameters(tensor_specs(network_), tensors, device, arithmetic_.weights);
}

at::Tensor Model::forward(const at::Tensor& x, bool training, const Lengths& lengths,
                          std::vector<ConvCall>* calls, BlockMaps* maps) {
  if (quantised_) {
    TAILOR_CHECK(!maps, "{} is quantised, and has no maps in floating point", network_.name);
    return quantised_->forward(x, parameters_,
                               training && !frozen_ ? Normalisation::Batch : Normalisation::Folded,
                               network_.bn_momentum);
  }
  return run(x, training, network_.bn_momentum, lengths, calls, maps);
}

void Model::quantise(const TrainedPrecision& trained) {
  TAILOR_CHECK(compute() == at::kFloat, "{} is quantised, and computes in bfloat16", network_.name);
  quantised_.emplace(network_, trained, device());
}

at::Tensor Model::forward_exactly(const at::Tensor& x) {
  TAILOR_CHECK(quantised_, "{} is not quantised", network_.name);
  at::NoGradGuard no_grad;
  return quantised_->forward(x.to(at::kDouble), parameters_, Normalisation::Folded, 0);
}

void Model::absorb_statistics(const at::Tensor& x, double momentum, const Lengths& lengths) {
  at::NoGradGuard no_grad;
  if (quantised_) {
    quantised_->forward(x, parameters_, Normalisation::Batch, momentum);
  } else {
    run(x, /*training=*/true, momentum, lengths, nullptr, nullptr);
  }
}

at::Tensor Model::run(const at::Tensor& x, bool training, double bn_momentum,
                      const Lengths& lengths, std::vector<ConvCall>* calls, BlockMaps* maps) {
  const bool steps = training && at::GradMode::is_enabled();
  const at::ScalarType compute = steps ? arithmetic_.maps : at::ScalarType::Float;
  auto parameter = [&](const std::string& name) {
    return compute == at::kFloat ? parameters_.master(name) : parameters_.parameter(name);
  };
  auto convolved = [&](const at::Tensor& in, const NamedLayer& layer, const at::Tensor& weight) {
    const std::string& name = layer.name;
    const auto* conv = layer.as<ConvLayer>();
    const ConvGeometry geometry{conv->window, conv->groups};
    const at::Tensor bias = conv->bias ? parameter(name + ".bias") : at::Tensor();
    const bool forks = side_ && training && !conv->dirac && at::GradMode::is_enabled() &&
                       gpu::can_fork(in, geometry, bias);
    const at::Tensor y = forks ? gpu::forked_convolve(in, geometry, weight, *side_)
                               : convolve(in, geometry, weight, bias);
    if (calls) calls->push_back({name, geometry, in, weight, bias, y});
    return y;
  };
  Layers layers;
  layers.weighted = [&](const at::Tensor& in, const NamedLayer& layer) {
    const at::Tensor weight = weight_of(layer, parameter);
    return layer.as<ConvLayer>()
               ? convolved(in, layer, weight)
               : at::linear(in.to(weight.scalar_type()), weight, parameter(layer.name + ".bias"));
  };
  auto norm_of = [&](const std::string& name) {
    return NormParameters{parameter(name + ".weight"),
                          parameter(name + ".bias"),
                          parameters_.buffer(name + ".running_mean"),
                          parameters_.buffer(name + ".running_var"),
                          bn_momentum,
                          network_.bn_epsilon};
  };
  layers.normalise = [&](const at::Tensor& in, const NamedLayer& layer, const at::Tensor& skip,
                         bool relu) {
    const NormParameters norm = norm_of(layer.name);
    if (sum_ && training && at::GradMode::is_enabled())
      return add_and_activate(normalise_shared(in, norm, sum_), skip, relu);
    if (training && is_for_fused_norm(in, skip)) return fused_norm(in, norm, skip, relu);
    const at::Tensor y =
        at::batch_norm(in, norm.gamma, norm.beta, norm.running_mean, norm.running_variance,
                       training, bn_momentum, network_.bn_epsilon, /*cudnn_enabled=*/in.is_cuda());
    return add_and_activate(y, skip, relu);
  };
  if (training && !sum_ && !calls && uses_fast_kernels()) {
    layers.convolve_and_normalise = [&](const at::Tensor& in, const NamedLayer& conv,
                                        const NamedLayer& norm, const at::Tensor& skip, bool relu) {
      const auto* c = conv.as<ConvLayer>();
      const ConvGeometry geometry{c->window, c->groups};
      const at::Tensor weight = weight_of(conv, parameter);
      if (c->bias || !is_for_conv_norm(in, geometry, weight, skip))
        return layers.normalise(convolved(in, conv, weight), norm, skip, relu);
      return conv_norm(in, geometry, weight, norm_of(norm.name), skip, relu);
    };
  }
  return walk_network(network_, x.to(compute), lengths, layers, maps).to(at::kFloat);
}

void Model::weigh_skips(const SkipWeights& weights) {
  for (Block& block : network_.blocks) {
    for (Skip& skip : block.skips) {
      if (const auto found = weights.find(skip.id); found != weights.end())
        skip.weight = found->second;
    }
  }
}

void Model::alter(Network network, const TensorMap& added) {
  TensorMap values = tensors();
  for (const auto& [name, tensor] : added) values[name] = tensor;
  network_ = std::move(network);
  const std::vector<TensorSpec> specs = tensor_specs(network_);
  for (const TensorSpec& spec : specs) find_tensor(values, spec.name, "the altered model");
  parameters_ = Parameters(specs, values, device(), arithmetic_.weights);
  if (quantised_) quantise(TrainedPrecision(quantised_->trained()));
}

Tensor run_network(const Network& network, const TensorMap& tensors, const Tensor& inputs) {
  at::NoGradGuard no_grad;
  const at::Tensor planes = host_view(inputs).permute({0, 3, 1, 2}).contiguous();
  return to_host(Model(network, tensors).forward(planes, /*training=*/false));
}

namespace {

/// One value a channel, as it multiplies and adds to a map.
at::Tensor by_channel(const std::vector<double>& values) {
  const auto n = static_cast<int64_t>(values.size());
  return at::from_blob(const_cast<double*>(values.data()), {1, n, 1, 1}, at::kDouble)
      .to(at::kFloat);
}

}  // namespace

FrozenModel::FrozenModel(const Network& network, const TensorMap& tensors, at::Device device,
                         at::ScalarType compute)
    : network_(network), arithmetic_(compute, device) {
  verify_tensors(network, tensors, "the frozen model");
  at::NoGradGuard no_grad;  // an inference tensor could not be kept for a backward pass
  auto keep = [&](const std::string& name, const at::Tensor& host, at::ScalarType type) {
    weights_[name] = host.clone().to(device, type);
  };
  const std::vector<PlacedLayer> layers = placed_layers(network);
  for (size_t i = 0; i < layers.size(); ++i) {
    const PlacedLayer& layer = layers[i];
    const std::string &name = layer.name, weight = name + ".weight", bias = name + ".bias";
    if (layer.as<ConvLayer>()) {
      const bool has_norm = i + 1 < layers.size() && layers[i + 1].chain == layer.chain &&
                            layers[i + 1].as<BatchNormLayer>();
      const auto [w, b] =
          fold_batch_norm(tensors, layer, has_norm ? layers[i + 1].name : "", network.bn_epsilon);
      keep(weight, host_view(w).contiguous(at::MemoryFormat::ChannelsLast), arithmetic_.weights);
      // On a GPU a bias comes with the skip and the ReLU behind it, where the batch norm was.
      if (has_norm && device.is_cuda() && arithmetic_.maps == at::kBFloat16) {
        keep(layers[i + 1].name + ".shift", host_view(b), at::kFloat);
      } else {
        keep(bias, host_view(b), arithmetic_.weights);
      }
      if (has_norm) ++i;
    } else if (layer.as<BatchNormLayer>()) {
      const ScaleShift bn = scale_and_shift(tensors, name, network.bn_epsilon);
      keep(weight, by_channel(bn.scale), arithmetic_.maps);
      keep(bias, by_channel(bn.shift), arithmetic_.maps);
    } else if (layer.as<LinearLayer>()) {
      keep(weight, host_view(tensors.at(weight)), arithmetic_.weights);
      keep(bias, host_view(tensors.at(bias)), arithmetic_.weights);
    }
  }
}

at::Tensor FrozenModel::normalise(const at::Tensor& in, const std::string& name,
                                  const at::Tensor& skip, bool relu) const {
  if (const auto shift = weights_.find(name + ".shift"); shift != weights_.end()) {
    if (!at::GradMode::is_enabled() && gpu::is_for_fused_norm(in, skip))
      return gpu::fused_bias(in, shift->second, skip, relu);
    const at::Tensor by_channel = shift->second.to(arithmetic_.maps).reshape({1, -1, 1, 1});
    return add_and_activate(at::add(in, by_channel), skip, relu);
  }
  const at::Tensor map = in.dim() == 4 ? in : at::reshape(in, {in.size(0), -1, 1, 1});
  return add_and_activate(
      at::add(at::mul(map, weights_.at(name + ".weight")), weights_.at(name + ".bias")), skip,
      relu);
}

at::Tensor FrozenModel::walk(const at::Tensor& x, size_t first_block, const Lengths& lengths,
                             BlockMaps* maps) const {
  Layers layers;
  layers.weighted = [&](const at::Tensor& in, const NamedLayer& layer) -> at::Tensor {
    const at::Tensor& weight = weights_.at(layer.name + ".weight");
    const auto bias = weights_.find(layer.name + ".bias");
    const at::Tensor added = bias == weights_.end() ? at::Tensor() : bias->second;
    if (const auto* conv = layer.as<ConvLayer>())
      return convolve(in, {conv->window, conv->groups}, weight, added);
    return at::linear(in.to(weight.scalar_type()), weight, added);
  };
  layers.normalise = [&](const at::Tensor& in, const NamedLayer& layer, const at::Tensor& skip,
                         bool relu) { return normalise(in, layer.name, skip, relu); };
  layers.convolve_and_normalise = [&](const at::Tensor& in, const NamedLayer& conv,
                                      const NamedLayer& norm, const at::Tensor& skip, bool relu) {
    const auto bias = weights_.find(conv.name + ".bias");
    if (bias == weights_.end()) return normalise(layers.weighted(in, conv), norm.name, skip, relu);
    const auto* c = conv.as<ConvLayer>();
    const ConvGeometry geometry{c->window, c->groups};
    const at::Tensor& weight = weights_.at(conv.name + ".weight");
    return at::GradMode::is_enabled()
               ? add_and_activate(convolve(in, geometry, weight, bias->second), skip, relu)
               : convolve_and_add(in, geometry, weight, bias->second, skip, relu);
  };
  return walk_network(network_, x.to(arithmetic_.maps), lengths, layers, maps, first_block)
      .to(at::kFloat);
}

at::Tensor FrozenModel::forward(const at::Tensor& x, const Lengths& lengths,
                                BlockMaps* maps) const {
  at::Tensor logits;
  {
    c10::InferenceMode guard;
    logits = walk(x, 0, lengths, maps);
  }
  // An inference tensor cannot be kept for a backward pass.
  if (maps) {
    for (at::Tensor& map : maps->maps) map = map.clone();
  }
  return logits.clone();
}

at::Tensor FrozenModel::forward_from(size_t block, const at::Tensor& map) const {
  return walk(map, block, {}, nullptr);
}

}  // namespace tailor::nn

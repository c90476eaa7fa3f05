#include "tailor/nn/quantised.h"

#include <ATen/ops/add.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/div.h>
#include <ATen/ops/flatten.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "nn/cast.h"
#include "nn/convolution.h"
#include "nn/layers.h"
#include "nn/learned_ranges.h"
#include "nn/weight_cast.h"
#include "tailor/design/channel_scales.h"
#include "tailor/design/fewest_bits.h"
#include "tailor/design/lower.h"
#include "tailor/ir/weights.h"

namespace tailor::nn {

/// Where the weights of a node of the graph come from: a convolution or linear layer, with the
/// batch norm behind it; a batch norm alone, or a mean over windows, which are convolutions of each
/// channel with equal weights.
struct WeightSource {
  std::string layer, bn;  // empty: there is none
  bool has_bias = false;
  double constant = 1;  // of every weight, without a layer
  ConvGeometry geometry;
  int64_t channels = 0;
};

/// A skip that is part of a kernel: an identity, pixels picked, or a convolution of its own.
struct FoldedSkip {
  const PickLayer* pick = nullptr;
  const WeightSource* source = nullptr;
  at::Tensor taps;  // float64, of the kernel's shape: what an identity or pick adds to it
};

namespace {

/// Leaves whose gradients the casts give, by stage.
using RangeLeaves = std::map<std::string, at::Tensor>;

/// Below this a batch norm's scale says nothing of its weights' rounding: they are left as they
/// are. A new projection begins with 0.
constexpr double kNoScale = 1e-12;

/// A weight and bias, float64.
struct FoldedWeights {
  at::Tensor weight, bias;
};

at::Tensor as_double(const at::Tensor& t) { return t.to(at::kDouble); }

/// What batch norm multiplies by in eval mode, float64 (fold_batch_norm does the same).
at::Tensor scale_of(const WeightSource& s, const Parameters& p, double epsilon) {
  const at::Tensor variance = as_double(p.buffer(s.bn + ".running_var"));
  return at::div(as_double(p.parameter(s.bn + ".weight")), variance.add(epsilon).sqrt());
}

at::Tensor plain_weight(const WeightSource& s, const Parameters& p) {
  if (!s.layer.empty()) return as_double(p.parameter(s.layer + ".weight"));
  const Size2& k = s.geometry.window.kernel;
  return at::full({s.channels, 1, k.height, k.width},
                  static_cast<double>(static_cast<float>(s.constant)),
                  at::TensorOptions(at::kDouble).device(p.device()));
}

FoldedWeights fold_source(const WeightSource& s, const Parameters& p, double epsilon) {
  FoldedWeights f{plain_weight(s, p), at::Tensor()};
  f.bias = s.has_bias ? as_double(p.parameter(s.layer + ".bias"))
                      : at::zeros({f.weight.size(0)}, f.weight.options());
  if (s.bn.empty()) return f;
  const at::Tensor scale = scale_of(s, p, epsilon);
  f.weight = at::mul(f.weight, per_output(scale, f.weight));
  f.bias = at::add(at::mul(f.bias.sub(as_double(p.buffer(s.bn + ".running_mean"))), scale),
                   as_double(p.parameter(s.bn + ".bias")));
  return f;
}

/// Whose batch norms are the batch's: the weight that, once scaled, is the cast one.
at::Tensor cast_unscaled(const WeightSource& s, const Parameters& p, double epsilon,
                         const WeightCast& cast_weight) {
  const at::Tensor weight = plain_weight(s, p);
  if (s.bn.empty()) return cast_weight(weight);
  const at::Tensor scale = per_output(scale_of(s, p, epsilon).detach(), weight);
  const at::Tensor says = scale.abs().gt(kNoScale);
  const at::Tensor divisor = at::where(says, scale, at::ones_like(scale));
  return at::where(says, at::div(cast_weight(at::mul(weight, divisor)), divisor), weight);
}

at::Tensor for_map(const at::Tensor& weight, const at::Tensor& x) {
  const at::Tensor t = weight.to(x.scalar_type());
  return t.dim() == 4 ? t.contiguous(at::MemoryFormat::ChannelsLast) : t.contiguous();
}

/// A 1x1 weight [out, in / groups], in the blocks of another number of groups, at the tap that
/// reads the skip's pixel.
at::Tensor at_centre_tap(const at::Tensor& weight, int64_t from_groups, const ConvGeometry& to,
                         const Shape& shape) {
  const int64_t out = shape[0], read = shape[1], part = weight.size(1);
  at::Tensor blocks = weight.reshape({out, part});
  if (from_groups != to.groups) {  // out of the whole matrix, which is zero between blocks
    const int64_t in = read * to.groups;
    at::Tensor selects = at::zeros({out, part, in}, at::kDouble);
    auto* s = selects.data_ptr<double>();
    for (int64_t o = 0; o < out; ++o) {
      for (int64_t i = 0; i < part; ++i)
        s[(o * part + i) * in + o / (out / from_groups) * part + i] = 1;
    }
    blocks = at::sum(at::mul(blocks.unsqueeze(2), selects.to(weight.device())), {1})
                 .reshape({out, to.groups, read})
                 .sum({1});
  }
  const Window& w = to.window;
  const int64_t y = centre_tap(w) / w.kernel.width, x = centre_tap(w) % w.kernel.width;
  return at::constant_pad_nd(blocks.reshape({out, read, 1, 1}),
                             {x, w.kernel.width - 1 - x, y, w.kernel.height - 1 - y}, 0);
}

}  // namespace

struct QuantisedForm::Stages {
  Network network;
  Graph graph;
  Precision precision;
  std::map<std::string, WeightSource> sources;            // by the node's name
  std::map<std::string, std::vector<FoldedSkip>> folded;  // by the kernel's node
  RangeLeaves weight_ranges, value_ranges;                // of learned types
  double epsilon;

  explicit Stages(const Network& n) : network(n), epsilon(n.bn_epsilon) { find_sources(); }

  void find_sources() {
    const std::vector<PlacedLayer> layers = placed_layers(network);
    for (size_t i = 0; i < layers.size(); ++i) {
      const PlacedLayer& layer = layers[i];
      auto same_chain = [&](size_t k) {
        return k < layers.size() && layers[k].chain == layer.chain;
      };
      WeightSource s;
      s.channels = layer.out.channels;
      if (const auto* conv = layer.as<ConvLayer>()) {
        s.layer = layer.name, s.has_bias = conv->bias;
        s.geometry = {conv->window, conv->groups};
        if (same_chain(i + 1) && layers[i + 1].as<BatchNormLayer>()) s.bn = layers[i + 1].name;
        sources[layer.name] = s;
      } else if (layer.as<LinearLayer>()) {
        s.layer = layer.name, s.has_bias = true;
        sources[layer.name] = s;
      } else if (layer.as<BatchNormLayer>()) {
        s.bn = layer.name, s.geometry.groups = s.channels;
        sources[layer.name + ".scale"] = s;  // unused where a convolution takes it
      } else if (const auto* p = layer.as<PoolLayer>(); p && p->kind == PoolKind::Average) {
        s.constant = 1.0 / static_cast<double>(p->window.taps());
        s.geometry = {p->window, s.channels};
        sources[layer.name] = s;
      }
    }
  }

  /// The type of a range, which may be null: of a stage that is not learned.
  const FixedType* type_of(const Node& node, bool of_weights) const {
    const Traits& t = node.traits();
    if (node.outputs.empty() || t.port || t.keeps_type) return nullptr;
    if (!of_weights) {
      const FixedType& type = *graph.value(node.outputs[0]).type;
      return type == node.hardware.accumulator ? nullptr : &type;
    }
    const auto source = sources.find(node.name);
    const bool trained =
        source != sources.end() && !(source->second.layer.empty() && source->second.bn.empty());
    if (!t.has_weights || !trained || is_binary(*node.hardware.weight)) return nullptr;
    return &*node.hardware.weight;
  }

  const Skip& skip(const std::string& id) const {
    for (const Block& block : network.blocks) {
      for (const Skip& s : block.skips) {
        if (s.id == id) return s;
      }
    }
    fail(ErrorKind::Internal, "{} has no skip {}", network.name, id);
  }

  /// Once the graph is there.
  void find_folded() {
    for (const Node& node : graph.nodes) {
      const auto* conv = node.op.get_if<ops::Conv2d>();
      if (!conv) continue;
      for (const std::string& id : conv->folded_skips) {
        const std::vector<NamedLayer> layers = skip_layers(skip(id));
        FoldedSkip f;
        if (layers.empty() || layers[0].as<PickLayer>()) {
          f.pick = layers.empty() ? nullptr : layers[0].as<PickLayer>();
          f.taps = ones_of(node, *conv, f.pick ? f.pick->channel_offset : 0);
        } else {
          const bool alone = layers[0].as<BatchNormLayer>() != nullptr;
          f.source = &sources.at(layers[0].name + (alone ? ".scale" : ""));
        }
        folded[node.name].push_back(f);
      }
    }
  }

  at::Tensor ones_of(const Node& node, const ops::Conv2d& conv, int64_t offset) const {
    const MapShape &in = graph.value(node.inputs[0]).shape,
                   &out = graph.value(node.outputs[0]).shape;
    const Window& w = conv.window;
    const int64_t read = in.channels / conv.groups, taps = w.taps(), centre = centre_tap(w);
    at::Tensor ones = at::zeros({out.channels, read, w.kernel.height, w.kernel.width}, at::kDouble);
    for (int64_t i = 0; i < in.channels; ++i)
      ones.data_ptr<double>()[((i + offset) * read + i % read) * taps + centre] = 1;
    return ones;
  }
};

namespace {

/// One pass over the graph. Every value is what its stream carries.
class Pass {
 public:
  using Skips = std::map<std::string, std::vector<FoldedSkip>>;
  Pass(const Graph& graph, const Precision& precision,
       const std::map<std::string, WeightSource>& sources, const Skips& folded,
       const RangeLeaves& weight_ranges, const RangeLeaves& value_ranges,
       const Parameters& parameters, double epsilon, Normalisation normalisation, double momentum)
      : graph_(graph),
        precision_(precision),
        sources_(sources),
        folded_(folded),
        weight_ranges_(weight_ranges),
        value_ranges_(value_ranges),
        parameters_(parameters),
        epsilon_(epsilon),
        batch_(normalisation == Normalisation::Batch),
        momentum_(momentum),
        values_(graph.values.size()),
        last_(graph.values.size(), nullptr) {
    for (const Node& node : graph.nodes) {
      for (ValueId id : node.inputs) last_[id] = &node;
    }
  }

  at::Tensor run(const at::Tensor& x) {
    exact_ = x.scalar_type() == at::kDouble;
    for (const Node& node : graph_.nodes) {
      if (node.is<ops::Output>()) return value(node, 0);
      const at::Tensor y = node.is<ops::Input>() ? cast(x, type_of(node)) : compute(node);
      for (size_t i = 1; i < node.outputs.size(); ++i)
        values_[node.outputs[i]] = node.traits().forwards_input ? handed_on(node) : y;
      values_[node.outputs[0]] = y;
      for (ValueId id : node.inputs) {
        if (last_[id] == &node) values_[id] = at::Tensor();
      }
    }
    fail(ErrorKind::Internal, "{} has no output", graph_.name);
  }

 private:
  const at::Tensor& value(const Node& node, size_t input) const {
    return values_[node.inputs[input]];
  }
  /// Its input's pixels at its output's places.
  at::Tensor handed_on(const Node& node) const {
    return pick(value(node, 0),
                {graph_.value(node.inputs[0]).shape.channels, stride_handed_on(node), 0});
  }
  const FixedType& type_of(const Node& node) const { return *graph_.value(node.outputs[0]).type; }
  static at::Tensor range_in(const RangeLeaves& ranges, const Node& node) {
    const auto found = ranges.find(node.name);
    return found == ranges.end() ? at::Tensor() : found->second;
  }
  WeightCast weight_cast(const Node& node) const {
    return {*node.hardware.weight, node.hardware.scale, range_in(weight_ranges_, node), exact_,
            given_steps(node)};
  }
  /// Folded as fold_batch_norm folds them.
  std::vector<double> given_steps(const Node& node) const {
    std::vector<double> steps = precision_.steps(node.name);
    const WeightSource& s = sources_.at(node.name);
    if (steps.empty() || s.bn.empty()) return steps;
    const at::Tensor factors =
        scale_of(s, parameters_, epsilon_).detach().to(at::kCPU).contiguous();
    for (size_t o = 0; o < steps.size(); ++o) steps[o] *= std::abs(factors.data_ptr<double>()[o]);
    return steps;
  }
  /// A weight as the stage has it, for its map.
  at::Tensor cast_weight(const at::Tensor& weight, const Node& node, const at::Tensor& x) const {
    return for_map(weight_cast(node)(weight), x);
  }
  /// Logits leave as they are.
  at::Tensor cast_sum(const at::Tensor& sum, const Node& node, bool relu) const {
    const FixedType& type = type_of(node);
    if (type != node.hardware.accumulator)
      return cast(sum, type, relu, range_in(value_ranges_, node));
    return relu ? at::relu(sum) : sum;
  }

  at::Tensor compute(const Node& node) const {
    if (node.is<ops::Conv2d>()) return conv2d(node);
    if (node.is<ops::Dense>()) return dense(node);
    const at::Tensor& x = value(node, 0);
    if (const auto* a = node.op.get_if<ops::MaxPool2d>()) return max_pool(x, a->window);
    if (node.is<ops::GlobalAvgPool>()) return average(node);
    if (const auto* a = node.op.get_if<ops::ShortcutPad>()) {
      const int64_t out = graph_.value(node.outputs[0]).shape.channels;
      return pick(x, {out, a->stride, a->channel_offset});
    }
    if (const auto* a = node.op.get_if<ops::ZeroPad>()) {
      const Pads& p = a->pads;
      return at::constant_pad_nd(x, {p.left, p.right, p.top, p.bottom},
                                 a->lowest ? -std::numeric_limits<double>::infinity() : 0.0);
    }
    if (node.is<ops::Relu>()) return at::relu(x);
    if (node.is<ops::Add>()) return cast_sum(add_skips(x, node), node, false);
    if (node.is<ops::Clone>()) return x;
    fail(ErrorKind::Unsupported, "{} ({}): quantised training has no such stage", node.name,
         to_string(node.op));
  }

  at::Tensor add_skips(at::Tensor sum, const Node& node) const {
    for (size_t s = 1; s < node.inputs.size(); ++s) sum = at::add(sum, value(node, s));
    return sum;
  }

  at::Tensor conv2d(const Node& node) const {
    const auto& a = node.as<ops::Conv2d>();
    const at::Tensor& x = value(node, 0);
    at::Tensor sum = batch_ ? batch_sum(node, a, x) : folded_sum(node, a, x);
    auto with_skips = [&](at::Tensor y) {
      y = add_skips(std::move(y), node);
      for (size_t s = 0; s < a.window_skips.size(); ++s) y = at::add(y, x);
      return y;
    };
    if (!a.skips_after_activation) return cast_sum(with_skips(sum), node, a.relu);
    return cast_sum(with_skips(a.relu ? at::relu(sum) : sum), node, false);
  }

  const std::vector<FoldedSkip>& folded_into(const Node& node) const {
    static const std::vector<FoldedSkip> none;
    const auto found = folded_.find(node.name);
    return found == folded_.end() ? none : found->second;
  }

  ConvGeometry geometry_in(const ops::Conv2d& a) const { return {a.window, a.groups}; }

  at::Tensor folded_sum(const Node& node, const ops::Conv2d& a, const at::Tensor& x) const {
    FoldedWeights f = fold_source(sources_.at(node.name), parameters_, epsilon_);
    for (const FoldedSkip& skip : folded_into(node)) {
      if (!skip.source) {
        f.weight = at::add(f.weight, skip.taps.to(f.weight.device()));
        continue;
      }
      const FoldedWeights term = fold_source(*skip.source, parameters_, epsilon_);
      const Shape shape(f.weight.sizes().begin(), f.weight.sizes().end());
      f.weight = at::add(f.weight, at_centre_tap(term.weight, skip.source->geometry.groups,
                                                 geometry_in(a), shape));
      f.bias = at::add(f.bias, term.bias);
    }
    return convolve(x, geometry_in(a), cast_weight(f.weight, node, x),
                    for_map(cast(f.bias, *node.hardware.bias), x));
  }

  /// A convolution with its batch norm as batch statistics have it.
  at::Tensor normalised(const WeightSource& s, const ConvGeometry& geometry, const at::Tensor& x,
                        const Node& node) const {
    const at::Tensor bias =
        s.has_bias ? parameters_.parameter(s.layer + ".bias").to(x.scalar_type()) : at::Tensor();
    const at::Tensor y = convolve(
        x, geometry, for_map(cast_unscaled(s, parameters_, epsilon_, weight_cast(node)), x), bias);
    if (s.bn.empty()) return y;
    return at::batch_norm(
        y, parameters_.parameter(s.bn + ".weight"), parameters_.parameter(s.bn + ".bias"),
        parameters_.buffer(s.bn + ".running_mean"), parameters_.buffer(s.bn + ".running_var"),
        /*training=*/true, momentum_, epsilon_, /*cudnn_enabled=*/y.is_cuda());
  }

  at::Tensor batch_sum(const Node& node, const ops::Conv2d& a, const at::Tensor& x) const {
    at::Tensor sum = normalised(sources_.at(node.name), geometry_in(a), x, node);
    for (const FoldedSkip& skip : folded_into(node)) {
      const at::Tensor term = skip.source ? normalised(*skip.source, skip.source->geometry, x, node)
                              : skip.pick ? pick(x, *skip.pick)
                                          : x;
      sum = at::add(sum, term);
    }
    return sum;
  }

  at::Tensor dense(const Node& node) const {
    const at::Tensor& x = value(node, 0);
    const FoldedWeights f = fold_source(sources_.at(node.name), parameters_, epsilon_);
    const at::Tensor y = at::linear(at::flatten(x, 1), cast_weight(f.weight, node, x),
                                    for_map(cast(f.bias, *node.hardware.bias), x));
    const at::Tensor map = y.reshape({y.size(0), y.size(1), 1, 1});
    return cast_sum(map, node, false);
  }

  at::Tensor average(const Node& node) const {
    const at::Tensor& x = value(node, 0);
    const FixedType& reciprocal = *node.hardware.reciprocal;
    const double pixels = static_cast<double>(x.size(2) * x.size(3));
    const double share = reciprocal.to_double(quantise(1.0 / pixels, reciprocal));
    const at::Tensor sum = at::sum(x, {2, 3}, /*keepdim=*/true, at::kDouble);
    return cast(at::mul(sum, share), type_of(node), false, range_in(value_ranges_, node))
        .to(x.scalar_type());
  }

  const Graph& graph_;
  const Precision& precision_;
  const std::map<std::string, WeightSource>& sources_;
  const Skips& folded_;
  const RangeLeaves &weight_ranges_, &value_ranges_;
  const Parameters& parameters_;
  const double epsilon_;
  const bool batch_;
  bool exact_ = false;
  const double momentum_;
  ByValue<at::Tensor> values_;
  ByValue<const Node*> last_;  // that reads it
};

}  // namespace

QuantisedForm::QuantisedForm(const Network& network, const TrainedPrecision& trained,
                             at::Device device)
    : trained_(trained), device_(device) {
  if (network.masks_padding) {
    fail(ErrorKind::Unsupported,
         "{} masks what is beyond an example's length: such a network is not trained quantised; "
         "leave /quantization out and export it with --precision",
         network.name);
  }
  for (const PlacedLayer& layer : placed_layers(network)) {
    const auto* conv = layer.as<ConvLayer>();
    if (!conv || !conv->dirac) continue;
    fail(ErrorKind::Unsupported,
         "{}: {} is dirac, and quantised training learns kernels; train it without /quantization "
         "and begin another run with what tailor export --format safetensors --rules NAME and "
         "tailor import make of it",
         network.name, layer.name);
  }
  auto stages = std::make_unique<Stages>(network);
  // Which stages there are depends on no weight (Precision::trained).
  TensorMap ones;
  for (const TensorSpec& spec : tensor_specs(network)) {
    Tensor& t = ones.emplace(spec.name, Tensor(DType::F32, spec.shape)).first->second;
    for (float& v : t.as<float>()) v = 1;
  }
  const Plan plan = plan_trained(lower(network, ones, network.name), trained);
  stages->graph = plan.graph();
  stages->precision = plan.precision();
  stages->graph.tensors.clear();
  stages->find_folded();
  stages_ = std::move(stages);
  if (trained_.learns_points) begin_ranges();
}

/// One for every type that training has: as it was learnt so far, or where the type ends. What an
/// alteration has made superfluous goes.
void QuantisedForm::begin_ranges() {
  std::vector<LearnedRange> known = std::move(trained_.ranges);
  trained_.ranges.clear();
  for (const Node& node : stages_->graph.nodes) {
    for (bool of_weights : {true, false}) {
      const FixedType* type = stages_->type_of(node, of_weights);
      if (!type) continue;
      const auto found = std::find_if(known.begin(), known.end(), [&](const LearnedRange& r) {
        return r.stage == node.name && r.of_weights == of_weights;
      });
      trained_.ranges.push_back(found != known.end()
                                    ? *found
                                    : range_of(node.name, of_weights, *type,
                                               /*learns_width=*/trained_.mean_bits > 0));
      RangeLeaves& leaves = of_weights ? stages_->weight_ranges : stages_->value_ranges;
      leaves[node.name] =
          at::zeros({2}, at::TensorOptions(at::kFloat).device(device_)).set_requires_grad(true);
    }
  }
}

/// In the order of the ranges; one transfer from the device.
std::vector<RangeGradient> QuantisedForm::take_range_gradients() {
  std::vector<at::Tensor> all;
  for (const LearnedRange& r : trained_.ranges) {
    at::Tensor& leaf = (r.of_weights ? stages_->weight_ranges : stages_->value_ranges).at(r.stage);
    all.push_back(leaf.grad().defined() ? leaf.grad() : at::zeros_like(leaf).detach());
    leaf.mutable_grad() = at::Tensor();
  }
  std::vector<RangeGradient> gradients(all.size());
  if (all.empty()) return gradients;
  const at::Tensor on_host = at::stack(all).to(at::kDouble).to(at::kCPU).contiguous();
  const auto* values = on_host.data_ptr<double>();
  for (size_t i = 0; i < gradients.size(); ++i) gradients[i] = {values[2 * i], values[2 * i + 1]};
  return gradients;
}

bool QuantisedForm::step_ranges(double rate) {
  if (!trained_.learns_points) return false;
  const std::vector<RangeGradient> gradients = take_range_gradients();
  const auto type_of = [&](const LearnedRange& r) {
    const auto node = std::find_if(stages_->graph.nodes.begin(), stages_->graph.nodes.end(),
                                   [&](const Node& n) { return n.name == r.stage; });
    return *stages_->type_of(*node, r.of_weights);
  };
  if (!nn::step_ranges(trained_, stages_->graph, gradients, type_of, rate)) return false;
  *this = QuantisedForm(Network(stages_->network), TrainedPrecision(trained_), device_);
  return true;
}

double QuantisedForm::mean_bits() const { return mean_product_bits(stages_->graph); }

QuantisedForm::~QuantisedForm() = default;
QuantisedForm::QuantisedForm(QuantisedForm&&) noexcept = default;
QuantisedForm& QuantisedForm::operator=(QuantisedForm&&) noexcept = default;

at::Tensor QuantisedForm::forward(const at::Tensor& x, const Parameters& parameters,
                                  Normalisation normalisation, double bn_momentum) const {
  const at::Tensor y = Pass(stages_->graph, stages_->precision, stages_->sources, stages_->folded,
                            stages_->weight_ranges, stages_->value_ranges, parameters,
                            stages_->epsilon, normalisation, bn_momentum)
                           .run(x);
  if (!stages_->network.answers_per_position()) return at::flatten(y, 1);
  return at::flatten(y.permute({0, 2, 3, 1}), 1, 2);
}

}  // namespace tailor::nn

#include "tailor/design/lower.h"

#include "tailor/core/strings.h"
#include "tailor/emulate/witness.h"

namespace tailor {
namespace {

/// [out, channels of all pixels] → [out, pixels with all their channels], the order of tokens.
Tensor by_pixel(const Tensor& weight, const MapShape& map) {
  Tensor result(DType::F32, weight.shape());
  const auto from = weight.as<float>();
  auto to = result.as<float>();
  const int64_t pixels = map.pixels(), out = weight.shape()[0];
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t c = 0; c < map.channels; ++c) {
      for (int64_t p = 0; p < pixels; ++p) {
        to[static_cast<size_t>((o * pixels + p) * map.channels + c)] =
            from[static_cast<size_t>((o * map.channels + c) * pixels + p)];
      }
    }
  }
  return result;
}

/// Adds nodes one behind the other.
class Lowering {
 public:
  Lowering(const Network& network, Graph& graph) : network_(network), graph_(graph) {}

  void run() {
    int at = add(Op::Input, "input", {});
    graph_.value(at).shape = network_.input;
    for (const Block& block : network_.blocks) at = add_block(block, at);
    at = add_chain(head_layers(network_), at);
    graph_.add_node(Op::Output, "output", {at});
  }

 private:
  int add(Op op, const std::string& name, const std::vector<int>& inputs,
          const Attributes& attributes = {}, int64_t out_channels = 0) {
    const size_t node = graph_.add_node(op, name, inputs, attributes, out_channels);
    return graph_.nodes[node].outputs[0];
  }

  int add_chain(const std::vector<NamedLayer>& layers, int at) {
    behind_conv_ = false;
    for (const NamedLayer& layer : layers) {
      at = std::visit([&](const auto& l) { return add_layer(layer.name, l, at); }, *layer.layer);
      behind_conv_ = layer.as<ConvLayer>() != nullptr;
    }
    return at;
  }
  int add_layer(const std::string& name, const ConvLayer& conv, int from) {
    return add(Op::Conv2d, name, {from}, conv_attributes(conv.window, conv.groups), conv.out);
  }
  /// One that stands behind no convolution gets one that changes nothing, into which it then folds.
  int add_layer(const std::string& name, const BatchNormLayer& /*norm*/, int from) {
    if (!behind_conv_) from = add_channel_conv(name + ".scale", square_window(1), 1, from);
    return add(Op::BatchNorm, name, {from}, BatchNormAttributes{network_.bn_epsilon});
  }
  int add_layer(const std::string& name, const ReluLayer& /*relu*/, int from) {
    return add(Op::Relu, name, {from});
  }
  int add_layer(const std::string& name, const PoolLayer& pool, int from) {
    if (pool.kind == PoolKind::GlobalAverage) return add(Op::GlobalAvgPool, name, {from});
    const Window& w = pool.window;
    if (pool.kind == PoolKind::Average)
      return add_channel_conv(name, w, 1.0 / static_cast<double>(w.taps()), from);
    return add(Op::MaxPool2d, name, {from}, MaxPoolAttributes{w});
  }
  int add_layer(const std::string& name, const PickLayer& pick, int from) {
    const bool one_row = graph_.value(from).shape.height == 1;
    if (!one_row && pick.stride.height != pick.stride.width) {
      fail(ErrorKind::Unsupported,
           "{}: a graph takes every n-th row and column alike, expected equal strides, got {}x{}",
           name, pick.stride.height, pick.stride.width);
    }
    return add(Op::ShortcutPad, name, {from},
               ShortcutPadAttributes{pick.stride.width, pick.channel_offset}, pick.out);
  }
  int add_layer(const std::string& name, const LinearLayer& linear, int from) {
    Tensor& weight = graph_.tensors.at(name + ".weight");
    weight = by_pixel(weight, graph_.value(from).shape);
    return add(Op::Dense, name, {from}, {}, linear.out);
  }

  static ConvAttributes conv_attributes(const Window& window, int64_t groups) {
    ConvAttributes conv;
    conv.window = window;
    conv.groups = groups;
    return conv;
  }

  /// A convolution of each channel whose weights are all the same: the mean over windows, or
  /// nothing.
  int add_channel_conv(const std::string& name, const Window& w, double weight, int from) {
    const int64_t channels = graph_.value(from).shape.channels;
    Tensor weights(DType::F32, {channels, 1, w.kernel.height, w.kernel.width});
    for (float& v : weights.as<float>()) v = static_cast<float>(weight);
    graph_.tensors.emplace(name + ".weight", std::move(weights));
    graph_.tensors.emplace(name + ".bias", Tensor(DType::F32, {channels}));
    return add(Op::Conv2d, name, {from}, conv_attributes(w, channels), channels);
  }

  /// What the skips that end at point i bring, added to `at`.
  int add_skips(const Block& block, size_t i, const std::vector<int>& points, int at) {
    std::vector<int> inputs = {at};
    AddAttributes ids;
    for (const Skip& skip : block.skips) {
      if (skip.to != static_cast<int64_t>(i)) continue;
      inputs.push_back(add_chain(skip_layers(skip), points[static_cast<size_t>(skip.from)]));
      ids.skips.push_back(skip.id);
    }
    if (inputs.size() == 1) return at;
    return add(Op::Add, fmt::format("{}.add{}", block.id, i), inputs, ids);
  }

  int add_block(const Block& block, int at) {
    std::vector<int> points = {at};
    for (size_t i = 1; i <= block.stages.size(); ++i) {
      std::vector<NamedLayer> layers = stage_layers(block, i), behind;
      if (network_.join == Join::BeforeActivation && ends_in_relu(block.stages[i - 1].layers)) {
        behind = {layers.back()};
        layers.pop_back();
      }
      at = add_chain(layers, at);
      at = add_skips(block, i, points, at);
      at = add_chain(behind, at);
      points.push_back(at);
    }
    return at;
  }

  const Network& network_;
  Graph& graph_;
  bool behind_conv_ = false;  // whether the layer before, in the same chain, is a convolution
};

}  // namespace

Graph lower_network(const Network& network, const TensorMap& tensors, const std::string& where) {
  verify_tensors(network, tensors, where);
  Graph graph;
  graph.name = network.name;
  graph.state = "lowered";
  graph.tensors = tensors;
  Lowering(network, graph).run();
  auto findings = verify_graph(graph);
  TAILOR_CHECK(findings.empty(), "{}", join(findings, "; "));
  return graph;
}

void verify_witness(const Graph& graph, const std::string& where) {
  double error = witness_error(graph);
  if (!(error <= kWitnessTolerance)) {
    fail(ErrorKind::Mismatch,
         "the graph of {} does not compute what LibTorch computed ({}): largest relative "
         "difference {:.3g}, expected at most {:g}; the checkpoint's "
         "description, weights and witness do not belong together",
         where, graph.witness->source, error, kWitnessTolerance);
  }
}

}  // namespace tailor

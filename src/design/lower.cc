#include "tailor/design/lower.h"

#include "tailor/core/strings.h"
#include "tailor/emulate/witness.h"
#include "tailor/net/dirac.h"

namespace tailor::design {
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
    ValueId at = graph_.add_node(ops::Input{}, "input", {});
    graph_.value(at).shape = network_.input;
    for (const Block& block : network_.blocks) at = add_block(block, at);
    at = add_chain(head_layers(network_), at);
    graph_.add_node(ops::Output{}, "output", {at});
  }

 private:
  ValueId add_chain(const std::vector<NamedLayer>& layers, ValueId at) {
    behind_conv_ = false;
    for (const NamedLayer& layer : layers) {
      at = std::visit([&](const auto& l) { return add_layer(layer.name, l, at); }, *layer.layer);
      behind_conv_ = layer.as<ConvLayer>() != nullptr;
    }
    return at;
  }
  ValueId add_layer(const std::string& name, const ConvLayer& conv, ValueId from) {
    return graph_.add_node(conv_of(conv.window, conv.groups), name, {from}, conv.out);
  }
  /// One that stands behind no convolution gets one that changes nothing, into which it then folds.
  ValueId add_layer(const std::string& name, const BatchNormLayer& /*norm*/, ValueId from) {
    if (!behind_conv_) from = add_channel_conv(name + ".scale", square_window(1), 1, from);
    return graph_.add_node(ops::BatchNorm{network_.bn_epsilon}, name, {from});
  }
  ValueId add_layer(const std::string& name, const ReluLayer& /*relu*/, ValueId from) {
    return graph_.add_node(ops::Relu{}, name, {from});
  }
  ValueId add_layer(const std::string& name, const PoolLayer& pool, ValueId from) {
    if (pool.kind == PoolKind::GlobalAverage)
      return graph_.add_node(ops::GlobalAvgPool{}, name, {from});
    const Window& w = pool.window;
    if (pool.kind == PoolKind::Average)
      return add_channel_conv(name, w, 1.0 / static_cast<double>(w.taps()), from);
    return graph_.add_node(ops::MaxPool2d{w}, name, {from});
  }
  ValueId add_layer(const std::string& name, const PickLayer& pick, ValueId from) {
    return graph_.add_node(ops::ShortcutPad{pick.stride, pick.channel_offset}, name, {from},
                           pick.out);
  }
  ValueId add_layer(const std::string& name, const LinearLayer& linear, ValueId from) {
    Tensor& weight = graph_.tensors.at(name + ".weight");
    weight = by_pixel(weight, graph_.value(from).shape);
    return graph_.add_node(ops::Dense{}, name, {from}, linear.out);
  }

  static ops::Conv2d conv_of(const Window& window, int64_t groups) {
    ops::Conv2d conv;
    conv.window = window;
    conv.groups = groups;
    return conv;
  }

  /// A convolution of each channel whose weights are all the same: the mean over windows, or
  /// nothing.
  ValueId add_channel_conv(const std::string& name, const Window& w, double weight, ValueId from) {
    const int64_t channels = graph_.value(from).shape.channels;
    Tensor weights(DType::F32, {channels, 1, w.kernel.height, w.kernel.width});
    for (float& v : weights.as<float>()) v = static_cast<float>(weight);
    graph_.tensors.emplace(name + ".weight", std::move(weights));
    graph_.tensors.emplace(name + ".bias", Tensor(DType::F32, {channels}));
    return graph_.add_node(conv_of(w, channels), name, {from}, channels);
  }

  /// What the skips that end at point i bring, added to `at`.
  ValueId add_skips(const Block& block, size_t i, const std::vector<ValueId>& points, ValueId at) {
    std::vector<Operand> inputs = {at};
    for (const Skip& skip : block.skips) {
      if (skip.to != static_cast<int64_t>(i)) continue;
      ValueId from = add_chain(skip_layers(skip), points[static_cast<size_t>(skip.from)]);
      if (skip.weight != 1) from = add_channel_conv(skip.id + ".fade", Window(), skip.weight, from);
      inputs.emplace_back(from, skip.id);
    }
    if (inputs.size() == 1) return at;
    return graph_.add_node(ops::Add{}, fmt::format("{}.add{}", block.id, i), inputs);
  }

  ValueId add_block(const Block& block, ValueId at) {
    std::vector<ValueId> points = {at};
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

Lowered::Lowered(Graph graph, const std::string& where) : graph_(std::move(graph)) {
  if (graph_.state != GraphState::Lowered) {
    fail(ErrorKind::Usage,
         "{}: expected a lowered graph, got a {}; use graph.safetensors of the project", where,
         to_string(graph_.state));
  }
  const auto findings = verify_graph(graph_);
  if (!findings.empty()) fail(ErrorKind::Data, "{}: {}", where, join(findings, "; "));
  for (const Node& node : graph_.nodes) {
    const auto* a = node.op.get_if<ops::Conv2d>();
    if (a && (a->relu || node.inputs.size() > 1 || !a->window_skips.empty() ||
              !a->folded_skips.empty() || a->line_buffer)) {
      fail(ErrorKind::Unsupported,
           "graph {}: {} has a ReLU or skips of its own or a line buffer, which only a design's "
           "convolutions have; write them as nodes",
           graph_.name, node.name);
    }
  }
}

Lowered lower(const Network& network, const TensorMap& tensors, const std::string& where) {
  verify_tensors(network, tensors, where);
  auto [plain, weights] = merge_dirac(network, tensors);
  Graph graph;
  graph.name = network.name;
  graph.tensors = std::move(weights);
  Lowering(plain, graph).run();
  return Lowered(std::move(graph), where);
}

Lowered on_frames(Lowered lowered, int64_t frames) {
  Graph graph = std::move(lowered).take();
  const MapShape whole = graph.input_shape();
  if (whole.height != 1) {
    fail(ErrorKind::Usage,
         "--frames {}: it is of networks on sequences, and {} is one on images ({}); leave it out",
         frames, graph.name, to_string(whole));
  }
  if (frames < 1 || frames > whole.width) {
    fail(ErrorKind::Usage, "--frames {}: expected 1 to {}, the frames that {} takes", frames,
         whole.width, graph.name);
  }
  const std::string name = graph.name;
  if (frames == whole.width) return Lowered(std::move(graph), name);
  graph.value(graph.input()).shape.width = frames;
  for (Node& node : graph.nodes) {
    if (node.is<ops::Dense>()) {
      fail(ErrorKind::Usage, "--frames {}: {} ({}) takes a whole map of {}", frames, node.name,
           to_string(node.op), to_string(graph.value(node.inputs[0]).shape));
    }
    if (node.outputs.empty()) continue;
    Value& out = graph.value(node.outputs[0]);
    out.shape = infer_shape(graph, node, out.shape.channels);
  }
  graph.witness.reset();
  if (!graph.provenance.is_object()) graph.provenance = Json::object();
  graph.provenance.set("frames", Json::object({{"of", whole.width}, {"first", frames}}));
  return Lowered(std::move(graph), name);
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

}  // namespace tailor::design

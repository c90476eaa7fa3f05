#include "tailor/design/lower.h"

#include "tailor/core/strings.h"
#include "tailor/emulate/witness.h"

namespace tailor {
namespace {

int output_of(const Graph& graph, size_t node) { return graph.nodes[node].outputs[0]; }

/// The value a skip brings to its join: the start point, through the projection or the pad if there
/// is one.
int lower_skip(Graph& graph, const Skip& skip, int from, int64_t out_channels, double bn_epsilon) {
  switch (skip.kind) {
    case SkipKind::Identity:
      return from;
    case SkipKind::Projection: {
      ConvAttributes conv;
      conv.window.stride = {skip.stride, skip.stride};
      int x = output_of(
          graph, graph.add_node(Op::Conv2d, skip.tensors + ".conv", {from}, conv, out_channels));
      if (!skip.batch_norm) return x;
      return output_of(graph, graph.add_node(Op::BatchNorm, skip.tensors + ".bn", {x},
                                             BatchNormAttributes{bn_epsilon}));
    }
    case SkipKind::Pad:
      return output_of(
          graph,
          graph.add_node(Op::ShortcutPad, skip.id + ".pad", {from},
                         ShortcutPadAttributes{skip.stride, skip.channel_offset}, out_channels));
  }
  fail(ErrorKind::Internal, "unknown skip kind of {}", skip.id);
}

/// What makes a convolution of each channel the mean over its windows.
void add_mean_weights(Graph& graph, const std::string& name, const Stage& stage) {
  Tensor weight(DType::F32, {stage.out_channels, 1, stage.kernel, stage.kernel});
  const auto share = static_cast<float>(1.0 / static_cast<double>(stage.kernel * stage.kernel));
  for (float& w : weight.as<float>()) w = share;
  graph.tensors.emplace(name + ".weight", std::move(weight));
  graph.tensors.emplace(name + ".bias", Tensor(DType::F32, {stage.out_channels}));
}

/// Convolution and batch norm, or pooling, of stage i.
int lower_stage(Graph& graph, const Block& block, size_t i, int from, double bn_epsilon) {
  const Stage& stage = block.stages[i - 1];
  if (stage.kind == StageKind::MaxPool) {
    const MaxPoolAttributes pool{
        square_window(stage.kernel, stage.stride, stage.pad, stage.pad_end)};
    return output_of(graph, graph.add_node(Op::MaxPool2d, conv_name(block, i), {from}, pool));
  }
  ConvAttributes conv;
  conv.window = square_window(stage.kernel, stage.stride, stage.pad, stage.pad_end);
  conv.groups = stage.kind == StageKind::AvgPool ? stage.out_channels : stage.groups;
  if (stage.kind == StageKind::AvgPool) add_mean_weights(graph, conv_name(block, i), stage);
  int x = output_of(
      graph, graph.add_node(Op::Conv2d, conv_name(block, i), {from}, conv, stage.out_channels));
  if (!stage.batch_norm) return x;
  return output_of(graph, graph.add_node(Op::BatchNorm, bn_name(block, i), {x},
                                         BatchNormAttributes{bn_epsilon}));
}

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

}  // namespace

Lowered::Lowered(Graph graph, const std::string& where) : graph_(std::move(graph)) {
  if (graph_.state != "lowered") {
    fail(ErrorKind::Usage,
         "{}: expected a lowered graph, got a {}; use graph.safetensors of the project", where,
         graph_.state);
  }
  const auto findings = verify_graph(graph_);
  if (!findings.empty()) fail(ErrorKind::Data, "{}: {}", where, join(findings, "; "));
  for (const Node& node : graph_.nodes) {
    const auto* a = std::get_if<ConvAttributes>(&node.attributes);
    if (a && (a->activation != Activation::None || !a->stream_skips.empty() ||
              !a->window_skips.empty() || !a->folded_skips.empty())) {
      fail(ErrorKind::Unsupported,
           "graph {}: {} has a ReLU or skips of its own, which only a design's convolutions have; "
           "write them as nodes",
           graph_.name, node.name);
    }
  }
}

Lowered lower(const Network& network, const TensorMap& tensors, const std::string& where) {
  verify_tensors(network, tensors, where);
  Graph graph;
  graph.name = network.name;
  graph.state = "lowered";
  graph.tensors = tensors;
  size_t input = graph.add_node(Op::Input, "input", {});
  int at = output_of(graph, input);
  graph.value(at).shape = network.input;

  for (const Block& block : network.blocks) {
    std::vector<int> points = {at};
    for (size_t i = 1; i <= block.stages.size(); ++i) {
      const Stage& stage = block.stages[i - 1];
      at = lower_stage(graph, block, i, at, network.bn_epsilon);
      auto add_relu = [&] {
        if (stage.relu) {
          at = output_of(graph,
                         graph.add_node(Op::Relu, fmt::format("{}.relu{}", block.id, i), {at}));
        }
      };
      auto add_skips = [&] {
        std::vector<int> inputs = {at};
        AddAttributes ids;
        for (const Skip& skip : block.skips) {
          if (skip.to != static_cast<int64_t>(i)) continue;
          inputs.push_back(lower_skip(graph, skip, points[static_cast<size_t>(skip.from)],
                                      stage.out_channels, network.bn_epsilon));
          ids.skips.push_back(skip.id);
        }
        if (inputs.size() > 1) {
          at = output_of(
              graph, graph.add_node(Op::Add, fmt::format("{}.add{}", block.id, i), inputs, ids));
        }
      };
      if (network.join == Join::BeforeActivation) {
        add_skips();
        add_relu();
      } else {
        add_relu();
        add_skips();
      }
      points.push_back(at);
    }
  }
  if (network.head_pooling == HeadPooling::Average) {
    at = output_of(graph, graph.add_node(Op::GlobalAvgPool, "pool", {at}));
  } else {
    Tensor& weight = graph.tensors.at("fc.weight");
    weight = by_pixel(weight, graph.value(at).shape);
  }
  at = output_of(graph, graph.add_node(Op::Dense, "fc", {at}, {}, network.classes));
  graph.add_node(Op::Output, "output", {at});
  return Lowered(std::move(graph), where);
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

#include "tailor/design/lower.h"

#include "tailor/core/strings.h"
#include "tailor/emulate/witness.h"

namespace tailor {
namespace {

/// The value a skip brings to its join: the start point, through the projection or the pad if there
/// is one.
ValueId lower_skip(Graph& graph, const Skip& skip, ValueId from, int64_t out_channels,
                   double bn_epsilon) {
  switch (skip.kind) {
    case SkipKind::Identity:
      return from;
    case SkipKind::Projection: {
      ops::Conv2d conv;
      conv.window.stride = {skip.stride, skip.stride};
      const ValueId x = graph.add_node(conv, skip.tensors + ".conv", {from}, out_channels);
      if (!skip.batch_norm) return x;
      return graph.add_node(ops::BatchNorm{bn_epsilon}, skip.tensors + ".bn", {x});
    }
    case SkipKind::Pad:
      return graph.add_node(ops::ShortcutPad{skip.stride, skip.channel_offset}, skip.id + ".pad",
                            {from}, out_channels);
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
ValueId lower_stage(Graph& graph, const Block& block, size_t i, ValueId from, double bn_epsilon) {
  const Stage& stage = block.stages[i - 1];
  const Window window = square_window(stage.kernel, stage.stride, stage.pad, stage.pad_end);
  if (stage.kind == StageKind::MaxPool)
    return graph.add_node(ops::MaxPool2d{window}, conv_name(block, i), {from});
  ops::Conv2d conv;
  conv.window = window;
  conv.groups = stage.kind == StageKind::AvgPool ? stage.out_channels : stage.groups;
  if (stage.kind == StageKind::AvgPool) add_mean_weights(graph, conv_name(block, i), stage);
  const ValueId x = graph.add_node(conv, conv_name(block, i), {from}, stage.out_channels);
  if (!stage.batch_norm) return x;
  return graph.add_node(ops::BatchNorm{bn_epsilon}, bn_name(block, i), {x});
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
              !a->folded_skips.empty())) {
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
  graph.tensors = tensors;
  ValueId at = graph.add_node(ops::Input{}, "input", {});
  graph.value(at).shape = network.input;

  for (const Block& block : network.blocks) {
    std::vector<ValueId> points = {at};
    for (size_t i = 1; i <= block.stages.size(); ++i) {
      const Stage& stage = block.stages[i - 1];
      at = lower_stage(graph, block, i, at, network.bn_epsilon);
      auto add_relu = [&] {
        if (stage.relu)
          at = graph.add_node(ops::Relu{}, fmt::format("{}.relu{}", block.id, i), {at});
      };
      auto add_skips = [&] {
        std::vector<Operand> inputs = {at};
        for (const Skip& skip : block.skips) {
          if (skip.to != static_cast<int64_t>(i)) continue;
          inputs.emplace_back(lower_skip(graph, skip, points[static_cast<size_t>(skip.from)],
                                         stage.out_channels, network.bn_epsilon),
                              skip.id);
        }
        if (inputs.size() > 1)
          at = graph.add_node(ops::Add{}, fmt::format("{}.add{}", block.id, i), inputs);
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
    at = graph.add_node(ops::GlobalAvgPool{}, "pool", {at});
  } else {
    Tensor& weight = graph.tensors.at("fc.weight");
    weight = by_pixel(weight, graph.value(at).shape);
  }
  at = graph.add_node(ops::Dense{}, "fc", {at}, network.classes);
  graph.add_node(ops::Output{}, "output", {at});
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

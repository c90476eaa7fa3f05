// A skip over several stages that begins at what a convolution reads: the convolution hands it on,
// from the centre of its window, when it answers. What is then to wait is what the stages behind it
// swallow, and no clone is needed (docs/design/0020).
#include <algorithm>

#include "design/rewrite.h"
#include "tailor/design/passes.h"

namespace tailor::design {
namespace {

/// The operand at which a skip leaves the value that a convolution reads, and how it is called.
struct SkipStart {
  NodeId node;
  size_t operand = 0;
  std::string name;
};

/// The skips that one convolution can hand on.
class SkipStarts {
 public:
  SkipStarts(const Graph& graph, NodeId conv)
      : graph_(graph), conv_(conv), readers_(consumers(graph)), writer_(producers(graph)) {}

  std::vector<SkipStart> find() const {
    std::vector<SkipStart> found;
    const Node& conv = graph_.node(conv_);
    if (!can_hand_on(conv)) return found;
    const ValueId x = conv.inputs[0];
    for (NodeId n : graph_.node_ids()) {
      const Node& node = graph_.node(n);
      for (size_t i = 0; n != conv_ && i < node.inputs.size(); ++i) {
        if (node.inputs[i].value != x) continue;
        const bool identity = i > 0 && stride().size() == 1 && leads_to_conv(node.inputs[0]);
        if (identity) found.push_back({n, i, node.inputs[i].skip});
        if (i == 0 && takes_places(node) && joins_behind(n))
          found.push_back({n, 0, node.name + ".in"});
      }
    }
    return found;
  }

 private:
  const Size2& stride() const { return graph_.node(conv_).as<ops::Conv2d>().window.stride; }

  /// A line buffer hands on in use_line_buffers.
  bool can_hand_on(const Node& node) const {
    const auto* a = node.op.get_if<ops::Conv2d>();
    if (!a || a->line_buffer || node.outputs.size() > 1 || !has_centre_tap(a->window)) return false;
    const MapShape &x = graph_.value(node.inputs[0]).shape,
                   &y = graph_.value(node.outputs[0]).shape;
    return y.height == (x.height - 1) / stride_handed_on(node).height + 1 &&
           y.width == (x.width - 1) / stride_handed_on(node).width + 1;
  }

  /// Whether the ways of the main inputs lead from the value back to the convolution.
  bool leads_to_conv(ValueId value) const {
    NodeId at = writer_[value];
    while (at != conv_ && !graph_.node(at).inputs.empty()) at = writer_[graph_.node(at).inputs[0]];
    return at == conv_;
  }

  /// Whether a stage on a skip reads the pixels at the convolution's places, and no others.
  bool takes_places(const Node& node) const {
    if (stride().size() == 1) return true;
    if (const auto* pad = node.op.get_if<ops::ShortcutPad>()) return pad->stride == stride();
    const auto* a = node.op.get_if<ops::Conv2d>();
    return a && !a->line_buffer && a->window.is_pointwise() && a->window.stride == stride();
  }

  /// Whether nothing but a skip comes of the stage, which joins behind the convolution.
  bool joins_behind(NodeId n) const {
    for (;;) {
      const Node& stage = graph_.node(n);
      if (stage.inputs.size() != 1 || stage.outputs.size() != 1) return false;
      const ValueId y = stage.outputs[0];
      if (readers_[y].size() != 1) return false;
      const Node& reader = graph_.node(readers_[y][0]);
      if (reader.inputs[0].value != y) return leads_to_conv(reader.inputs[0]);
      n = readers_[y][0];
    }
  }

  const Graph& graph_;
  NodeId conv_;
  ByValue<std::vector<NodeId>> readers_;
  ByValue<NodeId> writer_;
};

/// What reads pixels a stride apart reads every one of those that are handed on.
void take_every_pixel(Node& node, const Size2& handed_on) {
  if (handed_on.size() == 1) return;
  if (auto* pad = node.op.get_if<ops::ShortcutPad>()) {
    pad->stride = {1, 1};
  } else {
    node.as<ops::Conv2d>().window.stride = {1, 1};
  }
}

}  // namespace

void forward_skips(Graph& graph) {
  const ByValue<std::vector<NodeId>> readers = consumers(graph);  // of what is there before
  for (NodeId n : graph.node_ids()) {
    if (!graph.node(n).is<ops::Conv2d>()) continue;
    const ValueId x = graph.node(n).inputs[0];
    // What has been handed on already goes no further.
    if (x.index() >= readers.size() || readers[x].size() < 2) continue;
    const std::vector<SkipStart> starts = SkipStarts(graph, n).find();
    if (starts.empty()) continue;
    Node& conv = graph.node(n);
    const MapShape shape = shape_of_output(graph, conv, 1, graph.value(conv.outputs[0]).shape);
    const ValueId centre =
        graph.add_value(starts.size() == 1 ? starts[0].name : conv.name + ".centre", shape);
    conv.outputs.push_back(centre);
    for (const SkipStart& start : starts) {
      Node& reader = graph.node(start.node);
      reader.inputs[start.operand].value = centre;
      if (start.operand == 0) take_every_pixel(reader, stride_handed_on(conv));
    }
  }
  order_nodes(graph);
}

}  // namespace tailor::design

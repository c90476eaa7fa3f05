// The two layouts. fused:  conv → add(skips) → relu   or   conv → relu → add(skips)   becomes one
// convolution node;
//                 stock:  conv with pads              becomes   zero_pad → conv, max pools alike,
//                 and adds and ReLUs stay.
#include <algorithm>

#include "design/rewrite.h"
#include "tailor/design/passes.h"

namespace tailor::design {

namespace {

void need_pads_below_kernel(const Node& conv) {
  const Window& window = conv.as<ops::Conv2d>().window;
  const Size2 extent = window.extent();
  if (window.pads.top < extent.height && window.pads.left < extent.width) return;
  fail(ErrorKind::Unsupported,
       "{}: pads of {} and {} before a kernel of {}: the fused stage takes pads below the "
       "kernel{}; export with --layout stock",
       conv.name, window.pads.top, window.pads.left, to_string(window),
       window.dilation.size() == 1
           ? ""
           : fmt::format(", which spans {}x{}", extent.height, extent.width));
}

}  // namespace

void fuse_stages(Graph& graph) {
  ByNode<bool> dead(graph.nodes.size(), false), done(graph.nodes.size(), false);
  const auto readers = consumers(graph);
  // The only reader of a value, if it takes the value as its main input.
  auto next = [&](ValueId value) {
    const auto& list = readers[value];
    const bool only = list.size() == 1 && graph.node(list[0]).inputs[0].value == value;
    return only ? list[0] : NodeId();
  };
  auto is_add = [&](NodeId n) { return n.valid() && graph.node(n).is<ops::Add>(); };
  auto is_relu = [&](NodeId n) { return n.valid() && graph.node(n).is<ops::Relu>(); };
  for (NodeId n : graph.node_ids()) {
    if (!graph.node(n).is<ops::Conv2d>() || done[n]) continue;
    Node conv = graph.node(n);
    auto& a = conv.as<ops::Conv2d>();
    need_pads_below_kernel(conv);
    TAILOR_CHECK(conv.inputs.size() == 1 && !a.relu, "{} is fused already", conv.name);
    NodeId last =
        n;  // the fused node stands where its last part stood, behind everything that feeds it
    auto absorb = [&](NodeId part) {
      const Node& node = graph.node(part);
      conv.inputs.insert(conv.inputs.end(), node.inputs.begin() + 1, node.inputs.end());
      conv.outputs = node.outputs;
      dead[last] = true;
      last = part;
    };
    const bool adds_first = is_add(next(conv.outputs[0]));
    if (adds_first) absorb(next(conv.outputs[0]));
    if (const NodeId relu = next(conv.outputs[0]); is_relu(relu)) {
      absorb(relu);
      a.relu = true;
      if (const NodeId add = next(conv.outputs[0]); !adds_first && is_add(add)) {
        absorb(add);
        a.skips_after_activation = true;
      }
    }
    graph.value(conv.outputs[0]).name = conv.name;
    graph.node(last) = std::move(conv);
    dead[last] = false;
    done[last] = true;
  }
  remove_nodes(graph, dead);
}

void take_window_skips(Graph& graph) {
  for (Node& conv : graph.nodes) {
    auto* a = conv.op.get_if<ops::Conv2d>();
    if (!a || a->window.stride.size() != 1 || !has_centre_tap(a->window) ||
        graph.value(conv.inputs[0]).shape != graph.value(conv.outputs[0]).shape)
      continue;
    for (size_t s = conv.inputs.size(); s-- > 1;) {
      if (conv.inputs[s].value != conv.inputs[0].value) continue;
      a->window_skips.insert(a->window_skips.begin(), conv.inputs[s].skip);
      conv.inputs.erase(conv.inputs.begin() + static_cast<std::ptrdiff_t>(s));
    }
  }
}

namespace {

/// A pad stage of its own in front of the node, whose pads become 0.
void split_pads(Graph& graph, Node& node, Pads& pads, bool lowest, std::vector<Node>& nodes) {
  if (!pads.any()) return;
  Node pad;
  pad.op = ops::ZeroPad{pads, lowest};
  pad.name = node.name + ".pad";
  pad.inputs = {node.inputs[0]};
  pad.outputs = {graph.add_value(pad.name, infer_shape(graph, pad, 0))};
  node.inputs[0] = pad.outputs[0];
  pads = {};
  nodes.push_back(std::move(pad));
}

}  // namespace

void split_stages(Graph& graph) {
  std::vector<Node> nodes;
  for (Node& node : graph.nodes) {
    if (auto* conv = node.op.get_if<ops::Conv2d>())
      split_pads(graph, node, conv->window.pads, /*lowest=*/false, nodes);
    if (auto* pool = node.op.get_if<ops::MaxPool2d>())
      split_pads(graph, node, pool->window.pads, /*lowest=*/true, nodes);
    nodes.push_back(std::move(node));
  }
  graph.nodes = std::move(nodes);
  remove_nodes(graph, {});
}

void insert_clones(Graph& graph) {
  const ByValue<std::vector<NodeId>> readers = consumers(graph);
  // Every operand of a value with several readers takes a copy, named for what takes it: the skip's
  // id, or the reading stage.
  ByValue<std::vector<ValueId>> copies(readers.size());
  for (Node& node : graph.nodes) {
    for (Operand& operand : node.inputs) {
      const ValueId read = operand;
      if (readers[read].size() < 2) continue;
      operand.value = graph.add_value(operand.skip.empty() ? node.name + ".in" : operand.skip,
                                      graph.value(read).shape);
      copies[read].push_back(operand);
    }
  }
  std::vector<Node> nodes;
  for (Node& node : graph.nodes) {
    nodes.push_back(std::move(node));
    for (size_t i = 0; i < nodes.back().outputs.size(); ++i) {
      const ValueId id = nodes.back().outputs[i];
      if (id.index() >= copies.size() || copies[id].empty()) continue;
      Node clone;
      clone.op = ops::Clone{};
      clone.name = graph.value(id).name + ".clone";
      clone.inputs = {id};
      clone.outputs = copies[id];
      nodes.push_back(std::move(clone));
    }
  }
  graph.nodes = std::move(nodes);
  remove_nodes(graph, {});
}

}  // namespace tailor::design

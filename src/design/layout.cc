// The two layouts. fused:  conv → add(skips) → relu   or   conv → relu → add(skips)   becomes one
// convolution node;
//                 stock:  conv with pads              becomes   zero_pad → conv, max pools alike,
//                 and adds and ReLUs stay.
#include <algorithm>

#include "design/rewrite.h"
#include "tailor/design/passes.h"

namespace tailor {

void fuse_stages(Graph& graph) {
  std::vector<bool> dead(graph.nodes.size(), false), done(graph.nodes.size(), false);
  const auto readers = consumers(graph);
  // The only reader of a value, if it is of this kind and takes the value as its main input.
  auto next = [&](int value, Op op) -> int {
    const auto& list = readers[static_cast<size_t>(value)];
    if (list.size() != 1) return -1;
    const Node& node = graph.nodes[static_cast<size_t>(list[0])];
    return node.op == op && node.inputs[0] == value ? list[0] : -1;
  };
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (graph.nodes[n].op != Op::Conv2d || done[n]) continue;
    Node conv = graph.nodes[n];
    ConvAttributes& a = conv.conv();
    const Pads& pads = a.window.pads;
    const Size2 extent = a.window.extent();
    if (pads.top >= extent.height || pads.left >= extent.width) {
      fail(ErrorKind::Unsupported,
           "{}: pads of {} and {} before a kernel of {}: the fused stage takes pads below the "
           "kernel{}; export with --layout stock",
           conv.name, pads.top, pads.left, to_string(a.window),
           a.window.dilation.size() == 1
               ? ""
               : fmt::format(", which spans {}x{}", extent.height, extent.width));
    }
    TAILOR_CHECK(a.stream_skips.empty() && a.activation == Activation::None, "{} is fused already",
                 conv.name);
    size_t last =
        n;  // the fused node stands where its last part stood, behind everything that feeds it
    auto absorb_add = [&](int index) {
      const Node& add = graph.nodes[static_cast<size_t>(index)];
      a.stream_skips = std::get<AddAttributes>(add.attributes).skips;
      conv.inputs.insert(conv.inputs.end(), add.inputs.begin() + 1, add.inputs.end());
      conv.outputs = add.outputs;
      dead[last] = true;
      last = static_cast<size_t>(index);
    };
    auto absorb_relu = [&](int index) {
      a.activation = Activation::Relu;
      conv.outputs = graph.nodes[static_cast<size_t>(index)].outputs;
      dead[last] = true;
      last = static_cast<size_t>(index);
    };
    if (int add = next(conv.outputs[0], Op::Add); add >= 0) {
      absorb_add(add);
      if (int relu = next(conv.outputs[0], Op::Relu); relu >= 0) absorb_relu(relu);
    } else if (int relu = next(conv.outputs[0], Op::Relu); relu >= 0) {
      absorb_relu(relu);
      if (int after = next(conv.outputs[0], Op::Add); after >= 0) {
        absorb_add(after);
        a.skip_position = SkipPosition::AfterActivation;
      }
    }
    // An identity over this convolution alone is in the window already.
    for (size_t s = conv.inputs.size(); s-- > 1;) {
      if (conv.inputs[s] != conv.inputs[0] || a.window.stride.size() != 1 ||
          !has_centre_tap(a.window) ||
          graph.value(conv.inputs[0]).shape != graph.value(conv.outputs[0]).shape)
        continue;
      a.window_skips.insert(a.window_skips.begin(), a.stream_skips[s - 1]);
      a.stream_skips.erase(a.stream_skips.begin() + static_cast<std::ptrdiff_t>(s - 1));
      conv.inputs.erase(conv.inputs.begin() + static_cast<std::ptrdiff_t>(s));
    }
    graph.value(conv.outputs[0]).name = conv.name;
    graph.nodes[last] = std::move(conv);
    dead[last] = false;
    done[last] = true;
  }
  remove_nodes(graph, dead);
}

namespace {

/// A pad stage of its own in front of the node, whose pads become 0.
void split_pads(Graph& graph, Node& node, Pads& pads, bool lowest, std::vector<Node>& nodes) {
  if (!pads.any()) return;
  Node pad;
  pad.op = Op::ZeroPad;
  pad.name = node.name + ".pad";
  pad.attributes = ZeroPadAttributes{pads, lowest};
  pad.inputs = {node.inputs[0]};
  pad.outputs = {graph.add_value(
      pad.name,
      infer_shape(Op::ZeroPad, pad.name, {graph.value(node.inputs[0]).shape}, pad.attributes, 0))};
  node.inputs[0] = pad.outputs[0];
  pads = {};
  nodes.push_back(std::move(pad));
}

}  // namespace

void split_stages(Graph& graph) {
  std::vector<Node> nodes;
  for (Node& node : graph.nodes) {
    if (auto* conv = std::get_if<ConvAttributes>(&node.attributes))
      split_pads(graph, node, conv->window.pads, /*lowest=*/false, nodes);
    if (auto* pool = std::get_if<MaxPoolAttributes>(&node.attributes))
      split_pads(graph, node, pool->window.pads, /*lowest=*/true, nodes);
    nodes.push_back(std::move(node));
  }
  graph.nodes = std::move(nodes);
  remove_nodes(graph, {});
}

void insert_clones(Graph& graph) {
  const auto readers = consumers(graph);
  std::vector<Node> nodes;
  std::vector<Node> old = std::move(graph.nodes);
  // copies[v][k]: the value that the k-th reader of v takes instead.
  std::vector<std::vector<int>> copies(graph.values.size());
  std::vector<size_t> taken(graph.values.size(), 0);
  for (Node& node : old) {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      auto v = static_cast<size_t>(node.inputs[i]);
      if (v < copies.size() && !copies[v].empty()) node.inputs[i] = copies[v][taken[v]++];
    }
    nodes.push_back(node);
    for (int id : node.outputs) {
      const auto& list = readers[static_cast<size_t>(id)];
      if (list.size() < 2) continue;
      Node clone;
      clone.op = Op::Clone;
      clone.name = graph.value(id).name + ".clone";
      clone.inputs = {id};
      std::vector<size_t> seen(old.size(), 0);
      for (int reader : list) {
        // A copy is named for what takes it: the skip's id, or the reading stage.
        const Node& r = old[static_cast<size_t>(reader)];
        const std::vector<std::string>* skips = nullptr;
        if (const auto* a = std::get_if<ConvAttributes>(&r.attributes)) skips = &a->stream_skips;
        if (const auto* a = std::get_if<AddAttributes>(&r.attributes)) skips = &a->skips;
        size_t occurrence = seen[static_cast<size_t>(reader)]++, position = 0;
        for (size_t i = 0, found = 0; i < r.inputs.size(); ++i) {
          if (r.inputs[i] == id && found++ == occurrence) position = i;
        }
        std::string name = position > 0 && skips ? (*skips)[position - 1] : r.name + ".in";
        clone.outputs.push_back(graph.add_value(name, graph.value(id).shape));
      }
      copies[static_cast<size_t>(id)] = clone.outputs;
      nodes.push_back(std::move(clone));
    }
  }
  graph.nodes = std::move(nodes);
  remove_nodes(graph, {});
}

}  // namespace tailor

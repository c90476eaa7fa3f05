// Networks on maps of one row, frame after frame: which convolutions keep their frames in a memory,
// who takes a skip from the middle of one, and how many channels a token has.
#include <algorithm>
#include <cmath>

#include "design/rewrite.h"
#include "tailor/design/passes.h"
#include "tailor/ir/line_buffer.h"

namespace tailor::design {
namespace {

bool takes_line_buffer(const Graph& graph, const Node& node) {
  const auto* a = node.op.get_if<ops::Conv2d>();
  if (!a) return false;
  const MapShape& in = graph.value(node.inputs[0]).shape;
  const Window& w = a->window;
  return in.height == 1 && in.width > 1 && w.kernel.height == 1 && w.stride.height == 1 &&
         w.pads.top == 0 && w.pads.bottom == 0 && w.pads.left < w.extent().width &&
         (a->groups == 1 || is_depthwise(graph, node));
}

bool is_plain_pointwise(const Node& node) {
  const auto* a = node.op.get_if<ops::Conv2d>();
  return a && a->line_buffer && a->window.is_pointwise() && a->window.stride.size() == 1;
}

/// Looks for skips over a depthwise convolution and the pointwise one behind it.
class Forwarding {
 public:
  explicit Forwarding(Graph& graph)
      : graph_(graph), readers_(consumers(graph)), writer_(producers(graph)) {}

  void run() {
    for (NodeId n : graph_.node_ids()) {
      if (Operand* skip = find_skip(n)) hand_on(n, *skip);
    }
  }

 private:
  /// The operand, of a join or of a projection before it, that reads what the convolution reads.
  Operand* find_skip(NodeId n) {
    const Node& conv = graph_.node(n);
    if (!has_line_buffer(conv) || !is_depthwise(graph_, conv)) return nullptr;
    const auto& a = conv.as<ops::Conv2d>();
    const ValueId x = conv.inputs[0], y = conv.outputs[0];
    if (a.window.stride.size() != 1 || !has_centre_tap(a.window) || readers_[y].size() != 1 ||
        graph_.value(x).shape != graph_.value(y).shape)
      return nullptr;
    Node& join = graph_.node(readers_[y][0]);
    if (!is_plain_pointwise(join) || join.inputs[0].value != y) return nullptr;
    for (size_t s = 1; s < join.inputs.size(); ++s) {
      if (join.inputs[s].value == x) return &join.inputs[s];
      Node& skip = graph_.node(writer_[join.inputs[s]]);
      if (is_plain_pointwise(skip) && skip.inputs.size() == 1 && skip.inputs[0].value == x &&
          readers_[skip.outputs[0]].size() == 1)
        return &skip.inputs[0];
    }
    return nullptr;
  }
  void hand_on(NodeId n, Operand& skip) {
    const std::string name = graph_.node(n).name + ".centre";
    const ValueId centre = graph_.add_value(name, graph_.value(skip).shape);
    graph_.node(n).outputs.push_back(centre);
    skip.value = centre;
  }

  Graph& graph_;
  const ByValue<std::vector<NodeId>> readers_;
  const ByValue<NodeId> writer_;
};

/// Powers of two that bring the kernels of a depthwise convolution to a norm above 1/2, at most 1,
/// so that what goes in of size 1 comes out so.
std::vector<double> kernel_scales(const std::vector<double>& weight, int64_t taps) {
  std::vector<double> scales;
  for (size_t first = 0; first < weight.size(); first += static_cast<size_t>(taps)) {
    double squares = 0;
    for (size_t i = first; i < first + static_cast<size_t>(taps); ++i)
      squares += weight[i] * weight[i];
    int exponent = 0;
    std::frexp(std::sqrt(squares), &exponent);
    scales.push_back(squares > 0 ? std::ldexp(1.0, -exponent) : 1.0);
  }
  return scales;
}

/// Whether a node's only effect on `y` is one of its channels' linear sums each.
bool scales_freely(const Graph& graph, const Node& node) {
  const auto& a = node.as<ops::Conv2d>();
  return has_line_buffer(node) && is_depthwise(graph, node) && !a.relu && node.inputs.size() == 1 &&
         a.window_skips.empty();
}

/// Channels of a token: see fold_channels.
int64_t token_channels(int64_t channels, int64_t width, int64_t token_bits) {
  constexpr int64_t kWidestFolded = 4096;
  if (channels * width <= token_bits) return channels;
  int64_t fits = 1, next = channels;
  for (int64_t d = 1; d <= channels; ++d) {
    if (channels % d != 0) continue;
    if (d * width <= token_bits) {
      fits = d;
    } else {
      next = d;
      break;
    }
  }
  return 4 * fits * width < token_bits && next * width <= kWidestFolded ? next : fits;
}

}  // namespace

void use_line_buffers(Graph& graph, bool forward) {
  bool any = false;
  for (Node& node : graph.nodes) {
    if (!takes_line_buffer(graph, node)) continue;
    node.as<ops::Conv2d>().line_buffer = any = true;
  }
  if (!any || !forward) return;
  Forwarding(graph).run();
  order_nodes(graph);
}

void balance_scales(Graph& graph) {
  const auto readers = consumers(graph);
  for (const Node& conv : graph.nodes) {
    if (!has_line_buffer(conv) || !scales_freely(graph, conv) ||
        readers[conv.outputs[0]].size() != 1)
      continue;
    const Node& next = graph.node(readers[conv.outputs[0]][0]);
    if (!has_line_buffer(next) || is_depthwise(graph, next) ||
        next.inputs[0].value != conv.outputs[0] || !next.as<ops::Conv2d>().window_skips.empty())
      continue;
    std::vector<double> weight = graph.tensor(conv, "weight").to_doubles(),
                        bias = graph.tensor(conv, "bias").to_doubles(),
                        mixed = graph.tensor(next, "weight").to_doubles();
    const int64_t taps = conv.as<ops::Conv2d>().window.taps(),
                  mixed_taps = next.as<ops::Conv2d>().window.taps();
    const std::vector<double> scales = kernel_scales(weight, taps);
    for (size_t i = 0; i < weight.size(); ++i) weight[i] *= scales[i / static_cast<size_t>(taps)];
    for (size_t i = 0; i < bias.size(); ++i) bias[i] *= scales[i];
    for (size_t i = 0; i < mixed.size(); ++i)
      mixed[i] /= scales[i / static_cast<size_t>(mixed_taps) % scales.size()];
    set_tensor(graph, conv, "weight", graph.tensor(conv, "weight").shape(), weight);
    set_tensor(graph, conv, "bias", graph.tensor(conv, "bias").shape(), bias);
    set_tensor(graph, next, "weight", graph.tensor(next, "weight").shape(), mixed);
  }
}

void fold_channels(Graph& graph, int64_t token_bits) {
  if (!has_line_buffers(graph)) return;
  // Values that are folded alike, as a forest.
  ByValue<ValueId> parent(graph.values.size());
  for (ValueId v : graph.value_ids()) parent[v] = v;
  auto root = [&](ValueId v) {
    while (parent[v] != v) v = parent[v] = parent[parent[v]];
    return v;
  };
  ByValue<char> whole(graph.values.size(), 0);
  for (const Node& node : graph.nodes) {
    std::vector<ValueId> values(node.inputs.begin(), node.inputs.end());
    values.insert(values.end(), node.outputs.begin(), node.outputs.end());
    const std::vector<int> groups = node.op.rules().fold_groups(graph, node);
    for (size_t i = 0; i < values.size(); ++i) {
      if (groups[i] == Operation::kWhole) whole[values[i]] = 1;
      for (size_t k = 0; k < i && groups[i] != Operation::kWhole; ++k) {
        if (groups[k] == groups[i]) parent[root(values[i])] = root(values[k]);
      }
    }
  }
  ByValue<int64_t> width(graph.values.size(), 0);
  ByValue<char> any_whole(graph.values.size(), 0);
  for (ValueId v : graph.value_ids()) {
    width[root(v)] = std::max<int64_t>(width[root(v)], graph.value(v).type->width);
    if (whole[v]) any_whole[root(v)] = 1;
  }
  for (ValueId v : graph.value_ids()) {
    Value& value = graph.value(v);
    if (any_whole[root(v)]) continue;
    const int64_t channels = value.shape.channels;
    value.fold = channels / token_channels(channels, width[root(v)], token_bits);
  }
}

}  // namespace tailor::design

#include "design/rewrite.h"

#include <algorithm>

namespace tailor::design {

void remove_nodes(Graph& graph, const ByNode<bool>& dead) {
  std::vector<Node> nodes;
  for (NodeId n : graph.node_ids()) {
    if (n.index() >= dead.size() || !dead[n]) nodes.push_back(std::move(graph.node(n)));
  }
  graph.nodes = std::move(nodes);
  ByValue<ValueId> number(graph.values.size());
  std::vector<Value> values;
  for (const Node& node : graph.nodes) {
    for (ValueId id : node.outputs) {
      number[id] = ValueId(values.size());
      values.push_back(graph.value(id));
    }
  }
  graph.values = std::move(values);
  for (Node& node : graph.nodes) {
    for (Operand& operand : node.inputs) operand.value = number[operand];
    for (ValueId& id : node.outputs) id = number[id];
  }
}

void order_nodes(Graph& graph) {
  const ByValue<NodeId> writer = producers(graph);
  ByNode<char> placed(graph.nodes.size(), 0);
  std::vector<NodeId> order;
  while (order.size() < graph.nodes.size()) {
    for (NodeId n : graph.node_ids()) {
      const Node& node = graph.node(n);
      if (placed[n] || !std::all_of(node.inputs.begin(), node.inputs.end(),
                                    [&](ValueId id) { return placed[writer[id]] != 0; }))
        continue;
      placed[n] = 1;
      order.push_back(n);
    }
  }
  std::vector<Node> nodes;
  nodes.reserve(order.size());
  for (NodeId n : order) nodes.push_back(std::move(graph.node(n)));
  graph.nodes = std::move(nodes);
  remove_nodes(graph, {});
}

void set_tensor(Graph& graph, const Node& node, const char* part, const Shape& shape,
                const std::vector<double>& values) {
  graph.tensors[node.name + "." + part] = Tensor::from(shape, values);
}

}  // namespace tailor::design

#include "design/rewrite.h"

namespace tailor {

void remove_nodes(Graph& graph, const std::vector<bool>& dead) {
  std::vector<Node> nodes;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (n >= dead.size() || !dead[n]) nodes.push_back(std::move(graph.nodes[n]));
  }
  graph.nodes = std::move(nodes);
  std::vector<int> number(graph.values.size(), -1);
  std::vector<Value> values;
  for (const Node& node : graph.nodes) {
    for (int id : node.outputs) {
      number[static_cast<size_t>(id)] = static_cast<int>(values.size());
      values.push_back(graph.value(id));
    }
  }
  graph.values = std::move(values);
  for (Node& node : graph.nodes) {
    for (int& id : node.inputs) id = number[static_cast<size_t>(id)];
    for (int& id : node.outputs) id = number[static_cast<size_t>(id)];
  }
}

void set_tensor(Graph& graph, const Node& node, const char* part, const Shape& shape,
                const std::vector<double>& values) {
  graph.tensors[node.name + "." + part] = Tensor::from(shape, values);
}

}  // namespace tailor

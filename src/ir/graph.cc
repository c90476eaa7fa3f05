#include "tailor/ir/graph.h"

#include <algorithm>

#include "ir/operations/rules.h"
#include "tailor/ir/line_buffer.h"

namespace tailor::ir {
namespace {

std::string arity_text(int64_t least, int64_t most) {
  return fmt::format("expected {} input{}{}", least, least == 1 ? "" : "s",
                     most > least ? " or more" : "");
}

}  // namespace

const char* to_string(GraphState state) {
  return state == GraphState::Design ? "design" : "lowered";
}

const char* to_string(FifoStorage storage) {
  switch (storage) {
    case FifoStorage::Auto:
      return "auto";
    case FifoStorage::Registers:
      return "registers";
    case FifoStorage::Srl:
      return "srl";
    case FifoStorage::Bram:
      return "bram";
    case FifoStorage::Uram:
      return "uram";
    case FifoStorage::Lutram:
      return "lutram";
  }
  return "?";
}

ValueId Graph::add_value(std::string value_name, const MapShape& shape) {
  Value v;
  v.name = std::move(value_name);
  v.shape = shape;
  values.push_back(std::move(v));
  return ValueId(values.size() - 1);
}

ValueId Graph::add_node(Op op, std::string node_name, std::vector<Operand> inputs,
                        int64_t out_channels) {
  Node node;
  node.op = std::move(op);
  node.name = std::move(node_name);
  node.inputs = std::move(inputs);
  ValueId out;
  if (node.traits().max_outputs > 0) {
    out = add_value(node.name, infer_shape(*this, node, out_channels));
    node.outputs = {out};
  }
  nodes.push_back(std::move(node));
  return out;
}

const Tensor& Graph::tensor(const Node& node, const char* part) const {
  return find_tensor(tensors, node.name + "." + part, "graph " + name);
}

bool Graph::has_tensor(const Node& node, const char* part) const {
  return tensors.count(node.name + "." + part) != 0;
}

ValueId Graph::input() const {
  for (const Node& node : nodes) {
    if (node.is<ops::Input>()) return node.outputs[0];
  }
  fail(ErrorKind::Data, "graph {} has no input", name);
}

ValueId Graph::output() const {
  for (const Node& node : nodes) {
    if (node.is<ops::Output>()) return node.inputs[0];
  }
  fail(ErrorKind::Data, "graph {} has no output", name);
}

const MapShape& Graph::input_shape() const { return value(input()).shape; }

const MapShape& Graph::output_shape() const { return value(output()).shape; }

int64_t Graph::classes() const { return output_shape().channels; }

MapShape infer_shape(const Graph& graph, const Node& node, int64_t out_channels) {
  const Traits& t = node.traits();
  const auto count = static_cast<int64_t>(node.inputs.size());
  need(count >= t.min_inputs && count <= t.max_inputs, node,
       fmt::format("{}, got {}", arity_text(t.min_inputs, t.max_inputs), count));
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    need(node.inputs[i].skip.empty() || (i > 0 && t.takes_skips), node,
         fmt::format("its input {} has the id '{}' and is no skip", i, node.inputs[i].skip));
  }
  return node.op.rules().shape(graph, node, out_channels);
}

MapShape shape_of_output(const Graph& graph, const Node& node, size_t output,
                         const MapShape& first) {
  if (output == 0 || !node.traits().forwards_input) return first;
  return {graph.value(node.inputs[0]).shape.channels, first.height, first.width};
}

Size2 stride_handed_on(const Node& node) {
  const auto* a = node.op.get_if<ops::Conv2d>();
  return a ? a->window.stride : Size2{1, 1};
}

StageLoop stage_loop(const Graph& graph, const Node& node) {
  return node.op.rules().loop(graph, node);
}

ByValue<NodeId> producers(const Graph& graph) {
  ByValue<NodeId> result(graph.values.size());
  for (NodeId n : graph.node_ids()) {
    for (ValueId id : graph.node(n).outputs) result[id] = n;
  }
  return result;
}

const Node& typed_by(const Graph& graph, const ByValue<NodeId>& writer, ValueId value) {
  while (true) {
    const Node& node = graph.node(writer[value]);
    const bool forwarded = node.traits().forwards_input && value != node.outputs[0];
    if (!node.traits().keeps_type && !forwarded) return node;
    value = node.inputs[0];
  }
}

ByValue<std::vector<NodeId>> consumers(const Graph& graph) {
  ByValue<std::vector<NodeId>> result(graph.values.size());
  for (NodeId n : graph.node_ids()) {
    for (ValueId id : graph.node(n).inputs) result[id].push_back(n);
  }
  return result;
}

int64_t largest_register_array(const Graph& design) {
  int64_t largest = 0;
  for (const Node& node : design.nodes) {
    for (ValueId id : node.outputs) largest = std::max(largest, design.value(id).token_channels());
    largest = std::max(largest, stage_loop(design, node).register_elements);
    if (!has_line_buffer(node) || node.hardware.multipliers == 0) continue;  // 0: not sized yet
    const LineParallelism p = line_parallelism(design, node, node.hardware.reuse_factor);
    largest = std::max(largest, p.lanes * p.elements);
  }
  return largest;
}

}  // namespace tailor::ir

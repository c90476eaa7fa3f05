// What must hold of every graph, and of every design: all findings, never the first one alone.
#include <algorithm>
#include <set>

#include "tailor/core/strings.h"
#include "tailor/ir/graph.h"
#include "tailor/ir/identifier.h"

namespace tailor {
namespace {

/// A stream's, weight's or reciprocal's type that every reader can compute with.
bool is_narrow(const std::optional<FixedType>& t) {
  return t && t->width <= 32 && t->fraction() >= 0 && t->fraction() <= 62;
}
bool is_wide(const std::optional<FixedType>& t) {
  return t && t->fraction() >= 0 && t->fraction() <= 62;
}

}  // namespace

std::vector<std::string> verify_graph(const Graph& graph) {
  std::vector<std::string> findings;
  auto add = [&](const std::string& text) { findings.push_back(text); };
  for (const Value& v : graph.values) {
    if (!is_map_side(v.shape.channels) || !is_map_side(v.shape.height) ||
        !is_map_side(v.shape.width) || v.shape.size() > kMaxMapElements) {
      add(fmt::format("{} has the shape {}, expected sizes 1..{} and at most {} elements", v.name,
                      to_string(v.shape), kMaxMapSide, kMaxMapElements));
    }
  }
  if (!findings.empty()) return findings;  // what is computed from them would be meaningless
  const size_t count = graph.values.size();
  ByValue<int> written(count, 0), read(count, 0);
  std::set<std::string> names, owned;
  ByValue<char> lowest(count, 0);  // padded for a max pool
  int inputs = 0, outputs = 0;
  for (const Node& node : graph.nodes) {
    const Traits& traits = node.traits();
    for (const char* part : node.op.rules().parts()) owned.insert(node.name + "." + part);
    if (!names.insert(node.name).second) add(fmt::format("two nodes are named {}", node.name));
    inputs += node.is<ops::Input>() ? 1 : 0;
    outputs += node.is<ops::Output>() ? 1 : 0;
    bool in_range = true;
    for (ValueId id : node.inputs) {
      if (!id.valid() || id.index() >= count) {
        add(fmt::format("{} reads value {} of {}", node.name, id.number(), count));
        in_range = false;
        continue;
      }
      if (written[id] == 0)
        add(fmt::format("{} reads {} before it is written", node.name, graph.value(id).name));
      ++read[id];
      if (lowest[id] && !node.is<ops::MaxPool2d>()) {
        add(fmt::format("{} ({}) reads {}, whose pads are for a max pool", node.name,
                        to_string(node.op), graph.value(id).name));
      }
    }
    const auto* pad = node.op.get_if<ops::ZeroPad>();
    const auto writes = static_cast<int64_t>(node.outputs.size());
    if (writes < traits.min_outputs || writes > traits.max_outputs)
      add(fmt::format("{} ({}) has {} outputs", node.name, to_string(node.op), writes));
    for (ValueId id : node.outputs) {
      if (!id.valid() || id.index() >= count) {
        add(fmt::format("{} writes value {} of {}", node.name, id.number(), count));
        in_range = false;
        continue;
      }
      if (written[id]++ != 0) add(fmt::format("{} is written twice", graph.value(id).name));
      lowest[id] = pad && pad->lowest ? 1 : 0;
    }
    if (!in_range) continue;
    if (node.is<ops::Input>()) {
      if (!node.inputs.empty()) add(node.name + " (input) has inputs");
      continue;
    }
    // Shapes, then tensors.
    try {
      const int64_t channels =
          node.outputs.empty() ? 0 : graph.value(node.outputs[0]).shape.channels;
      const MapShape shape = infer_shape(graph, node, channels);
      for (ValueId id : node.outputs) {
        if (graph.value(id).shape != shape) {
          add(fmt::format("{} has shape {}, expected {}", graph.value(id).name,
                          to_string(graph.value(id).shape), to_string(shape)));
        }
      }
    } catch (const Error& e) {
      add(e.what());
      continue;
    }
    if (node.outputs.empty()) continue;
    for (const OwnedTensor& tensor : node.op.rules().tensors(graph, node)) {
      if (!graph.has_tensor(node, tensor.part)) {
        if (tensor.required)
          add(fmt::format("the tensor {}.{} is missing", node.name, tensor.part));
      } else if (graph.tensor(node, tensor.part).shape() != tensor.shape) {
        add(fmt::format("the tensor {}.{} has shape {}, expected {}", node.name, tensor.part,
                        to_string(graph.tensor(node, tensor.part).shape()),
                        to_string(tensor.shape)));
      }
    }
  }
  for (const auto& [tensor_name, tensor] : graph.tensors) {
    if (owned.count(tensor_name) == 0)
      add(fmt::format("the tensor {} belongs to no node", tensor_name));
  }
  if (inputs != 1 || outputs != 1)
    add(fmt::format("{} inputs and {} outputs, expected one of each", inputs, outputs));
  for (ValueId id : graph.value_ids()) {
    if (written[id] == 0) add(graph.value(id).name + " is never written");
    if (graph.state == GraphState::Design ? read[id] != 1 : read[id] == 0)
      add(fmt::format("{} is read {} times", graph.value(id).name, read[id]));
  }
  return findings;
}

std::vector<std::string> verify_design(const Graph& graph) {
  constexpr int64_t kMost = INT32_MAX;  // within it no sum of cycles or bits overflows
  std::vector<std::string> findings;
  auto need = [&](bool ok, const std::string& name, const char* what) {
    if (!ok) findings.push_back(name + what);
  };
  const ValueId logits = graph.output();
  for (ValueId id : graph.value_ids()) {
    const Value& v = graph.value(id);
    need(id == logits ? is_wide(v.type) : is_narrow(v.type), v.name, " has no usable type");
    need(v.fifo_depth >= 1 && v.fifo_depth <= kMost, v.name, " has no reasonable FIFO depth");
    need(is_identifier(v.identifier), v.name, " has no C++ identifier");
  }
  if (!findings.empty()) return findings;
  for (const Node& n : graph.nodes) {
    const NodeHardware& h = n.hardware;
    const Traits& traits = n.traits();
    need(!traits.lowered_only, n.name, " is a batch norm, which a design never has");
    need(!traits.has_weights || (is_narrow(h.weight) && is_wide(h.bias)), n.name,
         " has no usable weight or bias type");
    need(!traits.has_accumulator || is_wide(h.accumulator), n.name,
         " has no usable accumulator type");
    need(!traits.has_reciprocal || is_wide(h.reciprocal), n.name, " has no usable reciprocal type");
    need(h.reuse_factor >= 1 && h.reuse_factor <= kMost && h.multipliers >= 0 &&
             h.multipliers <= kMost,
         n.name, " has no reasonable reuse factor");
    need(h.cycles_per_step >= 1 && h.cycles_per_step <= kMost && h.cycles_per_output >= 1 &&
             h.cycles_per_output <= kMost,
         n.name, " has no reasonable number of cycles");
    need(is_identifier(n.identifier), n.name, " has no C++ identifier");
    if (!findings.empty()) return findings;
    if (traits.keeps_type) {
      for (ValueId id : n.outputs) {
        need(graph.value(id).type == graph.value(n.inputs[0]).type, n.name,
             " writes another type than it reads, and it casts nothing");
      }
    }
    // Everything that is summed is brought to the accumulator's fraction, which must be the finest.
    if (traits.has_weights) {
      const int fraction = h.accumulator->fraction();
      need(fraction >= graph.value(n.inputs[0]).type->fraction() + h.weight->fraction() &&
               fraction >= h.bias->fraction(),
           n.name, " has an accumulator coarser than its products");
    }
    for (auto i = static_cast<size_t>(traits.first_summand); i < n.inputs.size(); ++i) {
      need(h.accumulator->fraction() >= graph.value(n.inputs[i]).type->fraction(), n.name,
           " has an accumulator coarser than what it adds");
    }
  }
  return findings;
}

}  // namespace tailor

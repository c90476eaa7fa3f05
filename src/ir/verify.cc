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
  const auto count = static_cast<int>(graph.values.size());
  std::vector<int> written(graph.values.size(), 0), read(graph.values.size(), 0);
  std::set<std::string> names, owned;
  std::vector<bool> lowest(graph.values.size(), false);  // padded for a max pool
  int inputs = 0, outputs = 0;
  for (const Node& node : graph.nodes) {
    for (const char* part : {"weight", "bias", "running_mean", "running_var"})
      owned.insert(node.name + "." + part);
    if (!names.insert(node.name).second) add(fmt::format("two nodes are named {}", node.name));
    inputs += node.op == Op::Input ? 1 : 0;
    outputs += node.op == Op::Output ? 1 : 0;
    bool in_range = true;
    for (int id : node.inputs) {
      if (id < 0 || id >= count) {
        add(fmt::format("{} reads value {} of {}", node.name, id, count));
        in_range = false;
        continue;
      }
      if (written[static_cast<size_t>(id)] == 0)
        add(fmt::format("{} reads {} before it is written", node.name, graph.value(id).name));
      ++read[static_cast<size_t>(id)];
      if (lowest[static_cast<size_t>(id)] && node.op != Op::MaxPool2d) {
        add(fmt::format("{} ({}) reads {}, whose pads are for a max pool", node.name,
                        to_string(node.op), graph.value(id).name));
      }
    }
    const auto* pad = std::get_if<ZeroPadAttributes>(&node.attributes);
    size_t wanted = node.op == Op::Output ? 0 : 1;
    if (node.op == Op::Clone ? node.outputs.size() < 2 : node.outputs.size() != wanted) {
      add(fmt::format("{} ({}) has {} outputs", node.name, to_string(node.op),
                      node.outputs.size()));
    }
    for (int id : node.outputs) {
      if (id < 0 || id >= count) {
        add(fmt::format("{} writes value {} of {}", node.name, id, count));
        in_range = false;
        continue;
      }
      if (written[static_cast<size_t>(id)]++ != 0)
        add(fmt::format("{} is written twice", graph.value(id).name));
      lowest[static_cast<size_t>(id)] = pad && pad->lowest;
    }
    if (!in_range) continue;
    if (node.op == Op::Input) {
      if (!node.inputs.empty()) add(node.name + " (input) has inputs");
      continue;
    }
    // Tensors, then shapes.
    int64_t out_channels = node.outputs.empty() ? 0 : graph.value(node.outputs[0]).shape.channels;
    auto expect = [&](const char* part, const Shape& shape) {
      if (!graph.has_tensor(node, part)) {
        add(fmt::format("the tensor {}.{} is missing", node.name, part));
      } else if (graph.tensor(node, part).shape() != shape) {
        add(fmt::format("the tensor {}.{} has shape {}, expected {}", node.name, part,
                        to_string(graph.tensor(node, part).shape()), to_string(shape)));
      }
    };
    std::vector<MapShape> shapes;
    for (int id : node.inputs) shapes.push_back(graph.value(id).shape);
    try {
      MapShape shape = infer_shape(node.op, node.name, shapes, node.attributes, out_channels);
      for (int id : node.outputs) {
        if (graph.value(id).shape != shape) {
          add(fmt::format("{} has shape {}, expected {}", graph.value(id).name,
                          to_string(graph.value(id).shape), to_string(shape)));
        }
      }
    } catch (const Error& e) {
      add(e.what());
      continue;
    }
    if (node.op == Op::Conv2d) {
      const ConvAttributes& a = node.conv();
      expect("weight", {out_channels, shapes[0].channels / a.groups, a.window.kernel.height,
                        a.window.kernel.width});
      if (graph.has_tensor(node, "bias")) expect("bias", {out_channels});
    } else if (node.op == Op::Dense) {
      expect("weight", {out_channels, shapes[0].size()});
      expect("bias", {out_channels});
    } else if (node.op == Op::BatchNorm) {
      for (const char* part : {"weight", "bias", "running_mean", "running_var"})
        expect(part, {shapes[0].channels});
    }
  }
  for (const auto& [tensor_name, tensor] : graph.tensors) {
    if (owned.count(tensor_name) == 0)
      add(fmt::format("the tensor {} belongs to no node", tensor_name));
  }
  if (inputs != 1 || outputs != 1)
    add(fmt::format("{} inputs and {} outputs, expected one of each", inputs, outputs));
  for (size_t id = 0; id < graph.values.size(); ++id) {
    if (written[id] == 0) add(graph.values[id].name + " is never written");
    if (graph.state == "design" ? read[id] != 1 : read[id] == 0)
      add(fmt::format("{} is read {} times", graph.values[id].name, read[id]));
  }
  return findings;
}

std::vector<std::string> verify_design(const Graph& graph) {
  constexpr int64_t kMost = INT32_MAX;  // within it no sum of cycles or bits overflows
  std::vector<std::string> findings;
  auto need = [&](bool ok, const std::string& name, const char* what) {
    if (!ok) findings.push_back(name + what);
  };
  int logits = -1;
  for (const Node& n : graph.nodes) {
    if (n.op == Op::Output) logits = n.inputs[0];
  }
  for (size_t id = 0; id < graph.values.size(); ++id) {
    const Value& v = graph.values[id];
    need(static_cast<int>(id) == logits ? is_wide(v.type) : is_narrow(v.type), v.name,
         " has no usable type");
    need(v.fifo_depth >= 1 && v.fifo_depth <= kMost, v.name, " has no reasonable FIFO depth");
    need(is_identifier(v.identifier), v.name, " has no C++ identifier");
  }
  if (!findings.empty()) return findings;
  for (const Node& n : graph.nodes) {
    const NodeHardware& h = n.hardware;
    const bool layer = n.op == Op::Conv2d || n.op == Op::Dense, pool = n.op == Op::GlobalAvgPool;
    need(n.op != Op::BatchNorm, n.name, " is a batch norm, which a design never has");
    need(!layer || (is_narrow(h.weight) && is_wide(h.bias)), n.name,
         " has no usable weight or bias type");
    need(!(layer || n.op == Op::Add || pool) || is_wide(h.accumulator), n.name,
         " has no usable accumulator type");
    need(!pool || is_wide(h.reciprocal), n.name, " has no usable reciprocal type");
    need(h.reuse_factor >= 1 && h.reuse_factor <= kMost && h.multipliers >= 0 &&
             h.multipliers <= kMost,
         n.name, " has no reasonable reuse factor");
    need(h.cycles_per_step >= 1 && h.cycles_per_step <= kMost && h.cycles_per_output >= 1 &&
             h.cycles_per_output <= kMost,
         n.name, " has no reasonable number of cycles");
    need(is_identifier(n.identifier), n.name, " has no C++ identifier");
    if (!findings.empty()) return findings;
    if (n.op == Op::Relu || n.op == Op::ShortcutPad || n.op == Op::MaxPool2d ||
        n.op == Op::ZeroPad || n.op == Op::Clone) {
      for (int id : n.outputs) {
        need(graph.value(id).type == graph.value(n.inputs[0]).type, n.name,
             " writes another type than it reads, and it casts nothing");
      }
    }
    // Everything that is summed is brought to the accumulator's fraction, which must be the finest.
    if (layer || n.op == Op::Add) {
      const int fraction = h.accumulator->fraction();
      if (layer) {
        need(fraction >= graph.value(n.inputs[0]).type->fraction() + h.weight->fraction() &&
                 fraction >= h.bias->fraction(),
             n.name, " has an accumulator coarser than its products");
      }
      for (size_t i = layer ? 1 : 0; i < n.inputs.size(); ++i) {
        need(fraction >= graph.value(n.inputs[i]).type->fraction(), n.name,
             " has an accumulator coarser than what it adds");
      }
    }
  }
  return findings;
}

}  // namespace tailor

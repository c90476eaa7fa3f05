// What must hold of every graph, and of every design: all findings, never the first one alone.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "tailor/ir/graph.h"
#include "tailor/ir/identifier.h"
#include "tailor/ir/packing.h"
#include "tailor/ir/reach.h"
#include "tailor/ir/weights.h"

namespace tailor::ir {
namespace {

constexpr int kMostBits = 62;  // of a sum

/// A stream's, weight's or reciprocal's type that every reader can compute with.
bool is_narrow(const std::optional<FixedType>& t) {
  return t && t->width <= 32 && t->fraction() >= 0 && t->fraction() <= 62;
}
bool is_wide(const std::optional<FixedType>& t) {
  return t && t->fraction() >= 0 && t->fraction() <= 62;
}

/// Both types of scales or none, and of binary weights the one type that they have.
bool has_usable_scales(const Node& node) {
  const NodeHardware& h = node.hardware;
  if (!h.scale) return !h.product_sum && !(h.weight && is_binary(*h.weight));
  return h.weight && is_narrow(h.scale) && !h.scale->is_signed && is_wide(h.product_sum) &&
         (!is_binary(*h.weight) || (h.weight->integer == 1 && h.weight->is_signed));
}

bool keeps_weights_well(const Node& node) {
  const FifoStorage storage = node.hardware.weight_storage;
  return storage == FifoStorage::Auto ||
         (node.traits().has_weights &&
          (storage == FifoStorage::Lutram || storage == FifoStorage::Bram));
}

/// Whether steps that came with weights are numbers.
bool steps_fit(const Graph& graph, const Node& node) {
  if (!graph.has_tensor(node, "step")) return true;
  const std::vector<double> steps = graph.tensor(node, "step").to_doubles();
  return std::all_of(steps.begin(), steps.end(),
                     [](double s) { return s >= 0 && s <= std::numeric_limits<double>::max(); });
}

/// Whether scales are numbers of their type, and its products with them numbers of 62 bits.
bool scales_fit(const Graph& graph, const Node& node) {
  const NodeHardware& h = node.hardware;
  const FixedType &type = *h.scale, &x = *graph.value(node.inputs[0]).type;
  const std::vector<double> scales = graph.tensor(node, "scale").to_doubles();
  return steps_fit(graph, node) && x.width + h.weight->width + type.width <= 62 &&
         h.product_sum->fraction() >= x.fraction() + h.weight->fraction() &&
         std::all_of(scales.begin(), scales.end(), [&](double s) {
           return s >= 0 && s <= type.max_value() && s == type.to_double(quantise(s, type));
         });
}

/// Whether the sums of a node with an accumulator, and of a pool their products with its
/// reciprocal, are within their types; or what hinders it.
std::string sums_obstacle(const Graph& graph, const Node& node) {
  const NodeHardware& h = node.hardware;
  if (h.accumulator->width > kMostBits ||
      (node.traits().has_reciprocal && h.accumulator->width + h.reciprocal->width > kMostBits))
    return fmt::format("at most {} bits can be computed with", kMostBits);
  try {
    const Reach reach = reach_of(graph, node);
    if (!reach.fits(*h.accumulator))
      return fmt::format("its sums need {} bits with a sign at that point", reach.width());
    if (h.scale && !reach_before_scales(graph, node).fits(*h.product_sum))
      return fmt::format("sums of products do not fit {}", to_string(*h.product_sum));
  } catch (const Error& e) {  // weights that are no numbers
    return e.what();
  }
  return {};
}

/// Everything that is summed is brought to the accumulator's fraction, which must be the finest,
/// and fits it.
void verify_sums(const Graph& graph, const Node& node, std::vector<std::string>& findings) {
  const NodeHardware& h = node.hardware;
  const Traits& traits = node.traits();
  const size_t before = findings.size();
  auto need = [&](bool ok, const char* what) {
    if (!ok) findings.push_back(node.name + what);
  };
  const int fraction = h.accumulator->fraction();
  const FixedType& x = *graph.value(node.inputs[0]).type;
  if (traits.has_reciprocal)
    need(fraction >= x.fraction(), " has an accumulator coarser than its input");
  if (traits.has_weights) {
    need(fraction >= x.fraction() + scaled_weight_fraction(node) && fraction >= h.bias->fraction(),
         " has an accumulator coarser than its products");
    need(!h.scale || scales_fit(graph, node),
         " has scales that are none of their type, too wide with its weights and input, or of "
         "steps that are no numbers");
  }
  for (auto i = static_cast<size_t>(traits.first_summand); i < node.inputs.size(); ++i) {
    need(fraction >= graph.value(node.inputs[i]).type->fraction(),
         " has an accumulator coarser than what it adds");
  }
  if (findings.size() > before) return;
  const std::string obstacle = sums_obstacle(graph, node);
  if (obstacle.empty()) return;
  findings.push_back(
      fmt::format("{} has the accumulator {}: {}", node.name, to_string(*h.accumulator), obstacle));
}

/// Goes through a graph once, node by node.
class Verifier {
 public:
  explicit Verifier(const Graph& graph)
      : graph_(graph),
        written_(graph.values.size(), 0),
        read_(graph.values.size(), 0),
        lowest_(graph.values.size(), 0) {}

  std::vector<std::string> run() {
    for (const Value& v : graph_.values) verify_size(v);
    for (const Value& v : graph_.values) verify_fold(v);
    // What is computed from unreasonable sizes would be meaningless.
    if (!findings_.empty()) return std::move(findings_);
    for (const Node& node : graph_.nodes) {
      for (const char* part : node.op.rules().parts()) owned_.insert(node.name + "." + part);
      if (!names_.insert(node.name).second) add("two nodes are named {}", node.name);
      const bool reads = verify_inputs(node), writes = verify_outputs(node);
      if (node.is<ops::Input>()) {
        if (reads && writes && !node.inputs.empty()) add("{} (input) has inputs", node.name);
      } else if (reads && writes && verify_shape(node)) {
        verify_tensors(node);
        verify_folds(node);
      }
    }
    verify_whole();
    return std::move(findings_);
  }

 private:
  template <class... Args>
  void add(fmt::format_string<Args...> text, Args&&... args) {
    findings_.push_back(fmt::format(text, std::forward<Args>(args)...));
  }
  bool exists(ValueId id) const { return id.valid() && id.index() < graph_.values.size(); }

  void verify_size(const Value& v) {
    const MapShape& s = v.shape;
    if (is_map_side(s.channels) && is_map_side(s.height) && is_map_side(s.width) &&
        s.size() <= kMaxMapElements)
      return;
    add("{} has the shape {}, expected sizes 1..{} and at most {} elements", v.name, to_string(s),
        kMaxMapSide, kMaxMapElements);
  }

  void verify_fold(const Value& v) {
    if (v.fold >= 1 && v.fold <= v.shape.channels && v.shape.channels % v.fold == 0) return;
    add("{} is folded {} times, expected a divisor of its {} channels", v.name, v.fold,
        v.shape.channels);
  }

  /// What may not be folded, and what must be folded alike.
  void verify_folds(const Node& node) {
    std::vector<ValueId> values(node.inputs.begin(), node.inputs.end());
    values.insert(values.end(), node.outputs.begin(), node.outputs.end());
    const std::vector<int> groups = node.op.rules().fold_groups(graph_, node);
    for (size_t i = 0; i < values.size(); ++i) {
      const Value& v = graph_.value(values[i]);
      if (groups[i] == Operation::kWhole && v.fold != 1) {
        add("{} ({}) takes and writes whole pixels, and {} is folded {} times", node.name,
            to_string(node.op), v.name, v.fold);
      }
      for (size_t k = 0; k < i && groups[i] != Operation::kWhole; ++k) {
        if (groups[k] != groups[i] || graph_.value(values[k]).fold == v.fold) continue;
        add("{} ({}): {} is folded {} times and {} {}", node.name, to_string(node.op), v.name,
            v.fold, graph_.value(values[k]).name, graph_.value(values[k]).fold);
      }
    }
  }

  /// Whether all of them exist.
  bool verify_inputs(const Node& node) {
    bool exist = true;
    for (ValueId id : node.inputs) {
      if (!exists(id)) {
        add("{} reads value {} of {}", node.name, id.number(), graph_.values.size());
        exist = false;
        continue;
      }
      const std::string& name = graph_.value(id).name;
      if (written_[id] == 0) add("{} reads {} before it is written", node.name, name);
      ++read_[id];
      if (lowest_[id] && !node.is<ops::MaxPool2d>())
        add("{} ({}) reads {}, whose pads are for a max pool", node.name, to_string(node.op), name);
    }
    return exist;
  }

  bool verify_outputs(const Node& node) {
    const auto count = static_cast<int64_t>(node.outputs.size());
    if (count < node.traits().min_outputs || count > node.traits().max_outputs)
      add("{} ({}) has {} outputs", node.name, to_string(node.op), count);
    const auto* pad = node.op.get_if<ops::ZeroPad>();
    bool exist = true;
    for (ValueId id : node.outputs) {
      if (!exists(id)) {
        add("{} writes value {} of {}", node.name, id.number(), graph_.values.size());
        exist = false;
        continue;
      }
      if (written_[id]++ != 0) add("{} is written twice", graph_.value(id).name);
      lowest_[id] = pad && pad->lowest ? 1 : 0;
    }
    return exist;
  }

  /// Whether it has one.
  bool verify_shape(const Node& node) {
    try {
      const int64_t channels =
          node.outputs.empty() ? 0 : graph_.value(node.outputs[0]).shape.channels;
      const MapShape shape = infer_shape(graph_, node, channels);
      for (size_t i = 0; i < node.outputs.size(); ++i) {
        const Value& v = graph_.value(node.outputs[i]);
        const MapShape expected = shape_of_output(graph_, node, i, shape);
        if (v.shape != expected)
          add("{} has shape {}, expected {}", v.name, to_string(v.shape), to_string(expected));
      }
      return true;
    } catch (const Error& e) {
      findings_.emplace_back(e.what());
      return false;
    }
  }

  void verify_tensors(const Node& node) {
    if (node.outputs.empty()) return;
    for (const OwnedTensor& tensor : node.op.rules().tensors(graph_, node)) {
      if (!graph_.has_tensor(node, tensor.part)) {
        if (tensor.required) add("the tensor {}.{} is missing", node.name, tensor.part);
        continue;
      }
      const Shape& shape = graph_.tensor(node, tensor.part).shape();
      if (shape != tensor.shape) {
        add("the tensor {}.{} has shape {}, expected {}", node.name, tensor.part,
            tensors::to_string(shape), tensors::to_string(tensor.shape));
      }
    }
  }

  void verify_whole() {
    for (const auto& [name, tensor] : graph_.tensors) {
      if (owned_.count(name) == 0) add("the tensor {} belongs to no node", name);
    }
    int inputs = 0, outputs = 0;
    for (const Node& node : graph_.nodes) {
      inputs += node.is<ops::Input>() ? 1 : 0;
      outputs += node.is<ops::Output>() ? 1 : 0;
    }
    if (inputs != 1 || outputs != 1)
      add("{} inputs and {} outputs, expected one of each", inputs, outputs);
    if (inputs + outputs == static_cast<int>(graph_.nodes.size()))
      add("there is nothing between the input and the output");
    for (ValueId id : graph_.value_ids()) {
      const std::string& name = graph_.value(id).name;
      if (written_[id] == 0) add("{} is never written", name);
      if (graph_.state == GraphState::Design ? read_[id] != 1 : read_[id] == 0)
        add("{} is read {} times", name, read_[id]);
    }
  }

  const Graph& graph_;
  ByValue<int> written_, read_;
  ByValue<char> lowest_;  // padded for a max pool
  std::set<std::string> names_, owned_;
  std::vector<std::string> findings_;
};

}  // namespace

std::vector<std::string> verify_graph(const Graph& graph) { return Verifier(graph).run(); }

std::string not_finite(const TensorMap& tensors) {
  for (const auto& [name, tensor] : tensors) {
    if (tensor.dtype() != DType::F32 && tensor.dtype() != DType::F64) continue;
    const std::vector<double> values = tensor.to_doubles();
    const auto found =
        std::find_if(values.begin(), values.end(), [](double v) { return !std::isfinite(v); });
    if (found != values.end()) {
      return fmt::format("the tensor {} holds {} at element {}", name, *found,
                         found - values.begin());
    }
  }
  return {};
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
    const bool usable = id == logits ? is_wide(v.type) : is_narrow(v.type);
    need(usable && v.type->max_raw() > v.type->min_raw(), v.name, " has no usable type");
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
    need(has_usable_scales(n), n.name,
         " has scales without usable types, or binary weights without scales");
    need(!traits.has_accumulator || is_wide(h.accumulator), n.name,
         " has no usable accumulator type");
    need(!traits.has_reciprocal || is_wide(h.reciprocal), n.name, " has no usable reciprocal type");
    need(keeps_weights_well(n), n.name, " keeps its weights where none can lie");
    need(!h.packed || (traits.has_weights && packing_obstacle(graph, n).empty()), n.name,
         " packs products that do not fit");
    need(h.reuse_factor >= 1 && h.reuse_factor <= kMost && h.multipliers >= 0 &&
             h.multipliers <= kMost,
         n.name, " has no reasonable reuse factor");
    need(h.cycles_per_step >= 1 && h.cycles_per_step <= kMost && h.cycles_per_output >= 1 &&
             h.cycles_per_output <= kMost && h.pipeline_cycles >= 0 && h.pipeline_cycles <= kMost,
         n.name, " has no reasonable number of cycles");
    need(is_identifier(n.identifier), n.name, " has no C++ identifier");
    if (!findings.empty()) return findings;
    if (traits.keeps_type || traits.forwards_input) {
      for (ValueId id : n.outputs) {
        if (!traits.keeps_type && id == n.outputs[0]) continue;
        need(graph.value(id).type == graph.value(n.inputs[0]).type, n.name,
             " writes another type than it reads, and it casts nothing");
      }
    }
    if (traits.has_accumulator) verify_sums(graph, n, findings);
  }
  return findings;
}

}  // namespace tailor::ir

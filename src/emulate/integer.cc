#include "tailor/emulate/integer.h"

#include <algorithm>

#include "tailor/emulate/handed_on.h"
#include "tailor/emulate/kernels.h"
#include "tailor/ir/weights.h"

namespace tailor::emulate {
namespace {

/// Fraction bits of what a node computes in.
int computed_fraction(const Graph& graph, const Node& node) {
  const Traits& t = node.traits();
  const NodeHardware& h = node.hardware;
  const int x = graph.value(node.inputs[0]).type->fraction();
  if (t.has_reciprocal) return x + required_type(h.reciprocal, node, "reciprocal").fraction();
  return t.has_accumulator ? required_type(h.accumulator, node, "accumulator").fraction() : x;
}

const IntegerKernel& kernel_of(const Node& node) {
  const IntegerKernel* kernel = find_integer_kernel(node.op.rules());
  if (!kernel) {
    fail(ErrorKind::Data, "graph: {} is a {}, which a design never has", node.name,
         to_string(node.op));
  }
  return *kernel;
}

/// The network's input, HWC, in its type.
template <class T>
std::vector<T> quantised_input(Span<const double> image, const Value& value, int64_t& overflows) {
  const MapShape& shape = value.shape;
  TAILOR_CHECK(static_cast<int64_t>(image.size()) == shape.size(), "input of {} values for {}",
               image.size(), to_string(shape));
  std::vector<T> y;
  y.reserve(image.size());
  for (double v : image) {
    bool overflowed = false;
    y.push_back(static_cast<T>(quantise(v, *value.type, &overflowed)));
    overflows += overflowed ? 1 : 0;
  }
  return y;
}

}  // namespace

struct IntegerEmulator::Plan {
  Graph graph;  // without its tensors
  ValueId logits;
  std::vector<IntegerStage> stages;  // by node
  std::vector<int64_t> weight_overflows;
  bool narrow = true;  // every map but the logits fits int16

  template <class T>
  IntegerResult run(Span<const double> input, const IntegerTap& tap) const;
};

IntegerEmulator::IntegerEmulator(const Graph& design) : plan_(std::make_unique<Plan>()) {
  Plan& plan = *plan_;
  plan.graph.name = design.name;
  plan.graph.nodes = design.nodes;
  plan.graph.values = design.values;
  plan.logits = design.output();
  plan.stages.resize(design.nodes.size());
  for (const Node& node : design.nodes) {
    for (ValueId id : node.outputs) {
      const FixedType& type = required_type(design.value(id).type, node, "output");
      if (id == plan.logits) continue;
      const int bits = type.width + (type.is_signed ? 0 : 1);
      if (bits > 16) plan.narrow = false;
      if (bits > 32) {
        fail(ErrorKind::Unsupported,
             "graph: {} has streams of {} bits{}, the emulator takes up to 32", node.name,
             type.width, type.is_signed ? "" : " without a sign");
      }
    }
  }
  for (size_t n = 0; n < design.nodes.size(); ++n) {
    const Node& node = design.nodes[n];
    IntegerStage& stage = plan.stages[n];
    if (!node.traits().port) {
      const IntegerKernel& kernel = kernel_of(node);
      stage.narrow = plan.narrow;
      stage.caster.emplace(computed_fraction(design, node), *design.value(node.outputs[0]).type);
      if (kernel.prepare) kernel.prepare(stage, design, node);
    }
    plan.weight_overflows.push_back(stage.weight_overflows);
  }
}

IntegerEmulator::~IntegerEmulator() = default;
IntegerEmulator::IntegerEmulator(IntegerEmulator&&) noexcept = default;
const std::vector<int64_t>& IntegerEmulator::weight_overflows() const {
  return plan_->weight_overflows;
}

IntegerResult IntegerEmulator::run(Span<const double> input, const IntegerTap& tap) const {
  return plan_->narrow ? plan_->run<int16_t>(input, tap) : plan_->run<int32_t>(input, tap);
}

template <class T>
IntegerResult IntegerEmulator::Plan::run(Span<const double> input, const IntegerTap& tap) const {
  constexpr bool kNarrow = std::is_same_v<T, int16_t>;
  IntegerResult result;
  result.overflows.resize(graph.nodes.size());
  ByValue<std::vector<T>> maps(graph.values.size());
  ByValue<size_t> last(graph.values.size(), 0);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    for (ValueId id : graph.nodes[n].inputs) last[id] = n;
  }
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (node.outputs.empty()) continue;
    std::vector<const std::vector<T>*> inputs;
    for (ValueId id : node.inputs) inputs.push_back(&maps[id]);
    const bool writes_logits =
        std::find(node.outputs.begin(), node.outputs.end(), logits) != node.outputs.end();
    std::vector<T> y;
    if (node.traits().port) {
      y = quantised_input<T>(input, graph.value(node.outputs[0]), result.overflows[n]);
    } else {
      const IntegerKernel& kernel = kernel_of(node);
      const IntegerCall<T> call{graph, node, stages[n], inputs, result.overflows[n]};
      const bool wide = writes_logits && node.outputs.size() == 1;
      if constexpr (kNarrow) {
        if (wide) {
          result.logits_raw = kernel.narrow_logits(call);
        } else {
          y = kernel.narrow(call);
        }
      } else {
        if (wide) {
          result.logits_raw = kernel.wide_logits(call);
        } else {
          y = kernel.wide(call);
        }
      }
    }
    if (writes_logits && result.logits_raw.empty()) result.logits_raw.assign(y.begin(), y.end());
    const bool forwards = node.traits().forwards_input;
    for (size_t i = 1; i < node.outputs.size(); ++i)
      maps[node.outputs[i]] = forwards ? handed_on(graph, node, *inputs[0]) : y;
    maps[node.outputs[0]] = std::move(y);
    for (size_t i = 0; tap && i < node.outputs.size(); ++i) {
      const std::vector<T>& map = maps[node.outputs[i]];
      tap(node.outputs[i],
          map.empty() ? result.logits_raw : std::vector<int64_t>(map.begin(), map.end()));
    }
    for (ValueId id : node.inputs) {
      if (last[id] == n) maps[id] = std::vector<T>();
    }
  }
  const FixedType& type = *graph.value(logits).type;
  for (int64_t raw : result.logits_raw) result.logits.push_back(type.to_double(raw));
  return result;
}

}  // namespace tailor::emulate

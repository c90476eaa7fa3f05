// Decision 8: every stream W bits, weights W bits, accumulators as wide as the products need, one
// cast a stage, logits uncast.
#include <algorithm>

#include "tailor/core/log.h"
#include "tailor/design/passes.h"

namespace tailor::design {
namespace {

/// Whether the input itself, not through a convolution, is added to a stream of the model's type.
bool input_joins(const Graph& graph) {
  ByValue<char> raw(graph.values.size(), 0);
  for (const Node& node : graph.nodes) {
    for (auto i = static_cast<size_t>(node.traits().first_summand); i < node.inputs.size(); ++i) {
      if (raw[node.inputs[i]]) return true;
    }
    for (ValueId id : node.outputs) {
      const bool passes =
          node.traits().keeps_type || (node.traits().forwards_input && id != node.outputs[0]);
      raw[id] = node.is<ops::Input>() || (passes && raw[node.inputs[0]]);
    }
  }
  return false;
}

/// Whether no value of what the node writes is below 0, by its operations alone.
bool is_never_negative(const Graph& graph, const Node& node) {
  auto inputs_are = [&] {
    return std::all_of(node.inputs.begin(), node.inputs.end(), [&](const Operand& operand) {
      return !graph.value(operand.value).type->is_signed;
    });
  };
  if (const auto* conv = node.op.get_if<ops::Conv2d>()) {
    if (!conv->relu) return false;
    if (!conv->skips_after_activation) return true;
    const bool reads_input = !conv->window_skips.empty() || node.inputs.size() > 1;
    return !reads_input || inputs_are();
  }
  if (node.is<ops::Relu>()) return true;
  return (node.is<ops::GlobalAvgPool>() || node.is<ops::Add>()) && inputs_are();
}

/// Types that were asked for without a sign where values may be negative. What was trained so has
/// been trained with a sign, and goes on; of others nobody knows what they would saturate.
void refuse_lost_signs(const Graph& graph, const Precision& precision,
                       const std::vector<std::string>& stages) {
  if (stages.empty()) return;
  const std::string& first = stages[0];
  const std::string own = precision_text(precision.activation(first));
  const std::string text = fmt::format(
      "precision: {} of {}{}: what it writes in {} may be negative, so that a type without a sign "
      "cuts it off",
      own, first, stages.size() > 1 ? fmt::format(" (and of {} more)", stages.size() - 1) : "",
      graph.name);
  if (!precision.trained)
    fail(ErrorKind::Usage, "{}; expected one with a sign, as in {}", text, own.substr(1));
  log_warn("passes", "{}; it has a sign there: {}", text, own.substr(1));
}

}  // namespace

void infer_types(Graph& graph, const Precision& precision, double input_magnitude) {
  TypeRequest request;
  request.input_magnitude = input_magnitude;
  request.input_joins = input_joins(graph);
  if (request.input_joins && input_magnitude > precision.type.max_value()) {
    log_warn("passes",
             "the input reaches {:g} and is itself added to a stream, so that it has the "
             "streams' type: {} ends at {:g}, larger values overflow; normalise the input or "
             "ask for more integer bits (--precision)",
             input_magnitude, to_string(precision.type), precision.type.max_value());
  }
  const ValueId logits = graph.output();
  std::vector<std::string> lost;  // signs
  for (Node& node : graph.nodes) {
    if (node.outputs.empty()) continue;
    request.model = precision.activation(node.name);
    request.weight = precision.weight(node.name);
    request.logits = node.outputs[0] == logits;
    if (!is_never_negative(graph, node)) {
      const bool asked = precision.stages.count(node.name) != 0 && !request.model.is_signed;
      const bool own = asked && precision.stages.at(node.name).activation.has_value();
      if (own && !request.logits && !node.traits().keeps_type) lost.push_back(node.name);
      request.model.is_signed = true;
    }
    const FixedType type = node.op.rules().types(graph, node, request);
    for (ValueId id : node.outputs) {
      const bool forwarded = node.traits().forwards_input && id != node.outputs[0];
      graph.value(id).type = forwarded ? graph.value(node.inputs[0]).type : type;
    }
  }
  refuse_lost_signs(graph, precision, lost);
}

}  // namespace tailor::design

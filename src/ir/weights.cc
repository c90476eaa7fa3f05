#include "tailor/ir/weights.h"

#include <algorithm>

namespace tailor::ir {
const FixedType& required_type(const std::optional<FixedType>& type, const Node& node,
                               const char* what) {
  if (!type) {
    fail(ErrorKind::Data, "graph: {} has no {} type: it is not a design (run tailor export on it)",
         node.name, what);
  }
  return *type;
}

std::string weight_text(const FixedType& weight) {
  return is_binary(weight) ? "binary" : to_string(weight);
}

FixedType stored_weight(const Node& node) {
  FixedType type = required_type(node.hardware.weight, node, "weight");
  if (is_binary(type)) type.width = type.integer = 2;
  return type;
}

int64_t quantise_weight(double by_scale, const FixedType& type, bool* overflowed) {
  if (is_binary(type)) return by_scale < 0 ? -1 : 1;
  return quantise(by_scale, type, overflowed);
}

std::vector<double> scales_of_steps(std::vector<double> steps, const FixedType& weight) {
  for (double& step : steps) step /= weight.step();
  return steps;
}

namespace {

/// What weights are divided by; rounding that as hardware does would lose what they are.
std::vector<double> exact_scales(const Graph& graph, const Node& node) {
  if (!graph.has_tensor(node, "step")) return graph.tensor(node, "scale").to_doubles();
  return scales_of_steps(graph.tensor(node, "step").to_doubles(),
                         required_type(node.hardware.weight, node, "weight"));
}

}  // namespace

std::vector<double> weights_by_scale(const Graph& graph, const Node& node) {
  std::vector<double> weights = graph.tensor(node, "weight").to_doubles();
  if (!node.hardware.scale) return weights;
  const std::vector<double> scales = exact_scales(graph, node);
  const size_t each = weights.size() / scales.size();
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = by_scale(weights[i], scales[i / each]);
  return weights;
}

void round_part(const Graph& graph, const Node& node, const char* part, Span<double> values) {
  const bool bias = std::string_view(part) == "bias";
  const FixedType& type =
      required_type(bias ? node.hardware.bias : node.hardware.weight, node, part);
  std::vector<double> scales = {1}, exact = {1};
  if (!bias && node.hardware.scale) {
    scales = graph.tensor(node, "scale").to_doubles();
    exact = exact_scales(graph, node);
  }
  const size_t each = (values.size() + scales.size() - 1) / scales.size();
  for (size_t i = 0; i < values.size(); ++i) {
    const double scale = scales[i / each], steps = by_scale(values[i], exact[i / each]);
    const int64_t raw = bias ? quantise(steps, type) : quantise_weight(steps, type);
    values[i] = type.to_double(raw) * scale;
  }
}

std::vector<int64_t> quantised_weights(const Graph& graph, const Node& node, int64_t* overflows) {
  const Tensor& tensor = graph.tensor(node, "weight");
  const FixedType& type = required_type(node.hardware.weight, node, "weight");
  const std::vector<double> w = weights_by_scale(graph, node);
  const int64_t out = tensor.shape()[0], in = tensor.shape()[1],
                taps = tensor.size() / std::max<int64_t>(out * in, 1);
  std::vector<int64_t> raw(w.size());
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t t = 0; t < taps; ++t) {
      for (int64_t i = 0; i < in; ++i) {
        bool overflowed = false;
        raw[static_cast<size_t>((o * taps + t) * in + i)] =
            quantise_weight(w[static_cast<size_t>((o * in + i) * taps + t)], type, &overflowed);
        if (overflows && overflowed) ++*overflows;
      }
    }
  }
  return raw;
}

std::vector<int64_t> quantised_bias(const Graph& graph, const Node& node, int64_t* overflows) {
  std::vector<int64_t> raw;
  if (!graph.has_tensor(node, "bias")) {
    raw.resize(static_cast<size_t>(graph.value(node.outputs[0]).shape.channels), 0);
    return raw;
  }
  const FixedType& type = required_type(node.hardware.bias, node, "bias");
  for (double v : graph.tensor(node, "bias").to_doubles()) {
    bool overflowed = false;
    raw.push_back(quantise(v, type, &overflowed));
    if (overflows && overflowed) ++*overflows;
  }
  return raw;
}

std::vector<int64_t> quantised_scales(const Graph& graph, const Node& node) {
  std::vector<int64_t> raw;
  if (!node.hardware.scale) return raw;
  for (double v : graph.tensor(node, "scale").to_doubles())
    raw.push_back(quantise(v, *node.hardware.scale));
  return raw;
}

std::vector<int64_t> scaled_weights(const Graph& graph, const Node& node, int64_t* overflows) {
  std::vector<int64_t> raw = quantised_weights(graph, node, overflows);
  const std::vector<int64_t> scales = quantised_scales(graph, node);
  if (scales.empty()) return raw;
  const size_t each = raw.size() / scales.size();
  for (size_t i = 0; i < raw.size(); ++i) raw[i] *= scales[i / each];
  return raw;
}

int scaled_weight_fraction(const Node& node) {
  const NodeHardware& h = node.hardware;
  return required_type(h.weight, node, "weight").fraction() + (h.scale ? h.scale->fraction() : 0);
}

}  // namespace tailor::ir

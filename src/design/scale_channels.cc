// Scales of output channels, found in the weights, or in the steps that are given with them:
// training and export find the same ones.
#include <algorithm>
#include <cmath>

#include "design/rewrite.h"
#include "tailor/design/channel_scales.h"
#include "tailor/design/passes.h"
#include "tailor/ir/weights.h"

namespace tailor::design {

std::vector<double> channel_magnitudes(Span<const double> weights, int64_t outputs, bool binary) {
  std::vector<double> magnitudes;
  const size_t each = weights.size() / static_cast<size_t>(outputs);
  for (size_t first = 0; first < weights.size(); first += each) {
    double sum = 0;
    for (double w : weights.subspan(first, each)) sum += binary ? std::abs(w) : w * w;
    const double mean = sum / static_cast<double>(each);
    magnitudes.push_back(binary ? mean : std::sqrt(mean));
  }
  return magnitudes;
}

std::vector<double> channel_scales(Span<const double> weights, int64_t outputs, bool binary,
                                   const FixedType& type) {
  std::vector<double> scales = channel_magnitudes(weights, outputs, binary);
  round_scales({scales.data(), scales.size()}, type);
  return scales;
}

void round_scales(Span<double> scales, const FixedType& type) {
  for (double& s : scales)
    s = std::min(std::nearbyint(s / type.step()) * type.step(), type.max_value());
}

FixedType scale_type(int bits, double largest) {
  FixedType type{bits, largest > 0 ? static_cast<int>(std::ceil(std::log2(largest))) : 0, false};
  if (largest > type.max_value()) ++type.integer;
  type.integer = std::clamp(type.integer, -16, bits);
  type.rounding = Rounding::Rnd, type.overflow = Overflow::Sat;
  return type;
}

void take_given_steps(Graph& graph, const Precision& precision) {
  for (const Node& node : graph.nodes) {
    const std::vector<double>& steps = precision.steps(node.name);
    if (!node.traits().has_weights || steps.empty()) continue;
    const auto outputs = static_cast<int64_t>(steps.size());
    if (outputs != graph.tensor(node, "weight").shape()[0]) {
      fail(ErrorKind::Data, "precision: {} steps of the channels of {}, which has {}", outputs,
           node.name, graph.tensor(node, "weight").shape()[0]);
    }
    set_tensor(graph, node, "step", {outputs}, steps);
  }
}

void scale_channels(Graph& graph, const Precision& precision) {
  for (Node& node : graph.nodes) {
    const std::optional<FixedType>& type = precision.scale(node.name);
    if (!node.traits().has_weights || !type) continue;
    const Tensor& weight = graph.tensor(node, "weight");
    const int64_t outputs = weight.shape()[0];
    const FixedType& weight_type = precision.weight(node.name);
    node.hardware.scale = type;
    std::vector<double> scales;
    if (graph.has_tensor(node, "step")) {
      scales = ir::scales_of_steps(graph.tensor(node, "step").to_doubles(), weight_type);
      round_scales({scales.data(), scales.size()}, *type);
    } else {
      scales = channel_scales(weight.to_doubles(), outputs, is_binary(weight_type), *type);
    }
    set_tensor(graph, node, "scale", {outputs}, scales);
  }
}

}  // namespace tailor::design

// The types of a plan in words.
#include <algorithm>
#include <set>

#include "tailor/core/strings.h"
#include "tailor/design/design.h"
#include "tailor/ir/weights.h"

namespace tailor::design {
namespace {

/// "weights of " the type, or of several their widths: "u8 and 8 bits".
void add_text(std::vector<std::string>& parts, const char* what,
              const std::vector<FixedType>& types) {
  if (types.empty()) return;
  std::set<std::pair<int, bool>> widths;
  for (const FixedType& type : types) widths.emplace(type.width, type.is_signed);
  std::vector<std::string> list;
  list.reserve(widths.size());
  for (const auto& [width, is_signed] : widths)
    list.push_back((is_signed ? "" : "u") + std::to_string(width));
  parts.push_back(what +
                  (types.size() == 1 ? ir::weight_text(types[0]) : join(list, " and ") + " bits"));
}

}  // namespace

std::string types_text(const Plan& plan) {
  const Graph& graph = plan.graph();
  const Precision& precision = plan.precision();
  const bool uniform = precision.stages.empty() && !precision.scales && precision.type.is_signed &&
                       precision.weights.value_or(precision.type) == precision.type;
  if (uniform) return to_string(precision.type);
  std::vector<FixedType> weights, scales, streams;
  auto add = [](std::vector<FixedType>& list, const std::optional<FixedType>& type) {
    if (type && std::find(list.begin(), list.end(), *type) == list.end()) list.push_back(*type);
  };
  for (const Node& node : graph.nodes) {
    add(weights, node.hardware.weight);
    add(scales, node.hardware.scale);
    const bool casts =
        !node.traits().port && !node.traits().keeps_type && node.outputs[0] != graph.output();
    if (casts) add(streams, graph.value(node.outputs[0]).type);
  }
  const bool by_stage = weights.size() > 1 || streams.size() > 1;
  std::vector<std::string> parts;
  add_text(parts, "weights of ", weights);
  add_text(parts, "scales of output channels of ", scales);
  add_text(parts, "streams of ", streams);
  return (by_stage ? "types by stage: " : "") + join(parts, ", ");
}

}  // namespace tailor::design

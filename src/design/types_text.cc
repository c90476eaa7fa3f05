// The types of a plan in words.
#include <algorithm>
#include <set>

#include "tailor/core/strings.h"
#include "tailor/design/design.h"
#include "tailor/ir/weights.h"

namespace tailor::design {
namespace {

/// "4 to 6, 8 and 16".
std::string widths_text(const std::set<int>& widths) {
  std::vector<std::string> parts;
  for (auto at = widths.begin(); at != widths.end();) {
    auto last = at;
    while (std::next(last) != widths.end() && *std::next(last) == *last + 1) ++last;
    if (*last - *at < 2) {
      parts.push_back(std::to_string(*at++));
      continue;
    }
    parts.push_back(fmt::format("{} to {}", *at, *last));
    at = std::next(last);
  }
  const std::string end = parts.back();
  parts.pop_back();
  return parts.empty() ? end : join(parts, ", ") + " and " + end;
}

/// "weights of " the type, or of several their widths: "8 bits and of 6 to 8 bits without a sign".
void add_text(std::vector<std::string>& parts, const char* what,
              const std::vector<FixedType>& types) {
  if (types.empty()) return;
  if (types.size() == 1) {
    parts.push_back(what + ir::weight_text(types[0]));
    return;
  }
  std::set<int> with_sign, without;
  for (const FixedType& type : types) (type.is_signed ? with_sign : without).insert(type.width);
  std::vector<std::string> list;
  if (!with_sign.empty()) list.push_back(widths_text(with_sign) + " bits");
  if (!without.empty()) list.push_back(widths_text(without) + " bits without a sign");
  parts.push_back(what + join(list, " and of "));
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

// Which stages compute two products with one DSP.
#include "tailor/core/strings.h"
#include "tailor/design/passes.h"
#include "tailor/ir/packing.h"

namespace tailor::design {

std::vector<std::pair<std::string, std::string>> pack_products(Graph& graph) {
  std::vector<std::pair<std::string, std::string>> unpacked;
  bool any = false;
  for (Node& node : graph.nodes) {
    if (!node.traits().has_weights) continue;
    std::string obstacle = packing_obstacle(graph, node);
    node.hardware.packed = obstacle.empty();
    any |= node.hardware.packed;
    if (!obstacle.empty()) unpacked.emplace_back(node.name, std::move(obstacle));
  }
  if (any) return unpacked;
  std::vector<std::string> list;
  list.reserve(unpacked.size());
  for (const auto& [stage, why] : unpacked) list.push_back(fmt::format("{} ({})", stage, why));
  fail(ErrorKind::Unsupported,
       "--dsp-packing: no stage of {} has two products that fit one DSP: {}; ask for weights and "
       "activations of at most 8 bits (--precision), or leave it out",
       graph.name, list.empty() ? "none has weights" : join(list, ", "));
}

}  // namespace tailor::design

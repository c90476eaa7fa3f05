// Which stages compute two products with one DSP.
#include <algorithm>

#include "design/products.h"
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
  fail(ErrorKind::Unsupported,
       "--dsp-packing: no stage of {} has two products that fit one DSP: {}; ask for weights and "
       "activations of at most 8 bits (--precision), or leave it out",
       graph.name, unpacked.empty() ? "none has weights" : unpacked_text(unpacked));
}

std::string unpacked_text(const std::vector<std::pair<std::string, std::string>>& unpacked) {
  constexpr size_t kNamed = 3;
  std::vector<std::string> list;
  for (size_t i = 0; i < std::min(unpacked.size(), kNamed); ++i)
    list.push_back(fmt::format("{} ({})", unpacked[i].first, unpacked[i].second));
  if (unpacked.size() > kNamed)
    list.push_back(fmt::format("and {} more", unpacked.size() - kNamed));
  return join(list, ", ");
}

}  // namespace tailor::design

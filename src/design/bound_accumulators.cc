// Accumulators no wider than their own weights can fill (ir/reach.h).
#include <algorithm>

#include "tailor/design/passes.h"
#include "tailor/ir/reach.h"

namespace tailor::design {
namespace {

/// Before, it was wide enough for any weights of the type.
void narrow_to(FixedType& type, const ir::Reach& reach) {
  const int width = std::min(reach.width(), type.width);
  type.integer -= type.width - width;
  type.width = width;
}

}  // namespace

void bound_accumulators(Graph& graph) {
  for (Node& node : graph.nodes) {
    if (!node.traits().has_weights) continue;
    if (node.hardware.scale)
      narrow_to(*node.hardware.product_sum, ir::reach_before_scales(graph, node));
    if (node.outputs[0] != graph.output())
      narrow_to(*node.hardware.accumulator, ir::reach_of(graph, node));
  }
}

}  // namespace tailor::design

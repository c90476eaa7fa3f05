// Accumulators no wider than their own weights can fill: no order of a sum, and no input, goes
// beyond what they hold (Colbert et al. 2023, A2Q: the bound by the weights' magnitudes).
#include <algorithm>

#include "tailor/design/passes.h"
#include "tailor/ir/weights.h"

namespace tailor::design {
namespace {

/// What a sum can reach, both ways, in raw steps of the accumulator.
struct Reach {
  fixed::Int128 low = 0, high = 0;

  void add(fixed::Int128 least, fixed::Int128 most) {
    low += std::min<fixed::Int128>(least, 0);
    high += std::max<fixed::Int128>(most, 0);
  }
};

fixed::Int128 shifted(fixed::Int128 raw, int bits) { return raw * (fixed::Int128{1} << bits); }

/// Of all outputs, with bias and skips.
Reach reach_of(const Graph& graph, const Node& node) {
  const int fraction = node.hardware.accumulator->fraction();
  const FixedType& x = *graph.value(node.inputs[0]).type;
  const int product_shift = fraction - x.fraction() - node.hardware.weight->fraction();
  const std::vector<int64_t> weights = ir::quantised_weights(graph, node),
                             bias = ir::quantised_bias(graph, node);
  Reach all;
  const size_t each = weights.size() / bias.size();
  for (size_t o = 0; o < bias.size(); ++o) {
    Reach sum;
    for (size_t i = o * each; i < (o + 1) * each; ++i) {
      const fixed::Int128 a = fixed::Int128{weights[i]} * x.min_raw(),
                          b = fixed::Int128{weights[i]} * x.max_raw();
      sum.add(std::min(a, b), std::max(a, b));
    }
    sum.low = shifted(sum.low, product_shift), sum.high = shifted(sum.high, product_shift);
    const fixed::Int128 begins = shifted(bias[o], fraction - node.hardware.bias->fraction());
    sum.add(begins, begins);
    all.low = std::min(all.low, sum.low), all.high = std::max(all.high, sum.high);
  }
  const auto* conv = node.op.get_if<ops::Conv2d>();
  auto add_skip = [&](const FixedType& t) {
    all.add(shifted(t.min_raw(), fraction - t.fraction()),
            shifted(t.max_raw(), fraction - t.fraction()));
  };
  for (size_t s = 1; s < node.inputs.size(); ++s) add_skip(*graph.value(node.inputs[s]).type);
  for (size_t s = 0; conv && s < conv->window_skips.size(); ++s) add_skip(x);
  return all;
}

}  // namespace

void bound_accumulators(Graph& graph) {
  for (Node& node : graph.nodes) {
    if (!node.traits().has_weights || node.outputs[0] == graph.output()) continue;
    FixedType& accumulator = *node.hardware.accumulator;
    const Reach reach = reach_of(graph, node);
    int width = 2;
    while (reach.high > (fixed::Int128{1} << (width - 1)) - 1 ||
           reach.low < -(fixed::Int128{1} << (width - 1)))
      ++width;
    // Before, it was wide enough for any weights of the type.
    width = std::min(width, accumulator.width);
    accumulator.integer -= accumulator.width - width;
    accumulator.width = width;
  }
}

}  // namespace tailor::design

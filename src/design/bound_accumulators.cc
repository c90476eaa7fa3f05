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

/// The fewest bits that hold it with a sign.
int width_of(const Reach& reach) {
  int width = 2;
  while (reach.high > (fixed::Int128{1} << (width - 1)) - 1 ||
         reach.low < -(fixed::Int128{1} << (width - 1)))
    ++width;
  return width;
}

/// What the products of an output can sum up to, in their raw steps.
Reach products_reach(const std::vector<int64_t>& weights, size_t o, size_t each,
                     const FixedType& x) {
  Reach sum;
  for (size_t i = o * each; i < (o + 1) * each; ++i) {
    const fixed::Int128 a = fixed::Int128{weights[i]} * x.min_raw(),
                        b = fixed::Int128{weights[i]} * x.max_raw();
    sum.add(std::min(a, b), std::max(a, b));
  }
  return sum;
}

void widen(Reach& all, const Reach& more) {
  all.low = std::min(all.low, more.low), all.high = std::max(all.high, more.high);
}

/// Of the sums that scales multiply.
Reach reach_before_scales(const Graph& graph, const Node& node) {
  const std::vector<int64_t> weights = ir::quantised_weights(graph, node);
  const auto outputs = static_cast<size_t>(graph.tensor(node, "weight").shape()[0]);
  Reach all;
  for (size_t o = 0; o < outputs; ++o) {
    widen(all,
          products_reach(weights, o, weights.size() / outputs, *graph.value(node.inputs[0]).type));
  }
  return all;
}

/// Of all outputs, with scales, bias and skips.
Reach reach_of(const Graph& graph, const Node& node) {
  const int fraction = node.hardware.accumulator->fraction();
  const FixedType& x = *graph.value(node.inputs[0]).type;
  const int product_shift = fraction - x.fraction() - ir::scaled_weight_fraction(node);
  const std::vector<int64_t> weights = ir::scaled_weights(graph, node),
                             bias = ir::quantised_bias(graph, node);
  Reach all;
  const size_t each = weights.size() / bias.size();
  for (size_t o = 0; o < bias.size(); ++o) {
    Reach sum = products_reach(weights, o, each, x);
    sum.low = shifted(sum.low, product_shift), sum.high = shifted(sum.high, product_shift);
    const fixed::Int128 begins = shifted(bias[o], fraction - node.hardware.bias->fraction());
    sum.add(begins, begins);
    widen(all, sum);
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

/// Before, it was wide enough for any weights of the type.
void narrow_to(FixedType& type, const Reach& reach) {
  const int width = std::min(width_of(reach), type.width);
  type.integer -= type.width - width;
  type.width = width;
}

}  // namespace

void bound_accumulators(Graph& graph) {
  for (Node& node : graph.nodes) {
    if (!node.traits().has_weights) continue;
    if (node.hardware.scale)
      narrow_to(*node.hardware.product_sum, reach_before_scales(graph, node));
    if (node.outputs[0] != graph.output())
      narrow_to(*node.hardware.accumulator, reach_of(graph, node));
  }
}

}  // namespace tailor::design

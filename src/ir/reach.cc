#include "tailor/ir/reach.h"

#include <algorithm>

#include "tailor/ir/weights.h"

namespace tailor::ir {
namespace {

using fixed::Int128;

/// Beyond every type, and far enough from what 128 bits hold that thousands can be added.
constexpr Int128 kBeyond = Int128{1} << 100;

Int128 shifted(Int128 raw, int bits) {
  const Int128 most = kBeyond >> bits;
  return std::clamp(raw, -most, most) * (Int128{1} << bits);
}

/// Of `count` values of a type, in steps of so many bits behind the point.
void add_values(Reach& sum, const FixedType& type, int64_t count, int fraction) {
  sum.add(shifted(Int128{count} * type.min_raw(), fraction - type.fraction()),
          shifted(Int128{count} * type.max_raw(), fraction - type.fraction()));
}

/// What the products of an output can sum up to, in steps `shift` bits finer than theirs.
Reach products_reach(const std::vector<int64_t>& weights, size_t o, size_t each, const FixedType& x,
                     int shift) {
  Reach sum;
  for (size_t i = o * each; i < (o + 1) * each; ++i) {
    const Int128 a = Int128{weights[i]} * x.min_raw(), b = Int128{weights[i]} * x.max_raw();
    sum.add(std::min(a, b), std::max(a, b));
  }
  sum.low = shifted(sum.low, shift), sum.high = shifted(sum.high, shift);
  return sum;
}

void widen(Reach& all, const Reach& more) {
  all.low = std::min(all.low, more.low), all.high = std::max(all.high, more.high);
}

/// Of a stage of weights, without its skips.
Reach reach_of_products(const Graph& graph, const Node& node) {
  const int fraction = node.hardware.accumulator->fraction();
  const FixedType& x = *graph.value(node.inputs[0]).type;
  const int shift = fraction - x.fraction() - scaled_weight_fraction(node);
  const std::vector<int64_t> weights = scaled_weights(graph, node),
                             bias = quantised_bias(graph, node);
  Reach all;
  const size_t each = weights.size() / bias.size();
  for (size_t o = 0; o < bias.size(); ++o) {
    Reach sum = products_reach(weights, o, each, x, shift);
    const Int128 begins = shifted(bias[o], fraction - node.hardware.bias->fraction());
    sum.add(begins, begins);
    widen(all, sum);
  }
  return all;
}

}  // namespace

void Reach::add(Int128 least, Int128 most) {
  low += std::min<Int128>(least, 0);
  high += std::max<Int128>(most, 0);
}

int Reach::width() const {
  int bits = 2;
  while (high > (Int128{1} << (bits - 1)) - 1 || low < -(Int128{1} << (bits - 1))) ++bits;
  return bits;
}

Reach reach_before_scales(const Graph& graph, const Node& node) {
  const FixedType& x = *graph.value(node.inputs[0]).type;
  const std::vector<int64_t> weights = quantised_weights(graph, node);
  const auto outputs = static_cast<size_t>(graph.tensor(node, "weight").shape()[0]);
  const int shift = node.hardware.product_sum->fraction() - x.fraction() -
                    required_type(node.hardware.weight, node, "weight").fraction();
  Reach all;
  for (size_t o = 0; o < outputs; ++o)
    widen(all, products_reach(weights, o, weights.size() / outputs, x, shift));
  return all;
}

Reach reach_of(const Graph& graph, const Node& node) {
  const Traits& traits = node.traits();
  const int fraction = required_type(node.hardware.accumulator, node, "accumulator").fraction();
  const FixedType& x = *graph.value(node.inputs[0]).type;
  Reach all;
  if (traits.has_weights) all = reach_of_products(graph, node);
  if (traits.has_reciprocal)
    add_values(all, x, graph.value(node.inputs[0]).shape.pixels(), fraction);
  for (auto i = static_cast<size_t>(traits.first_summand); i < node.inputs.size(); ++i)
    add_values(all, *graph.value(node.inputs[i]).type, 1, fraction);
  if (const auto* conv = node.op.get_if<ops::Conv2d>(); conv && !conv->window_skips.empty())
    add_values(all, x, static_cast<int64_t>(conv->window_skips.size()), fraction);
  return all;
}

}  // namespace tailor::ir

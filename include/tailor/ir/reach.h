// What a stage's sums can reach, whatever comes in and in whatever order they are made (Colbert et
// al. 2023, A2Q: the bound by the weights' magnitudes). A pass makes accumulators no wider; whoever
// reads a design takes them to be no narrower.
#pragma once

#include "tailor/ir/graph.h"

namespace tailor::ir {

/// Both ways, in raw steps of a type.
struct Reach {
  fixed::Int128 low = 0, high = 0;

  /// Adds a term of that range to every sum.
  void add(fixed::Int128 least, fixed::Int128 most);
  /// The fewest bits that hold it with a sign; at least 2.
  int width() const;
  /// Whether the type, in whose steps it is, holds it.
  bool fits(const FixedType& type) const { return low >= type.min_raw() && high <= type.max_raw(); }
};

/// Of a stage that multiplies its sums by scales, of the sums before that: in steps of its type
/// product_sum.
Reach reach_before_scales(const Graph& graph, const Node& node);
/// Of a node with an accumulator, of all outputs with scales, bias and skips: in its steps. All of
/// the node's types are there, no fraction is finer than the accumulator's. Throws Data where a
/// weight is no number.
Reach reach_of(const Graph& graph, const Node& node);

}  // namespace tailor::ir

#include "tailor/ir/packing.h"

#include "tailor/ir/line_buffer.h"
#include "tailor/ir/weights.h"

namespace tailor::ir {
namespace {

int64_t pairs_of(int64_t n) { return (n + 1) / 2; }

}  // namespace

std::string packing_obstacle(const Graph& design, const Node& node) {
  const FixedType weight = stored_weight(node);
  const FixedType& x = *design.value(node.inputs[0]).type;
  const int x_bits = x.width + (x.is_signed ? 0 : 1);
  // high · 2^18 + low is below 2^(bits + 17) in magnitude but for a borrow; a product takes the
  // bits of both its factors.
  if (!weight.is_signed || kPackedDistance + weight.width + 1 > kWideOperandBits)
    return fmt::format("weights of {} bits, at most 8 fit", weight.width);
  if (x_bits > kNarrowOperandBits || weight.width + x_bits > kPackedDistance) {
    return fmt::format("products of {} bits (weights of {}, inputs of {}), at most {} fit",
                       weight.width + x_bits, weight.width, x_bits, kPackedDistance);
  }
  const StageLoop loop = stage_loop(design, node);
  if (loop.n_out <= loop.groups) {
    return loop.groups > 1 ? "depthwise: no two outputs share an input"
                           : "one output: no two share an input";
  }
  return {};
}

int64_t wide_multipliers(const Graph& design, const Node& node, int64_t reuse_factor) {
  if (has_line_buffer(node)) {
    const LineParallelism p = line_parallelism(design, node, reuse_factor);
    return is_depthwise(design, node) ? p.multipliers()
                                      : p.lanes * p.elements * pairs_of(p.outputs);
  }
  const StageLoop loop = stage_loop(design, node);
  const int64_t of_group = loop.n_out / loop.groups;
  if (reuse_factor <= loop.n_in)
    return loop.groups * (loop.n_in / reuse_factor) * pairs_of(of_group);
  // Each works for so many outputs, one after another, and shares with its neighbour where both
  // stay in one group.
  const int64_t each = reuse_factor / loop.n_in;
  return of_group % each != 0 ? loop.n_out / each : loop.groups * pairs_of(of_group / each);
}

}  // namespace tailor::ir

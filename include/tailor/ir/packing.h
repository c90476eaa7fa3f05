// Two products in one multiplier of 27 x 18 bits (DSP48E2): (high · 2^18 + low) · x for two weights
// of two outputs that share the activation x. Source: Fu et al., "Deep Learning with INT8
// Optimization on Xilinx Devices", WP486 (2017). The products are told apart at once, so that no
// sum needs a guard bit: exact.
#pragma once

#include <cstdint>
#include <string>

#include "tailor/ir/graph.h"

namespace tailor::ir {

/// The multiplier's two operands, and how far apart the two weights are in the larger one.
constexpr int kWideOperandBits = 27, kNarrowOperandBits = 18, kPackedDistance = 18;

/// Why the stage cannot pack at any reuse factor, in words ("weights of 9 bits", "depthwise");
/// empty: it can. The node has weights, and its types.
std::string packing_obstacle(const Graph& design, const Node& node);

/// Wide multipliers of a stage that packs, at a reuse factor: an output without a neighbour has one
/// for itself. As many as it has products a cycle where no two of them share their activation.
int64_t wide_multipliers(const Graph& design, const Node& node, int64_t reuse_factor);

}  // namespace tailor::ir

// How a convolution with a line buffer works on a map of one row: its frames wait in a memory, and
// every cycle reads a word of it. Sizing, cost and printer ask here, so that they speak of one
// stage.
#pragma once

#include <cstdint>
#include <vector>

#include "tailor/ir/graph.h"

namespace tailor::ir {

/// Whether the node is a convolution that has one.
bool has_line_buffer(const Node& node);
bool has_line_buffers(const Graph& design);
/// Whether every output channel reads one input channel, its own.
bool is_depthwise(const Graph& graph, const Node& conv);

/// What works at once in a convolution with a line buffer, at a reuse factor. A word of the buffer
/// holds tokens of `lanes` frames, so many taps apart that one address serves all of them.
struct LineParallelism {
  int64_t lanes = 1;     // taps
  int64_t elements = 1;  // of each tap's token; 1 where the convolution is depthwise
  int64_t outputs = 1;   // channels of an output token
  int64_t multipliers() const { return lanes * elements * outputs; }
};
/// Throws Data where the reuse factor is none of line_reuse_factors.
LineParallelism line_parallelism(const Graph& design, const Node& conv, int64_t reuse_factor);
/// Reuse factors that a convolution with a line buffer can have, ascending. A reuse factor counts
/// the products of a frame that share a multiplier.
std::vector<int64_t> line_reuse_factors(const Graph& design, const Node& conv);

/// Its memory: frames × fold words. A word is read again `distance` cycles after it was written, or
/// later.
struct LineMemory {
  int64_t frames = 0, words = 0, word_bits = 0, distance = 0;
  int64_t bits() const { return words * word_bits; }
};
LineMemory line_memory(const Graph& design, const Node& conv, int64_t reuse_factor);

/// Index into the weights [out, tap, in / groups] of the k-th weight as the stage reads them: word
/// by word, one word a cycle, a multiplier each.
std::vector<int64_t> line_weight_order(const Graph& design, const Node& conv, int64_t reuse_factor);

}  // namespace tailor::ir

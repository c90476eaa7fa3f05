// The hot loops of the integer emulator. A kernel is exact or it is not used: int32 sums only where
// no partial sum can leave int32.
#pragma once

#include <cstdint>
#include <vector>

#include "tailor/core/span.h"
#include "tailor/emulate/kernels.h"

namespace tailor::emulate {

/// Weights of a convolution over windows of `rows` runs, each `row_length` consecutive elements of
/// a padded HWC map.
struct WindowWeights {
  int64_t rows = 0, row_length = 0, outputs = 0;
  std::vector<int64_t>
      by_output;  // [outputs][rows][row_length]; kept only when the packed form is not usable
  // Packed for the pairwise int16 kernel: [tile of outputs][rows][pairs][outputs of the tile] of
  // two int16 in an int32.
  std::vector<int32_t> pairs;
  int64_t pairs_per_row = 0, padded_outputs = 0;
  /// So many rows, or where one is too long so many pairs of one, are summed in int32; no pairs:
  /// the exact 64-bit kernel.
  int64_t rows_per_chunk = 1, pairs_per_chunk = 0;
  bool is_one_chunk() const {
    return pairs_per_chunk > 0 && rows_per_chunk == rows && pairs_per_chunk == pairs_per_row;
  }
  int64_t largest_sum = 0;  // in magnitude, whatever the inputs are
  /// The same of four int8, where inputs are bytes too, one chunk holds all and the CPU gains by
  /// it.
  std::vector<int32_t> quads;
};

/// `max_input` is the largest magnitude an input element can have.
WindowWeights pack_window_weights(Span<const int64_t> weights, int64_t rows, int64_t row_length,
                                  int64_t outputs, int64_t max_input, bool int16_inputs);

/// sums[p * pitch + o] = Σ weights[o] · window p. Windows begin at the elements `windows` of the
/// map, their rows at `rows` behind that. The map must be readable one element behind the last
/// window.
void window_sums(const WindowWeights& w, const int16_t* map, Span<const int64_t> windows,
                 Span<const int64_t> rows, int64_t* sums, int64_t pitch);
void window_sums(const WindowWeights& w, const int32_t* map, Span<const int64_t> windows,
                 Span<const int64_t> rows, int64_t* sums, int64_t pitch);

/// The same in 32 bits, each output's bias added. Only of weights in one chunk, where int32 holds
/// `largest_sum` with the bias.
void window_sums(const WindowWeights& w, const int16_t* map, Span<const int64_t> windows,
                 Span<const int64_t> rows, const int32_t* bias, int32_t* sums, int64_t pitch);

/// And with inputs that are kByteOffset larger, which is in the bias; only of weights with quads.
/// The map must be readable three elements behind the last window.
constexpr int32_t kByteOffset = 128;
void window_sums(const WindowWeights& w, const uint8_t* map, Span<const int64_t> windows,
                 Span<const int64_t> rows, const int32_t* bias, int32_t* sums, int64_t pitch);

/// What is added to sums, element by element: values times `factor`.
struct NarrowSkip {
  const int16_t* values = nullptr;
  int32_t factor = 1;
};
/// Skips and ReLU in either order, or no ReLU, then the cast of all sums, which are changed;
/// returns how many outputs overflowed. No step may leave int32: the caller sees to it.
int64_t finish_sums(Span<int32_t> sums, Span<const NarrowSkip> skips, bool relu, bool relu_first,
                    const NarrowCast& cast, int16_t* outputs);

}  // namespace tailor::emulate

// The hot loops of the integer emulator. A kernel is exact or it is not used: int32 sums only where
// no partial sum can leave int32.
#pragma once

#include <cstdint>
#include <vector>

namespace tailor {

/// Weights of a convolution over windows of `rows` rows, each `row_length` consecutive elements of
/// a padded HWC map.
struct WindowWeights {
  int64_t rows = 0, row_length = 0, outputs = 0;
  std::vector<int64_t>
      by_output;  // [outputs][rows][row_length]; kept only when the packed form is not usable
  // Packed for the pairwise int16 kernel: [chunk rows][pairs][padded outputs] of two int16 in an
  // int32.
  std::vector<int32_t> pairs;
  int64_t pairs_per_row = 0, padded_outputs = 0;
  /// Rows are summed in int32 in groups of this many; 0: the exact 64-bit kernel.
  int64_t rows_per_chunk = 0;
};

/// `max_input` is the largest magnitude an input element can have.
WindowWeights pack_window_weights(const std::vector<int64_t>& weights, int64_t rows,
                                  int64_t row_length, int64_t outputs, int64_t max_input,
                                  bool int16_inputs);

/// sums[p][o] = Σ weights[o] · window of pixel p, for `pixels` windows that start `pixel_step`
/// elements apart; rows lie `row_pitch` apart. The map must be readable one element behind the last
/// window. sums has pixels × outputs elements.
void window_sums(const WindowWeights& w, const int16_t* map, int64_t pixels, int64_t pixel_step,
                 int64_t row_pitch, int64_t* sums);
void window_sums(const WindowWeights& w, const int32_t* map, int64_t pixels, int64_t pixel_step,
                 int64_t row_pitch, int64_t* sums);

}  // namespace tailor

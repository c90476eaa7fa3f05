#include "emulate/integer_kernels.h"

#include <algorithm>
#include <limits>

#include "emulate/word_kernels.h"
#include "tailor/core/error.h"

namespace tailor::emulate {
namespace {

/// Packed weights of one kind of words, and how many of them are summed in int32.
struct PackedWords {
  SumKernel kernel;
  const std::vector<int32_t>& words;
  int64_t per_row, rows_per_chunk, words_per_chunk;
};

/// The sums of all chunks, four windows at a time: use(first output, first window, windows, whether
/// they are the windows' first, sums). `row_bytes`: where rows begin.
template <class F>
void for_each_chunk(const WindowWeights& w, const PackedWords& packed, const char* map,
                    int64_t element_bytes, Span<const int64_t> windows, Span<const int64_t> rows,
                    F use) {
  const auto total = static_cast<int64_t>(windows.size());
  std::vector<int64_t> row_bytes(rows.begin(), rows.end());
  for (int64_t& row : row_bytes) row *= element_bytes;
  int32_t partial[kSumBlock * kSumTile];
  for (int64_t tile = 0; tile < w.outputs; tile += kSumTile) {
    const int32_t* weights = packed.words.data() + tile * w.rows * packed.per_row;
    const int64_t lanes = std::min(kSumTile, w.padded_outputs - tile);
    for (int64_t p = 0; p < total; p += kSumBlock) {
      const int64_t count = std::min(kSumBlock, total - p);
      const char* block[kSumBlock];
      for (int64_t i = 0; i < count; ++i)
        block[i] = map + windows[static_cast<size_t>(p + i)] * element_bytes;
      for (int64_t row = 0; row < w.rows; row += packed.rows_per_chunk) {
        for (int64_t word = 0; word < packed.per_row; word += packed.words_per_chunk) {
          const WordChunk chunk{row, std::min(row + packed.rows_per_chunk, w.rows), word,
                                std::min(word + packed.words_per_chunk, packed.per_row)};
          packed.kernel(weights, packed.per_row, lanes, chunk, block, count, row_bytes.data(),
                        partial);
          use(tile, p, count, row == 0 && word == 0, partial);
        }
      }
    }
  }
}

PackedWords pairs_of(const WindowWeights& w) {
  return {word_kernels().pairs, w.pairs, w.pairs_per_row, w.rows_per_chunk, w.pairs_per_chunk};
}

/// Sums of one chunk with their bias.
void biased_sums(const WindowWeights& w, const PackedWords& packed, const char* map,
                 int64_t element_bytes, Span<const int64_t> windows, Span<const int64_t> rows,
                 const int32_t* bias, int32_t* sums, int64_t pitch) {
  for_each_chunk(w, packed, map, element_bytes, windows, rows,
                 [&](int64_t tile, int64_t first, int64_t count, bool, const int32_t* partial) {
                   const int64_t outputs = std::min(kSumTile, w.outputs - tile);
                   for (int64_t i = 0; i < count; ++i) {
                     int32_t* out = sums + (first + i) * pitch + tile;
                     for (int64_t o = 0; o < outputs; ++o)
                       out[o] = partial[i * kSumTile + o] + bias[tile + o];
                   }
                 });
}

/// [tile of outputs][rows][words][outputs of the tile]; a word is `Count` elements.
template <class Element, int64_t Count, class At>
std::vector<int32_t> pack_words(const WindowWeights& w, At at) {
  const int64_t per_row = (w.row_length + Count - 1) / Count;
  std::vector<int32_t> words;
  words.reserve(static_cast<size_t>(w.rows * per_row * w.padded_outputs));
  for (int64_t tile = 0; tile < w.padded_outputs; tile += kSumTile) {
    const int64_t lanes = std::min(kSumTile, w.padded_outputs - tile);
    for (int64_t row = 0; row < w.rows; ++row) {
      for (int64_t first = 0; first < w.row_length; first += Count) {
        for (int64_t o = tile; o < tile + lanes; ++o) {
          uint32_t word = 0;
          for (int64_t i = 0; i < Count; ++i) {
            const bool there = o < w.outputs && first + i < w.row_length;
            const auto bits =
                static_cast<std::make_unsigned_t<Element>>(there ? at(o, row, first + i) : 0);
            word |= uint32_t{bits} << (i * 32 / Count);
          }
          words.push_back(static_cast<int32_t>(word));
        }
      }
    }
  }
  return words;
}

template <class T>
void window_sums_exact(const WindowWeights& w, const T* map, Span<const int64_t> windows,
                       Span<const int64_t> rows, int64_t* sums, int64_t pitch) {
  for (size_t p = 0; p < windows.size(); ++p) {
    for (int64_t o = 0; o < w.outputs; ++o) {
      int64_t sum = 0;
      for (int64_t row = 0; row < w.rows; ++row) {
        const T* x = map + windows[p] + rows[static_cast<size_t>(row)];
        const int64_t* weights = w.by_output.data() + (o * w.rows + row) * w.row_length;
        for (int64_t i = 0; i < w.row_length; ++i) sum += weights[i] * x[i];
      }
      sums[static_cast<int64_t>(p) * pitch + o] = sum;
    }
  }
}

}  // namespace

WindowWeights pack_window_weights(Span<const int64_t> weights, int64_t rows, int64_t row_length,
                                  int64_t outputs, int64_t max_input, bool int16_inputs) {
  WindowWeights w;
  w.rows = rows;
  w.row_length = row_length;
  w.outputs = outputs;
  w.pairs_per_row = (row_length + 1) / 2;
  w.padded_outputs = (outputs + kSumLanes - 1) / kSumLanes * kSumLanes;
  auto at = [&](int64_t o, int64_t row, int64_t i) {
    return weights[static_cast<size_t>((o * rows + row) * row_length + i)];
  };
  // Whether the sum of magnitudes of every chunk stays inside int32, whatever the inputs are.
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  const int64_t limit = kMost / max_input;
  auto fits = [&](int64_t group, int64_t pairs) {
    for (int64_t o = 0; o < outputs; ++o) {
      for (int64_t row = 0; row < rows; row += group) {
        for (int64_t first = 0; first < row_length; first += 2 * pairs) {
          int64_t sum = 0;
          for (int64_t r = row; r < std::min(row + group, rows); ++r) {
            for (int64_t i = first; i < std::min(first + 2 * pairs, row_length); ++i)
              sum += std::abs(at(o, r, i));
          }
          if (sum > limit) return false;
        }
      }
    }
    return true;
  };
  if (int16_inputs && std::all_of(weights.begin(), weights.end(),
                                  [](int64_t v) { return v >= -32768 && v <= 32767; })) {
    for (int64_t group = rows; group >= 1 && w.pairs_per_chunk == 0; --group) {
      if (fits(group, w.pairs_per_row))
        w.rows_per_chunk = group, w.pairs_per_chunk = w.pairs_per_row;
    }
    for (int64_t pairs = w.pairs_per_row / 2; pairs >= 1 && w.pairs_per_chunk == 0; pairs /= 2) {
      if (fits(1, pairs)) w.pairs_per_chunk = pairs;
    }
  }
  for (int64_t o = 0; o < outputs; ++o) {
    int64_t sum = 0;
    for (int64_t i = 0; i < rows * row_length; ++i)
      sum += std::abs(weights[static_cast<size_t>(o * rows * row_length + i)]) * max_input;
    w.largest_sum = std::max(w.largest_sum, sum);
  }
  if (w.pairs_per_chunk == 0) {
    w.by_output.assign(weights.begin(), weights.end());
    return w;
  }
  w.pairs = pack_words<int16_t, 2>(w, at);
  const bool bytes = max_input <= 128 && std::all_of(weights.begin(), weights.end(), [](int64_t v) {
                       return v >= -128 && v <= 127;
                     });
  // Inputs are offset to be without a sign, and so twice as large.
  if (bytes && word_kernels().quads && w.is_one_chunk() && w.largest_sum <= kMost / 2)
    w.quads = pack_words<int8_t, 4>(w, at);
  return w;
}

void window_sums(const WindowWeights& w, const int16_t* map, Span<const int64_t> windows,
                 Span<const int64_t> rows, int64_t* sums, int64_t pitch) {
  if (w.pairs_per_chunk == 0) {
    window_sums_exact(w, map, windows, rows, sums, pitch);
    return;
  }
  for_each_chunk(
      w, pairs_of(w), reinterpret_cast<const char*>(map), 2, windows, rows,
      [&](int64_t tile, int64_t first, int64_t count, bool begins, const int32_t* partial) {
        const int64_t outputs = std::min(kSumTile, w.outputs - tile);
        for (int64_t i = 0; i < count; ++i) {
          int64_t* out = sums + (first + i) * pitch + tile;
          for (int64_t o = 0; o < outputs; ++o)
            out[o] = (begins ? 0 : out[o]) + partial[i * kSumTile + o];
        }
      });
}

void window_sums(const WindowWeights& w, const int16_t* map, Span<const int64_t> windows,
                 Span<const int64_t> rows, const int32_t* bias, int32_t* sums, int64_t pitch) {
  TAILOR_CHECK(w.is_one_chunk(), "{} rows in a chunk", w.rows_per_chunk);
  biased_sums(w, pairs_of(w), reinterpret_cast<const char*>(map), 2, windows, rows, bias, sums,
              pitch);
}

void window_sums(const WindowWeights& w, const uint8_t* map, Span<const int64_t> windows,
                 Span<const int64_t> rows, const int32_t* bias, int32_t* sums, int64_t pitch) {
  TAILOR_CHECK(!w.quads.empty(), "no quads");
  const int64_t per_row = (w.row_length + 3) / 4;
  biased_sums(w, {word_kernels().quads, w.quads, per_row, w.rows, per_row},
              reinterpret_cast<const char*>(map), 1, windows, rows, bias, sums, pitch);
}

void window_sums(const WindowWeights& w, const int32_t* map, Span<const int64_t> windows,
                 Span<const int64_t> rows, int64_t* sums, int64_t pitch) {
  window_sums_exact(w, map, windows, rows, sums, pitch);
}

#if defined(__x86_64__)
__attribute__((target_clones("avx2", "default")))
#endif
int64_t
finish_sums(Span<int32_t> sums, Span<const NarrowSkip> skips, bool relu, bool relu_first,
            const NarrowCast& cast, int16_t* outputs) {
  int32_t* const s = sums.data();
  const size_t n = sums.size();
  if (relu && relu_first) {
    for (size_t i = 0; i < n; ++i) s[i] = std::max(s[i], 0);
  }
  for (const NarrowSkip& skip : skips) {
    for (size_t i = 0; i < n; ++i) s[i] += skip.values[i] * skip.factor;
  }
  if (relu && !relu_first) {
    for (size_t i = 0; i < n; ++i) s[i] = std::max(s[i], 0);
  }
  // Copies, and no branch: so compilers make vectors of it.
  const int32_t half = cast.half, low = cast.min, high = cast.max, shift = cast.shift;
  int32_t overflows = 0;
  for (size_t i = 0; i < n; ++i) {
    const int32_t q = (s[i] + half) >> shift;
    int32_t kept = q > high ? high : q;
    kept = kept < low ? low : kept;
    overflows += static_cast<int32_t>(q != kept);
    outputs[i] = static_cast<int16_t>(kept);
  }
  return overflows;
}

}  // namespace tailor::emulate

#include "emulate/integer_kernels.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <string_view>

#include "tailor/core/error.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tailor::emulate {
namespace {

constexpr int64_t kLanes = 8;          // int32 lanes of one vector
constexpr int64_t kTile = 2 * kLanes;  // outputs computed together; the last tile may be kLanes
constexpr int64_t kBlock = 4;          // windows computed together

/// Rows and pairs whose products are summed in int32.
struct Chunk {
  int64_t first_row, last_row, first_pair, last_pair;
};

/// One chunk of one tile for up to kBlock windows, scalar; the int32 sums cannot overflow
/// (pack_window_weights saw to it). `weights` are the tile's, sums [window][kTile].
void chunk_scalar(const int32_t* weights, int64_t pairs_per_row, int64_t lanes, const Chunk& c,
                  const int16_t* const* windows, int64_t count, const int64_t* rows,
                  int32_t* sums) {
  for (int64_t p = 0; p < count; ++p) {
    int32_t* out = sums + p * kTile;
    std::fill(out, out + lanes, 0);
    for (int64_t row = c.first_row; row < c.last_row; ++row) {
      const int16_t* x = windows[p] + rows[row];
      const int32_t* w = weights + (row * pairs_per_row + c.first_pair) * lanes;
      for (int64_t pair = c.first_pair; pair < c.last_pair; ++pair, w += lanes) {
        const int32_t x0 = x[2 * pair], x1 = x[2 * pair + 1];
        for (int64_t o = 0; o < lanes; ++o)
          out[o] += x0 * static_cast<int16_t>(w[o] & 0xffff) + x1 * (w[o] >> 16);
      }
    }
  }
}

#if defined(__x86_64__)
template <int kWindows, bool kTwo>
__attribute__((target("avx2"))) void block_avx2(const int32_t* weights, int64_t pairs_per_row,
                                                const Chunk& c, const int16_t* const* windows,
                                                const int64_t* rows, int32_t* sums) {
  constexpr int64_t kWidth = kTwo ? kTile : kLanes;
  __m256i acc[kWindows][2];
  for (auto& pair : acc) pair[0] = pair[1] = _mm256_setzero_si256();
  for (int64_t row = c.first_row; row < c.last_row; ++row) {
    const int32_t* w = weights + (row * pairs_per_row + c.first_pair) * kWidth;
    const int16_t* x[kWindows];
    for (int p = 0; p < kWindows; ++p) x[p] = windows[p] + rows[row];
    for (int64_t pair = c.first_pair; pair < c.last_pair; ++pair, w += kWidth) {
      const __m256i w0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w));
      const __m256i w1 =
          kTwo ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + kLanes)) : w0;
      for (int p = 0; p < kWindows; ++p) {
        int32_t both_x = 0;
        __builtin_memcpy(&both_x, x[p] + 2 * pair, sizeof both_x);
        const __m256i both = _mm256_set1_epi32(both_x);
        acc[p][0] = _mm256_add_epi32(acc[p][0], _mm256_madd_epi16(both, w0));
        if (kTwo) acc[p][1] = _mm256_add_epi32(acc[p][1], _mm256_madd_epi16(both, w1));
      }
    }
  }
  for (int p = 0; p < kWindows; ++p) {
    auto* out = reinterpret_cast<__m256i*>(sums + p * kTile);
    _mm256_storeu_si256(out, acc[p][0]);
    if (kTwo) _mm256_storeu_si256(out + 1, acc[p][1]);
  }
}

/// vpdpwssd multiplies pairs and adds in one instruction.
template <int kWindows, bool kTwo>
__attribute__((target("avx2,avx512vl,avx512vnni"))) void block_vnni(
    const int32_t* weights, int64_t pairs_per_row, const Chunk& c, const int16_t* const* windows,
    const int64_t* rows, int32_t* sums) {
  constexpr int64_t kWidth = kTwo ? kTile : kLanes;
  __m256i acc[kWindows][2];
  for (auto& pair : acc) pair[0] = pair[1] = _mm256_setzero_si256();
  for (int64_t row = c.first_row; row < c.last_row; ++row) {
    const int32_t* w = weights + (row * pairs_per_row + c.first_pair) * kWidth;
    const int16_t* x[kWindows];
    for (int p = 0; p < kWindows; ++p) x[p] = windows[p] + rows[row];
    for (int64_t pair = c.first_pair; pair < c.last_pair; ++pair, w += kWidth) {
      const __m256i w0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w));
      const __m256i w1 =
          kTwo ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + kLanes)) : w0;
      for (int p = 0; p < kWindows; ++p) {
        int32_t both_x = 0;
        __builtin_memcpy(&both_x, x[p] + 2 * pair, sizeof both_x);
        const __m256i both = _mm256_set1_epi32(both_x);
        acc[p][0] = _mm256_dpwssd_epi32(acc[p][0], both, w0);
        if (kTwo) acc[p][1] = _mm256_dpwssd_epi32(acc[p][1], both, w1);
      }
    }
  }
  for (int p = 0; p < kWindows; ++p) {
    auto* out = reinterpret_cast<__m256i*>(sums + p * kTile);
    _mm256_storeu_si256(out, acc[p][0]);
    if (kTwo) _mm256_storeu_si256(out + 1, acc[p][1]);
  }
}

using BlockKernel = void (*)(const int32_t*, int64_t, const Chunk&, const int16_t* const*,
                             const int64_t*, int32_t*);

/// `blocks`: of kBlock windows and of one, each for a whole tile and for half of one.
template <BlockKernel kMany, BlockKernel kOne, BlockKernel kManyHalf, BlockKernel kOneHalf>
void chunk_of_blocks(const int32_t* weights, int64_t pairs_per_row, int64_t lanes, const Chunk& c,
                     const int16_t* const* windows, int64_t count, const int64_t* rows,
                     int32_t* sums) {
  const bool whole = lanes == kTile;
  if (count == kBlock) {
    (whole ? kMany : kManyHalf)(weights, pairs_per_row, c, windows, rows, sums);
    return;
  }
  for (int64_t p = 0; p < count; ++p) {
    (whole ? kOne : kOneHalf)(weights, pairs_per_row, c, windows + p, rows, sums + p * kTile);
  }
}
#endif

using ChunkKernel = void (*)(const int32_t*, int64_t, int64_t, const Chunk&, const int16_t* const*,
                             int64_t, const int64_t*, int32_t*);

ChunkKernel chunk_kernel() {
#if defined(__x86_64__)
  static const ChunkKernel kernel = []() -> ChunkKernel {
    // TAILOR_SCALAR is for tests: it makes a machine take a lesser one's way.
    const char* const lesser = std::getenv("TAILOR_SCALAR");
    if ((lesser && std::string_view(lesser) != "avx2") || !__builtin_cpu_supports("avx2"))
      return chunk_scalar;
    if (!lesser && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl")) {
      return chunk_of_blocks<block_vnni<kBlock, true>, block_vnni<1, true>,
                             block_vnni<kBlock, false>, block_vnni<1, false>>;
    }
    return chunk_of_blocks<block_avx2<kBlock, true>, block_avx2<1, true>, block_avx2<kBlock, false>,
                           block_avx2<1, false>>;
  }();
  return kernel;
#else
  return chunk_scalar;
#endif
}

/// One chunk of all, four windows at a time: use(tile, first window, windows, sums).
template <class F>
void for_each_chunk(const WindowWeights& w, const int16_t* map, Span<const int64_t> windows,
                    Span<const int64_t> rows, F use) {
  const ChunkKernel kernel = chunk_kernel();
  const auto total = static_cast<int64_t>(windows.size());
  alignas(64) int32_t partial[kBlock * kTile];
  for (int64_t tile = 0; tile < w.outputs; tile += kTile) {
    const int32_t* weights = w.pairs.data() + tile * w.rows * w.pairs_per_row;
    const int64_t lanes = std::min(kTile, w.padded_outputs - tile);
    for (int64_t p = 0; p < total; p += kBlock) {
      const int64_t count = std::min(kBlock, total - p);
      const int16_t* block[kBlock];
      for (int64_t i = 0; i < count; ++i) block[i] = map + windows[static_cast<size_t>(p + i)];
      for (int64_t row = 0; row < w.rows; row += w.rows_per_chunk) {
        for (int64_t pair = 0; pair < w.pairs_per_row; pair += w.pairs_per_chunk) {
          const Chunk chunk{row, std::min(row + w.rows_per_chunk, w.rows), pair,
                            std::min(pair + w.pairs_per_chunk, w.pairs_per_row)};
          kernel(weights, w.pairs_per_row, lanes, chunk, block, count, rows.data(), partial);
          use(tile, p, count, row == 0 && pair == 0, partial);
        }
      }
    }
  }
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
  w.padded_outputs = (outputs + kLanes - 1) / kLanes * kLanes;
  auto at = [&](int64_t o, int64_t row, int64_t i) {
    return weights[static_cast<size_t>((o * rows + row) * row_length + i)];
  };
  // Whether the sum of magnitudes of every chunk stays inside int32, whatever the inputs are.
  const int64_t limit = std::numeric_limits<int32_t>::max() / max_input;
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
  w.pairs.reserve(static_cast<size_t>(rows * w.pairs_per_row * w.padded_outputs));
  for (int64_t tile = 0; tile < w.padded_outputs; tile += kTile) {
    const int64_t lanes = std::min(kTile, w.padded_outputs - tile);
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t pair = 0; pair < w.pairs_per_row; ++pair) {
        for (int64_t o = tile; o < tile + lanes; ++o) {
          auto bits = [&](int64_t i) {
            return uint32_t{
                static_cast<uint16_t>(o < outputs && i < row_length ? at(o, row, i) : 0)};
          };
          w.pairs.push_back(static_cast<int32_t>(bits(2 * pair) | bits(2 * pair + 1) << 16));
        }
      }
    }
  }
  return w;
}

void window_sums(const WindowWeights& w, const int16_t* map, Span<const int64_t> windows,
                 Span<const int64_t> rows, int64_t* sums, int64_t pitch) {
  if (w.pairs_per_chunk == 0) {
    window_sums_exact(w, map, windows, rows, sums, pitch);
    return;
  }
  for_each_chunk(
      w, map, windows, rows,
      [&](int64_t tile, int64_t first, int64_t count, bool begins, const int32_t* partial) {
        const int64_t outputs = std::min(kTile, w.outputs - tile);
        for (int64_t i = 0; i < count; ++i) {
          int64_t* out = sums + (first + i) * pitch + tile;
          for (int64_t o = 0; o < outputs; ++o)
            out[o] = (begins ? 0 : out[o]) + partial[i * kTile + o];
        }
      });
}

void window_sums(const WindowWeights& w, const int16_t* map, Span<const int64_t> windows,
                 Span<const int64_t> rows, const int32_t* bias, int32_t* sums, int64_t pitch) {
  TAILOR_CHECK(w.is_one_chunk(), "{} rows in a chunk", w.rows_per_chunk);
  for_each_chunk(w, map, windows, rows,
                 [&](int64_t tile, int64_t first, int64_t count, bool, const int32_t* partial) {
                   const int64_t outputs = std::min(kTile, w.outputs - tile);
                   for (int64_t i = 0; i < count; ++i) {
                     int32_t* out = sums + (first + i) * pitch + tile;
                     for (int64_t o = 0; o < outputs; ++o)
                       out[o] = partial[i * kTile + o] + bias[tile + o];
                   }
                 });
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
  int32_t overflows = 0;
  for (size_t i = 0; i < n; ++i) {
    const int32_t q = (s[i] + cast.half) >> cast.shift, kept = std::clamp(q, cast.min, cast.max);
    overflows += q != kept ? 1 : 0;
    outputs[i] = static_cast<int16_t>(kept);
  }
  return overflows;
}

}  // namespace tailor::emulate

#include "emulate/integer_kernels.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tailor {
namespace {

constexpr int64_t kLanes = 8;  // int32 lanes of one vector
constexpr int64_t kBlock = 4;  // windows computed together

/// One chunk of rows for up to kBlock windows, scalar; the int32 sums cannot overflow
/// (pack_window_weights saw to it).
void chunk_scalar(const WindowWeights& w, const int16_t* const* windows, int64_t count,
                  int64_t row_pitch, int64_t first_row, int64_t last_row, int32_t* sums) {
  for (int64_t p = 0; p < count; ++p) {
    int32_t* out = sums + p * w.padded_outputs;
    std::fill(out, out + w.padded_outputs, 0);
    for (int64_t row = first_row; row < last_row; ++row) {
      const int16_t* x = windows[p] + row * row_pitch;
      const int32_t* weights = w.pairs.data() + row * w.pairs_per_row * w.padded_outputs;
      for (int64_t pair = 0; pair < w.pairs_per_row; ++pair, weights += w.padded_outputs) {
        const int32_t x0 = x[2 * pair], x1 = x[2 * pair + 1];
        for (int64_t o = 0; o < w.padded_outputs; ++o)
          out[o] += x0 * static_cast<int16_t>(weights[o] & 0xffff) + x1 * (weights[o] >> 16);
      }
    }
  }
}

#if defined(__x86_64__)
template <int kWindows>
__attribute__((target("avx2"))) void block_avx2(const WindowWeights& w,
                                                const int16_t* const* windows, int64_t row_pitch,
                                                int64_t first_row, int64_t last_row, int64_t output,
                                                int32_t* sums) {
  __m256i acc[kWindows][2];
  for (auto& pair : acc) pair[0] = pair[1] = _mm256_setzero_si256();
  const bool two = output + kLanes < w.padded_outputs;
  for (int64_t row = first_row; row < last_row; ++row) {
    const int32_t* weights = w.pairs.data() + row * w.pairs_per_row * w.padded_outputs + output;
    for (int64_t pair = 0; pair < w.pairs_per_row; ++pair, weights += w.padded_outputs) {
      const __m256i w0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights));
      const __m256i w1 =
          two ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights + kLanes)) : w0;
      for (int p = 0; p < kWindows; ++p) {
        int32_t x = 0;
        __builtin_memcpy(&x, windows[p] + row * row_pitch + 2 * pair, sizeof x);
        const __m256i both = _mm256_set1_epi32(x);
        acc[p][0] = _mm256_add_epi32(acc[p][0], _mm256_madd_epi16(both, w0));
        acc[p][1] = _mm256_add_epi32(acc[p][1], _mm256_madd_epi16(both, w1));
      }
    }
  }
  for (int p = 0; p < kWindows; ++p) {
    auto* out = reinterpret_cast<__m256i*>(sums + p * w.padded_outputs + output);
    _mm256_storeu_si256(out, acc[p][0]);
    if (two) _mm256_storeu_si256(out + 1, acc[p][1]);
  }
}

__attribute__((target("avx2"))) void chunk_avx2(const WindowWeights& w,
                                                const int16_t* const* windows, int64_t count,
                                                int64_t row_pitch, int64_t first_row,
                                                int64_t last_row, int32_t* sums) {
  for (int64_t output = 0; output < w.padded_outputs; output += 2 * kLanes) {
    if (count == kBlock) {
      block_avx2<kBlock>(w, windows, row_pitch, first_row, last_row, output, sums);
    } else {
      for (int64_t p = 0; p < count; ++p) {
        block_avx2<1>(w, windows + p, row_pitch, first_row, last_row, output,
                      sums + p * w.padded_outputs);
      }
    }
  }
}
#endif

using ChunkKernel = void (*)(const WindowWeights&, const int16_t* const*, int64_t, int64_t, int64_t,
                             int64_t, int32_t*);

ChunkKernel chunk_kernel() {
#if defined(__x86_64__)
  // TAILOR_SCALAR is for tests: it makes a machine with AVX2 take the portable way.
  static const ChunkKernel kernel =
      __builtin_cpu_supports("avx2") && !std::getenv("TAILOR_SCALAR") ? chunk_avx2 : chunk_scalar;
  return kernel;
#else
  return chunk_scalar;
#endif
}

template <class T>
void window_sums_exact(const WindowWeights& w, const T* map, int64_t pixels, int64_t pixel_step,
                       int64_t row_pitch, int64_t* sums) {
  for (int64_t p = 0; p < pixels; ++p) {
    for (int64_t o = 0; o < w.outputs; ++o) {
      int64_t sum = 0;
      for (int64_t row = 0; row < w.rows; ++row) {
        const T* x = map + p * pixel_step + row * row_pitch;
        const int64_t* weights = w.by_output.data() + (o * w.rows + row) * w.row_length;
        for (int64_t i = 0; i < w.row_length; ++i) sum += weights[i] * x[i];
      }
      sums[p * w.outputs + o] = sum;
    }
  }
}

}  // namespace

WindowWeights pack_window_weights(const std::vector<int64_t>& weights, int64_t rows,
                                  int64_t row_length, int64_t outputs, int64_t max_input,
                                  bool int16_inputs) {
  WindowWeights w;
  w.rows = rows;
  w.row_length = row_length;
  w.outputs = outputs;
  auto at = [&](int64_t o, int64_t row, int64_t i) {
    return weights[static_cast<size_t>((o * rows + row) * row_length + i)];
  };
  // The largest group of rows whose sum of magnitudes stays inside int32, whatever the inputs are.
  bool fits_int16 = int16_inputs && std::all_of(weights.begin(), weights.end(), [](int64_t v) {
                      return v >= -32768 && v <= 32767;
                    });
  if (fits_int16) {
    for (int64_t group = rows; group >= 1 && w.rows_per_chunk == 0; --group) {
      int64_t largest = 0;
      for (int64_t o = 0; o < outputs; ++o) {
        for (int64_t first = 0; first < rows; first += group) {
          int64_t sum = 0;
          for (int64_t row = first; row < std::min(first + group, rows); ++row) {
            for (int64_t i = 0; i < row_length; ++i) sum += std::abs(at(o, row, i));
          }
          largest = std::max(largest, sum);
        }
      }
      if (largest <= std::numeric_limits<int32_t>::max() / max_input) w.rows_per_chunk = group;
    }
  }
  if (w.rows_per_chunk == 0) {
    w.by_output = weights;
    return w;
  }
  w.pairs_per_row = (row_length + 1) / 2;
  w.padded_outputs = (outputs + kLanes - 1) / kLanes * kLanes;
  w.pairs.assign(static_cast<size_t>(rows * w.pairs_per_row * w.padded_outputs), 0);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t pair = 0; pair < w.pairs_per_row; ++pair) {
      for (int64_t o = 0; o < outputs; ++o) {
        auto low = static_cast<uint16_t>(at(o, row, 2 * pair));
        auto high = static_cast<uint16_t>(2 * pair + 1 < row_length ? at(o, row, 2 * pair + 1) : 0);
        w.pairs[static_cast<size_t>((row * w.pairs_per_row + pair) * w.padded_outputs + o)] =
            static_cast<int32_t>(uint32_t{low} | uint32_t{high} << 16);
      }
    }
  }
  return w;
}

void window_sums(const WindowWeights& w, const int16_t* map, int64_t pixels, int64_t pixel_step,
                 int64_t row_pitch, int64_t* sums) {
  if (w.rows_per_chunk == 0) {
    window_sums_exact(w, map, pixels, pixel_step, row_pitch, sums);
    return;
  }
  const ChunkKernel kernel = chunk_kernel();
  std::vector<int32_t> partial(static_cast<size_t>(kBlock * w.padded_outputs));
  for (int64_t p = 0; p < pixels; p += kBlock) {
    const int64_t count = std::min(kBlock, pixels - p);
    const int16_t* windows[kBlock];
    for (int64_t i = 0; i < count; ++i) windows[i] = map + (p + i) * pixel_step;
    for (int64_t row = 0; row < w.rows; row += w.rows_per_chunk) {
      kernel(w, windows, count, row_pitch, row, std::min(row + w.rows_per_chunk, w.rows),
             partial.data());
      for (int64_t i = 0; i < count; ++i) {
        int64_t* out = sums + (p + i) * w.outputs;
        const int32_t* in = partial.data() + i * w.padded_outputs;
        if (row == 0) {
          for (int64_t o = 0; o < w.outputs; ++o) out[o] = in[o];
        } else {
          for (int64_t o = 0; o < w.outputs; ++o) out[o] += in[o];
        }
      }
    }
  }
}

void window_sums(const WindowWeights& w, const int32_t* map, int64_t pixels, int64_t pixel_step,
                 int64_t row_pitch, int64_t* sums) {
  window_sums_exact(w, map, pixels, pixel_step, row_pitch, sums);
}

}  // namespace tailor

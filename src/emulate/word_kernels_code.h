// SumKernels of 256-bit vectors, included by a file an instruction set: `Words::add(sum, x, w)`
// says what is done with a vector of words.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "emulate/word_kernels.h"

namespace tailor::emulate {
namespace {

template <class Words, int kWindows, bool kTwo>
void sum_block(const int32_t* weights, int64_t words_per_row, const WordChunk& c,
               const char* const* windows, const int64_t* rows, int32_t* sums) {
  constexpr int64_t kWidth = kTwo ? kSumTile : kSumLanes;
  __m256i acc[kWindows][2];
  for (auto& both : acc) both[0] = both[1] = _mm256_setzero_si256();
  for (int64_t row = c.first_row; row < c.last_row; ++row) {
    const int32_t* w = weights + (row * words_per_row + c.first_word) * kWidth;
    const char* x[kWindows];
    for (int p = 0; p < kWindows; ++p) x[p] = windows[p] + rows[row];
    for (int64_t word = c.first_word; word < c.last_word; ++word, w += kWidth) {
      const __m256i w0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w));
      const __m256i w1 =
          kTwo ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + kSumLanes)) : w0;
      for (int p = 0; p < kWindows; ++p) {
        int32_t bits = 0;
        std::memcpy(&bits, x[p] + 4 * word, sizeof bits);
        const __m256i all = _mm256_set1_epi32(bits);
        acc[p][0] = Words::add(acc[p][0], all, w0);
        if (kTwo) acc[p][1] = Words::add(acc[p][1], all, w1);
      }
    }
  }
  for (int p = 0; p < kWindows; ++p) {
    auto* out = reinterpret_cast<__m256i*>(sums + p * kSumTile);
    _mm256_storeu_si256(out, acc[p][0]);
    if (kTwo) _mm256_storeu_si256(out + 1, acc[p][1]);
  }
}

template <class Words>
void sum_chunk(const int32_t* weights, int64_t words_per_row, int64_t lanes, const WordChunk& c,
               const char* const* windows, int64_t count, const int64_t* rows, int32_t* sums) {
  const bool two = lanes == kSumTile;
  if (count == kSumBlock) {
    (two ? sum_block<Words, kSumBlock, true>
         : sum_block<Words, kSumBlock, false>)(weights, words_per_row, c, windows, rows, sums);
    return;
  }
  for (int64_t p = 0; p < count; ++p) {
    (two ? sum_block<Words, 1, true> : sum_block<Words, 1, false>)(weights, words_per_row, c,
                                                                   windows + p, rows,
                                                                   sums + p * kSumTile);
  }
}

}  // namespace
}  // namespace tailor::emulate

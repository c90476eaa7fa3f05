#include "emulate/word_kernels.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace tailor::emulate {
namespace {

void plain_pairs(const int32_t* weights, int64_t words_per_row, int64_t lanes, const WordChunk& c,
                 const char* const* windows, int64_t count, const int64_t* rows, int32_t* sums) {
  for (int64_t p = 0; p < count; ++p) {
    int32_t* out = sums + p * kSumTile;
    std::fill(out, out + lanes, 0);
    for (int64_t row = c.first_row; row < c.last_row; ++row) {
      const char* x = windows[p] + rows[row];
      const int32_t* w = weights + (row * words_per_row + c.first_word) * lanes;
      for (int64_t word = c.first_word; word < c.last_word; ++word, w += lanes) {
        int16_t pair[2];
        std::memcpy(pair, x + 4 * word, sizeof pair);
        for (int64_t o = 0; o < lanes; ++o)
          out[o] += pair[0] * static_cast<int16_t>(w[o] & 0xffff) + pair[1] * (w[o] >> 16);
      }
    }
  }
}

WordKernels choose() {
  const char* const at_most = std::getenv("TAILOR_SCALAR");
  const bool avx2 = !at_most || std::string_view(at_most) == "avx2";
#if defined(__x86_64__)
  if (!at_most && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl")) {
    if (const WordKernels vnni = vnni_word_kernels(); vnni.pairs) return vnni;
  }
  if (avx2 && __builtin_cpu_supports("avx2")) {
    if (const WordKernels kernels = avx2_word_kernels(); kernels.pairs) return kernels;
  }
#endif
  static_cast<void>(avx2);
  return plain_word_kernels();
}

}  // namespace

WordKernels plain_word_kernels() { return {plain_pairs, nullptr}; }

const WordKernels& word_kernels() {
  static const WordKernels kernels = choose();
  return kernels;
}

}  // namespace tailor::emulate

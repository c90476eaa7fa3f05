// The innermost loops of the integer emulator: products of 32-bit words, each two int16 or four
// bytes, one version an instruction set. Who calls them packs weights and bounds the sums.
#pragma once

#include <cstdint>

namespace tailor::emulate {

constexpr int64_t kSumLanes = 8;             // int32 lanes of one vector
constexpr int64_t kSumTile = 2 * kSumLanes;  // outputs computed together; the last tile may be half
constexpr int64_t kSumBlock = 4;             // windows computed together

/// Rows, and words of a row, whose products are summed.
struct WordChunk {
  int64_t first_row, last_row, first_word, last_word;
};

/// sums [window][kSumTile] = Σ products of the windows' words with the weights of one tile of
/// `lanes` outputs, [row][word][lane], for up to kSumBlock windows; rows begin at byte offsets
/// `rows` from a window. int32 must hold every partial sum.
using SumKernel = void (*)(const int32_t* weights, int64_t words_per_row, int64_t lanes,
                           const WordChunk& chunk, const char* const* windows, int64_t count,
                           const int64_t* rows, int32_t* sums);

struct WordKernels {
  SumKernel pairs = nullptr;  // int16 by int16
  SumKernel quads = nullptr;  // inputs uint8, weights int8; null where it would not be faster
};

WordKernels plain_word_kernels();
/// Empty where the compiler has not the instruction set.
WordKernels avx2_word_kernels();
WordKernels vnni_word_kernels();

/// The fastest that this CPU has. TAILOR_SCALAR is for tests: any value makes it the plain one,
/// "avx2" at most that.
const WordKernels& word_kernels();

}  // namespace tailor::emulate

// WordKernels with AVX2; src/CMakeLists.txt compiles this file for it on x86-64.
#include "emulate/word_kernels.h"

#if defined(__AVX2__)
#include "emulate/word_kernels_code.h"
#endif

namespace tailor::emulate {
#if defined(__AVX2__)
namespace {

struct Pairs {
  static __m256i add(__m256i sum, __m256i x, __m256i w) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(x, w));
  }
};

}  // namespace

WordKernels avx2_word_kernels() { return {sum_chunk<Pairs>, nullptr}; }
#else
WordKernels avx2_word_kernels() { return {}; }
#endif
}  // namespace tailor::emulate

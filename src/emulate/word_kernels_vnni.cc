// WordKernels with AVX-512 VNNI, which multiplies and adds at once, and bytes too;
// src/CMakeLists.txt compiles this file for it on x86-64.
#include "emulate/word_kernels.h"

#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
#include "emulate/word_kernels_code.h"
#endif

namespace tailor::emulate {
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
namespace {

struct Pairs {
  static __m256i add(__m256i sum, __m256i x, __m256i w) { return _mm256_dpwssd_epi32(sum, x, w); }
};
struct Quads {
  static __m256i add(__m256i sum, __m256i x, __m256i w) { return _mm256_dpbusd_epi32(sum, x, w); }
};

}  // namespace

WordKernels vnni_word_kernels() { return {sum_chunk<Pairs>, sum_chunk<Quads>}; }
#else
WordKernels vnni_word_kernels() { return {}; }
#endif
}  // namespace tailor::emulate

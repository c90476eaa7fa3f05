// VectorKernels with AVX-512; src/CMakeLists.txt compiles this file for it on x86-64.
#include "nn/vector_versions.h"

#if defined(__AVX512F__)
#include "nn/vector_kernels_code.h"
#endif

namespace tailor::nn {

const VectorKernels* avx512_kernels() {
#if defined(__AVX512F__)
  static constexpr VectorKernels kKernels = make_vector_kernels("AVX-512");
  return &kKernels;
#else
  return nullptr;
#endif
}

}  // namespace tailor::nn

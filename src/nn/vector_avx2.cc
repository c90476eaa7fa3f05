// VectorKernels with AVX2 and FMA; src/CMakeLists.txt compiles this file for them on x86-64.
#include "nn/vector_versions.h"

#if defined(__AVX2__) && defined(__FMA__)
#include "nn/vector_kernels_code.h"
#endif

namespace tailor::nn {

const VectorKernels* avx2_kernels() {
#if defined(__AVX2__) && defined(__FMA__)
  static constexpr VectorKernels kKernels = make_vector_kernels("AVX2");
  return &kKernels;
#else
  return nullptr;
#endif
}

}  // namespace tailor::nn

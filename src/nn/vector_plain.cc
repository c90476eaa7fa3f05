// VectorKernels with what every CPU of the architecture has.
#include "nn/vector_kernels_code.h"
#include "nn/vector_versions.h"

namespace tailor::nn {

const VectorKernels* plain_kernels() {
  static constexpr VectorKernels kKernels = make_vector_kernels("plain");
  return &kKernels;
}

}  // namespace tailor::nn

// VectorKernels for every CPU of the architecture.
#include "nn/vector_kernels_code.h"
#include "nn/vector_versions.h"

namespace tailor::nn {

const VectorKernels* baseline_kernels() {
  static constexpr VectorKernels kKernels = make_vector_kernels("baseline");
  return &kKernels;
}

}  // namespace tailor::nn

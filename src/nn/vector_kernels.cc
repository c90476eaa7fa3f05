#include "nn/vector_kernels.h"

#include <cstdlib>
#include <string>

#include "nn/vector_versions.h"

namespace tailor::nn {
namespace {

/// Up to oneDNN 2.6 the variable is DNNL_MAX_CPU_ISA.
std::string largest_instruction_set() {
  for (const char* name : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"}) {
    if (const char* value = std::getenv(name)) return value;
  }
  return "DEFAULT";
}

const VectorKernels& choose_vector_kernels() {
#if defined(__x86_64__)
  const std::string largest = largest_instruction_set();
  const bool no_avx512 = largest.rfind("AVX2", 0) == 0,
             no_avx2 = largest == "SSE41" || largest == "AVX";
  if (avx512_kernels() && __builtin_cpu_supports("avx512f") && !no_avx512 && !no_avx2)
    return *avx512_kernels();
  if (avx2_kernels() && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && !no_avx2)
    return *avx2_kernels();
#endif
  return *baseline_kernels();
}

}  // namespace

const VectorKernels& vector_kernels() {
  static const VectorKernels& kernels = choose_vector_kernels();
  return kernels;
}

}  // namespace tailor::nn

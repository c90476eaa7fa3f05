#include "nn/vector_kernels.h"

#include <cstdlib>
#include <string>

#include "nn/vector_versions.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace tailor::nn {
namespace {

/// Whether the CPU has tiles of bfloat16 and Linux, which wants to be asked, lets this process use
/// them: threads that it has by then and later ones.
bool has_tiles() {
#if defined(__x86_64__) && defined(__linux__)
  constexpr unsigned kBfloat16 = 1U << 22, kTiles = 1U << 24;  // CPUID 7, EDX
  constexpr int kRequestPermission = 0x1023, kTileData = 18;   // arch_prctl(2)
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kBfloat16) != 0 &&
         (d & kTiles) != 0 && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

}  // namespace

const VectorKernels& find_vector_kernels(const char* largest) {
#if defined(__x86_64__)
  const std::string set = largest;
  const bool plain = set == "SSE41" || set == "AVX", at_most_avx2 = set.rfind("AVX2", 0) == 0;
  // First the CPU: not even asking for a version may run instructions that it does not have.
  if (!plain && !at_most_avx2 && __builtin_cpu_supports("avx512f") && avx512_kernels())
    return *avx512_kernels();
  if (!plain && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && avx2_kernels())
    return *avx2_kernels();
#else
  static_cast<void>(largest);
#endif
  return *plain_kernels();
}

const MapKernels<uint16_t>* find_narrow_kernels(const char* largest) {
#if defined(__x86_64__)
  const std::string set = largest;
  const bool without = set == "AVX512_CORE" || set == "AVX512_CORE_VNNI" || set == "AVX512_MIC" ||
                       set == "AVX512_MIC_4OPS";
  const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bf16");
  if (has && !without && &find_vector_kernels(largest) == avx512_kernels()) {
    const bool no_tiles = set == "AVX512_CORE_BF16" || set == "AVX512_CORE_FP16";
    const bool tiles = avx512_bf16_kernels() && !no_tiles && has_tiles();
    return tiles && amx_kernels() ? amx_kernels() : avx512_bf16_kernels();
  }
#else
  static_cast<void>(largest);
#endif
  return nullptr;
}

namespace {

const char* largest_instruction_set() {
  for (const char* name : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"}) {
    if (const char* value = std::getenv(name)) return value;
  }
  return "DEFAULT";
}

}  // namespace

const VectorKernels& vector_kernels() {
  static const VectorKernels& kernels = find_vector_kernels(largest_instruction_set());
  return kernels;
}

const MapKernels<uint16_t>* narrow_kernels() {
  static const MapKernels<uint16_t>* kernels = find_narrow_kernels(largest_instruction_set());
  return kernels;
}

}  // namespace tailor::nn

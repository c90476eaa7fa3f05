#include "nn/vector_kernels.h"

#include <cstdlib>
#include <string>

#include "nn/vector_versions.h"
#include "tailor/core/cpu.h"

#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace tailor::nn {

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

namespace {

/// Whether Linux, which wants to be asked, lets this process use them: the threads that it has and
/// later ones.
bool may_use_tiles() {
#if defined(__x86_64__) && defined(__linux__)
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // arch_prctl(2)
  return has_amx_bfloat16() && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

}  // namespace

const MapKernels<uint16_t>* find_narrow_kernels(const char* largest) {
#if defined(__x86_64__)
  const std::string set = largest;
  const bool without = set == "AVX512_CORE" || set == "AVX512_CORE_VNNI" || set == "AVX512_MIC" ||
                       set == "AVX512_MIC_4OPS";
  const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bf16");
  if (has && !without && &find_vector_kernels(largest) == avx512_kernels()) {
    // Those of oneDNN that stop in front of AMX; what it does not know is no limit to it.
    const bool limited = set == "AVX512_CORE_BF16" || set == "AVX512_CORE_FP16" ||
                         set == "AVX10_1_512" || set == "AVX10_2_512";
    return !limited && amx_kernels() && may_use_tiles() ? amx_kernels() : avx512_bf16_kernels();
  }
#else
  static_cast<void>(largest);
#endif
  return nullptr;
}

namespace {

std::string upper(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return text;
}

std::string largest_instruction_set() {
  for (const char* name : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"}) {
    const char* value = std::getenv(name);
    if (value && *value) return upper(value);  // as oneDNN reads it
  }
  return "DEFAULT";
}

}  // namespace

const VectorKernels& vector_kernels() {
  static const VectorKernels& kernels = find_vector_kernels(largest_instruction_set().c_str());
  return kernels;
}

const MapKernels<uint16_t>* narrow_kernels() {
  static const MapKernels<uint16_t>* kernels =
      find_narrow_kernels(largest_instruction_set().c_str());
  return kernels;
}

}  // namespace tailor::nn

#include "tailor/core/cpu.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#endif

namespace tailor::core {

bool has_amx_bfloat16() {
#if defined(__x86_64__) && defined(__linux__)
  constexpr unsigned kBfloat16 = 1U << 22, kTiles = 1U << 24;  // CPUID 7, EDX
  constexpr int kSupported = 0x1021;                           // arch_prctl(2)
  constexpr uint64_t kTileData = 1U << 18;
  unsigned a = 0, b = 0, c = 0, d = 0;
  uint64_t kept = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kBfloat16) != 0 &&
         (d & kTiles) != 0 && syscall(SYS_arch_prctl, kSupported, &kept) == 0 &&
         (kept & kTileData) != 0;
#else
  return false;
#endif
}

}  // namespace tailor::core

// Resident memory of this process, as Linux counts it.
#pragma once

#include <fstream>
#include <string>

namespace tailor::testing {

struct Resident {
  long now = 0, peak = 0;  // KiB; the peak since the process began or forget_peak
};

inline Resident resident_memory() {
  std::ifstream status("/proc/self/status");
  Resident resident;
  std::string word;
  while (status >> word) {
    if (word == "VmRSS:") status >> resident.now;
    if (word == "VmHWM:") status >> resident.peak;
  }
  return resident;
}

/// The peak is what is resident now.
inline void forget_peak() { std::ofstream("/proc/self/clear_refs") << 5; }

}  // namespace tailor::testing

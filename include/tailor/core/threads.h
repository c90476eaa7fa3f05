// How many threads this process may use, and a parallel loop over them. Results never depend on the
// count.
#pragma once

#include <cstdint>
#include <functional>

#include "tailor/core/rooms.h"

namespace tailor::core {

/// min(CPUs in the affinity mask, cgroup CPU quota rounded up), at least 1.
int available_threads();
/// The two numbers behind it, for `tailor env`: quota is 0 when there is none.
int affinity_cpus();
double cgroup_quota_cpus();

/// Calls body(i) for i in [0, n), each once, on up to `threads` threads (0: available_threads()).
/// The first exception is rethrown after all threads have stopped.
void parallel_for(int64_t n, int threads, const std::function<void(int64_t)>& body);

}  // namespace tailor::core

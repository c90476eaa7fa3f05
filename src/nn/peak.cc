#include "tailor/nn/peak.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "nn/vector_kernels.h"
#include "tailor/nn/workers.h"

namespace tailor::nn {

double measure_peak_flops(double seconds) {
  using Clock = std::chrono::steady_clock;
  constexpr int64_t kRepeats = 1 << 20;
  const VectorKernels& kernels = vector_kernels();
  const int64_t threads = std::max(1, at::get_num_threads());
  std::vector<double> operations(static_cast<size_t>(threads));
  const auto began = Clock::now();
  const auto end = began + std::chrono::duration<double>(seconds);
  work_off(threads, [&](WorkQueue& queue) {
    for (int64_t i = queue.take(); i >= 0; i = queue.take()) {
      do {
        operations[static_cast<size_t>(i)] += 2 * static_cast<double>(kernels.spin(kRepeats));
      } while (Clock::now() < end);
    }
  });
  const double took = std::chrono::duration<double>(Clock::now() - began).count();
  double all = 0;
  for (double n : operations) all += n;
  return all / took;
}

}  // namespace tailor::nn

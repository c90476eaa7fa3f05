// A loop on LibTorch's own threads, so that own kernels and ATen's never compete for the CPUs.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "tailor/core/rooms.h"

namespace tailor::nn {

/// Hands out 0, 1, … n - 1, each once, to whoever asks.
class WorkQueue {
 public:
  explicit WorkQueue(int64_t n) : n_(n) {}
  /// The next one, or -1.
  int64_t take() {
    const int64_t i = next_.fetch_add(1, std::memory_order_relaxed);
    return i < n_ ? i : -1;
  }

 private:
  const int64_t n_;
  std::atomic<int64_t> next_{0};
};

/// Calls work(queue of n) on each of up to at::get_num_threads() threads, and returns when all have
/// come back. Inside another parallel region, and where n is 1, on this thread alone.
void work_off(int64_t n, const std::function<void(WorkQueue&)>& work);

}  // namespace tailor::nn

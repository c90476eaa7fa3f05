#include "tailor/nn/workers.h"

#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>
#include <ATen/ops/empty.h>

#include <algorithm>

namespace tailor::nn {

void work_off(int64_t n, const std::function<void(WorkQueue&)>& work) {
  WorkQueue queue(n);
  const int64_t threads = std::min<int64_t>(n, at::get_num_threads());
  if (threads <= 1 || at::in_parallel_region()) {
    work(queue);
    return;
  }
  // at::parallel_for is a header that needs -fopenmp, and with it one more OpenMP library where
  // LibTorch brings its own. A tensor iterator over one element a thread runs inside of LibTorch.
  at::Tensor one_each = at::empty({threads}, at::kByte);
  auto iterator = at::TensorIteratorConfig()
                      .set_check_mem_overlap(false)
                      .add_output(one_each)
                      .add_input(one_each)
                      .build();
  iterator.for_each([&](char**, const int64_t*, int64_t) { work(queue); }, /*grain_size=*/1);
}

}  // namespace tailor::nn

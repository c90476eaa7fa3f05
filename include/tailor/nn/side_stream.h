// A second stream of a GPU for what the main one need not wait for: small kernels do not fill a
// device. What runs there is ordered by fork and join alone.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

#ifdef TAILOR_CUDA
#include <c10/cuda/CUDAStream.h>
#endif

namespace tailor::nn {

#ifdef TAILOR_CUDA
/// `second` goes on when `first` has done what it has got so far; nobody else waits.
void wait_for(const c10::cuda::CUDAStream& first, const c10::cuda::CUDAStream& second);
#endif

class SideStream {
 public:
  /// Null where the device or the build has no streams.
  static std::unique_ptr<SideStream> make(at::Device device);
  virtual ~SideStream() = default;

  /// Runs `work` on it, after all that this thread's stream has got so far. `reads` may be freed by
  /// then: their memory is kept until the work is done.
  virtual void fork(const std::vector<at::Tensor>& reads, const std::function<void()>& work) = 0;
  /// This thread's stream waits for all that it has got so far.
  virtual void join() = 0;
};

}  // namespace tailor::nn

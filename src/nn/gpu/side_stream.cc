#include "tailor/nn/side_stream.h"

#ifdef TAILOR_CUDA
#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAGuard.h>
#endif

namespace tailor::nn {

#ifdef TAILOR_CUDA

void wait_for(const c10::cuda::CUDAStream& first, const c10::cuda::CUDAStream& second) {
  at::cuda::CUDAEvent so_far;
  so_far.record(first);
  so_far.block(second);
}

namespace {

class CudaSideStream : public SideStream {
 public:
  explicit CudaSideStream(at::Device device)
      : stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device.index())) {}

  void fork(const std::vector<at::Tensor>& reads, const std::function<void()>& work) override {
    wait_for(c10::cuda::getCurrentCUDAStream(stream_.device_index()), stream_);
    const c10::cuda::CUDAStreamGuard guard(stream_);
    work();
    for (const at::Tensor& t : reads) t.record_stream(stream_);
  }
  void join() override {
    wait_for(stream_, c10::cuda::getCurrentCUDAStream(stream_.device_index()));
  }

 private:
  c10::cuda::CUDAStream stream_;
};

}  // namespace

std::unique_ptr<SideStream> SideStream::make(at::Device device) {
  return device.is_cuda() ? std::make_unique<CudaSideStream>(device) : nullptr;
}

#else

std::unique_ptr<SideStream> SideStream::make(at::Device /*device*/) { return nullptr; }

#endif

}  // namespace tailor::nn

#include "tailor/nn/side_stream.h"

#ifdef TAILOR_CUDA
#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#endif

namespace tailor::nn {

#ifdef TAILOR_CUDA
namespace {

class CudaSideStream : public SideStream {
 public:
  explicit CudaSideStream(at::Device device)
      : stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device.index())) {}

  void fork(const std::vector<at::Tensor>& reads, const std::function<void()>& work) override {
    at::cuda::CUDAEvent here;
    here.record(c10::cuda::getCurrentCUDAStream(stream_.device_index()));
    here.block(stream_);
    const c10::cuda::CUDAStreamGuard guard(stream_);
    work();
    for (const at::Tensor& t : reads) t.record_stream(stream_);
  }
  void join() override {
    at::cuda::CUDAEvent there;
    there.record(stream_);
    there.block(c10::cuda::getCurrentCUDAStream(stream_.device_index()));
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

#include "train/captured_step.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full_like.h>

#ifdef TAILOR_CUDA
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "tailor/nn/side_stream.h"
#include "tailor/nn/torch_compat.h"
#endif

namespace tailor::train {

bool CapturedStep::is_for(const Batch& batch) { return batch.lengths.empty() && batch.share == 1; }

#ifdef TAILOR_CUDA

namespace {

/// Steps before one is captured: libraries choose their kernels and take their memory.
constexpr int kEagerSteps = 3;

/// A batch on its way to the device.
struct Staging {
  at::Tensor inputs, targets;
  at::cuda::CUDAEvent ready, free;
};

class CudaGraphStep : public CapturedStep {
 public:
  explicit CudaGraphStep(at::Device device)
      : compute_(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, device.index())),
        copy_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device.index())) {}

  StepResult run(const Batch& batch, double lr, const Step& step) override {
    const c10::cuda::CUDAStream caller = c10::cuda::getCurrentCUDAStream(compute_.device_index());
    nn::wait_for(caller, compute_);
    StepResult result;
    {
      const c10::cuda::CUDAStreamGuard guard(compute_);
      result = run_here(batch, lr, step);
    }
    nn::wait_for(compute_, caller);
    return result;
  }
  void forget() override {
    graph_.reset();
    captured_ = {};
    figures_ = at::Tensor();
    steps_ = 0;
  }

 private:
  StepResult run_here(const Batch& batch, double lr, const Step& step) {
    const DeviceBatch host = to_device(batch, at::kCPU);
    // A resumed epoch may begin with its last batch, which is smaller.
    if (!lr_.defined() || host.count > examples_.count) {
      forget();
      place(host);
    }
    const bool fits = host.inputs.sizes() == examples_.inputs.sizes() &&
                      host.targets.sizes() == examples_.targets.sizes();
    if (!fits) {
      return step(to_device(batch, at::Device(at::kCUDA, compute_.device_index())),
                  at::full_like(lr_, lr));
    }
    send(host);
    lr_.fill_(lr);
    if (steps_ < kEagerSteps) {
      ++steps_;
      return step(examples_, lr_);
    }
    if (!graph_) capture(step);
    graph_->replay();
    return copied_result();
  }
  /// Memory for batches like this one.
  void place(const DeviceBatch& host) {
    const auto device = at::Device(at::kCUDA, compute_.device_index());
    auto like = [&](const at::Tensor& t) { return at::empty_like(t, t.options().device(device)); };
    examples_.count = host.count;
    examples_.inputs = like(host.inputs);
    examples_.targets = like(host.targets);
    lr_ = at::empty({}, at::TensorOptions(at::kDouble).device(device));
    for (Staging& s : staging_) {
      s.inputs = like(host.inputs), s.targets = like(host.targets);
      s.free.record(compute_);  // whoever had the memory before
    }
  }
  /// Copies run beside the step before; two batches take turns.
  void send(const DeviceBatch& host) {
    Staging& s = staging_[turn_ ^= 1U];
    {
      const c10::cuda::CUDAStreamGuard guard(copy_);
      s.free.block(copy_);
      s.inputs.copy_(host.inputs.pin_memory(), /*non_blocking=*/true);
      s.targets.copy_(host.targets.pin_memory(), /*non_blocking=*/true);
      s.ready.record(copy_);
    }
    s.ready.block(compute_);
    examples_.inputs.copy_(s.inputs);
    examples_.targets.copy_(s.targets);
    s.free.record(compute_);
  }
  void capture(const Step& step) {
    graph_ = std::make_unique<at::cuda::CUDAGraph>();
    nn::begin_capture(*graph_);
    try {
      captured_ = step(examples_, lr_);
      std::vector<at::Tensor> parts;
      for (const at::Tensor& t :
           {captured_.loss, captured_.objective, captured_.distance, captured_.tally}) {
        if (t.defined()) parts.push_back(t.reshape({-1}).to(at::kDouble));
      }
      figures_ = at::cat(parts);
    } catch (...) {
      try {
        graph_->capture_end();
      } catch (const c10::Error&) {
        // What ended the capture early is the error that counts.
      }
      forget();
      throw;
    }
    graph_->capture_end();
  }
  /// The next replay writes over the captured ones.
  StepResult copied_result() const {
    StepResult result = captured_;
    const at::Tensor figures = figures_.clone();
    int64_t at = 0;
    for (at::Tensor* t : {&result.loss, &result.objective, &result.distance, &result.tally}) {
      if (!t->defined()) continue;
      *t = figures.narrow(0, at, t->numel()).reshape(t->sizes());
      at += t->numel();
    }
    if (!result.tally.defined()) result.outputs = result.outputs.clone();
    return result;
  }

  c10::cuda::CUDAStream compute_, copy_;
  DeviceBatch examples_;
  at::Tensor lr_, figures_;
  Staging staging_[2];
  unsigned turn_ = 0;
  int steps_ = 0;
  std::unique_ptr<at::cuda::CUDAGraph> graph_;
  StepResult captured_;
};

}  // namespace

std::unique_ptr<CapturedStep> CapturedStep::make(at::Device device) {
  return device.is_cuda() ? std::make_unique<CudaGraphStep>(device) : nullptr;
}

#else

std::unique_ptr<CapturedStep> CapturedStep::make(at::Device /*device*/) { return nullptr; }

#endif

}  // namespace tailor::train

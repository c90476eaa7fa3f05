// A step of training as one CUDA graph: hundreds of small kernels are launched at once. What a step
// computes is the same; its inputs, rate and results lie at fixed places.
#pragma once

#include <functional>
#include <memory>

#include "tailor/train/learner.h"

namespace tailor::train {

class CapturedStep {
 public:
  /// A step on examples and a rate (float64 scalar) that are on the device.
  using Step = std::function<StepResult(const DeviceBatch& examples, const at::Tensor& lr)>;

  /// Null where the device or the build has no graphs.
  static std::unique_ptr<CapturedStep> make(at::Device device);
  virtual ~CapturedStep() = default;

  /// Examples of one length, unmixed.
  static bool is_for(const Batch& batch);
  /// The first few steps of a kind of batch run as they are, the next one is captured, later ones
  /// are launched from what was captured, on a stream of its own that the caller's waits for. Of
  /// smaller batches than the largest all run as they are. Nothing waits for the device. The
  /// result's outputs are there until the next call where the objective has a tally.
  virtual StepResult run(const Batch& batch, double lr, const Step& step) = 0;
  /// The step is another one from now on.
  virtual void forget() = 0;
};

}  // namespace tailor::train

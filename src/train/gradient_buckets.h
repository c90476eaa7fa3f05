// Sums gradients over all workers while the backward pass still runs: the flat buffer is cut into
// buckets, each of which is on its way as soon as autograd has written the last of its ranges.
#pragma once

#include <memory>
#include <vector>

#include "tailor/nn/parameters.h"
#include "tailor/train/group.h"

namespace tailor::train {

class GradientBuckets {
 public:
  /// Floats of a bucket: large enough that a sum is not all latency, small enough that the first
  /// one leaves early.
  static constexpr int64_t kFloats = 1 << 18;

  /// Of these parameters, as long as their tensors stay what they are; the group outlives it.
  GradientBuckets(const Parameters& parameters, Group& group, int64_t floats = kFloats);
  ~GradientBuckets();
  GradientBuckets(const GradientBuckets&) = delete;
  GradientBuckets& operator=(const GradientBuckets&) = delete;

  /// Before a backward pass, whose gradients have been set to 0.
  void begin();
  /// Behind it: the gradients are sums over all workers, those of narrow buffers gathered. Throws
  /// Worker as Group::sum.
  void finish();

  int64_t count() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tailor::train

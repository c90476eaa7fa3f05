// Forward and backward recursion of connectionist temporal classification (Graves et al. 2006,
// section 4.1) in probabilities, not their logarithms: on a host several times as fast.
#pragma once

#include <cstdint>

namespace tailor::train {

struct CtcExample {
  const float* log_p = nullptr;  // [frames][classes]
  int64_t frames = 0, classes = 0, blank = 0;
  const int64_t* labels = nullptr;
  int64_t count = 0;  // of labels
};

/// -ln of the labels' probability and, unless null, its gradient at log_p: what is at `gradient`
/// [frames][classes] is replaced.
/// False, and nothing worth using, where float64 cannot hold the probabilities: what is below
/// 1e-280 of a frame's largest counts as 0, and if all of that could change the sum by 1e-8 of it,
/// or the labels do not fit the frames, logarithms are needed.
bool ctc_of_example(const CtcExample& example, float& loss, float* gradient);

}  // namespace tailor::train

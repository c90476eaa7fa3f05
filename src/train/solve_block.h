// The edit that solves: a block whose skip goes gets the weights with which it gives what the
// teacher's block gives, by ridge regression and without labels (docs/design/0028).
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>

#include "tailor/net/network.h"
#include "tailor/surgery/surgery.h"
#include "tailor/tensors/tensor.h"

namespace tailor::train {

struct TrainedNetwork {
  const Network& network;
  const TensorMap& tensors;
};

struct BlockSolution {
  TensorMap tensors;  // the block's, which replace those of the same names
  /// Of the block's output on these images, in eval mode: its squared distance to the target's,
  /// relative to the square of that.
  double error = 0;
  bool of_teacher = true;  // else the target is what the student's own block gave
};

/// Called now and then; may throw.
using Pause = std::function<void()>;

/// Of the skip of a student, still there, that will be removed. The target is the teacher's block
/// along the teacher's own chain, if that has the blocks of the student's, or else what the
/// student's own gave. Throws as solvable_block.
BlockSolution solve_block(const TrainedNetwork& student, const TrainedNetwork& teacher,
                          const std::string& skip_id, const SolveConfig& config, int64_t seed,
                          const at::Tensor& images, const Pause& pause);

}  // namespace tailor::train

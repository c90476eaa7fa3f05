// Batch norm whose statistics are those of all workers' examples together.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

#include "tailor/core/rooms.h"

namespace tailor::nn {

/// Makes a tensor, contiguous, the sum over all workers, in place. All call it alike.
using SumOverWorkers = std::function<void(const at::Tensor&)>;

/// What a batch norm has; weights and statistics are float32 [channels].
struct SharedNorm {
  at::Tensor gamma, beta, running_mean, running_variance;
  double momentum = 0, epsilon = 0;
};

/// Batch norm in training mode of x [n, channels, rows, columns], of which every worker has some:
/// forward and backward as of one process that has all, up to rounding. Gradients of gamma and beta
/// are this worker's own part. Moves the running statistics.
at::Tensor normalise_shared(const at::Tensor& x, const SharedNorm& norm, const SumOverWorkers& sum);

}  // namespace tailor::nn

// Batch norm whose statistics are those of all workers' examples together.
#pragma once

#include "nn/fused_norm.h"
#include "tailor/nn/sum_over_workers.h"

namespace tailor::nn {

/// Batch norm in training mode of x [n, channels, rows, columns], of which every worker has some:
/// forward and backward as of one process that has all, up to rounding. Gradients of gamma and beta
/// are this worker's own part. Moves the running statistics.
at::Tensor normalise_shared(const at::Tensor& x, const NormParameters& norm,
                            const SumOverWorkers& sum);

}  // namespace tailor::nn

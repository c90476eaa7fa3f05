// A batch norm with the skip and the ReLU behind it as one layer, on the device where the map is:
// fewer passes over memory than ATen's operations, the same result but for the order of sums.
#pragma once

#include <ATen/core/Tensor.h>

namespace tailor::nn {

struct NormParameters {
  at::Tensor gamma, beta;                     // float32 [channels], leaves with gradients
  at::Tensor running_mean, running_variance;  // float32 [channels]
  double momentum = 0.1, epsilon = 1e-5;
};

/// Whether there are kernels for the map and the skip (which may be undefined): on the CPU of
/// the types that has_map_kernels says and whole vectors of channels, on a GPU as of
/// gpu::is_for_fused_norm.
bool is_for_fused_norm(const at::Tensor& x, const at::Tensor& skip);

/// relu?(batch norm of x by its batch's statistics + skip); moves the running ones.
at::Tensor fused_norm(const at::Tensor& x, const NormParameters& norm, const at::Tensor& skip,
                      bool relu);

}  // namespace tailor::nn

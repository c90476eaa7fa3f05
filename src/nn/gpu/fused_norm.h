// A batch norm with the skip and the ReLU behind it as two kernels each way, in bfloat16 on a GPU;
// ATen takes five to eight. It computes what they compute, but for the order of sums, and rounds
// once, behind all three.
#pragma once

#include "nn/fused_norm.h"

namespace tailor::nn::gpu {

/// Whether the map and the skip (which may be undefined) are for these kernels: bfloat16 on a GPU,
/// a number of channels that is a power of two from 8 to 256. False where there is no CUDA.
bool is_for_fused_norm(const at::Tensor& x, const at::Tensor& skip);

/// As nn::fused_norm; the gradients of gamma and beta are added to what they have, unseen by
/// autograd.
at::Tensor fused_norm(const at::Tensor& x, const NormParameters& norm, const at::Tensor& skip,
                      bool relu);

/// relu?(x + bias + skip), without gradients; bias: float32 [channels].
at::Tensor fused_bias(const at::Tensor& x, const at::Tensor& bias, const at::Tensor& skip,
                      bool relu);

}  // namespace tailor::nn::gpu

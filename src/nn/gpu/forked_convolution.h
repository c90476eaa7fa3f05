// A convolution whose weight's gradient is computed on a side stream: nothing waits for it before
// the optimiser, while the input's is what the backward pass goes on with.
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/convolution.h"
#include "tailor/nn/side_stream.h"

namespace tailor::nn::gpu {

/// Whether a convolution on this map is one for it: on a GPU, without a bias, padded alike on both
/// sides, and none that convolve() has to take apart.
bool can_fork(const at::Tensor& x, const ConvGeometry& geometry, const at::Tensor& bias);

/// As convolve(). The gradient of the weight, a leaf, is added to the one that it has, on `side`,
/// which must live on and be joined behind the backward pass.
at::Tensor forked_convolve(const at::Tensor& x, const ConvGeometry& geometry,
                           const at::Tensor& weight, SideStream& side);

}  // namespace tailor::nn::gpu

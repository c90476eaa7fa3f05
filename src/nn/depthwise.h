// Depthwise convolution along the rows of a map by own kernels, on a CPU. LibTorch's are right but
// slow for the long kernels of networks on sequences (tests/bench/README.md has the ratios).
#pragma once

#include "tailor/nn/model.h"

namespace tailor::nn {

/// Whether depthwise_convolve takes it: float32 on the CPU, one filter a channel, kernel 1 x K, no
/// rows of pads, every row of the map an output row.
bool is_row_depthwise(const at::Tensor& x, const ConvGeometry& geometry, const at::Tensor& weight);

/// x: [n, channels, height, width], channels-last or copied so; weight [channels, 1, 1, K]; an
/// undefined bias is none. Any stride, dilation and pads of the columns. Differentiable once. The
/// result, channels-last, and its gradients are the same for any number of threads.
at::Tensor depthwise_convolve(const at::Tensor& x, const ConvGeometry& geometry,
                              const at::Tensor& weight, const at::Tensor& bias);

}  // namespace tailor::nn

// Convolutions without groups on the CPU in float32 by kernels of our own. Sums are split by
// images, so that results do not depend on the number of threads, up to 16 of them.
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/convolution.h"

namespace tailor::nn {

/// Whether these kernels take the convolution: float32 on the CPU, no groups, whole vectors of
/// output channels.
bool is_for_map_kernels(const at::Tensor& x, const ConvGeometry& geometry,
                        const at::Tensor& weight);
/// As `convolve`.
at::Tensor map_convolve(const at::Tensor& x, const ConvGeometry& geometry, const at::Tensor& weight,
                        const at::Tensor& bias, Products products);
/// relu?(convolution + bias + skip) without gradients; bias and skip may be undefined.
at::Tensor map_convolve_and_add(const at::Tensor& x, const ConvGeometry& geometry,
                                const at::Tensor& weight, const at::Tensor& bias,
                                const at::Tensor& skip, bool relu, Products products);

}  // namespace tailor::nn

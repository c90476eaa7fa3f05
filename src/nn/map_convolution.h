// Convolutions without groups on the CPU by kernels of our own, of maps of float32 or bfloat16.
// Sums are split by images, so that results do not depend on the number of threads, up to 16 of
// them.
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/convolution.h"
#include "nn/fused_norm.h"

namespace tailor::nn {

/// Whether these kernels take the convolution: on the CPU, weights of float32, maps of such a type
/// as has_map_kernels says, no groups, whole vectors of output channels.
bool is_for_map_kernels(const at::Tensor& x, const ConvGeometry& geometry,
                        const at::Tensor& weight);
/// As `convolve`.
at::Tensor map_convolve(const at::Tensor& x, const ConvGeometry& geometry, const at::Tensor& weight,
                        const at::Tensor& bias);
/// relu?(convolution + bias + skip) without gradients; bias and skip may be undefined.
at::Tensor map_convolve_and_add(const at::Tensor& x, const ConvGeometry& geometry,
                                const at::Tensor& weight, const at::Tensor& bias,
                                const at::Tensor& skip, bool relu);

/// Whether a convolution without bias and the batch norm behind it, in training, are one layer:
/// both have kernels here, and the skip (which may be undefined) is of the map's type.
bool is_for_conv_norm(const at::Tensor& x, const ConvGeometry& geometry, const at::Tensor& weight,
                      const at::Tensor& skip);
/// fused_norm of the convolution.
at::Tensor conv_norm(const at::Tensor& x, const ConvGeometry& geometry, const at::Tensor& weight,
                     const NormParameters& norm, const at::Tensor& skip, bool relu);

}  // namespace tailor::nn

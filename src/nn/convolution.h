// One convolution on LibTorch, in a form in which no known defect of oneDNN is met (design decision
// 16): whatever the shape, forward and backward are those of the definition.
#pragma once

#include "tailor/nn/model.h"

namespace tailor::nn {

/// The map in the memory format that all kernels read: itself, or a copy.
inline at::Tensor channels_last(const at::Tensor& x) {
  return x.contiguous(at::MemoryFormat::ChannelsLast);
}

/// Whether there are convolutions of bfloat16 maps by float32 weights in this process: fast kernels
/// on a CPU with AVX512_BF16.
bool has_narrow_kernels();

/// x: [n, channels, height, width], channels-last; weight [out, channels / groups, kernel rows,
/// kernel columns]; an undefined bias is none. The result is of the map's type; bfloat16 maps may
/// meet float32 weights, and only what is multiplied is rounded.
at::Tensor convolve(const at::Tensor& x, const ConvGeometry& geometry, const at::Tensor& weight,
                    const at::Tensor& bias);

/// relu?(convolution + skip) without gradients; the skip may be undefined.
at::Tensor convolve_and_add(const at::Tensor& x, const ConvGeometry& geometry,
                            const at::Tensor& weight, const at::Tensor& bias,
                            const at::Tensor& skip, bool relu);
at::Tensor add_and_activate(const at::Tensor& x, const at::Tensor& skip, bool relu);

/// The same as one plain ATen convolution, strides and all; with oneDNN off, the reference.
at::Tensor plain_convolve(const at::Tensor& x, const ConvGeometry& geometry,
                          const at::Tensor& weight, const at::Tensor& bias);

/// Every stride-th row and column.
at::Tensor pick_pixels(const at::Tensor& x, const Size2& stride);

}  // namespace tailor::nn

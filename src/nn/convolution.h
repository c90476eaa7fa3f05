// One convolution on LibTorch, in a form in which no known defect of oneDNN is met (design decision
// 16): whatever the shape, forward and backward are those of the definition.
#pragma once

#include "tailor/nn/model.h"

namespace tailor::nn {

/// The map in the memory format that all kernels read: itself, or a copy.
inline at::Tensor channels_last(const at::Tensor& x) {
  return x.contiguous(at::MemoryFormat::ChannelsLast);
}

/// What float32 maps and weights are rounded to before they are multiplied; sums are float32.
enum class Products { Float32, BFloat16 };
/// Whether some convolutions of this process multiply so: fast kernels on a CPU with AVX512_BF16.
bool has_narrow_products();

/// x: [n, channels, height, width], channels-last; weight [out, channels / groups, kernel rows,
/// kernel columns]; an undefined bias is none. Depthwise ones, and first layers with
/// fewer channels than a vector has, take float32 products.
at::Tensor convolve(const at::Tensor& x, const ConvGeometry& geometry, const at::Tensor& weight,
                    const at::Tensor& bias, Products products = Products::Float32);

/// relu?(convolution + skip) without gradients; the skip may be undefined.
at::Tensor convolve_and_add(const at::Tensor& x, const ConvGeometry& geometry,
                            const at::Tensor& weight, const at::Tensor& bias,
                            const at::Tensor& skip, bool relu,
                            Products products = Products::Float32);
at::Tensor add_and_activate(const at::Tensor& x, const at::Tensor& skip, bool relu);

/// The same as one plain ATen convolution, strides and all; with oneDNN off, the reference.
at::Tensor plain_convolve(const at::Tensor& x, const ConvGeometry& geometry,
                          const at::Tensor& weight, const at::Tensor& bias);

/// Every stride-th row and column.
at::Tensor pick_pixels(const at::Tensor& x, const Size2& stride);

}  // namespace tailor::nn

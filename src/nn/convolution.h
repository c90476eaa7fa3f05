// One convolution on LibTorch, in a form in which no known defect of oneDNN is met (design decision
// 16): whatever the shape, forward and backward are those of the definition.
#pragma once

#include "tailor/nn/model.h"

namespace tailor::nn {

/// x: [n, channels, height, width], channels-last; weight [out, channels / groups, kernel rows,
/// kernel columns]; an undefined bias is none.
at::Tensor convolve(const at::Tensor& x, const ConvGeometry& geometry, const at::Tensor& weight,
                    const at::Tensor& bias);

/// The same as one plain ATen convolution, strides and all; with oneDNN off, the reference.
at::Tensor plain_convolve(const at::Tensor& x, const ConvGeometry& geometry,
                          const at::Tensor& weight, const at::Tensor& bias);

/// Every stride-th row and column.
at::Tensor pick_pixels(const at::Tensor& x, const Size2& stride);

}  // namespace tailor::nn

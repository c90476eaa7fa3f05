// One convolution on LibTorch, in a form in which no known defect of oneDNN is met (design decision
// 16): whatever the shape, forward and backward are those of the definition.
#pragma once

#include "tailor/nn/model.h"

namespace tailor {

/// x: [n, channels, height, width], channels-last; weight [out, channels / groups, kernel, kernel];
/// an undefined bias is none. `pad` zeros above and left, `pad_end` below and right.
at::Tensor convolve(const at::Tensor& x, const ConvGeometry& geometry, const at::Tensor& weight,
                    const at::Tensor& bias);

/// The same as one plain ATen convolution, strides and all; with oneDNN off, the reference.
at::Tensor plain_convolve(const at::Tensor& x, const ConvGeometry& geometry,
                          const at::Tensor& weight, const at::Tensor& bias);

}  // namespace tailor

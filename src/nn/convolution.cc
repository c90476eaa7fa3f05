#include "nn/convolution.h"

#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/slice.h>

namespace tailor {

at::Tensor plain_convolve(const at::Tensor& x, const ConvGeometry& g, const at::Tensor& weight,
                          const at::Tensor& bias) {
  const bool even = g.pad == g.pad_end;
  const int64_t stride[] = {g.stride, g.stride}, ones[] = {1, 1},
                pad[] = {even ? g.pad : 0, even ? g.pad : 0},
                pads[] = {g.pad, g.pad_end, g.pad, g.pad_end};
  return at::conv2d(even ? x : at::constant_pad_nd(x, pads, 0), weight, bias, stride,
                    at::IntArrayRef(pad), ones, g.groups);
}

at::Tensor convolve(const at::Tensor& x, const ConvGeometry& g, const at::Tensor& weight,
                    const at::Tensor& bias) {
  const bool pointwise = weight.size(2) == 1 && weight.size(3) == 1 && g.pad + g.pad_end == 0;
  if (!pointwise || g.stride == 1) return plain_convolve(x, g, weight, bias);
  // oneDNN's backward pass of a strided 1x1 convolution with fewer input channels than its block (8
  // with AVX2, 16 with AVX-512) writes past a buffer (uxlfoundation/oneDNN#6035).
  at::Tensor picked = x;
  for (int64_t dimension : {2, 3})
    picked = at::slice(picked, dimension, 0, picked.size(dimension), g.stride);
  return plain_convolve(picked.contiguous(at::MemoryFormat::ChannelsLast), {1, 0, 0, g.groups},
                        weight, bias);
}

}  // namespace tailor

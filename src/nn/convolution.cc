#include "nn/convolution.h"

#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/slice.h>

#include "nn/depthwise.h"

namespace tailor::nn {

at::Tensor plain_convolve(const at::Tensor& x, const ConvGeometry& g, const at::Tensor& weight,
                          const at::Tensor& bias) {
  const auto& [kernel, stride, dilation, p] = g.window;
  const bool even = p.top == p.bottom && p.left == p.right;
  const int64_t strides[] = {stride.height, stride.width},
                dilations[] = {dilation.height, dilation.width},
                pad[] = {even ? p.top : 0, even ? p.left : 0},
                pads[] = {p.left, p.right, p.top, p.bottom};
  return at::conv2d(even ? x : at::constant_pad_nd(x, pads, 0), weight, bias, strides,
                    at::IntArrayRef(pad), dilations, g.groups);
}

at::Tensor pick_pixels(const at::Tensor& x, const Size2& stride) {
  const at::Tensor rows = at::slice(x, 2, 0, x.size(2), stride.height);
  return at::slice(rows, 3, 0, x.size(3), stride.width);
}

at::Tensor convolve(const at::Tensor& x, const ConvGeometry& g, const at::Tensor& weight,
                    const at::Tensor& bias) {
  if (is_row_depthwise(x, g, weight)) return depthwise_convolve(x, g, weight, bias);
  if (g.window.taps() > 1 || g.window.stride.size() == 1) return plain_convolve(x, g, weight, bias);
  // oneDNN's backward pass of a strided 1x1 convolution with fewer input channels than its block (8
  // with AVX2, 16 with AVX-512) writes past a buffer (uxlfoundation/oneDNN#6035).
  const Pads& p = g.window.pads;
  const at::Tensor padded =
      p.any() ? at::constant_pad_nd(x, {p.left, p.right, p.top, p.bottom}, 0) : x;
  const at::Tensor picked = pick_pixels(padded, g.window.stride);
  return plain_convolve(picked.contiguous(at::MemoryFormat::ChannelsLast), {{}, g.groups}, weight,
                        bias);
}

}  // namespace tailor::nn

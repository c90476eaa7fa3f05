#include "nn/convolution.h"

#include <ATen/ops/add.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/slice.h>

#include <atomic>

#include "nn/depthwise.h"
#include "nn/map_convolution.h"
#include "nn/vector_kernels.h"
#include "tailor/nn/kernels.h"

namespace tailor::nn {
namespace {

std::atomic<Kernels> kernels_in_use = Kernels::Fast;

}  // namespace

void use_kernels(Kernels kernels) { kernels_in_use = kernels; }
const char* instruction_set(bool of_bfloat16) {
  return of_bfloat16 && narrow_kernels() ? narrow_kernels()->name : vector_kernels().name;
}
bool uses_fast_kernels() { return kernels_in_use == Kernels::Fast; }

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

bool has_narrow_kernels() { return uses_fast_kernels() && narrow_kernels(); }

at::Tensor pick_pixels(const at::Tensor& x, const Size2& stride) {
  const at::Tensor rows = at::slice(x, 2, 0, x.size(2), stride.height);
  return at::slice(rows, 3, 0, x.size(3), stride.width);
}

at::Tensor convolve(const at::Tensor& x, const ConvGeometry& g, const at::Tensor& weight,
                    const at::Tensor& bias) {
  const bool fast = uses_fast_kernels();
  if (fast && is_row_depthwise(x, g, weight)) return depthwise_convolve(x, g, weight, bias);
  if (fast && is_for_map_kernels(x, g, weight)) return map_convolve(x, g, weight, bias);
  if (const auto type = x.scalar_type(); type != weight.scalar_type()) {
    // LibTorch wants one type; its groups are slow in bfloat16.
    if (g.groups > 1) return convolve(x.to(weight.scalar_type()), g, weight, bias).to(type);
    return convolve(x, g, weight.to(type), bias.defined() ? bias.to(type) : bias);
  }
  if (g.window.taps() > 1 || g.window.stride.size() == 1) return plain_convolve(x, g, weight, bias);
  // oneDNN's backward pass of a strided 1x1 convolution with fewer input channels than its block (8
  // with AVX2, 16 with AVX-512) writes past a buffer (uxlfoundation/oneDNN#6035).
  const Pads& p = g.window.pads;
  const at::Tensor padded =
      p.any() ? at::constant_pad_nd(x, {p.left, p.right, p.top, p.bottom}, 0) : x;
  const at::Tensor picked = pick_pixels(padded, g.window.stride);
  return plain_convolve(channels_last(picked), {{}, g.groups}, weight, bias);
}

at::Tensor add_and_activate(const at::Tensor& x, const at::Tensor& skip, bool relu) {
  const at::Tensor sum = skip.defined() ? at::add(x, skip) : x;
  return relu ? at::relu(sum) : sum;
}

at::Tensor convolve_and_add(const at::Tensor& x, const ConvGeometry& g, const at::Tensor& weight,
                            const at::Tensor& bias, const at::Tensor& skip, bool relu) {
  if (uses_fast_kernels() && !is_row_depthwise(x, g, weight) && is_for_map_kernels(x, g, weight))
    return map_convolve_and_add(x, g, weight, bias, skip, relu);
  return add_and_activate(convolve(x, g, weight, bias), skip, relu);
}

}  // namespace tailor::nn

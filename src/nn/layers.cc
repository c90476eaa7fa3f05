#include "nn/layers.h"

#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/mean.h>

#include <limits>

#include "nn/convolution.h"

namespace tailor::nn {

at::Tensor pool(const at::Tensor& x, const PoolLayer& layer) {
  if (layer.kind == PoolKind::GlobalAverage) return at::mean(x, {2, 3}, /*keepdim=*/true);
  const auto& [kernel, stride, dilation, p] = layer.window;
  const int64_t size[] = {kernel.height, kernel.width}, step[] = {stride.height, stride.width},
                pads[] = {p.left, p.right, p.top, p.bottom};
  if (layer.kind == PoolKind::Average)
    return at::avg_pool2d(p.any() ? at::constant_pad_nd(x, pads, 0) : x, size, step);
  return max_pool(x, layer.window);
}

at::Tensor max_pool(const at::Tensor& x, const Window& window) {
  const auto& [kernel, stride, dilation, p] = window;
  const int64_t size[] = {kernel.height, kernel.width}, step[] = {stride.height, stride.width},
                pads[] = {p.left, p.right, p.top, p.bottom},
                steps[] = {dilation.height, dilation.width};
  const bool even = p.top == p.bottom && p.left == p.right && 2 * p.top <= kernel.height &&
                    2 * p.left <= kernel.width;
  if (even) return at::max_pool2d(x, size, step, {p.top, p.left}, steps);
  constexpr double kNever = -std::numeric_limits<double>::infinity();
  return at::max_pool2d(at::constant_pad_nd(x, pads, kNever), size, step, {0, 0}, steps);
}

at::Tensor pick(const at::Tensor& x, const PickLayer& layer) {
  const int64_t before = layer.channel_offset, behind = layer.out - before - x.size(1);
  return at::constant_pad_nd(pick_pixels(x, layer.stride), {0, 0, 0, 0, before, behind}, 0);
}

}  // namespace tailor::nn

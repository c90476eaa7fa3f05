// Layers without tensors on LibTorch.
#pragma once

#include <ATen/core/Tensor.h>

#include "tailor/net/network.h"

namespace tailor::nn {

at::Tensor pool(const at::Tensor& x, const PoolLayer& layer);
/// A maximum over real pixels: padding never wins.
at::Tensor max_pool(const at::Tensor& x, const Window& window);
/// Every stride-th pixel, its channels among `out` from `channel_offset` on, the others 0.
at::Tensor pick(const at::Tensor& x, const PickLayer& layer);

}  // namespace tailor::nn

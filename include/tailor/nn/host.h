// Between host tensors and LibTorch's, whatever device those are on.
#pragma once

#include <ATen/core/Tensor.h>

#include "tailor/tensors/tensor.h"

namespace tailor::nn {

/// A view of a host tensor of F32, on the CPU; the host tensor must outlive it.
at::Tensor host_view(const Tensor& tensor);
/// A host copy, row-major F32 or F64, of a float32 or float64 tensor on any device. Waits for the
/// device.
Tensor to_host(const at::Tensor& tensor);

}  // namespace tailor::nn

// Types of maps that the kernels of vector_kernels.h take, behind a tensor: float32 everywhere,
// bfloat16 where the CPU multiplies it.
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/vector_kernels.h"

namespace tailor::nn {

/// Whether this process has kernels for maps of the type on the CPU.
inline bool has_map_kernels(at::ScalarType type) {
  return type == at::kFloat || (type == at::kBFloat16 && narrow_kernels());
}

/// of(T()): T as kernels have the type of the map.
template <typename F>
auto with_map_type(const at::Tensor& map, F of) {
  return map.scalar_type() == at::kBFloat16 ? of(uint16_t()) : of(float());
}

/// The numbers of a tensor of such a type; null of an undefined one.
template <typename T>
T* map_data(const at::Tensor& t) {
  return t.defined() ? static_cast<T*>(t.data_ptr()) : nullptr;
}

}  // namespace tailor::nn

// Named host tensors: dense, row-major, little-endian. The shape and the bytes always agree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tailor/core/span.h"

namespace tailor::tensors {

enum class DType { F64, F32, I64, I32, I16, I8, U8 };

const char* dtype_name(DType dtype);  // "F32", as safetensors writes it
size_t dtype_size(DType dtype);       // bytes an element

using Shape = std::vector<int64_t>;
std::string to_string(const Shape& shape);  // "[16, 3, 3, 3]"
int64_t element_count(const Shape& shape);

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::F64;
};
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::F32;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType value = DType::I64;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::I32;
};
template <>
struct DTypeOf<int16_t> {
  static constexpr DType value = DType::I16;
};
template <>
struct DTypeOf<int8_t> {
  static constexpr DType value = DType::I8;
};
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType value = DType::U8;
};

class Tensor {
 public:
  Tensor() = default;
  /// Zero-filled.
  Tensor(DType dtype, Shape shape);
  template <class T>
  static Tensor from(Shape shape, const std::vector<T>& values);

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t size() const { return element_count(shape_); }
  Span<const std::byte> bytes() const { return bytes_; }
  Span<std::byte> bytes() { return bytes_; }

  /// Typed view. Throws Internal if T is not the element type.
  template <class T>
  Span<T> as();
  template <class T>
  Span<const T> as() const;
  /// Any numeric type as float64 (I64 beyond 2^53 loses bits; none of ours is).
  std::vector<double> to_doubles() const;

  friend bool operator==(const Tensor& a, const Tensor& b) {
    return a.dtype_ == b.dtype_ && a.shape_ == b.shape_ && a.bytes_ == b.bytes_;
  }

 private:
  DType dtype_ = DType::F32;
  Shape shape_ = {0};
  std::vector<std::byte> bytes_;
};

using TensorMap = std::map<std::string, Tensor>;

/// The named tensor. Throws Data "NAME is missing from WHERE".
const Tensor& find_tensor(const TensorMap& tensors, const std::string& name,
                          const std::string& where);

/// [n, channels, height, width] → [n, height, width, channels], both F32. Throws Data for another
/// rank or type.
Tensor channels_last(const Tensor& planes);

template <class T>
Tensor Tensor::from(Shape shape, const std::vector<T>& values) {
  Tensor tensor(DTypeOf<T>::value, std::move(shape));
  TAILOR_CHECK(static_cast<size_t>(tensor.size()) == values.size(), "{} values for shape {}",
               values.size(), to_string(tensor.shape_));
  auto view = tensor.as<T>();
  for (size_t i = 0; i < values.size(); ++i) view[i] = values[i];
  return tensor;
}
template <class T>
Span<T> Tensor::as() {
  TAILOR_CHECK(DTypeOf<T>::value == dtype_, "tensor is {}, not {}", dtype_name(dtype_),
               dtype_name(DTypeOf<T>::value));
  return {reinterpret_cast<T*>(bytes_.data()), bytes_.size() / sizeof(T)};
}
template <class T>
Span<const T> Tensor::as() const {
  TAILOR_CHECK(DTypeOf<T>::value == dtype_, "tensor is {}, not {}", dtype_name(dtype_),
               dtype_name(DTypeOf<T>::value));
  return {reinterpret_cast<const T*>(bytes_.data()), bytes_.size() / sizeof(T)};
}

}  // namespace tailor::tensors

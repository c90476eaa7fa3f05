#include "tailor/tensors/tensor.h"

#include "tailor/tensors/map_shape.h"

namespace tailor::tensors {

const char* dtype_name(DType dtype) {
  switch (dtype) {
    case DType::F64:
      return "F64";
    case DType::F32:
      return "F32";
    case DType::I64:
      return "I64";
    case DType::I32:
      return "I32";
    case DType::I16:
      return "I16";
    case DType::I8:
      return "I8";
    case DType::U8:
      return "U8";
  }
  return "?";
}

size_t dtype_size(DType dtype) {
  switch (dtype) {
    case DType::F64:
    case DType::I64:
      return 8;
    case DType::F32:
    case DType::I32:
      return 4;
    case DType::I16:
      return 2;
    case DType::I8:
    case DType::U8:
      return 1;
  }
  return 1;
}

std::string to_string(const MapShape& s) {
  return fmt::format("{}x{}x{}", s.channels, s.height, s.width);
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

int64_t element_count(const Shape& shape) {
  int64_t count = 1;
  for (int64_t n : shape) count *= n;
  return count;
}

Tensor::Tensor(DType dtype, Shape shape) : dtype_(dtype), shape_(std::move(shape)) {
  for (int64_t n : shape_) TAILOR_CHECK(n >= 0, "negative size in shape {}", to_string(shape_));
  bytes_.resize(static_cast<size_t>(element_count(shape_)) * dtype_size(dtype_));
}

std::vector<double> Tensor::to_doubles() const {
  auto convert = [](auto view) {
    std::vector<double> out;
    out.reserve(view.size());
    for (auto v : view) out.push_back(static_cast<double>(v));
    return out;
  };
  switch (dtype_) {
    case DType::F64:
      return convert(as<double>());
    case DType::F32:
      return convert(as<float>());
    case DType::I64:
      return convert(as<int64_t>());
    case DType::I32:
      return convert(as<int32_t>());
    case DType::I16:
      return convert(as<int16_t>());
    case DType::I8:
      return convert(as<int8_t>());
    case DType::U8:
      return convert(as<uint8_t>());
  }
  return {};
}

Tensor channels_last(const Tensor& planes) {
  const Shape& s = planes.shape();
  if (s.size() != 4 || planes.dtype() != DType::F32) {
    fail(ErrorKind::Data, "expected images [n, channels, height, width] of F32, got {} of {}",
         to_string(s), dtype_name(planes.dtype()));
  }
  Tensor pixels(DType::F32, {s[0], s[2], s[3], s[1]});
  const float* from = planes.as<float>().data();
  float* to = pixels.as<float>().data();
  const int64_t count = s[2] * s[3];
  for (int64_t n = 0; n < s[0]; ++n, to += count * s[1]) {
    for (int64_t c = 0; c < s[1]; ++c) {
      for (int64_t p = 0; p < count; ++p) to[p * s[1] + c] = *from++;
    }
  }
  return pixels;
}

const Tensor& find_tensor(const TensorMap& tensors, const std::string& name,
                          const std::string& where) {
  auto found = tensors.find(name);
  if (found == tensors.end())
    fail(ErrorKind::Data, "the tensor '{}' is missing from {}", name, where);
  return found->second;
}

}  // namespace tailor::tensors

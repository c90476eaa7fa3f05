#include "tensors/elements.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

namespace tailor::tensors {
namespace {

struct ElementInfo {
  Element element;
  const char* name;
  size_t size;
  DType dtype;
};

constexpr std::array<ElementInfo, 12> kElements = {{
    {Element::F64, "F64", 8, DType::F64},
    {Element::F32, "F32", 4, DType::F32},
    {Element::F16, "F16", 2, DType::F32},
    {Element::BF16, "BF16", 2, DType::F32},
    {Element::I64, "I64", 8, DType::I64},
    {Element::I32, "I32", 4, DType::I32},
    {Element::I16, "I16", 2, DType::I16},
    {Element::I8, "I8", 1, DType::I8},
    {Element::U32, "U32", 4, DType::I64},
    {Element::U16, "U16", 2, DType::I32},
    {Element::U8, "U8", 1, DType::U8},
    {Element::Bool, "BOOL", 1, DType::U8},
}};

const ElementInfo& info(Element element) { return kElements.at(static_cast<size_t>(element)); }

float from_bits(uint32_t bits) {
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// IEEE 754 binary16, exactly: every half is a float.
float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000U) << 16;
  const uint32_t exponent = (half >> 10) & 0x1FU, fraction = half & 0x3FFU;
  if (exponent == 0x1F) return from_bits(sign | 0x7F800000U | fraction << 13);
  if (exponent > 0) return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
  const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
  return sign != 0 ? -magnitude : magnitude;
}

template <class Raw, class Out, class Convert>
void gather(const ElementView& view, Tensor& tensor, Convert convert) {
  std::vector<int64_t> at(view.shape.size(), 0);
  int64_t index = view.offset;
  for (Out& value : tensor.as<Out>()) {
    std::array<char, sizeof(Raw)> bytes;
    std::memcpy(bytes.data(), view.storage.data() + static_cast<size_t>(index) * sizeof(Raw),
                sizeof(Raw));
    if (view.big_endian) std::reverse(bytes.begin(), bytes.end());
    Raw raw{};
    std::memcpy(&raw, bytes.data(), sizeof(Raw));
    value = convert(raw);
    for (size_t d = at.size(); d-- > 0;) {
      index += view.strides[d];
      if (++at[d] < view.shape[d]) break;
      index -= view.strides[d] * view.shape[d];
      at[d] = 0;
    }
  }
}

template <class T>
void gather_same(const ElementView& view, Tensor& tensor) {
  gather<T, T>(view, tensor, [](T v) { return v; });
}

}  // namespace

const char* element_name(Element element) { return info(element).name; }
size_t element_size(Element element) { return info(element).size; }
DType element_dtype(Element element) { return info(element).dtype; }

std::optional<Element> find_element(std::string_view name) {
  for (const ElementInfo& e : kElements)
    if (name == e.name) return e.element;
  return std::nullopt;
}

bool is_ours(Element element) {
  return std::string_view(element_name(element)) == dtype_name(element_dtype(element));
}

void Conversions::add(Element element) {
  if (!is_ours(element)) ++counts_[element];
}

std::vector<std::string> Conversions::remarks() const {
  std::vector<std::string> lines;
  for (const auto& [element, count] : counts_) {
    lines.push_back(fmt::format("{} {} became {} from {}", count, count == 1 ? "tensor" : "tensors",
                                dtype_name(element_dtype(element)), element_name(element)));
  }
  return lines;
}

std::vector<int64_t> dense_strides(const Shape& shape, bool fortran_order) {
  std::vector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    const size_t d = fortran_order ? i : shape.size() - 1 - i;
    strides[d] = stride;
    stride *= std::max<int64_t>(shape[d], 1);
  }
  return strides;
}

std::optional<int64_t> checked_element_count(const Shape& shape) {
  constexpr int64_t kMost = int64_t{1} << 48;
  if (shape.size() > kMostDimensions) return std::nullopt;
  int64_t count = 1, product = 1;  // the product leaves zeros out: no order of sizes may overflow
  for (int64_t n : shape) {
    if (n < 0 || n > kMost / product) return std::nullopt;
    product *= std::max<int64_t>(n, 1);
    count *= n;
  }
  return count;
}

Tensor read_elements(const ElementView& view, std::string_view where) {
  ElementView v = view;
  const size_t size = element_size(v.element);
  const auto elements = static_cast<int64_t>(v.storage.size() / size);
  const auto count = checked_element_count(v.shape);
  if (count == 0) return Tensor(element_dtype(v.element), v.shape);  // reads nothing
  bool inside = count && v.strides.size() == v.shape.size() && v.offset >= 0;
  int64_t last = v.offset;  // the largest index
  for (size_t d = 0; inside && d < v.shape.size(); ++d) {
    int64_t& stride = v.strides[d];
    if (v.shape[d] < 2) stride = 0;  // never taken, so its value means nothing
    inside = stride >= 0 && last <= elements &&
             (stride == 0 || v.shape[d] - 1 <= (elements - last) / stride);
    if (inside) last += (v.shape[d] - 1) * stride;
  }
  if (!inside || last >= elements) {
    fail(ErrorKind::Data,
         "{}: shape {} with strides {} from element {} of type {} lies outside its {} bytes; the "
         "file is damaged",
         where, to_string(v.shape), to_string(v.strides), v.offset, element_name(v.element),
         v.storage.size());
  }

  Tensor tensor(element_dtype(v.element), v.shape);
  Shape dense = dense_strides(v.shape);
  for (size_t d = 0; d < dense.size(); ++d)
    if (v.shape[d] < 2) dense[d] = 0;
  const bool same_bytes = is_ours(v.element) && (!v.big_endian || size == 1);
  if (same_bytes && v.strides == dense) {
    std::memcpy(tensor.bytes().data(), v.storage.data() + static_cast<size_t>(v.offset) * size,
                tensor.bytes().size());
    return tensor;
  }
  switch (v.element) {
    case Element::F64:
      gather_same<double>(v, tensor);
      break;
    case Element::F32:
      gather_same<float>(v, tensor);
      break;
    case Element::F16:
      gather<uint16_t, float>(v, tensor, half_to_float);
      break;
    case Element::BF16:
      gather<uint16_t, float>(
          v, tensor, [](uint16_t bits) { return from_bits(static_cast<uint32_t>(bits) << 16); });
      break;
    case Element::I64:
      gather_same<int64_t>(v, tensor);
      break;
    case Element::I32:
      gather_same<int32_t>(v, tensor);
      break;
    case Element::I16:
      gather_same<int16_t>(v, tensor);
      break;
    case Element::I8:
      gather_same<int8_t>(v, tensor);
      break;
    case Element::U32:
      gather<uint32_t, int64_t>(v, tensor, [](uint32_t n) { return int64_t{n}; });
      break;
    case Element::U16:
      gather<uint16_t, int32_t>(v, tensor, [](uint16_t n) { return int32_t{n}; });
      break;
    case Element::U8:
      gather_same<uint8_t>(v, tensor);
      break;
    case Element::Bool:
      gather<uint8_t, uint8_t>(v, tensor, [](uint8_t n) { return static_cast<uint8_t>(n != 0); });
      break;
  }
  return tensor;
}

}  // namespace tailor::tensors

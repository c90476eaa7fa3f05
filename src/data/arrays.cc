#include "data/arrays.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/tensors/npy.h"

namespace tailor::data {
namespace {

constexpr int64_t kMlperfClasses = 10;
constexpr size_t kMlperfBytes = 32 * 32 * 3;

template <class T>
std::shared_ptr<T> new_pixels(size_t count) {
  return {new T[count], std::default_delete<T[]>()};
}

template <class T>
std::vector<int64_t> widen(Span<const T> values) {
  return {values.begin(), values.end()};
}

std::vector<int64_t> read_labels(const std::string& path, int64_t count) {
  const Tensor t = load_npy(path, "labels");
  const bool floats = t.dtype() == DType::F32 || t.dtype() == DType::F64;
  if (t.shape() != Shape{count} || floats) {
    fail(ErrorKind::Data, "labels {}: expected whole numbers of shape {}, got {} of shape {}", path,
         tensors::to_string(Shape{count}), dtype_name(t.dtype()), tensors::to_string(t.shape()));
  }
  std::vector<int64_t> labels = t.dtype() == DType::I64   ? widen(t.as<int64_t>())
                                : t.dtype() == DType::I32 ? widen(t.as<int32_t>())
                                : t.dtype() == DType::I16 ? widen(t.as<int16_t>())
                                : t.dtype() == DType::I8  ? widen(t.as<int8_t>())
                                                          : widen(t.as<uint8_t>());
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0 || labels[i] >= kMostClasses) {
      fail(ErrorKind::Data, "labels {}: element {}: expected a class from 0 to {}, got {}", path, i,
           kMostClasses - 1, labels[i]);
    }
  }
  return labels;
}

/// Each element of the array, as often as `copies` says, as what `convert` makes of it.
template <class From, class To, class Convert>
std::shared_ptr<To> convert_pixels(const Tensor& t, size_t copies, const Convert& convert) {
  const Span<const From> in = t.as<From>();
  const auto pixels = new_pixels<To>(copies * in.size());
  To* out = pixels.get();
  for (const From v : in) out = std::fill_n(out, copies, static_cast<To>(convert(v)));
  return pixels;
}

/// Floats as they are, all of them finite, and their range.
template <class From>
std::shared_ptr<float> convert_floats(const Tensor& t, size_t copies, const std::string& path,
                                      ArrayPart& part) {
  part.low = std::numeric_limits<double>::infinity(), part.high = -part.low;
  size_t at = 0;
  return convert_pixels<From, float>(t, copies, [&](From v) {
    const auto value = static_cast<float>(v);
    if (!std::isfinite(value)) {
      const auto image = at / (t.as<From>().size() / static_cast<size_t>(t.shape()[0]));
      fail(ErrorKind::Data, "images {}: image {}: expected numbers that float32 has, got {}", path,
           image, v);
    }
    ++at;
    part.low = std::min<double>(part.low, value), part.high = std::max<double>(part.high, value);
    return value;
  });
}

/// `t` as the file's type says, and not as the tensor's: u2 comes as I32.
Images make_images(const Tensor& t, size_t copies, const std::string& path, ArrayPart& part,
                   std::vector<int64_t> labels) {
  auto bytes = [&](auto pixels) {
    return make_memory_images(part.shape, std::shared_ptr<const uint8_t>(pixels), labels);
  };
  auto words = [&](const std::shared_ptr<uint16_t>& pixels) {
    // Few sensors use all of their 16 bits: an export should know which.
    const auto count = static_cast<size_t>(t.size()) * copies;
    const auto [low, high] = std::minmax_element(pixels.get(), pixels.get() + count);
    part.low = static_cast<float>(*low) / 65535.F, part.high = static_cast<float>(*high) / 65535.F;
    return make_memory_images(part.shape, std::shared_ptr<const uint16_t>(pixels), labels);
  };
  auto floats = [&](auto pixels) {
    return make_memory_images(part.shape, std::shared_ptr<const float>(pixels), labels);
  };
  const std::string& type = part.type;
  if (type == "u1")
    return bytes(convert_pixels<uint8_t, uint8_t>(t, copies, [](uint8_t v) { return v; }));
  if (type == "b1")
    return bytes(convert_pixels<uint8_t, uint8_t>(t, copies, [](uint8_t v) { return v * 255; }));
  if (type == "i1")
    return bytes(convert_pixels<int8_t, uint8_t>(t, copies, [](int8_t v) { return v + 128; }));
  if (type == "u2")
    return words(convert_pixels<int32_t, uint16_t>(t, copies, [](int32_t v) { return v; }));
  if (type == "i2")
    return words(convert_pixels<int16_t, uint16_t>(t, copies, [](int16_t v) { return v + 32768; }));
  if (type == "f8") return floats(convert_floats<double>(t, copies, path, part));
  TAILOR_CHECK(t.dtype() == DType::F32, "pixels of {}", type);
  return floats(convert_floats<float>(t, copies, path, part));
}

/// Neither 8 nor 16 bits nor floats: what a value's range is nobody knows.
bool is_wide(const Tensor& t, const std::string& type) {
  return t.dtype() == DType::I64 || type == "i4";
}

}  // namespace

ArrayPart make_array_images(const Tensor& t, const std::string& type, size_t copies,
                            const std::string& path, std::vector<int64_t> labels) {
  const Shape& s = t.shape();
  if (is_wide(t, type) || s.size() != 4 || element_count(s) == 0) {
    fail(
        ErrorKind::Data,
        "{}: expected u1, u2, i1, i2, b1, f2, f4 or f8 of shape [images, rows, columns, channels], "
        "got {} of shape {}",
        path, type, tensors::to_string(s));
  }
  ArrayPart part;
  part.type = type;
  part.shape = {s[3] * static_cast<int64_t>(copies), s[1], s[2]};
  part.images = make_images(t, copies, path, part, std::move(labels));
  return part;
}

ArrayPart load_npy_images(const std::string& folder, const std::string& part) {
  const std::string path = path_join(folder, part + "_images.npy");
  ArrayPart out;
  const Tensor t = load_npy(path, "images", &out.type);
  const Shape& s = t.shape();
  const bool grey = s.size() == 3, wide = is_wide(t, out.type);
  if (wide || !(s.size() == 4 || grey) || element_count(s) == 0 || s[1] > kMaxMapSide ||
      s[2] > kMaxMapSide || element_count(s) / s[0] > kMaxMapElements) {
    fail(ErrorKind::Data,
         "images {}: expected u1, u2, i1, i2, b1 (the range of the type becomes 0..1) or f2, f4, "
         "f8 (as they are) of shape [images, rows, columns, channels] or [images, rows, columns] "
         "(grey, made RGB), got {} of shape {}{}",
         path, out.type, tensors::to_string(s),
         wide ? "; convert the array with astype(), to float32 if unsure" : "");
  }
  std::vector<int64_t> labels = read_labels(path_join(folder, part + "_labels.npy"), s[0]);
  out.shape = {grey ? 3 : s[3], s[1], s[2]};
  out.classes = *std::max_element(labels.begin(), labels.end()) + 1;
  out.images = make_images(t, grey ? 3 : 1, path, out, std::move(labels));
  return out;
}

Images load_mlperf_tiny(const std::string& folder) {
  const std::string list = path_join(folder, "y_labels.csv");
  std::vector<std::string> bytes;
  std::vector<int64_t> labels;
  int64_t number = 0;
  for (const std::string& line : split(read_file(list, "labels"), '\n')) {
    ++number;
    if (trim(line).empty()) continue;
    const auto columns = split(trim(line), ',');
    const auto label = columns.size() == 3 ? parse_int(trim(columns[2])) : std::nullopt;
    if (!label || *label < 0 || *label >= kMlperfClasses ||
        columns[0].find('/') != std::string::npos) {
      fail(ErrorKind::Data, "{}: line {}: expected FILE.bin,{},LABEL with a label 0..{}, got '{}'",
           list, number, kMlperfClasses, kMlperfClasses - 1, trim(line));
    }
    const std::string path = path_join(folder, columns[0]);
    bytes.push_back(read_file(path, "image"));
    if (bytes.back().size() != kMlperfBytes) {
      fail(ErrorKind::Data, "image {}: expected {} bytes (32 rows of 32 RGB pixels), got {}", path,
           kMlperfBytes, bytes.back().size());
    }
    labels.push_back(*label);
  }
  if (labels.empty()) fail(ErrorKind::Data, "{}: it names no image", list);
  const auto pixels = new_pixels<uint8_t>(labels.size() * kMlperfBytes);
  for (size_t i = 0; i < bytes.size(); ++i)
    std::memcpy(pixels.get() + i * kMlperfBytes, bytes[i].data(), kMlperfBytes);
  return make_memory_images({3, 32, 32}, std::shared_ptr<const uint8_t>(pixels), std::move(labels));
}

}  // namespace tailor::data

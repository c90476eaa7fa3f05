#include "data/arrays.h"

#include <algorithm>
#include <cstring>

#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/tensors/npy.h"

namespace tailor {
namespace {

constexpr int64_t kMlperfClasses = 10;
constexpr size_t kMlperfBytes = 32 * 32 * 3;

std::shared_ptr<uint8_t> new_pixels(size_t bytes) {
  return {new uint8_t[bytes], std::default_delete<uint8_t[]>()};
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
         to_string(Shape{count}), dtype_name(t.dtype()), to_string(t.shape()));
  }
  std::vector<int64_t> labels = t.dtype() == DType::I64   ? widen(t.as<int64_t>())
                                : t.dtype() == DType::I32 ? widen(t.as<int32_t>())
                                : t.dtype() == DType::I16 ? widen(t.as<int16_t>())
                                : t.dtype() == DType::I8  ? widen(t.as<int8_t>())
                                                          : widen(t.as<uint8_t>());
  constexpr int64_t kMostClasses = 1'000'000;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0 || labels[i] >= kMostClasses) {
      fail(ErrorKind::Data, "labels {}: element {}: expected a class from 0 to {}, got {}", path, i,
           kMostClasses - 1, labels[i]);
    }
  }
  return labels;
}

}  // namespace

ArrayPart load_npy_images(const std::string& folder, const std::string& part) {
  const std::string path = path_join(folder, part + "_images.npy");
  const Tensor t = load_npy(path, "images");
  const Shape& s = t.shape();
  const bool channels = s.size() == 4 && (s[3] == 3 || s[3] == 1), grey = s.size() == 3;
  if (t.dtype() != DType::U8 || !(channels || grey) || element_count(s) == 0 ||
      s[1] > kMaxMapSide || s[2] > kMaxMapSide) {
    fail(
        ErrorKind::Data,
        "images {}: expected U8 of shape [images, rows, columns, 3] (RGB), [images, rows, columns, "
        "1] (one channel) or [images, rows, columns] (grey, made RGB), got {} of shape {}",
        path, dtype_name(t.dtype()), to_string(s));
  }
  std::vector<int64_t> labels = read_labels(path_join(folder, part + "_labels.npy"), s[0]);
  ArrayPart out;
  out.shape = {grey ? 3 : s[3], s[1], s[2]};
  out.classes = *std::max_element(labels.begin(), labels.end()) + 1;
  const Span<const uint8_t> in = t.as<uint8_t>();
  const auto pixels = new_pixels(grey ? 3 * in.size() : in.size());
  if (grey) {
    for (size_t i = 0; i < in.size(); ++i) std::fill_n(pixels.get() + 3 * i, 3, in[i]);
  } else {
    std::memcpy(pixels.get(), in.data(), in.size());
  }
  out.images = make_memory_images(out.shape, pixels, std::move(labels));
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
  const auto pixels = new_pixels(labels.size() * kMlperfBytes);
  for (size_t i = 0; i < bytes.size(); ++i)
    std::memcpy(pixels.get() + i * kMlperfBytes, bytes[i].data(), kMlperfBytes);
  return make_memory_images({3, 32, 32}, pixels, std::move(labels));
}

}  // namespace tailor

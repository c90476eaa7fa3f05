#include "data/svhn.h"

#include <matio.h>

#include <algorithm>
#include <cmath>
#include <fstream>

namespace tailor::data {
namespace {

constexpr int64_t kSide = 32;
constexpr int64_t kImage = kSide * kSide * 3;

using Variable = std::unique_ptr<matvar_t, decltype(&Mat_VarFree)>;

/// libmatio reads versions 4 and 7.3 too, and prints what it does not like; SVHN is version 5.
void check_header(const std::string& path) {
  std::string bytes(128, '\0');
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(ErrorKind::Data, "cannot read SVHN file {}", path);
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (file.gcount() < 128) {
    fail(ErrorKind::Data, "SVHN file {}: expected a MATLAB 5 file, got {} bytes", path,
         file.gcount());
  }
  if (bytes.compare(124, 4, std::string("\0\1IM", 4)) != 0) {
    fail(
        ErrorKind::Data,
        "SVHN file {}: expected a little-endian MATLAB 5 file (00 01 'IM' at byte 124), got {:02x} "
        "{:02x} {:02x} {:02x}; save it with -v6 or -v7",
        path, static_cast<uint8_t>(bytes[124]), static_cast<uint8_t>(bytes[125]),
        static_cast<uint8_t>(bytes[126]), static_cast<uint8_t>(bytes[127]));
  }
  // libmatio reads a variable that is cut short as if nothing were missing.
  file.seekg(0, std::ios::end);
  const auto size = static_cast<uint64_t>(file.tellg());
  for (uint64_t at = 128; at < size;) {
    uint32_t tag[2] = {0, 0};  // type and bytes of a variable
    file.seekg(static_cast<std::streamoff>(at));
    file.read(reinterpret_cast<char*>(tag), sizeof tag);
    if (!file || tag[1] > size - at - sizeof tag) {
      fail(ErrorKind::Data,
           "SVHN file {}: it is cut short: the variable at byte {} needs {} bytes, the file has {}",
           path, at, tag[1], size);
    }
    at += sizeof tag + tag[1];
  }
}

Variable read_variable(mat_t* file, const std::string& path, const char* name) {
  Variable v(Mat_VarRead(file, name), Mat_VarFree);
  if (!v || !v->data)
    fail(ErrorKind::Data, "SVHN file {}: the variable {} is missing or cut short", path, name);
  if (v->isComplex || (v->class_type != MAT_C_UINT8 && v->class_type != MAT_C_DOUBLE)) {
    fail(ErrorKind::Data, "SVHN file {}: {}: expected uint8 or double numbers, got class {}", path,
         name, static_cast<int>(v->class_type));
  }
  return v;
}

struct Part {
  Variable pixels;
  std::vector<int64_t> labels;
};

Part load_part(const std::string& path) {
  check_header(path);
  Mat_LogInitFunc("tailor", [](int, char*) {});
  const std::unique_ptr<mat_t, decltype(&Mat_Close)> file(Mat_Open(path.c_str(), MAT_ACC_RDONLY),
                                                          Mat_Close);
  if (!file) fail(ErrorKind::Data, "SVHN file {}: libmatio cannot open it", path);
  Part part{read_variable(file.get(), path, "X"), {}};
  const matvar_t& x = *part.pixels;
  std::string shape;
  for (int i = 0; i < x.rank; ++i) shape += fmt::format("{}{}", i ? "x" : "", x.dims[i]);
  // MATLAB drops a last dimension of 1.
  const bool right = (x.rank == 4 || x.rank == 3) && x.dims[0] == kSide && x.dims[1] == kSide &&
                     x.dims[2] == 3 && x.class_type == MAT_C_UINT8;
  const size_t count = !right ? 0 : x.rank == 4 ? x.dims[3] : 1;
  if (count == 0 || x.nbytes != count * kImage) {
    fail(ErrorKind::Data,
         "SVHN file {}: X: expected 32x32x3xN uint8 (rows, columns, channels, images), got {} in "
         "{} bytes",
         path, shape, x.nbytes);
  }
  const Variable y = read_variable(file.get(), path, "y");
  const size_t labels = y->nbytes / (y->class_type == MAT_C_UINT8 ? 1 : sizeof(double));
  if (labels != count) {
    fail(ErrorKind::Data, "SVHN file {}: y: expected {} labels, one an image, got {}", path, count,
         labels);
  }
  for (size_t i = 0; i < count; ++i) {
    const double label = y->class_type == MAT_C_UINT8 ? static_cast<const uint8_t*>(y->data)[i]
                                                      : static_cast<const double*>(y->data)[i];
    if (!(label >= 1 && label <= 10 && label == std::floor(label))) {
      fail(ErrorKind::Data, "SVHN file {}: y({}): expected a digit 1..9, or 10 for 0; got {}", path,
           i + 1, label);
    }
    part.labels.push_back(static_cast<int64_t>(label) % 10);
  }
  return part;
}

/// Columns of channels to rows of pixels.
void transpose(const uint8_t* in, uint8_t* out_hwc) {
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t column = 0; column < kSide; ++column) {
      for (int64_t row = 0; row < kSide; ++row)
        out_hwc[(row * kSide + column) * 3 + c] = in[row + kSide * (column + kSide * c)];
    }
  }
}

}  // namespace

Images load_svhn(const std::vector<std::string>& paths) {
  std::vector<Part> parts;
  std::vector<int64_t> labels;
  for (const std::string& path : paths) {
    parts.push_back(load_part(path));
    labels.insert(labels.end(), parts.back().labels.begin(), parts.back().labels.end());
  }
  std::shared_ptr<uint8_t> pixels(new uint8_t[labels.size() * kImage],
                                  std::default_delete<uint8_t[]>());
  uint8_t* out = pixels.get();
  for (Part& part : parts) {
    const uint8_t* in = static_cast<const uint8_t*>(part.pixels->data);
    for (size_t i = 0; i < part.labels.size(); ++i, in += kImage, out += kImage) transpose(in, out);
    part.pixels.reset();
  }
  return make_memory_images({3, kSide, kSide}, std::shared_ptr<const uint8_t>(pixels),
                            std::move(labels));
}

}  // namespace tailor::data

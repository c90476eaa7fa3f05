// NumPy's .npy files (versions 1.0, 2.0, 3.0; numpy.lib.format). Every number in the header is
// checked against the file's size before it is used; numpy.load opens what is written here.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tailor/tensors/tensor.h"

namespace tailor::tensors {

/// The array as a row-major tensor: Fortran order is transposed, big-endian bytes are turned.
/// Types: f8 f4 i8 i4 i2 i1 u1 as they are, f2 becomes F32, u2 I32, u4 I64, b1 U8 (0 or 1). Throws
/// Data naming `what`, the path and the reason; Unsupported for an element type that is not a
/// number. `type` is set to the file's own, "u2".
Tensor load_npy(const std::string& path, const std::string& what = ".npy file",
                std::string* type = nullptr);
Tensor parse_npy(std::string_view bytes, const std::string& path,
                 const std::string& what = ".npy file", std::string* type = nullptr);
/// The file's own element type, "u2": its header alone is read, and nothing said of the rest.
std::string load_npy_type(const std::string& path, const std::string& what = ".npy file");

/// The array in a file too large for memory: its header is checked against the file's size, then
/// rows (the first dimension) are read one at a time. Reads are const and thread-safe. (An array in
/// Fortran order has no rows in one piece and is held in memory.)
class NpyRows {
 public:
  /// Throws Data and Unsupported as load_npy does, and Data for a single number.
  explicit NpyRows(const std::string& path, const std::string& what = ".npy file");
  ~NpyRows();
  NpyRows(NpyRows&&) noexcept;
  NpyRows& operator=(NpyRows&&) noexcept;

  const std::string& path() const;
  const Shape& shape() const;
  const std::string& type() const;  // the file's own, "u2"
  bool is_float() const;            // f2, f4 or f8
  int64_t rows() const { return shape()[0]; }
  int64_t row_size() const;  // elements of a row
  /// Replaces `numbers` by a row's. Throws Data if the file has become shorter.
  void read(int64_t row, std::vector<float>& numbers) const;
  /// Of whole numbers; Internal of floats.
  void read(int64_t row, std::vector<int64_t>& numbers) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Version 1.0, C order, little-endian; written whole or not at all.
void save_npy(const std::string& path, const Tensor& tensor);
/// The file's bytes: the same input gives the same bytes.
std::string print_npy(const Tensor& tensor);

}  // namespace tailor::tensors

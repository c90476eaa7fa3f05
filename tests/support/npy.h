// .npy files of any element type, written byte by byte: print_npy has only those of Tensor.
#pragma once

#include <cstring>
#include <string>
#include <vector>

namespace tailor::testing {

/// `values` as numbers of type T, one behind the other.
template <class T, class V>
std::string packed_bytes(const std::vector<V>& values) {
  std::string bytes;
  for (const V& v : values) {
    const T number = static_cast<T>(v);
    bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
  }
  return bytes;
}

/// Version 1.0: `descr` "<u2", `shape` "(2, 3)".
inline std::string npy_bytes(const std::string& descr, const std::string& shape,
                             const std::string& data, bool fortran_order = false) {
  std::string header = "{'descr': '" + descr +
                       "', 'fortran_order': " + (fortran_order ? "True" : "False") +
                       ", 'shape': " + shape + ", }";
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 11, ' ');
  header += '\n';
  std::string bytes("\x93NUMPY\x01\0", 8);
  bytes += static_cast<char>(header.size() & 0xFF);
  bytes += static_cast<char>(header.size() >> 8);
  return bytes + header + data;
}

}  // namespace tailor::testing

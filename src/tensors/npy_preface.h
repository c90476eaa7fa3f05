// What stands before the numbers of a .npy file, checked against the file's size.
#pragma once

#include <string>

#include "tensors/elements.h"

namespace tailor::tensors {

struct NpyPreface {
  Element element = Element::F32;
  std::string type;  // "u2"
  Shape shape;
  bool fortran_order = false, big_endian = false;
  size_t data = 0;  // bytes before the numbers
};
/// Throws as load_npy does; of the file no more than the header is read.
NpyPreface load_npy_preface(const std::string& path, const std::string& what);

}  // namespace tailor::tensors

// A Python pickle of a dict of NumPy arrays and lists of whole numbers, as CIFAR's "python version"
// is. It is read as data: no code in it is ever run (tensors/pickle.h).
#pragma once

#include <string>
#include <string_view>

#include "tailor/tensors/tensor.h"

namespace tailor {

/// The arrays of such a dict under their keys, row-major, and its lists of integers as I64; texts
/// and lists of anything else are left out. Throws Data naming `what`, the path and the reason;
/// Unsupported for an element type that is not a number and for protocols 0 and 1.
TensorMap load_numpy_pickle(const std::string& path, const std::string& what = "pickle");
TensorMap parse_numpy_pickle(std::string_view bytes, const std::string& path,
                             const std::string& what = "pickle");

}  // namespace tailor

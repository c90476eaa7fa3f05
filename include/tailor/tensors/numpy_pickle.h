// A Python pickle of a dict of NumPy arrays and lists of whole numbers, as CIFAR's "python version"
// is. It is read as data: no code in it is ever run (tensors/pickle.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tailor/tensors/tensor.h"

namespace tailor::tensors {

/// Of such a dict the arrays under `keys`, row-major, and the lists of integers there as I64; keys
/// that it lacks, texts and lists of anything else are left out. What is made of it is at most
/// kMostMade bytes a byte of the file, however often it recalls one array. Throws Data naming
/// `what`, the path and the reason; Unsupported for an element type that is not a number and for
/// protocols 0 and 1.
TensorMap load_numpy_pickle(const std::string& path, const std::vector<std::string>& keys,
                            const std::string& what = "pickle");
TensorMap parse_numpy_pickle(std::string_view bytes, const std::string& path,
                             const std::vector<std::string>& keys,
                             const std::string& what = "pickle");

/// A list's integer takes two bytes and becomes eight; arrays are made of a copy of their bytes,
/// of which f2 become twice as many.
constexpr size_t kMostMade = 8;

}  // namespace tailor::tensors

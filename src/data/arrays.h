// Small sets of equal images that need no decoder: NumPy arrays, and MLPerf Tiny's image
// classification files.
#pragma once

#include "tailor/data/images.h"
#include "tailor/tensors/tensor.h"

namespace tailor::data {

struct ArrayPart {
  Images images;
  MapShape shape;
  int64_t classes = 0;       // the largest label and one
  std::string type;          // the file's, "u2"
  double low = 0, high = 1;  // of the values; of 8 bits the type's
};
/// Images of an array [images, rows, columns, channels] with their labels, by the types below. `t`
/// is as load_npy gives it, `type` the file's own; each value comes `copies` times. Throws Data.
ArrayPart make_array_images(const Tensor& t, const std::string& type, size_t copies,
                            const std::string& path, std::vector<int64_t> labels);

/// PART_images.npy, N×H×W×C or N×H×W (grey, made RGB), and PART_labels.npy, N whole numbers from 0.
/// Integers of 8 and 16 bits and b1 are 0..1 over their type's range (u1 and u2 from 0, i1 and i2
/// from their smallest); f2, f4 and f8 are as they are, in float32, and must be finite.
/// Throws Data with path, expected and found.
ArrayPart load_npy_images(const std::string& folder, const std::string& part);

/// y_labels.csv ("name.bin,10,label" a line) and the 3,072-byte HWC files it names, in its order.
Images load_mlperf_tiny(const std::string& folder);

}  // namespace tailor::data

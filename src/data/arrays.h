// Small sets of equal images that need no decoder: NumPy arrays, and MLPerf Tiny's image
// classification files.
#pragma once

#include "tailor/data/images.h"

namespace tailor {

struct ArrayPart {
  Images images;
  MapShape shape;
  int64_t classes = 0;  // the largest label and one
};
/// PART_images.npy, uint8, N×H×W×3, N×H×W×1 (images of one channel) or N×H×W (grey, made RGB), and
/// PART_labels.npy, N whole numbers from 0.
/// Throws Data with path, expected and found.
ArrayPart load_npy_images(const std::string& folder, const std::string& part);

/// y_labels.csv ("name.bin,10,label" a line) and the 3,072-byte HWC files it names, in its order.
Images load_mlperf_tiny(const std::string& folder);

}  // namespace tailor

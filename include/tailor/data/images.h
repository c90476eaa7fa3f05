// Image data sets as views: size() and get(i) into the caller's buffer, both const and thread-safe.
// Pixels are uint8 in 0..255, rows × columns × channels (HWC); opening a data set checks its files,
// so that nothing fails at epoch 7.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tailor/config/preprocessing.h"
#include "tailor/config/run_config.h"
#include "tailor/core/json.h"
#include "tailor/core/span.h"
#include "tailor/tensors/map_shape.h"

namespace tailor {

class ImageDataset {
 public:
  virtual ~ImageDataset() = default;
  virtual int64_t size() const = 0;
  /// Writes shape().size() bytes, HWC; returns the label.
  virtual int64_t get(int64_t index, Span<uint8_t> pixels_hwc) const = 0;
  /// A number that names the image whatever view it is seen through; the key of its augmentation.
  virtual int64_t id(int64_t index) const { return index; }
};
using Images = std::shared_ptr<const ImageDataset>;

struct DataSplits {
  std::string name;
  MapShape shape{3, 32, 32};
  int64_t classes = 0;
  Preprocessing preprocessing;
  Images train;
  Images validation;  // null without a validation split
  Images test;
};

/// Opens a data set. Throws Data with path, expected and found; the message of a missing set names
/// the command that fetches it.
DataSplits open_data(const DataConfig& config);
/// The test images alone.
DataSplits open_test_data(const DataConfig& config);

/// The images `indices` of another set, in that order.
Images make_subset(Images base, std::vector<int64_t> indices);

/// One of the official binary files: records of `label_bytes` label bytes (the last one counts) and
/// 3,072 planar RGB bytes. Throws Data unless the file is exactly `count` records with labels below
/// `classes`.
struct CifarFile {
  std::string path;
  int64_t count;
};
Images load_cifar(const std::vector<CifarFile>& files, int64_t label_bytes, int64_t classes);

/// Ten classes of shapes and patterns (disc, ring, square, frame, triangle, plus, cross, stripes
/// two ways, checks), each with random place, size, colours and noise, as a function of (seed,
/// index): nothing a linear model can see.
Images make_synthetic(int64_t count, int64_t first_index, int64_t seed);

}  // namespace tailor

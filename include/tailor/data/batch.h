// Batches: uint8 images → pad, crop, flip, normalise → float32 NHWC, in one pass into the caller's
// buffer. The augmentation is a function of (seed, epoch, image id): the batch size, an
// interruption or a number of workers cannot change what an image looks like.
#pragma once

#include <cstdint>
#include <optional>

#include "tailor/data/images.h"

namespace tailor {

struct Augmentation {
  bool pad_crop = false;  // 4 black pixels on each side, then a random crop of the image's size
  bool flip = false;      // mirror left and right, half of the time
  int64_t seed = 0;
};
Augmentation make_augmentation(const DataConfig& config, int64_t seed);

class BatchMaker {
 public:
  BatchMaker(MapShape shape, const Preprocessing& preprocessing);

  /// Fills nhwc (indices.size() × H × W × C floats) and labels. Without an augmentation the images
  /// come as they are.
  void fill(const ImageDataset& images, Span<const int64_t> indices,
            const std::optional<Augmentation>& augmentation, int64_t epoch, Span<float> nhwc,
            Span<int64_t> labels);

 private:
  MapShape shape_;
  std::vector<float> scale_, bias_;  // one row of interleaved channels: out = scale · byte + bias
  std::vector<uint8_t> image_, row_;
};

/// Order of the training images in an epoch.
std::vector<int64_t> epoch_order(int64_t count, int64_t seed, int64_t epoch);

/// One image, not augmented, as float32 CHW: the network's input in the order of checkpoints'
/// witnesses and test vectors.
std::vector<float> normalised_chw(const ImageDataset& images, int64_t index, MapShape shape,
                                  const Preprocessing& preprocessing, int64_t* label = nullptr);

}  // namespace tailor

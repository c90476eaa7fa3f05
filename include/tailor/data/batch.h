// Batches: images → crop, colour, flip, normalise → float32 NHWC into the caller's buffer.
// The augmentation is a function of (seed, epoch, image id): the batch size, an interruption or the
// number of threads cannot change what an image looks like. (mixup alone also looks at the batch.)
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "tailor/data/images.h"

namespace tailor::data {

struct Augmentation {
  bool pad_crop = false;  // 4 black pixels on each side, then a random crop of the image's size
  bool flip = false;      // mirror left and right, half of the time
  int64_t seed = 0;
  int64_t random_crop_resize = 0;  // random crop where the picture's short side is this; 0: none
  std::optional<RandomResizedCropConfig> random_resized_crop = std::nullopt;
  std::optional<ColorJitterConfig> color_jitter = std::nullopt;
  std::optional<CutoutConfig> cutout = std::nullopt;
  std::optional<MixupConfig> mixup = std::nullopt;
};
Augmentation make_augmentation(const DataConfig& config, int64_t seed);
/// How many different images it makes of one, each as often as another; nothing where they are too
/// many to come again.
std::optional<int64_t> augmented_versions(const Augmentation& augmentation);

class BatchMaker {
 public:
  BatchMaker(MapShape shape, const Preprocessing& preprocessing);

  /// Fills nhwc (indices.size() × H × W × C floats) and labels. Without an augmentation the images
  /// come as they are. `threads` as in parallel_for; 0 takes several only where that pays.
  /// Returns mixup's share of each image: image n is share · image n + (1 - share) · image N-1-n,
  /// and so is its label; 1 without mixup. The share is drawn for the batch that begins with image
  /// `first`; by default with the first of these.
  double fill(const ImageDataset& images, Span<const int64_t> indices,
              const std::optional<Augmentation>& augmentation, int64_t epoch, Span<float> nhwc,
              Span<int64_t> labels, int threads = 0,
              std::optional<int64_t> first = std::nullopt) const;

 private:
  /// Of bytes, or (float) of values.
  template <class T>
  struct Buffers {
    std::vector<T> image, row;
  };
  template <class T>
  void fill_all(const ImageDataset& images, Span<const int64_t> indices,
                const std::optional<Augmentation>& augmentation, int64_t epoch, Span<float> nhwc,
                Span<int64_t> labels, int threads) const;
  template <class T>
  int64_t fill_one(const ImageDataset& images, int64_t index,
                   const std::optional<Augmentation>& augmentation, int64_t epoch, float* out,
                   Buffers<T>& buffers) const;
  void normalise_row(const uint8_t* in, float* out) const;
  void normalise_row(const float* in, float* out) const;

  MapShape shape_;
  // One row of interleaved channels: out = scale · byte + bias, or (value - mean) · inverse.
  std::vector<float> scale_, bias_;
  std::vector<double> mean_, inverse_;
};

/// Batches of an epoch, in order: as many of `batch_size` as there are images for, and one more of
/// the remainder. A remainder of one image joins the batch before it: batch norm over one pixel
/// would have no variance.
struct EpochBatches {
  int64_t images = 0, batch_size = 1;
  int64_t count() const {
    const int64_t rest = images % batch_size;
    return images / batch_size + (rest > 1 || (rest == 1 && images == 1) ? 1 : 0);
  }
  int64_t first(int64_t step) const { return step * batch_size; }
  int64_t size(int64_t step) const {
    return step + 1 < count() ? batch_size : images - first(step);
  }
  int64_t smallest() const {
    return images >= batch_size ? std::min(batch_size, size(count() - 1)) : images;
  }
  int64_t largest() const { return std::max(size(0), size(count() - 1)); }
};

/// What one of several workers takes of a batch: the images of some of its pairs n and N-1-n, in
/// the batch's order, so that those that mixup mixes stay together and are mixed as in the whole.
struct BatchShare {
  int64_t rank = 0, size = 1;
  /// The batch's places; as many as there are between all workers that is even.
  std::vector<int64_t> places(int64_t batch_size) const;
  /// Of a batch that each of `size` workers takes a share of, the smallest one.
  int64_t smallest(int64_t batch_size) const;
};

/// Order of the training images in an epoch.
std::vector<int64_t> epoch_order(int64_t count, int64_t seed, int64_t epoch);

/// One image, not augmented, as float32 HWC: the network's input.
std::vector<float> normalised_hwc(const ImageDataset& images, int64_t index, MapShape shape,
                                  const Preprocessing& preprocessing, int64_t* label = nullptr);

}  // namespace tailor::data

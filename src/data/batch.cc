#include "tailor/data/batch.h"

#include <algorithm>
#include <cstring>

#include "tailor/core/random.h"

namespace tailor {
namespace {

constexpr int64_t kPad = 4;

void normalise_row(const uint8_t* in, const float* scale, const float* bias, float* out,
                   int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = scale[i] * static_cast<float>(in[i]) + bias[i];
}

}  // namespace

Augmentation make_augmentation(const DataConfig& config, int64_t seed) {
  Augmentation a;
  a.seed = seed;
  for (const std::string& name : config.augment) {
    a.pad_crop |= name == "pad_crop";
    a.flip |= name == "flip";
  }
  return a;
}

BatchMaker::BatchMaker(MapShape shape, const Preprocessing& preprocessing)
    : shape_(shape),
      image_(static_cast<size_t>(shape.size())),
      row_(static_cast<size_t>(shape.width * shape.channels)) {
  TAILOR_CHECK(preprocessing.mean.size() == static_cast<size_t>(shape.channels) &&
                   preprocessing.deviation.size() == preprocessing.mean.size(),
               "{} means for {} channels", preprocessing.mean.size(), shape.channels);
  for (int64_t x = 0; x < shape.width; ++x) {
    for (size_t c = 0; c < static_cast<size_t>(shape.channels); ++c) {
      scale_.push_back(static_cast<float>(1 / (255 * preprocessing.deviation[c])));
      bias_.push_back(static_cast<float>(-preprocessing.mean[c] / preprocessing.deviation[c]));
    }
  }
}

void BatchMaker::fill(const ImageDataset& images, Span<const int64_t> indices,
                      const std::optional<Augmentation>& augmentation, int64_t epoch,
                      Span<float> nhwc, Span<int64_t> labels) {
  const int64_t row_size = shape_.width * shape_.channels;
  TAILOR_CHECK(nhwc.size() == indices.size() * image_.size() && labels.size() == indices.size(),
               "batch of {}", indices.size());
  for (size_t n = 0; n < indices.size(); ++n) {
    labels[n] = images.get(indices[n], image_);
    int64_t dy = 0, dx = 0;
    bool flip = false;
    if (augmentation) {
      CounterRandom random(static_cast<uint64_t>(augmentation->seed), RandomStream::Augment,
                           static_cast<uint64_t>(epoch),
                           static_cast<uint64_t>(images.id(indices[n])));
      // All are always drawn: switching one augmentation off does not change another.
      int64_t crop_y = random.below(2 * kPad + 1) - kPad,
              crop_x = random.below(2 * kPad + 1) - kPad;
      bool mirrored = random.below(2) == 1;
      if (augmentation->pad_crop) dy = crop_y, dx = crop_x;
      flip = augmentation->flip && mirrored;
    }
    float* out = nhwc.data() + n * image_.size();
    for (int64_t y = 0; y < shape_.height; ++y, out += row_size) {
      const int64_t from_y = y + dy;
      const uint8_t* in = row_.data();
      if (from_y < 0 || from_y >= shape_.height) {
        std::memset(row_.data(), 0, row_.size());
      } else if (dx == 0 && !flip) {
        in = image_.data() + from_y * row_size;
      } else {
        const uint8_t* from = image_.data() + from_y * row_size;
        if (!flip) {
          const int64_t first = std::max<int64_t>(0, -dx),
                        last = std::min(shape_.width, shape_.width - dx);
          std::memset(row_.data(), 0, row_.size());
          if (first < last) {  // an image narrower than the pad can be cropped to nothing
            std::memcpy(row_.data() + first * shape_.channels,
                        from + (first + dx) * shape_.channels,
                        static_cast<size_t>((last - first) * shape_.channels));
          }
        } else {
          for (int64_t x = 0; x < shape_.width; ++x) {
            const int64_t from_x = shape_.width - 1 - x + dx;
            uint8_t* pixel = row_.data() + x * shape_.channels;
            if (from_x < 0 || from_x >= shape_.width) {
              std::memset(pixel, 0, static_cast<size_t>(shape_.channels));
            } else {
              std::memcpy(pixel, from + from_x * shape_.channels,
                          static_cast<size_t>(shape_.channels));
            }
          }
        }
      }
      normalise_row(in, scale_.data(), bias_.data(), out, row_size);
    }
  }
}

std::vector<int64_t> epoch_order(int64_t count, int64_t seed, int64_t epoch) {
  return random_permutation(count, CounterRandom(static_cast<uint64_t>(seed), RandomStream::Shuffle,
                                                 static_cast<uint64_t>(epoch)));
}

std::vector<float> normalised_chw(const ImageDataset& images, int64_t index, MapShape shape,
                                  const Preprocessing& preprocessing, int64_t* label) {
  BatchMaker maker(shape, preprocessing);
  std::vector<float> hwc(static_cast<size_t>(shape.size())), chw(hwc.size());
  std::vector<int64_t> indices = {index}, labels = {0};
  maker.fill(images, indices, std::nullopt, 0, hwc, labels);
  const int64_t pixels = shape.height * shape.width;
  for (int64_t p = 0; p < pixels; ++p) {
    for (int64_t c = 0; c < shape.channels; ++c)
      chw[static_cast<size_t>(c * pixels + p)] = hwc[static_cast<size_t>(p * shape.channels + c)];
  }
  if (label) *label = labels[0];
  return chw;
}

}  // namespace tailor

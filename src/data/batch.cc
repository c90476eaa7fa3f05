#include "tailor/data/batch.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "data/augment.h"
#include "tailor/core/random.h"
#include "tailor/core/threads.h"

namespace tailor::data {
namespace {

constexpr int64_t kPad = 4;
/// Starting threads for less than this is slower than not.
constexpr int64_t kBytesWorthThreads = 4'000'000;

int64_t read_whole(const ImageDataset& images, int64_t index, std::vector<uint8_t>& image) {
  return images.get(index, image);
}
int64_t read_whole(const ImageDataset& images, int64_t index, std::vector<float>& image) {
  return images.get_values(index, image);
}
int64_t read_part(const ImageDataset& images, int64_t index, const WindowChooser& choose,
                  MapShape shape, std::vector<uint8_t>& image) {
  return images.read_window(index, choose, shape, image);
}
int64_t read_part(const ImageDataset& images, int64_t index, const WindowChooser& choose,
                  MapShape shape, std::vector<float>& image) {
  return images.read_window_values(index, choose, shape, image);
}

/// One row, shifted by dx and mirrored; 0 where it comes from outside.
template <class T>
void shift_row(const T* from, int64_t width, int64_t channels, int64_t dx, bool flip,
               std::vector<T>& row) {
  if (!flip) {
    const int64_t first = std::max<int64_t>(0, -dx), last = std::min(width, width - dx);
    std::fill(row.begin(), row.end(), T{0});
    if (first < last) {  // an image narrower than the pad can be cropped to nothing
      std::copy_n(from + (first + dx) * channels, (last - first) * channels,
                  row.data() + first * channels);
    }
    return;
  }
  auto mirror = [&](auto constant) {
    const int64_t n = decltype(constant)::value > 0 ? decltype(constant)::value : channels;
    for (int64_t x = 0; x < width; ++x) {
      const int64_t from_x = width - 1 - x + dx;
      T* pixel = row.data() + x * n;
      const bool inside = from_x >= 0 && from_x < width;
      for (int64_t c = 0; c < n; ++c) pixel[c] = inside ? from[from_x * n + c] : T{0};
    }
  };
  if (channels == 3) {
    mirror(std::integral_constant<int64_t, 3>());
  } else {
    mirror(std::integral_constant<int64_t, 0>());
  }
}

}  // namespace

Augmentation make_augmentation(const DataConfig& config, int64_t seed) {
  Augmentation a;
  a.seed = seed;
  a.pad_crop = config.augments("pad_crop");
  a.flip = config.augments("flip");
  if (config.augments("random_crop")) a.random_crop_resize = config.resize_or_default();
  if (config.augments("random_resized_crop")) a.random_resized_crop = config.random_resized_crop;
  if (config.augments("color_jitter")) a.color_jitter = config.color_jitter;
  if (config.augments("cutout")) a.cutout = config.cutout;
  if (config.augments("mixup")) a.mixup = config.mixup;
  return a;
}

std::optional<int64_t> augmented_versions(const Augmentation& a) {
  if (a.random_crop_resize > 0 || a.random_resized_crop || a.color_jitter || a.cutout || a.mixup)
    return std::nullopt;
  constexpr int64_t kPlaces = 2 * kPad + 1;
  return (a.pad_crop ? kPlaces * kPlaces : 1) * (a.flip ? 2 : 1);
}

BatchMaker::BatchMaker(MapShape shape, const Preprocessing& preprocessing) : shape_(shape) {
  TAILOR_CHECK(preprocessing.mean.size() == static_cast<size_t>(shape.channels) &&
                   preprocessing.deviation.size() == preprocessing.mean.size(),
               "{} means for {} channels", preprocessing.mean.size(), shape.channels);
  for (int64_t x = 0; x < shape.width; ++x) {
    for (size_t c = 0; c < static_cast<size_t>(shape.channels); ++c) {
      scale_.push_back(static_cast<float>(1 / (255 * preprocessing.deviation[c])));
      bias_.push_back(static_cast<float>(-preprocessing.mean[c] / preprocessing.deviation[c]));
      mean_.push_back(preprocessing.mean[c]);
      inverse_.push_back(1 / preprocessing.deviation[c]);
    }
  }
}

void BatchMaker::normalise_row(const uint8_t* in, float* out) const {
  const size_t n = scale_.size();
  const float *scale = scale_.data(), *bias = bias_.data();
  for (size_t i = 0; i < n; ++i) out[i] = scale[i] * static_cast<float>(in[i]) + bias[i];
}

void BatchMaker::normalise_row(const float* in, float* out) const {
  // In float64: a sensor's values may be large and close to one another.
  for (size_t i = 0; i < mean_.size(); ++i)
    out[i] = static_cast<float>((static_cast<double>(in[i]) - mean_[i]) * inverse_[i]);
}

template <class T>
int64_t BatchMaker::fill_one(const ImageDataset& images, int64_t index,
                             const std::optional<Augmentation>& augmentation, int64_t epoch,
                             float* out, Buffers<T>& buffers) const {
  std::vector<T>& image = buffers.image;
  int64_t dy = 0, dx = 0, label = 0;
  bool flip = false;
  const AugmentationKey key{augmentation ? augmentation->seed : 0, epoch, images.id(index)};
  if (augmentation && augmentation->random_resized_crop) {
    label = read_part(
        images, index,
        [&](Extent e) {
          return random_resized_window(e, shape_, *augmentation->random_resized_crop, key);
        },
        shape_, image);
  } else if (augmentation && augmentation->random_crop_resize > 0) {
    label = read_part(
        images, index,
        [&](Extent e) { return random_window(e, shape_, augmentation->random_crop_resize, key); },
        shape_, image);
  } else {
    label = read_whole(images, index, image);
  }
  if (augmentation) {
    CounterRandom random = key.random(AugmentationUse::PadCropAndFlip);
    // All are always drawn: switching one augmentation off does not change another.
    const int64_t crop_y = random.below(2 * kPad + 1) - kPad,
                  crop_x = random.below(2 * kPad + 1) - kPad;
    const bool mirrored = random.below(2) == 1;
    if (augmentation->pad_crop) dy = crop_y, dx = crop_x;
    flip = augmentation->flip && mirrored;
    if (augmentation->color_jitter)
      jitter_colors(Span<T>(image), shape_.channels, *augmentation->color_jitter, key);
  }
  const int64_t row_size = shape_.width * shape_.channels;
  float* at = out;
  for (int64_t y = 0; y < shape_.height; ++y, at += row_size) {
    const int64_t from_y = y + dy;
    const T* in = buffers.row.data();
    if (from_y < 0 || from_y >= shape_.height) {
      std::fill(buffers.row.begin(), buffers.row.end(), T{0});
    } else if (dx == 0 && !flip) {
      in = image.data() + from_y * row_size;
    } else {
      shift_row(image.data() + from_y * row_size, shape_.width, shape_.channels, dx, flip,
                buffers.row);
    }
    normalise_row(in, at);
  }
  if (augmentation && augmentation->cutout)
    cut_out({out, static_cast<size_t>(shape_.size())}, shape_, *augmentation->cutout, key);
  return label;
}

template <class T>
void BatchMaker::fill_all(const ImageDataset& images, Span<const int64_t> indices,
                          const std::optional<Augmentation>& augmentation, int64_t epoch,
                          Span<float> nhwc, Span<int64_t> labels, int threads) const {
  const auto count = static_cast<int64_t>(indices.size());
  // Each worker takes the next image until there is none; which one that is changes nothing.
  std::atomic<int64_t> next{0};
  parallel_for(std::min<int64_t>(threads, count), threads, [&](int64_t) {
    Buffers<T> buffers{std::vector<T>(static_cast<size_t>(shape_.size())),
                       std::vector<T>(static_cast<size_t>(shape_.width * shape_.channels))};
    for (int64_t n = next++; n < count; n = next++) {
      const auto at = static_cast<size_t>(n);
      labels[at] = fill_one(images, indices[at], augmentation, epoch,
                            nhwc.data() + n * shape_.size(), buffers);
    }
  });
}

double BatchMaker::fill(const ImageDataset& images, Span<const int64_t> indices,
                        const std::optional<Augmentation>& augmentation, int64_t epoch,
                        Span<float> nhwc, Span<int64_t> labels, int threads,
                        std::optional<int64_t> first) const {
  const int64_t count = static_cast<int64_t>(indices.size());
  TAILOR_CHECK(
      nhwc.size() == static_cast<size_t>(count * shape_.size()) && labels.size() == indices.size(),
      "batch of {}", count);
  if (threads == 0) {
    threads =
        images.decodes() || count * shape_.size() > kBytesWorthThreads ? available_threads() : 1;
  }
  if (images.pixel_type() == PixelType::U8) {
    fill_all<uint8_t>(images, indices, augmentation, epoch, nhwc, labels, threads);
  } else {
    fill_all<float>(images, indices, augmentation, epoch, nhwc, labels, threads);
  }
  if (!augmentation || !augmentation->mixup || count == 0) return 1;
  const double share = mixup_share(
      *augmentation->mixup, {augmentation->seed, epoch, images.id(first.value_or(indices[0]))});
  mix_batch(nhwc, count, share);
  return share;
}

std::vector<int64_t> BatchShare::places(int64_t batch_size) const {
  const int64_t pairs = (batch_size + 1) / 2;  // an image in the middle is one of its own
  const int64_t first = pairs * rank / size, end = pairs * (rank + 1) / size;
  std::vector<int64_t> places;
  for (int64_t n = first; n < end; ++n) places.push_back(n);
  for (int64_t n = end - 1; n >= first; --n) {
    if (batch_size - 1 - n != n) places.push_back(batch_size - 1 - n);
  }
  return places;
}

int64_t BatchShare::smallest(int64_t batch_size) const {
  int64_t least = batch_size;
  for (int64_t other = 0; other < size; ++other) {
    least =
        std::min(least, static_cast<int64_t>(BatchShare{other, size}.places(batch_size).size()));
  }
  return least;
}

std::vector<int64_t> epoch_order(int64_t count, int64_t seed, int64_t epoch) {
  return random_permutation(count, CounterRandom(static_cast<uint64_t>(seed), RandomStream::Shuffle,
                                                 static_cast<uint64_t>(epoch)));
}

std::vector<float> normalised_hwc(const ImageDataset& images, int64_t index, MapShape shape,
                                  const Preprocessing& preprocessing, int64_t* label) {
  const BatchMaker maker(shape, preprocessing);
  std::vector<float> hwc(static_cast<size_t>(shape.size()));
  std::vector<int64_t> indices = {index}, labels = {0};
  maker.fill(images, indices, std::nullopt, 0, hwc, labels);
  if (label) *label = labels[0];
  return hwc;
}

}  // namespace tailor::data

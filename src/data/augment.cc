#include "data/augment.h"

#include <algorithm>
#include <cmath>

#include "tailor/data/codec.h"

namespace tailor::data {
namespace {

uint8_t to_byte(double v) { return static_cast<uint8_t>(std::clamp(v + 0.5, 0.0, 255.0)); }

float to_value(double v) { return static_cast<float>(std::clamp(v, 0.0, 1.0)); }

/// ITU-R 601 luma, as everyone's greyscale.
template <size_t kChannels, class T>
double grey_of(const T* p) {
  if constexpr (kChannels == 3) {
    return 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
  } else {
    return static_cast<double>(*p);
  }
}

/// f(v) for every byte, looked up, or for a value.
template <class F>
struct ByteTable {
  uint8_t table[256];
  explicit ByteTable(const F& f) {
    for (int v = 0; v < 256; ++v) table[v] = to_byte(f(v));
  }
  uint8_t operator()(uint8_t v) const { return table[v]; }
};
template <class F>
struct ValueFunction {
  const F& f;
  explicit ValueFunction(const F& function) : f(function) {}
  float operator()(float v) const { return to_value(f(v)); }
};

template <size_t kChannels, class T>
void jitter(Span<T> hwc, double brightness, double contrast, double saturation) {
  constexpr bool kBytes = sizeof(T) == 1;
  auto mapped = [](const auto& f) {
    using F = std::decay_t<decltype(f)>;
    return std::conditional_t<kBytes, ByteTable<F>, ValueFunction<F>>(f);
  };
  const auto brighten = [&](double v) { return v * brightness; };
  const auto bright = mapped(brighten);
  double grey = 0;
  for (size_t i = 0; i + kChannels <= hwc.size(); i += kChannels) {
    for (size_t c = 0; c < kChannels; ++c) hwc[i + c] = bright(hwc[i + c]);
    grey += grey_of<kChannels>(&hwc[i]);
  }
  grey /= static_cast<double>(std::max<size_t>(hwc.size() / kChannels, 1));
  const auto stretch = [&](double v) { return grey + (v - grey) * contrast; };
  const auto contrasted = mapped(stretch);
  for (size_t i = 0; i + kChannels <= hwc.size(); i += kChannels) {
    for (size_t c = 0; c < kChannels; ++c) hwc[i + c] = contrasted(hwc[i + c]);
    if (kChannels == 1) continue;
    const double own = grey_of<kChannels>(&hwc[i]);
    for (size_t c = 0; c < kChannels; ++c) {
      const double v = own + (static_cast<double>(hwc[i + c]) - own) * saturation;
      if constexpr (kBytes) {
        hwc[i + c] = to_byte(v);
      } else {
        hwc[i + c] = to_value(v);
      }
    }
  }
}

template <class T>
void jitter_all(Span<T> hwc, int64_t channels, const ColorJitterConfig& config,
                const AugmentationKey& key) {
  TAILOR_CHECK(channels == 3 || channels == 1, "colours of {} channels", channels);
  CounterRandom random = key.random(AugmentationUse::Color);
  auto factor = [&](double most) { return random.uniform(1 - most, 1 + most); };
  const double brightness = factor(config.brightness), contrast = factor(config.contrast),
               saturation = factor(config.saturation);
  (channels == 3 ? jitter<3, T> : jitter<1, T>)(hwc, brightness, contrast, saturation);
}

}  // namespace

CropWindow random_resized_window(Extent extent, MapShape shape,
                                 const RandomResizedCropConfig& config,
                                 const AugmentationKey& key) {
  CounterRandom random = key.random(AugmentationUse::Crop);
  const double height = static_cast<double>(extent.height),
               width = static_cast<double>(extent.width), log_aspect = std::log(config.max_aspect);
  const double wanted = static_cast<double>(shape.width) / static_cast<double>(shape.height);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area = height * width * random.uniform(config.min_area, 1);
    const double aspect = wanted * std::exp(random.uniform(-log_aspect, log_aspect));
    const auto w = static_cast<int64_t>(std::lround(std::sqrt(area * aspect))),
               h = static_cast<int64_t>(std::lround(std::sqrt(area / aspect)));
    // Drawn always, so that a rejected attempt costs as many numbers as another.
    const double y = random.uniform(), x = random.uniform();
    if (w < 1 || h < 1 || w > extent.width || h > extent.height) continue;
    return {static_cast<int64_t>(y * static_cast<double>(extent.height - h + 1)),
            static_cast<int64_t>(x * static_cast<double>(extent.width - w + 1)), h, w};
  }
  const double aspect =
      std::clamp(width / height, wanted / config.max_aspect, wanted * config.max_aspect);
  const auto w = std::clamp<int64_t>(std::lround(std::min(width, height * aspect)), 1,
                                     extent.width),
             h = std::clamp<int64_t>(std::lround(std::min(height, width / aspect)), 1,
                                     extent.height);
  return {(extent.height - h) / 2, (extent.width - w) / 2, h, w};
}

CropWindow random_window(Extent extent, MapShape shape, int64_t resize,
                         const AugmentationKey& key) {
  CounterRandom random = key.random(AugmentationUse::Crop);
  CropWindow w = centre_window(extent, shape, resize);
  w.top = random.below(extent.height - w.height + 1);
  w.left = random.below(extent.width - w.width + 1);
  return w;
}

void jitter_colors(Span<uint8_t> hwc, int64_t channels, const ColorJitterConfig& config,
                   const AugmentationKey& key) {
  jitter_all(hwc, channels, config, key);
}
void jitter_colors(Span<float> hwc, int64_t channels, const ColorJitterConfig& config,
                   const AugmentationKey& key) {
  jitter_all(hwc, channels, config, key);
}

void cut_out(Span<float> hwc, MapShape shape, const CutoutConfig& config,
             const AugmentationKey& key) {
  CounterRandom random = key.random(AugmentationUse::Cutout);
  const int64_t top = random.below(shape.height) - config.side / 2,
                left = random.below(shape.width) - config.side / 2;
  const int64_t first = std::max<int64_t>(left, 0),
                last = std::min(left + config.side, shape.width);
  for (int64_t y = std::max<int64_t>(top, 0); y < std::min(top + config.side, shape.height); ++y) {
    std::fill(hwc.begin() + (y * shape.width + first) * shape.channels,
              hwc.begin() + (y * shape.width + last) * shape.channels, 0.0F);
  }
}

double mixup_share(const MixupConfig& config, const AugmentationKey& key) {
  CounterRandom random = key.random(AugmentationUse::Mixup);
  // Jöhnk 1964: u^(1/a) / (u^(1/a) + v^(1/a)), given that the sum is at most 1; in logarithms,
  // because u^100 is 0.
  for (;;) {
    const double x = std::log((random.next_u32() + 0.5) * 0x1p-32) / config.alpha,
                 y = std::log((random.next_u32() + 0.5) * 0x1p-32) / config.alpha;
    const double most = std::max(x, y), sum = most + std::log1p(std::exp(-std::abs(x - y)));
    if (sum > 0) continue;
    const double share = std::exp(x - sum);
    return std::max(share, 1 - share);
  }
}

void mix_batch(Span<float> batch, int64_t count, double share) {
  const int64_t size = static_cast<int64_t>(batch.size()) / count;
  const auto own = static_cast<float>(share), other = static_cast<float>(1 - share);
  for (int64_t n = 0; n < count / 2; ++n) {
    float* a = batch.data() + n * size;
    float* b = batch.data() + (count - 1 - n) * size;
    for (int64_t i = 0; i < size; ++i) {
      const float x = a[i], y = b[i];
      a[i] = own * x + other * y;
      b[i] = own * y + other * x;
    }
  }
}

}  // namespace tailor::data

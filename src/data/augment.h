// The random transforms, each a pure function of a key; each use has numbers of its own, so that
// switching one transform off does not change another.
#pragma once

#include "tailor/core/random.h"
#include "tailor/data/images.h"

namespace tailor::data {

enum class AugmentationUse : uint64_t {
  PadCropAndFlip,
  Crop,
  Color,
  Cutout,
  Mixup,
  SpecCutout,
  SpecAugment,
  Speed,
  Dither
};

struct AugmentationKey {
  int64_t seed = 0, epoch = 0, id = 0;
  CounterRandom random(AugmentationUse use) const {
    return {static_cast<uint64_t>(seed), RandomStream::Augment,
            static_cast<uint64_t>(epoch) ^ static_cast<uint64_t>(use) << 40,
            static_cast<uint64_t>(id)};
  }
};

/// Area uniform in [min_area, 1] of the picture's, log of the aspect ratio uniform, place uniform
/// (Szegedy et al. 2015); after ten that do not fit, the largest centred window of an allowed
/// aspect.
CropWindow random_resized_window(Extent extent, MapShape shape,
                                 const RandomResizedCropConfig& config, const AugmentationKey& key);
/// centre_window, but anywhere.
CropWindow random_window(Extent extent, MapShape shape, int64_t resize, const AugmentationKey& key);
/// Brightness, contrast, saturation, in this order, in place: of RGB, or of one channel, which has
/// no saturation. Bytes, or values in 0..1.
void jitter_colors(Span<uint8_t> hwc, int64_t channels, const ColorJitterConfig& config,
                   const AugmentationKey& key);
void jitter_colors(Span<float> hwc, int64_t channels, const ColorJitterConfig& config,
                   const AugmentationKey& key);
/// Sets a square of the normalised image to 0, the mean; its part inside the image counts.
void cut_out(Span<float> hwc, MapShape shape, const CutoutConfig& config,
             const AugmentationKey& key);
/// A number from Beta(alpha, alpha), the larger part of the two: at least 1/2.
double mixup_share(const MixupConfig& config, const AugmentationKey& key);
/// image n = share · image n + (1 - share) · image count-1-n, all at once.
void mix_batch(Span<float> batch, int64_t count, double share);

/// Of speech features, frames × filters: rectangles, or whole filters and whole frames, become 0.
void cut_out_rectangles(std::vector<float>& features, int64_t filters,
                        const SpecCutoutConfig& config, const AugmentationKey& key);
void mask_spans(std::vector<float>& features, int64_t filters, const SpecAugmentConfig& config,
                const AugmentationKey& key);
/// Times as fast.
double random_speed(const SpeedConfig& config, const AugmentationKey& key);
void add_dither(std::vector<float>& samples, const DitherConfig& config,
                const AugmentationKey& key);

}  // namespace tailor::data

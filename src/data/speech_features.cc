// Speech features and what training does to them: speed, dither, rectangles and masks.
#include <algorithm>
#include <cmath>

#include "data/augment.h"
#include "data/speech.h"
#include "tailor/core/error.h"
#include "tailor/data/audio.h"
#include "tailor/data/speech.h"

namespace tailor::data {
namespace {

/// Sets a rectangle of frames × filters to 0, the mean.
void clear_rectangle(std::vector<float>& features, int64_t filters, int64_t first_frame,
                     int64_t frames, int64_t first_filter, int64_t width) {
  for (int64_t t = first_frame; t < first_frame + frames; ++t) {
    std::fill_n(features.begin() + static_cast<std::ptrdiff_t>(t * filters + first_filter), width,
                0.0F);
  }
}

/// A width from 0 to `most` and a place for it in `whole`, both uniform; two numbers are drawn.
std::pair<int64_t, int64_t> random_span(CounterRandom& random, int64_t most, int64_t whole) {
  const int64_t width = std::min(random.below(most + 1), whole);
  return {random.below(whole - width + 1), width};
}

}  // namespace

void cut_out_rectangles(std::vector<float>& features, int64_t filters,
                        const SpecCutoutConfig& config, const AugmentationKey& key) {
  CounterRandom random = key.random(AugmentationUse::SpecCutout);
  const int64_t frames = static_cast<int64_t>(features.size()) / filters;
  for (int64_t i = 0; i < config.rectangles; ++i) {
    // NeMo draws the place such that the widest rectangle fits, then the size.
    const int64_t filter = random.below(std::max<int64_t>(filters - config.filters, 0) + 1),
                  frame = random.below(std::max<int64_t>(frames - config.frames, 0) + 1),
                  width = random.below(config.filters + 1),
                  height = random.below(config.frames + 1);
    clear_rectangle(features, filters, frame, std::min(height, frames - frame), filter,
                    std::min(width, filters - filter));
  }
}

void mask_spans(std::vector<float>& features, int64_t filters, const SpecAugmentConfig& config,
                const AugmentationKey& key) {
  CounterRandom random = key.random(AugmentationUse::SpecAugment);
  const int64_t frames = static_cast<int64_t>(features.size()) / filters;
  for (int64_t i = 0; i < config.filter_masks; ++i) {
    const auto [first, width] = random_span(random, config.filters, filters);
    clear_rectangle(features, filters, 0, frames, first, width);
  }
  for (int64_t i = 0; i < config.frame_masks; ++i) {
    const auto [first, width] = random_span(random, config.frames, frames);
    clear_rectangle(features, filters, first, width, 0, filters);
  }
}

double random_speed(const SpeedConfig& config, const AugmentationKey& key) {
  return key.random(AugmentationUse::Speed).uniform(1 - config.change, 1 + config.change);
}

void add_dither(std::vector<float>& samples, const DitherConfig& config,
                const AugmentationKey& key) {
  CounterRandom random = key.random(AugmentationUse::Dither);
  for (float& sample : samples) sample += static_cast<float>(config.deviation * random.normal());
}

SpeechFeatures::SpeechFeatures(const DataConfig& config, int64_t seed) : seed_(seed) {
  if (config.augments("spec_cutout")) cutout_ = config.spec_cutout;
  if (config.augments("spec_augment")) masks_ = config.spec_augment;
  if (config.augments("speed")) speed_ = config.speed;
  if (config.augments("dither")) dither_ = config.dither;
}

int64_t SpeechFeatures::fewest_frames(int64_t samples) const {
  const int64_t fastest =
      speed_ ? frames(resampled_length(samples, 1 + speed_->change, 1)) : int64_t{0};
  return fastest > 0 ? fastest : frames(samples);  // what is too short keeps its speed
}

void SpeechFeatures::make(const SequenceDataset& set, int64_t index, std::optional<int64_t> epoch,
                          std::vector<float>& features) const {
  std::vector<float> samples;
  set.read(index, samples);
  if (!epoch) {
    make(samples, set.name(index), features);
    return;
  }
  const AugmentationKey key{seed_, *epoch, set.id(index)};
  if (speed_) {
    std::vector<float> faster;
    resample_audio(samples, random_speed(*speed_, key), 1, faster);
    // Not below what has features: an utterance that short keeps its speed.
    if (frames(static_cast<int64_t>(faster.size())) > 0) samples = std::move(faster);
  }
  if (dither_) add_dither(samples, *dither_, key);
  make(samples, set.name(index), features);
  if (cutout_) cut_out_rectangles(features, filters(), *cutout_, key);
  if (masks_) mask_spans(features, filters(), *masks_, key);
}

void SpeechFeatures::make(std::vector<float>& samples, const std::string& where,
                          std::vector<float>& features) const {
  const auto count = static_cast<int64_t>(samples.size());
  if (count < log_mel_.fewest_samples()) {
    fail(ErrorKind::Data, "{}: expected at least {} samples ({} ms), got {}", where,
         log_mel_.fewest_samples(), log_mel_.fewest_samples() * 1000 / kSpeechRate, count);
  }
  log_mel_.compute(samples, features);
}

}  // namespace tailor::data

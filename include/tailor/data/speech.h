// From an utterance to the network's input: speed, dither, log-mel features, masks. What is random
// is a function of (seed, epoch, example id), whatever batch or thread asks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tailor/data/config.h"
#include "tailor/data/features.h"
#include "tailor/data/sequences.h"

namespace tailor::data {

class SpeechFeatures {
 public:
  /// Augmentation is the configuration's, by `seed`.
  SpeechFeatures(const DataConfig& config, int64_t seed);

  int64_t filters() const { return log_mel_.config().filters; }
  /// Frames of so many samples that are not augmented; 0 of fewer than have features.
  int64_t frames(int64_t samples) const {
    return samples < log_mel_.fewest_samples() ? 0 : log_mel_.frames(samples);
  }
  /// The fewest that augmentation (speed) makes of them.
  int64_t fewest_frames(int64_t samples) const;
  /// Replaces `features` by frames × filters numbers, of mean 0 and deviation 1 in each filter.
  /// With an epoch they are augmented as in that one. Throws Data naming the file. Thread-safe.
  void make(const SequenceDataset& set, int64_t index, std::optional<int64_t> epoch,
            std::vector<float>& features) const;
  /// Of samples that are no example, at 16 kHz; changes them. Throws Data naming `where` if they
  /// are too few.
  void make(std::vector<float>& samples, const std::string& where,
            std::vector<float>& features) const;

 private:
  LogMel log_mel_;
  int64_t seed_ = 0;
  std::optional<SpecCutoutConfig> cutout_;
  std::optional<SpecAugmentConfig> masks_;
  std::optional<SpeedConfig> speed_;
  std::optional<DitherConfig> dither_;
};

/// Writes the splits of a speech set as a tree that the data set librispeech reads: train, dev and
/// test, FLAC of 16 bits. Whole or not at all; the folder is replaced.
void write_librispeech(const DataSplits& splits, const std::string& folder);

}  // namespace tailor::data

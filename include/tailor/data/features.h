// Log-mel features of speech as NeMo 1.9 makes them: pre-emphasis, spectrum, 64 mel filters,
// logarithm, each filter normalised over the utterance. Frames × filters, a network's input rows.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "tailor/core/random.h"
#include "tailor/core/span.h"

namespace tailor::data {

/// At 16 kHz; the values that QuartzNet's published weights are trained with.
struct FeatureConfig {
  int64_t rate_hz = 16000;
  int64_t window_samples = 320, hop_samples = 160, transform_samples = 512;
  int64_t filters = 64;
  double highest_hz = 8000;
  double preemphasis = 0.97;
  double log_guard = 0x1p-24;
  double deviation_guard = 1e-5;
};

/// Triangles on Slaney's mel scale, each of area 1: filters × (transform_samples / 2 + 1), row by
/// row. (Slaney 1998; librosa's and torchaudio's "slaney" scale and norm.)
std::vector<float> mel_filters(const FeatureConfig& config);

class LogMel {
 public:
  explicit LogMel(const FeatureConfig& config = {});
  ~LogMel();
  LogMel(const LogMel&) = delete;
  LogMel& operator=(const LogMel&) = delete;

  const FeatureConfig& config() const { return config_; }
  /// Fewer samples than this have no features: the spectrum's border is mirrored.
  int64_t fewest_samples() const { return config_.transform_samples / 2 + 1; }
  /// Frames of so many samples, all of them valid: 1 + floor(samples / hop).
  int64_t frames(int64_t samples) const { return 1 + samples / config_.hop_samples; }
  /// Replaces `features` by frames × filters numbers, a frame's filters in a row. Changes
  /// `samples`, which must be as many as fewest_samples() or more: they are pre-emphasised.
  /// Thread-safe.
  void compute(std::vector<float>& samples, std::vector<float>& features) const;

 private:
  struct Filter {
    int64_t first = 0;  // bin of the first weight
    std::vector<float> weights;
  };
  void compute_frames(Span<const float> padded, int64_t count, float* features) const;
  void normalise(int64_t count, float* features) const;

  FeatureConfig config_;
  std::vector<float> window_;
  std::vector<Filter> filters_;
};

}  // namespace tailor::data

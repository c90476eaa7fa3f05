#include "tailor/data/features.h"

#include <kissfft/kiss_fftr.h>

#include <algorithm>
#include <cmath>

#include "tailor/core/error.h"

namespace tailor::data {
namespace {

constexpr double kBreakHz = 1000, kMelsAtBreak = 15;

double mel_to_hz(double mel) {
  return mel < kMelsAtBreak ? mel * 200 / 3
                            : kBreakHz * std::exp((mel - kMelsAtBreak) * std::log(6.4) / 27);
}
double hz_to_mel(double hz) {
  return hz < kBreakHz ? 3 * hz / 200 : kMelsAtBreak + std::log(hz / kBreakHz) * 27 / std::log(6.4);
}

struct FreeTransform {
  void operator()(kiss_fftr_state* state) const { ::kiss_fftr_free(state); }
};
using Transform = std::unique_ptr<kiss_fftr_state, FreeTransform>;

}  // namespace

std::vector<float> mel_filters(const FeatureConfig& config) {
  const int64_t bins = config.transform_samples / 2 + 1;
  const double highest = hz_to_mel(config.highest_hz);
  std::vector<double> corner;
  for (int64_t i = 0; i < config.filters + 2; ++i) {
    corner.push_back(
        mel_to_hz(highest * static_cast<double>(i) / static_cast<double>(config.filters + 1)));
  }
  std::vector<float> filters(static_cast<size_t>(config.filters * bins));
  for (int64_t m = 0; m < config.filters; ++m) {
    const auto at = static_cast<size_t>(m);
    const double low = corner[at], top = corner[at + 1], high = corner[at + 2];
    for (int64_t k = 0; k < bins; ++k) {
      const double hz =
          static_cast<double>(k * config.rate_hz) / static_cast<double>(config.transform_samples);
      const double height = std::min((hz - low) / (top - low), (high - hz) / (high - top));
      filters[static_cast<size_t>(m * bins + k)] =
          static_cast<float>(std::max(height, 0.0) * 2 / (high - low));
    }
  }
  return filters;
}

LogMel::LogMel(const FeatureConfig& config) : config_(config) {
  TAILOR_CHECK(config.window_samples <= config.transform_samples && config.hop_samples > 0 &&
                   config.transform_samples % 2 == 0 && config.window_samples > 1,
               "a window of {} in {} samples", config.window_samples, config.transform_samples);
  constexpr double kPi = 3.14159265358979323846;
  for (int64_t i = 0; i < config.window_samples; ++i) {
    window_.push_back(
        static_cast<float>(0.5 - 0.5 * std::cos(2 * kPi * static_cast<double>(i) /
                                                static_cast<double>(config.window_samples - 1))));
  }
  const std::vector<float> dense = mel_filters(config);
  const int64_t bins = config.transform_samples / 2 + 1;
  for (int64_t m = 0; m < config.filters; ++m) {
    const float* row = dense.data() + m * bins;
    Filter filter;
    int64_t end = bins;
    while (filter.first < bins && row[filter.first] == 0) ++filter.first;
    while (end > filter.first && row[end - 1] == 0) --end;
    filter.weights.assign(row + filter.first, row + end);
    filters_.push_back(std::move(filter));
  }
}

LogMel::~LogMel() = default;

void LogMel::compute(std::vector<float>& samples, std::vector<float>& features) const {
  const auto count = static_cast<int64_t>(samples.size());
  TAILOR_CHECK(count >= fewest_samples(), "{} samples, {} are needed", count, fewest_samples());
  const auto factor = static_cast<float>(config_.preemphasis);
  for (size_t i = samples.size() - 1; i > 0; --i) samples[i] -= factor * samples[i - 1];
  const auto border = static_cast<size_t>(config_.transform_samples / 2);
  std::vector<float> padded(samples.size() + 2 * border);
  std::copy(samples.begin(), samples.end(), padded.begin() + static_cast<std::ptrdiff_t>(border));
  for (size_t i = 0; i < border; ++i) {
    padded[border - 1 - i] = samples[i + 1];
    padded[border + samples.size() + i] = samples[samples.size() - 2 - i];
  }
  features.resize(static_cast<size_t>(frames(count) * config_.filters));
  compute_frames(padded, frames(count), features.data());
  normalise(frames(count), features.data());
}

void LogMel::compute_frames(Span<const float> padded, int64_t count, float* features) const {
  // A state has a buffer of its own in it, so that each call takes one.
  const Transform transform(
      ::kiss_fftr_alloc(static_cast<int>(config_.transform_samples), 0, nullptr, nullptr));
  TAILOR_CHECK(transform != nullptr, "no memory for a transform of {}", config_.transform_samples);
  const auto size = static_cast<size_t>(config_.transform_samples), bins = size / 2 + 1;
  const size_t margin = (size - window_.size()) / 2;
  std::vector<float> segment(size), power(bins);
  std::vector<kiss_fft_cpx> spectrum(bins);
  const auto guard = static_cast<float>(config_.log_guard);
  for (int64_t frame = 0; frame < count; ++frame) {
    const Span<const float> own =
        padded.subspan(static_cast<size_t>(frame * config_.hop_samples), size);
    for (size_t i = 0; i < window_.size(); ++i) segment[margin + i] = own[margin + i] * window_[i];
    ::kiss_fftr(transform.get(), segment.data(), spectrum.data());
    for (size_t k = 0; k < bins; ++k)
      power[k] = spectrum[k].r * spectrum[k].r + spectrum[k].i * spectrum[k].i;
    float* out = features + frame * config_.filters;
    for (size_t m = 0; m < filters_.size(); ++m) {
      const Filter& filter = filters_[m];
      const float* in = power.data() + filter.first;
      float sum = 0;
      for (size_t k = 0; k < filter.weights.size(); ++k) sum += filter.weights[k] * in[k];
      out[m] = std::log(sum + guard);
    }
  }
}

void LogMel::normalise(int64_t count, float* features) const {
  const auto filters = static_cast<size_t>(config_.filters);
  std::vector<double> sum(filters), squares(filters);
  for (int64_t t = 0; t < count; ++t) {
    for (size_t m = 0; m < filters; ++m)
      sum[m] += static_cast<double>(features[static_cast<size_t>(t) * filters + m]);
  }
  for (double& s : sum) s /= static_cast<double>(count);
  for (int64_t t = 0; t < count; ++t) {
    for (size_t m = 0; m < filters; ++m) {
      const double d = static_cast<double>(features[static_cast<size_t>(t) * filters + m]) - sum[m];
      squares[m] += d * d;
    }
  }
  std::vector<float> mean(filters), inverse(filters);
  for (size_t m = 0; m < filters; ++m) {
    mean[m] = static_cast<float>(sum[m]);
    inverse[m] = static_cast<float>(
        1 / (std::sqrt(squares[m] / static_cast<double>(count - 1)) + config_.deviation_guard));
  }
  for (int64_t t = 0; t < count; ++t) {
    float* row = features + static_cast<size_t>(t) * filters;
    for (size_t m = 0; m < filters; ++m) row[m] = (row[m] - mean[m]) * inverse[m];
  }
}

}  // namespace tailor::data

#include "tailor/data/signal.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tailor/core/error.h"

namespace tailor::data {
namespace {

constexpr double kMadScale = 1.4826;  // of a normal distribution, to its standard deviation
constexpr int64_t kSearched = 8000;   // samples at the begin of a read
constexpr int64_t kLeastTrimmed = 10;
constexpr int64_t kTrimWindow = 40, kTrimWindows = 100;
constexpr double kTrimThreshold = 2.4;
constexpr int64_t kPeakSamples = 3;  // more of them above the threshold begin the peak
constexpr int64_t kNoiseWindow = 100;
constexpr double kNoiseShare = 6;

/// Reorders.
double median_of(std::vector<float>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (static_cast<double>(*middle) + *std::max_element(values.begin(), middle)) / 2;
}

double deviation_of(Span<const float> values) {
  double sum = 0, squares = 0;
  for (const float v : values) sum += v;
  const double mean = sum / static_cast<double>(values.size());
  for (const float v : values) squares += (v - mean) * (v - mean);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

Span<const float> part_of(Span<const float> all, int64_t begin, int64_t end) {
  return {all.data() + begin, static_cast<size_t>(end - begin)};
}

/// The longest stretch of noisy windows, with the sample before it: all if no window is. The read's
/// first and last sample belong to none; what is behind the last whole window counts as noisy.
Span<const float> noisiest_section(Span<const float> all) {
  const auto size = static_cast<int64_t>(all.size());
  const double threshold = deviation_of(all) / kNoiseShare;
  std::vector<bool> noisy(all.size(), true);
  for (int64_t begin = 0; begin + kNoiseWindow <= size; begin += kNoiseWindow) {
    const bool is_noisy = deviation_of(part_of(all, begin, begin + kNoiseWindow)) > threshold;
    std::fill_n(noisy.begin() + begin, kNoiseWindow, is_noisy);
  }
  noisy.front() = noisy.back() = false;
  int64_t best = 0, longest = 0, begin = 0;
  for (int64_t i = 0; i < size; ++i) {
    if (!noisy[static_cast<size_t>(i)]) {
      begin = i + 1;
    } else if (i + 1 - begin > longest) {
      best = begin, longest = i + 1 - begin;
    }
  }
  return longest > 0 ? part_of(all, best - 1, best + longest) : all;
}

}  // namespace

std::vector<float> to_picoampere(Span<const int16_t> raw, const Calibration& calibration) {
  const double scale = calibration.range_pa / calibration.digitisation;
  std::vector<float> out(raw.size());
  for (size_t i = 0; i < raw.size(); ++i)
    out[i] = static_cast<float>((raw[i] + calibration.offset) * scale);
  return out;
}

MedianMad median_mad(Span<const float> samples) {
  TAILOR_CHECK(!samples.empty(), "no samples");
  std::vector<float> values(samples.begin(), samples.end());
  const double median = median_of(values);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = std::abs(samples[i] - static_cast<float>(median));
  const double mad = median_of(values) * kMadScale + std::numeric_limits<float>::epsilon();
  return {static_cast<float>(median), static_cast<float>(mad)};
}

void normalise(std::vector<float>& samples, const MedianMad& by) {
  for (float& v : samples) v = (v - by.median) / by.mad;
}

int64_t adapter_samples(Span<const float> samples) {
  const int64_t end = std::min<int64_t>(static_cast<int64_t>(samples.size()), kSearched);
  if (end <= kLeastTrimmed) return end;
  const int64_t judged = std::max(kLeastTrimmed, end - kTrimWindow * kTrimWindows);
  const MedianMad usual = median_mad(part_of(samples, judged, end));
  const double threshold = usual.median + usual.mad * kTrimThreshold;
  auto above = [&](float v) { return v > threshold; };
  bool peak = false;
  for (int64_t at = kLeastTrimmed; at + kTrimWindow <= end; at += kTrimWindow) {
    const Span<const float> window = part_of(samples, at, at + kTrimWindow);
    peak = peak || std::count_if(window.begin(), window.end(), above) > kPeakSamples;
    if (peak && !above(window[window.size() - 1]))
      return std::min(at + kTrimWindow, end - kLeastTrimmed);
  }
  return kLeastTrimmed;
}

int64_t normalise_read(std::vector<float>& samples, const std::string& read) {
  for (size_t i = 0; i < samples.size(); ++i) {
    if (!std::isfinite(samples[i])) {
      fail(ErrorKind::Data, "{}: sample {}: expected a finite number, got {}", read, i, samples[i]);
    }
  }
  const int64_t trimmed = adapter_samples(samples);
  if (trimmed >= static_cast<int64_t>(samples.size())) {
    fail(ErrorKind::Data, "{}: expected more than {} samples, got {}", read, kLeastTrimmed,
         samples.size());
  }
  samples.erase(samples.begin(), samples.begin() + trimmed);
  if (static_cast<int64_t>(samples.size()) > kSearched) {
    MedianMad by = median_mad(samples);
    by.mad = std::max(1.F, by.mad);
    normalise(samples, by);
  } else {
    normalise(samples, median_mad(noisiest_section(samples)));
  }
  return trimmed;
}

std::vector<SignalChunk> plan_chunks(int64_t samples, int64_t size, int64_t overlap,
                                     int64_t stride) {
  if (size < 1 || overlap < 0 || overlap >= size || stride < 1) {
    fail(ErrorKind::Config,
         "chunks: expected an overlap from 0 to less than the chunk, and a stride of 1 or more; "
         "got chunks of {} samples, an overlap of {} and a stride of {}",
         size, overlap, stride);
  }
  if (samples <= size) return {{0, 0, (samples + stride - 1) / stride}};
  const int64_t step = size - overlap, stub = (samples - overlap) % step;
  const int64_t begin = overlap / 2 / stride, end = begin + step / stride;
  std::vector<SignalChunk> chunks;
  if (stub > 0) chunks.push_back({0, 0, begin + stub / stride});
  for (int64_t first = stub; first + size <= samples; first += step)
    chunks.push_back({first, begin, end});
  chunks.front().begin_frame = 0;
  chunks.back().end_frame = (size + stride - 1) / stride;
  return chunks;
}

void cut_chunk(Span<const float> samples, const SignalChunk& chunk, Span<float> out) {
  TAILOR_CHECK(!samples.empty(), "a read without samples");
  const auto first = static_cast<size_t>(chunk.first);
  for (size_t i = 0; i < out.size(); ++i) out[i] = samples[(first + i) % samples.size()];
}

}  // namespace tailor::data

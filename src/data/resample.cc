// Separable triangle filter (bilinear when it enlarges, antialiased when it shrinks), in fixed
// point: weights of 14 bits that sum to exactly 1, so that a flat picture stays flat.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "tailor/data/codec.h"

namespace tailor {
namespace {

constexpr int kWeightBits = 14;
constexpr int kRowBits = 8;  // fraction bits between the two passes

/// For each output position the first input position and `taps` weights.
struct Filter {
  int64_t taps = 0;
  std::vector<int64_t> first;
  std::vector<uint32_t> weights;
};

Filter make_filter(double start, double length, int64_t limit, int64_t size) {
  // Only whole positions that the window touches are read.
  const auto low =
      std::clamp<int64_t>(static_cast<int64_t>(std::floor(start + 1e-9)), 0, limit - 1);
  const auto high =
      std::clamp<int64_t>(static_cast<int64_t>(std::ceil(start + length - 1e-9)), low + 1, limit);
  const double step = length / static_cast<double>(size), support = std::max(1.0, step);
  Filter f;
  f.taps = std::min<int64_t>(static_cast<int64_t>(std::ceil(2 * support)), high - low);
  f.first.resize(static_cast<size_t>(size));
  f.weights.assign(static_cast<size_t>(size * f.taps), 0);
  std::vector<double> row(static_cast<size_t>(f.taps));
  for (int64_t i = 0; i < size; ++i) {
    const double centre = start + (static_cast<double>(i) + 0.5) * step;
    int64_t first = static_cast<int64_t>(std::ceil(centre - support - 0.5));
    first = std::clamp(first, low, high - f.taps);
    double sum = 0;
    for (int64_t t = 0; t < f.taps; ++t) {
      const double distance = std::abs(static_cast<double>(first + t) + 0.5 - centre) / support;
      row[static_cast<size_t>(t)] = std::max(0.0, 1 - distance);
      sum += row[static_cast<size_t>(t)];
    }
    if (sum <= 0) row.assign(row.size(), 1), sum = static_cast<double>(f.taps);
    uint32_t* out = f.weights.data() + i * f.taps;
    int64_t left = 1 << kWeightBits;
    for (int64_t t = 0; t < f.taps; ++t) {
      out[t] = static_cast<uint32_t>(
          std::lround(row[static_cast<size_t>(t)] / sum * (1 << kWeightBits)));
      left -= out[t];
    }
    uint32_t* largest = std::max_element(out, out + f.taps);
    *largest = static_cast<uint32_t>(*largest + left);
    f.first[static_cast<size_t>(i)] = first;
  }
  return f;
}

/// One output row of the vertical pass: taps rows of n bytes into 8.8 fixed point.
void blend_rows(const uint8_t* in, int64_t stride, const uint32_t* weights, int64_t taps, int64_t n,
                uint32_t* sum, uint16_t* out) {
  constexpr uint32_t kHalf = 1U << (kWeightBits - kRowBits - 1);
  std::fill_n(sum, n, kHalf);
  for (int64_t t = 0; t < taps; ++t) {
    const uint32_t w = weights[t];
    if (w == 0) continue;
    const uint8_t* row = in + t * stride;
    for (int64_t x = 0; x < n; ++x) sum[x] += w * row[x];
  }
  for (int64_t x = 0; x < n; ++x)
    out[x] = static_cast<uint16_t>(sum[x] >> (kWeightBits - kRowBits));
}

template <int64_t kChannels>
void blend_columns(const uint16_t* in, const Filter& f, int64_t origin, int64_t channels,
                   uint8_t* out) {
  constexpr uint32_t kHalf = 1U << (kWeightBits + kRowBits - 1);
  const int64_t n = kChannels > 0 ? kChannels : channels;
  const uint32_t* weights = f.weights.data();
  for (int64_t first : f.first) {
    const uint16_t* from = in + (first - origin) * n;
    for (int64_t c = 0; c < n; ++c) {
      uint32_t sum = kHalf;
      for (int64_t t = 0; t < f.taps; ++t) sum += weights[t] * from[t * n + c];
      *out++ = static_cast<uint8_t>(sum >> (kWeightBits + kRowBits));
    }
    weights += f.taps;
  }
}

}  // namespace

void resample(const uint8_t* pixels_hwc, Extent extent, int64_t channels, RealWindow window,
              Extent size, uint8_t* out_hwc) {
  const int64_t stride = extent.width * channels;
  const auto top = static_cast<int64_t>(window.top), left = static_cast<int64_t>(window.left);
  if (window.height == static_cast<double>(size.height) &&
      window.width == static_cast<double>(size.width) && window.top == static_cast<double>(top) &&
      window.left == static_cast<double>(left)) {
    const auto row = static_cast<size_t>(size.width * channels);
    for (int64_t y = 0; y < size.height; ++y, out_hwc += row)
      std::memcpy(out_hwc, pixels_hwc + (top + y) * stride + left * channels, row);
    return;
  }
  const Filter rows = make_filter(window.top, window.height, extent.height, size.height),
               columns = make_filter(window.left, window.width, extent.width, size.width);
  const auto [low, high] = std::minmax_element(columns.first.begin(), columns.first.end());
  const int64_t origin = *low, used = (*high + columns.taps - origin) * channels;
  std::vector<uint32_t> sum(static_cast<size_t>(used));
  std::vector<uint16_t> row(static_cast<size_t>(used));
  for (int64_t y = 0; y < size.height; ++y, out_hwc += size.width * channels) {
    blend_rows(pixels_hwc + rows.first[static_cast<size_t>(y)] * stride + origin * channels, stride,
               rows.weights.data() + y * rows.taps, rows.taps, used, sum.data(), row.data());
    if (channels == 3) {
      blend_columns<3>(row.data(), columns, origin, channels, out_hwc);
    } else {
      blend_columns<0>(row.data(), columns, origin, channels, out_hwc);
    }
  }
}

}  // namespace tailor

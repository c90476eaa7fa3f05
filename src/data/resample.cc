// Separable triangle filter (bilinear when it enlarges, antialiased when it shrinks), in fixed
// point: weights of 14 bits that sum to exactly 1, so that a flat picture stays flat.
#include <algorithm>
#include <cmath>
#include <cstring>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "tailor/data/codec.h"

namespace tailor {
namespace {

constexpr int kWeightBits = 14;
constexpr int kRowBits = 7;  // fraction bits between the two passes: 255 · 128 fits an int16
constexpr int64_t kRowPadding = 8;

#ifdef __SSE2__
__m128i load(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
__m128i load_half(const int16_t* p) { return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)); }
__m128i load_pair(const int16_t* weights) {
  int32_t pair = 0;
  std::memcpy(&pair, weights, sizeof pair);
  return _mm_set1_epi32(pair);
}
#endif

/// For each output position the first input position and `taps` weights, padded with a 0 to an even
/// number, so that they can be read in pairs.
struct Filter {
  int64_t taps = 0, padded_taps = 0;
  std::vector<int64_t> first;
  std::vector<int16_t> weights;
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
  f.padded_taps = (f.taps + 1) / 2 * 2;
  f.weights.assign(static_cast<size_t>(size * f.padded_taps), 0);
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
    int16_t* out = f.weights.data() + i * f.padded_taps;
    int64_t left = 1 << kWeightBits;
    for (int64_t t = 0; t < f.taps; ++t) {
      out[t] =
          static_cast<int16_t>(std::lround(row[static_cast<size_t>(t)] / sum * (1 << kWeightBits)));
      left -= out[t];
    }
    int16_t* largest = std::max_element(out, out + f.taps);
    *largest = static_cast<int16_t>(*largest + left);
    f.first[static_cast<size_t>(i)] = first;
  }
  return f;
}

/// One output row of the vertical pass: the blend of `taps` rows of n bytes, with kRowBits more
/// bits.
void blend_rows(const uint8_t* in, int64_t stride, const int16_t* weights, int64_t taps, int64_t n,
                int16_t* out) {
  constexpr int kShift = kWeightBits - kRowBits;
  int64_t x = 0;
#ifdef __SSE2__
  // Two taps at a time: bytes of two rows side by side, multiplied and added in pairs.
  const __m128i zero = _mm_setzero_si128(), half = _mm_set1_epi32(1 << (kShift - 1));
  for (; x + 16 <= n; x += 16) {
    __m128i sum[4] = {half, half, half, half};
    for (int64_t t = 0; t < taps; t += 2) {
      const uint8_t* row = in + t * stride + x;
      const __m128i w = load_pair(weights + t), a = load(row),
                    b = load(t + 1 < taps ? row + stride : row);  // an odd one's weight is 0
      const __m128i low = _mm_unpacklo_epi8(a, b), high = _mm_unpackhi_epi8(a, b);
      sum[0] = _mm_add_epi32(sum[0], _mm_madd_epi16(_mm_unpacklo_epi8(low, zero), w));
      sum[1] = _mm_add_epi32(sum[1], _mm_madd_epi16(_mm_unpackhi_epi8(low, zero), w));
      sum[2] = _mm_add_epi32(sum[2], _mm_madd_epi16(_mm_unpacklo_epi8(high, zero), w));
      sum[3] = _mm_add_epi32(sum[3], _mm_madd_epi16(_mm_unpackhi_epi8(high, zero), w));
    }
    for (__m128i& v : sum) v = _mm_srai_epi32(v, kShift);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + x), _mm_packs_epi32(sum[0], sum[1]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + x + 8), _mm_packs_epi32(sum[2], sum[3]));
  }
#endif
  for (; x < n; ++x) {
    int32_t sum = 1 << (kShift - 1);
    for (int64_t t = 0; t < taps; ++t) sum += weights[t] * in[t * stride + x];
    out[x] = static_cast<int16_t>(sum >> kShift);
  }
}

/// The horizontal pass. `in` begins at column `origin` and can be read kRowPadding values beyond
/// its end.
void blend_columns(const int16_t* in, const Filter& f, int64_t origin, int64_t channels,
                   uint8_t* out) {
  constexpr int kShift = kWeightBits + kRowBits;
  const int16_t* weights = f.weights.data();
  size_t x = 0;
#ifdef __SSE2__
  // RGB: a pixel's three values (and one that is not used) in one register.
  const __m128i half = _mm_set1_epi32(1 << (kShift - 1));
  for (; channels == 3 && x + 1 < f.first.size(); ++x, weights += f.padded_taps, out += 3) {
    const int16_t* from = in + (f.first[x] - origin) * 3;
    __m128i sum = half;
    for (int64_t t = 0; t < f.taps; t += 2, from += 6) {
      const __m128i pixels = _mm_unpacklo_epi16(load_half(from), load_half(from + 3));
      sum = _mm_add_epi32(sum, _mm_madd_epi16(pixels, load_pair(weights + t)));
    }
    const __m128i words = _mm_packs_epi32(_mm_srai_epi32(sum, kShift), half);
    const int bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    std::memcpy(out, &bytes, sizeof bytes);  // the fourth byte is the next pixel's
  }
#endif
  for (; x < f.first.size(); ++x, weights += f.padded_taps) {
    const int16_t* from = in + (f.first[x] - origin) * channels;
    for (int64_t c = 0; c < channels; ++c) {
      int32_t sum = 1 << (kShift - 1);
      for (int64_t t = 0; t < f.taps; ++t) sum += weights[t] * from[t * channels + c];
      *out++ = static_cast<uint8_t>(sum >> kShift);
    }
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
  std::vector<int16_t> row(static_cast<size_t>(used + kRowPadding));
  for (int64_t y = 0; y < size.height; ++y, out_hwc += size.width * channels) {
    blend_rows(pixels_hwc + rows.first[static_cast<size_t>(y)] * stride + origin * channels, stride,
               rows.weights.data() + y * rows.padded_taps, rows.taps, used, row.data());
    blend_columns(row.data(), columns, origin, channels, out_hwc);
  }
}

}  // namespace tailor

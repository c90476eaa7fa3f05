// Separable triangle filter (bilinear when it enlarges, antialiased when it shrinks), in fixed
// point: weights of 14 bits that sum to exactly 1, so that a flat picture stays flat. Integers
// only: every path gives the same bytes on every machine.
#include <algorithm>
#include <cmath>
#include <cstring>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "data/resample.h"

namespace tailor::data {
namespace {

constexpr int kWeightBits = 14;
constexpr int kRowBits = 7;  // fraction bits between the two passes: 255 · 128 fits an int16
constexpr int64_t kRowPadding = 8;

/// For each output position the first input position and `taps` weights, and their sum.
struct RealFilter {
  int64_t taps = 0;
  std::vector<int64_t> first;
  std::vector<double> weights, sums;
};

RealFilter real_filter(double start, double length, int64_t limit, int64_t size) {
  // Only whole positions that the window touches are read.
  const auto low =
      std::clamp<int64_t>(static_cast<int64_t>(std::floor(start + 1e-9)), 0, limit - 1);
  const auto high =
      std::clamp<int64_t>(static_cast<int64_t>(std::ceil(start + length - 1e-9)), low + 1, limit);
  const double step = length / static_cast<double>(size), support = std::max(1.0, step);
  RealFilter f;
  f.taps = std::min<int64_t>(static_cast<int64_t>(std::ceil(2 * support)), high - low);
  f.first.resize(static_cast<size_t>(size));
  f.weights.resize(static_cast<size_t>(size * f.taps));
  const double slope = 1 / support;
  for (int64_t i = 0; i < size; ++i) {
    const double centre = start + (static_cast<double>(i) + 0.5) * step;
    int64_t first = static_cast<int64_t>(std::ceil(centre - support - 0.5));
    first = std::clamp(first, low, high - f.taps);
    double* row = f.weights.data() + i * f.taps;
    double sum = 0;
    for (int64_t t = 0; t < f.taps; ++t) {
      const double distance = std::abs(static_cast<double>(first + t) + 0.5 - centre) * slope;
      row[t] = std::max(0.0, 1 - distance);
      sum += row[t];
    }
    if (sum <= 0) std::fill_n(row, f.taps, 1.0), sum = static_cast<double>(f.taps);
    f.sums.push_back(sum);
    f.first[static_cast<size_t>(i)] = first;
  }
  return f;
}

/// The same in fixed point; taps are padded with a 0 to an even number, to be read in pairs.
struct Filter {
  int64_t taps = 0, padded_taps = 0;
  std::vector<int64_t> first;
  std::vector<int16_t> weights;
};

Filter make_filter(double start, double length, int64_t limit, int64_t size) {
  RealFilter real = real_filter(start, length, limit, size);
  Filter f;
  f.taps = real.taps;
  f.padded_taps = (f.taps + 1) / 2 * 2;
  f.weights.assign(static_cast<size_t>(size * f.padded_taps), 0);
  for (int64_t i = 0; i < size; ++i) {
    const double* row = real.weights.data() + i * f.taps;
    int16_t* out = f.weights.data() + i * f.padded_taps;
    int64_t left = 1 << kWeightBits;
    const double unit = (1 << kWeightBits) / real.sums[static_cast<size_t>(i)];
    for (int64_t t = 0; t < f.taps; ++t) {
      out[t] = static_cast<int16_t>(row[t] * unit + 0.5);
      left -= out[t];
    }
    int16_t* largest = std::max_element(out, out + f.taps);
    *largest = static_cast<int16_t>(*largest + left);
  }
  f.first = std::move(real.first);
  return f;
}

/// One output row of the vertical pass: values [x, n) of the blend of `taps` rows of bytes, with
/// kRowBits more bits.
void blend_rows(const uint8_t* in, int64_t stride, const int16_t* weights, int64_t taps, int64_t x,
                int64_t n, int16_t* out) {
  constexpr int kShift = kWeightBits - kRowBits;
  for (; x < n; ++x) {
    int32_t sum = 1 << (kShift - 1);
    for (int64_t t = 0; t < taps; ++t) sum += weights[t] * in[t * stride + x];
    out[x] = static_cast<int16_t>(sum >> kShift);
  }
}

/// Pixels from x on of the horizontal pass over a row that begins at column `origin`.
void blend_columns(const int16_t* in, const Filter& f, int64_t origin, int64_t channels, size_t x,
                   uint8_t* out) {
  constexpr int kShift = kWeightBits + kRowBits;
  out += static_cast<int64_t>(x) * channels;
  for (; x < f.first.size(); ++x) {
    const int16_t* weights = f.weights.data() + static_cast<int64_t>(x) * f.padded_taps;
    const int16_t* from = in + (f.first[x] - origin) * channels;
    for (int64_t c = 0; c < channels; ++c) {
      int32_t sum = 1 << (kShift - 1);
      for (int64_t t = 0; t < f.taps; ++t) sum += weights[t] * from[t * channels + c];
      *out++ = static_cast<uint8_t>(sum >> kShift);
    }
  }
}

#if defined(__x86_64__)
#define TAILOR_AVX2 __attribute__((target("avx2")))

__m128i load_16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
int32_t pair_at(const int16_t* weights) {
  int32_t pair = 0;
  std::memcpy(&pair, weights, sizeof pair);
  return pair;
}

/// blend_rows of two taps: a + (b - a) w instead of a (1 - w) + b w, the same in integers, in 16
/// bits and with the multiplication's own rounding. Returns how many values it made: all, or none
/// of fewer than 16.
TAILOR_AVX2 int64_t blend_two_rows_avx2(const uint8_t* a, const uint8_t* b, int16_t weight_b,
                                        int64_t n, int16_t* out) {
  if (n < 16) return 0;
  int16_t weight = weight_b;
  if (weight == 1 << kWeightBits) a = b, weight = 0;  // twice that would not fit
  const __m256i w = _mm256_set1_epi16(static_cast<int16_t>(2 * weight));
  for (int64_t next = 0; next < n; next += 16) {
    const int64_t x = std::min(next, n - 16);  // the last ones may be made twice
    const __m256i from = _mm256_slli_epi16(_mm256_cvtepu8_epi16(load_16(a + x)), kRowBits),
                  to = _mm256_slli_epi16(_mm256_cvtepu8_epi16(load_16(b + x)), kRowBits),
                  by = _mm256_sub_epi16(to, from);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + x),
                        _mm256_add_epi16(from, _mm256_mulhrs_epi16(by, w)));
  }
  return n;
}

/// blend_rows, two taps at a time: bytes of two rows side by side, multiplied and added in pairs.
/// Returns how many values it made: all, or none of fewer than 32.
TAILOR_AVX2 int64_t blend_rows_avx2(const uint8_t* in, int64_t stride, const int16_t* weights,
                                    int64_t taps, int64_t n, int16_t* out) {
  constexpr int kShift = kWeightBits - kRowBits;
  const __m256i zero = _mm256_setzero_si256(), half = _mm256_set1_epi32(1 << (kShift - 1));
  if (taps == 2) return blend_two_rows_avx2(in, in + stride, weights[1], n, out);
  if (n < 32) return 0;
  for (int64_t next = 0; next < n; next += 32) {
    const int64_t x = std::min(next, n - 32);  // the last ones may be made twice
    __m256i sum[4] = {half, half, half, half};
    for (int64_t t = 0; t < taps; t += 2) {
      const uint8_t* row = in + t * stride + x;
      // An odd one's second weight is 0.
      const __m256i w = _mm256_set1_epi32(pair_at(weights + t)),
                    a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row)),
                    b = _mm256_loadu_si256(
                        reinterpret_cast<const __m256i*>(t + 1 < taps ? row + stride : row));
      const __m256i low = _mm256_unpacklo_epi8(a, b), high = _mm256_unpackhi_epi8(a, b);
      sum[0] = _mm256_add_epi32(sum[0], _mm256_madd_epi16(_mm256_unpacklo_epi8(low, zero), w));
      sum[1] = _mm256_add_epi32(sum[1], _mm256_madd_epi16(_mm256_unpackhi_epi8(low, zero), w));
      sum[2] = _mm256_add_epi32(sum[2], _mm256_madd_epi16(_mm256_unpacklo_epi8(high, zero), w));
      sum[3] = _mm256_add_epi32(sum[3], _mm256_madd_epi16(_mm256_unpackhi_epi8(high, zero), w));
    }
    for (__m256i& v : sum) v = _mm256_srai_epi32(v, kShift);
    // Values 0..7 and 16..23, then 8..15 and 24..31: every instruction works on halves.
    const __m256i even = _mm256_packs_epi32(sum[0], sum[1]),
                  odd = _mm256_packs_epi32(sum[2], sum[3]);
    auto* to = reinterpret_cast<__m256i*>(out + x);
    _mm256_storeu_si256(to, _mm256_permute2x128_si256(even, odd, 0x20));
    _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(even, odd, 0x31));
  }
  return n;
}

/// A filter laid out for blend_rgb_avx2: for pixels p and p + 4 of a group of 8 the first value of
/// the row, and for each pair of taps its weights four times for the one and four for the other.
struct alignas(32) RgbWeights {
  int32_t low[4], high[4];
};
struct RgbFilter {
  std::vector<int32_t> first;       // [pixel]
  std::vector<RgbWeights> weights;  // [group][p in 4][pair]
};

RgbFilter rgb_filter(const Filter& f, int64_t origin) {
  RgbFilter g;
  const size_t groups = f.first.size() / 8, pairs = static_cast<size_t>(f.padded_taps) / 2;
  g.first.resize(groups * 8);
  for (size_t i = 0; i < g.first.size(); ++i)
    g.first[i] = static_cast<int32_t>((f.first[i] - origin) * 3);
  g.weights.reserve(groups * 4 * pairs);
  for (size_t i = 0; i < groups * 4; ++i) {
    const int16_t* weights = f.weights.data() + (i / 4 * 8 + i % 4) * 2 * pairs;
    for (size_t t = 0; t < 2 * pairs; t += 2) {
      const int32_t a = pair_at(weights + t), b = pair_at(weights + 8 * pairs + t);
      g.weights.push_back({{a, a, a, a}, {b, b, b, b}});
    }
  }
  return g;
}

/// blend_columns for three channels; kPairs: pairs of taps, or 0 for `pairs`. Reads up to
/// kRowPadding values beyond the row's end. Returns how many pixels it made, a multiple of 8.
template <size_t kPairs>
TAILOR_AVX2 size_t blend_rgb_avx2(const int16_t* in, const RgbFilter& f, size_t pairs,
                                  uint8_t* out) {
  constexpr int kShift = kWeightBits + kRowBits;
  const __m256i half = _mm256_set1_epi32(1 << (kShift - 1));
  // R G B of one column and of the next: R R, G G, B B and a pair that is not used.
  const __m256i side_by_side = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11, 4, 5, 10, 11));
  const __m256i without_fourth = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
  if (kPairs) pairs = kPairs;
  const auto* weights = reinterpret_cast<const __m256i*>(f.weights.data());
  size_t x = 0;
  for (; x < f.first.size(); x += 8, out += 24) {
    __m256i sum[4];
    for (size_t p = 0; p < 4; ++p) {
      const int16_t *low = in + f.first[x + p], *high = in + f.first[x + p + 4];
      sum[p] = half;
      for (size_t t = 0; t < pairs; ++t, low += 6, high += 6) {
        const __m256i values =
            _mm256_inserti128_si256(_mm256_castsi128_si256(load_16(low)), load_16(high), 1);
        sum[p] =
            _mm256_add_epi32(sum[p], _mm256_madd_epi16(_mm256_shuffle_epi8(values, side_by_side),
                                                       _mm256_load_si256(weights++)));
      }
      sum[p] = _mm256_srai_epi32(sum[p], kShift);
    }
    const __m256i bytes = _mm256_shuffle_epi8(
        _mm256_packus_epi16(_mm256_packs_epi32(sum[0], sum[1]), _mm256_packs_epi32(sum[2], sum[3])),
        without_fourth);
    // 12 bytes of each half: the second store covers what the first wrote beyond them.
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm256_castsi256_si128(bytes));
    const __m128i last = _mm256_extracti128_si256(bytes, 1);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out + 12), last);
    const int32_t end = _mm_extract_epi32(last, 2);
    std::memcpy(out + 20, &end, sizeof end);
  }
  return x;
}
#endif

/// Both passes in float64; `unit`: what becomes 1.
template <class T>
void resample_real(const T* in_hwc, Extent extent, int64_t channels, RealWindow window, Extent size,
                   float unit, float* out_hwc) {
  const RealFilter rows = real_filter(window.top, window.height, extent.height, size.height),
                   columns = real_filter(window.left, window.width, extent.width, size.width);
  const int64_t stride = extent.width * channels;
  std::vector<double> row(static_cast<size_t>(stride));
  for (int64_t y = 0; y < size.height; ++y) {
    const T* in = in_hwc + rows.first[static_cast<size_t>(y)] * stride;
    std::fill(row.begin(), row.end(), 0);
    for (int64_t t = 0; t < rows.taps; ++t, in += stride) {
      const double weight = rows.weights[static_cast<size_t>(y * rows.taps + t)];
      for (size_t x = 0; x < row.size(); ++x) row[x] += weight * static_cast<double>(in[x]);
    }
    for (double& v : row) v /= rows.sums[static_cast<size_t>(y)];
    for (int64_t x = 0; x < size.width; ++x) {
      const double* from = row.data() + columns.first[static_cast<size_t>(x)] * channels;
      for (int64_t c = 0; c < channels; ++c) {
        double sum = 0;
        for (int64_t t = 0; t < columns.taps; ++t) {
          sum +=
              columns.weights[static_cast<size_t>(x * columns.taps + t)] * from[t * channels + c];
        }
        *out_hwc++ = static_cast<float>(sum / columns.sums[static_cast<size_t>(x)]) / unit;
      }
    }
  }
}

}  // namespace

void resample(const float* pixels_hwc, Extent extent, int64_t channels, RealWindow window,
              Extent size, float* out_hwc) {
  resample_real(pixels_hwc, extent, channels, window, size, 1, out_hwc);
}

void resample(const uint16_t* pixels_hwc, Extent extent, int64_t channels, RealWindow window,
              Extent size, float* out_hwc) {
  resample_real(pixels_hwc, extent, channels, window, size, 65535, out_hwc);
}

void resample_with(bool avx2, const uint8_t* pixels_hwc, Extent extent, int64_t channels,
                   RealWindow window, Extent size, uint8_t* out_hwc) {
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
#if defined(__x86_64__)
  const bool by_eight = avx2 && channels == 3;
  const RgbFilter rgb = by_eight ? rgb_filter(columns, origin) : RgbFilter();
  const auto pairs = static_cast<size_t>(columns.padded_taps) / 2;
  const auto blend_rgb = pairs == 1   ? blend_rgb_avx2<1>
                         : pairs == 2 ? blend_rgb_avx2<2>
                                      : blend_rgb_avx2<0>;
#else
  TAILOR_CHECK(!avx2, "AVX2 on a machine that is no x86-64");
#endif
  const int64_t out_row = size.width * channels;
  for (int64_t y = 0; y < size.height; ++y, out_hwc += out_row) {
    const uint8_t* in =
        pixels_hwc + rows.first[static_cast<size_t>(y)] * stride + origin * channels;
    const int16_t* weights = rows.weights.data() + y * rows.padded_taps;
    int64_t values = 0;
    size_t pixels = 0;
#if defined(__x86_64__)
    if (avx2) values = blend_rows_avx2(in, stride, weights, rows.taps, used, row.data());
#endif
    blend_rows(in, stride, weights, rows.taps, values, used, row.data());
#if defined(__x86_64__)
    if (by_eight) pixels = blend_rgb(row.data(), rgb, pairs, out_hwc);
#endif
    blend_columns(row.data(), columns, origin, channels, pixels, out_hwc);
  }
}

bool has_avx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2");
#else
  return false;
#endif
}

void resample(const uint8_t* pixels_hwc, Extent extent, int64_t channels, RealWindow window,
              Extent size, uint8_t* out_hwc) {
  static const bool avx2 = has_avx2();
  resample_with(avx2, pixels_hwc, extent, channels, window, size, out_hwc);
}

}  // namespace tailor::data

// MapKernels of bfloat16 with AVX-512's dot product; src/CMakeLists.txt compiles this file for it
// on x86-64.
#include "nn/vector_versions.h"

#if defined(__AVX512BF16__)
#include <immintrin.h>

#include "nn/map_kernels_code.h"

namespace tailor::nn {
namespace {

using Narrow = uint16_t;
typedef int Word __attribute__((may_alias));

template <>
struct Product<Narrow> {
  static constexpr int kDepth = 2;
  static Vector read(const Narrow* p) {
    const __m512i wide =
        _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    return reinterpret_cast<Vector>(_mm512_slli_epi32(wide, 16));
  }
  static float widened(Narrow x) {
    return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(x << 16)));
  }
  static __m512bh load(const Narrow* p) {
    return reinterpret_cast<__m512bh>(_mm512_loadu_si512(p));
  }
  static __m512bh broadcast(const Narrow* p) {
    return reinterpret_cast<__m512bh>(_mm512_set1_epi32(*reinterpret_cast<const Word*>(p)));
  }
  static Vector add(Vector sum, __m512bh w, __m512bh x) {
    return reinterpret_cast<Vector>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sum), w, x));
  }
  /// Rounds to the nearest, and to even between two; channels stay beside one another.
  static void store(Narrow* p, Vector v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(reinterpret_cast<__m512>(v))));
  }
  static Narrow round(float x) {
    const auto eight = reinterpret_cast<__m128i>(_mm256_cvtneps_pbh(_mm256_set1_ps(x)));
    return static_cast<Narrow>(_mm_extract_epi16(eight, 0));
  }
};

/// `even` and `odd` of each channel beside one another.
inline void store_pair(Narrow* p, Vector even, Vector odd) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24,
                                         8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const auto both = reinterpret_cast<__m512i>(
      _mm512_cvtne2ps_pbh(reinterpret_cast<__m512>(odd), reinterpret_cast<__m512>(even)));
  _mm512_storeu_si512(p, _mm512_permutexvar_epi16(order, both));
}

/// Where transformed tiles go by pairs; as TileStore.
struct NarrowPairs {
  Narrow* v;
  int64_t plane, channels;
  Vector even[16];

  void put(int64_t tile, int64_t c, const Vector numbers[16]) {
    if (tile % 2 == 0) {
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) even[i] = numbers[i];
      return;
    }
    Narrow* out = v + (tile - 1) * channels + 2 * c;
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) store_pair(out + i * plane, even[i], numbers[i]);
  }
  void finish(int64_t tiles, int64_t c) {
    const Vector none[16] = {};
    if (tiles % 2 == 1) put(tiles, c, none);
  }
};

inline void narrow_input_by_pairs(const Narrow* const rows[4], int64_t width, int64_t left,
                                  int64_t channels, int64_t tiles, Narrow* v, int64_t plane) {
  transform_input(rows, width, left, channels, tiles, NarrowPairs{v, plane, channels, {}});
}
inline void narrow_gradient(const Narrow* first, const Narrow* second, int64_t width,
                            int64_t channels, int64_t tiles, Narrow* v, int64_t plane) {
  transform_gradient(first, second, width, channels, tiles, NarrowPairs{v, plane, channels, {}});
}
inline void narrow_kernel(const float* at, const KernelStrides& s, int64_t inputs, int64_t outputs,
                          Narrow* u, int64_t plane) {
  Vector even[16] = {};
  transform_kernels(
      at, s, inputs, outputs,
      [&](int64_t c, int64_t panel, int64_t column, int64_t width, const Vector numbers[16]) {
        if (c % 2 == 0) {
          for (int i = 0; i < 16; ++i) even[i] = numbers[i];
          return;
        }
        Narrow* out = u + panel + (c - 1) * width + 2 * column;
        for (int i = 0; i < 16; ++i) store_pair(out + i * plane, even[i], numbers[i]);
      });
}

}  // namespace

const MapKernels<uint16_t>* avx512_bf16_kernels() {
  static constexpr auto kKernels = make_map_kernels<Narrow>("AVX-512 BF16", narrow_input_by_pairs,
                                                            narrow_gradient, narrow_kernel);
  return &kKernels;
}

}  // namespace tailor::nn
#else

namespace tailor::nn {

const MapKernels<uint16_t>* avx512_bf16_kernels() { return nullptr; }

}  // namespace tailor::nn
#endif

// MapKernels of bfloat16 whose products are of AMX tiles, all else AVX-512's; src/CMakeLists.txt
// compiles this file for it on x86-64. Tiles are set up between begin_products and end_products.
// No standard header, all unnamed: see nn/vector_code.h.
#include "nn/vector_versions.h"

#if (defined(__AMX_BF16__) || defined(__AMXBF16__)) && defined(__AVX512F__)  // gcc, clang
#include <immintrin.h>

namespace tailor::nn {
namespace {

using Narrow = uint16_t;

/// A tile has 16 rows of 64 bytes: 16 sums, or 32 numbers of `a`, or 16 columns of `b` by pairs.
constexpr int64_t kTile = 16, kDepth = 32, kHalfDepth = 16;

template <typename T>
void copy(const T* from, int64_t n, T* to) {
  __builtin_memcpy(to, from, static_cast<size_t>(n) * sizeof(T));
}
int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/// Tiles 0 to 3 are sums, 4 and 5 factors, 6 and 7 factors that are half as deep. The intrinsics
/// take a literal and nothing else.
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 32, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 8};
};
static_assert(sizeof(TileConfig) == 64);

/// Between writes and the loads of tiles behind them, and the other way round: gcc 12 does not know
/// that loading a tile reads memory.
void keep_order() { __asm__ volatile("" ::: "memory"); }

template <bool kWhole>
void load_left(const Narrow* p, int64_t row_bytes) {
  if constexpr (kWhole) {
    _tile_loadd(4, p, row_bytes);
  } else {
    _tile_loadd(6, p, row_bytes);
  }
}
template <bool kWhole>
void load_right(const Narrow* p, int64_t row_bytes) {
  if constexpr (kWhole) {
    _tile_loadd(5, p, row_bytes);
  } else {
    _tile_loadd(7, p, row_bytes);
  }
}
template <bool kWhole, int kSum>
void add_product() {
  if constexpr (kWhole && kSum == 0) _tile_dpbf16ps(0, 4, 5);
  if constexpr (kWhole && kSum == 1) _tile_dpbf16ps(1, 4, 5);
  if constexpr (kWhole && kSum == 2) _tile_dpbf16ps(2, 4, 5);
  if constexpr (kWhole && kSum == 3) _tile_dpbf16ps(3, 4, 5);
  if constexpr (!kWhole && kSum == 0) _tile_dpbf16ps(0, 6, 7);
  if constexpr (!kWhole && kSum == 1) _tile_dpbf16ps(1, 6, 7);
  if constexpr (!kWhole && kSum == 2) _tile_dpbf16ps(2, 6, 7);
  if constexpr (!kWhole && kSum == 3) _tile_dpbf16ps(3, 6, 7);
}

void begin_products() {
  static constexpr TileConfig kConfig;
  _tile_loadconfig(&kConfig);
}
void end_products() { _tile_release(); }

/// Sums of kRows x kColumns tiles, tile (i, j) of them at c + i · 16 rows + j · 16.
template <int kRows, int kColumns>
struct Sums {
  float* c;
  int64_t row_bytes;

  float* at(int i, int j) const { return c + i * kTile * row_bytes / 4 + j * kTile; }

  void begin(bool add) const {
    keep_order();
    if (!add) {
      _tile_zero(0);
      if constexpr (kColumns > 1) _tile_zero(1);
      if constexpr (kRows > 1) _tile_zero(2);
      if constexpr (kRows > 1 && kColumns > 1) _tile_zero(3);
      return;
    }
    _tile_loadd(0, at(0, 0), row_bytes);
    if constexpr (kColumns > 1) _tile_loadd(1, at(0, 1), row_bytes);
    if constexpr (kRows > 1) _tile_loadd(2, at(1, 0), row_bytes);
    if constexpr (kRows > 1 && kColumns > 1) _tile_loadd(3, at(1, 1), row_bytes);
  }
  void end() const {
    _tile_stored(0, at(0, 0), row_bytes);
    if constexpr (kColumns > 1) _tile_stored(1, at(0, 1), row_bytes);
    if constexpr (kRows > 1) _tile_stored(2, at(1, 0), row_bytes);
    if constexpr (kRows > 1 && kColumns > 1) _tile_stored(3, at(1, 1), row_bytes);
  }
  /// Adds products of two factors' tiles, whole or half as deep.
  template <bool kWhole>
  void add(const Narrow* a, int64_t a_rows, int64_t a_bytes, const Narrow* b,
           int64_t b_bytes) const {
    keep_order();
    load_left<kWhole>(a, a_bytes);
    load_right<kWhole>(b, b_bytes);
    add_product<kWhole, 0>();
    if constexpr (kColumns > 1) {
      load_right<kWhole>(b + 2 * kTile, b_bytes);
      add_product<kWhole, 1>();
    }
    if constexpr (kRows > 1) {
      load_left<kWhole>(a + a_rows, a_bytes);
      if constexpr (kColumns > 1) {
        add_product<kWhole, 3>();
        load_right<kWhole>(b, b_bytes);
      }
      add_product<kWhole, 2>();
    }
    keep_order();
  }
};

/// What both factors of a product with whole tiles are.
struct Factors {
  const Narrow* a;
  int64_t lda;
  const Narrow* b;
  int64_t k;
  const Repeats& repeats;
};

template <int kRows, int kColumns>
void multiply_tiles(const Factors& f, float* c, int64_t ldc, bool add) {
  const Sums<kRows, kColumns> sums{c, 4 * ldc};
  constexpr int64_t kPairs = 2 * kColumns * kTile;  // numbers of a pair of rows of a panel
  const int64_t a_rows = kTile * f.lda, a_bytes = 2 * f.lda;
  sums.begin(add);
  for (int64_t r = 0; r < f.repeats.count; ++r) {
    const Narrow *a = f.a + r * f.repeats.a, *b = f.b + r * f.repeats.b;
    int64_t k = f.k;
    for (; k >= kDepth; k -= kDepth, a += kDepth, b += kDepth / 2 * kPairs)
      sums.template add<true>(a, a_rows, a_bytes, b, 2 * kPairs);
    if (k > 0) sums.template add<false>(a, a_rows, a_bytes, b, 2 * kPairs);
  }
  sums.end();
}

/// Fewer rows than a tile has, on copies with zeros below: rows beyond may be no memory of ours.
template <int kColumns>
void multiply_few(const Factors& f, float* c, int64_t ldc, int64_t rows, bool add) {
  constexpr int64_t kWidth = kColumns * kTile, kPairs = 2 * kWidth;
  alignas(64) Narrow left[kTile * kDepth] = {};
  alignas(64) float result[kTile * kWidth] = {};
  for (int64_t i = 0; add && i < rows; ++i) copy(c + i * ldc, kWidth, result + i * kWidth);
  const Sums<1, kColumns> sums{result, 4 * kWidth};
  sums.begin(/*add=*/true);
  for (int64_t r = 0; r < f.repeats.count; ++r) {
    const Narrow *a = f.a + r * f.repeats.a, *b = f.b + r * f.repeats.b;
    for (int64_t k = 0; k < f.k; k += kDepth) {
      const int64_t depth = least(kDepth, f.k - k);
      for (int64_t i = 0; i < rows; ++i) copy(a + i * f.lda + k, depth, left + i * kDepth);
      if (depth == kDepth) {
        sums.template add<true>(left, 0, 2 * kDepth, b + k / 2 * kPairs, 2 * kPairs);
      } else {
        sums.template add<false>(left, 0, 2 * kDepth, b + k / 2 * kPairs, 2 * kPairs);
      }
    }
  }
  sums.end();
  for (int64_t i = 0; i < rows; ++i) copy<float>(result + i * kWidth, kWidth, c + i * ldc);
}

/// All rows of one panel.
template <int kColumns>
void multiply_panel(Factors f, float* c, int64_t ldc, int64_t m, bool add) {
  for (; m >= 2 * kTile; m -= 2 * kTile, f.a += 2 * kTile * f.lda, c += 2 * kTile * ldc)
    multiply_tiles<2, kColumns>(f, c, ldc, add);
  if (m >= kTile) {
    multiply_tiles<1, kColumns>(f, c, ldc, add);
    m -= kTile, f.a += kTile * f.lda, c += kTile * ldc;
  }
  if (m > 0) multiply_few<kColumns>(f, c, ldc, m, add);
}

void multiply(const Narrow* a, int64_t lda, const Narrow* b, float* c, int64_t ldc, int64_t m,
              int64_t n, int64_t k, bool add, const Repeats& repeats) {
  if (k % kHalfDepth != 0) {
    avx512_bf16_kernels()->multiply(a, lda, b, c, ldc, m, n, k, add, repeats);
    return;
  }
  for (; n >= 2 * kTile; n -= 2 * kTile, b += 2 * kTile * k, c += 2 * kTile)
    multiply_panel<2>({a, lda, b, k, repeats}, c, ldc, m, add);
  if (n > 0) multiply_panel<1>({a, lda, b, k, repeats}, c, ldc, m, add);
}

/// 16 rows of 16 pairs, turned: to[i] has pair i of every row; rows from `count` on are zeros.
void turn_pairs(const Narrow* from, int64_t stride, int64_t count, Narrow* to) {
  __m512i r[kTile], t[kTile];
  for (int64_t i = 0; i < kTile; ++i)
    r[i] = i < count ? _mm512_loadu_si512(from + i * stride) : _mm512_setzero_si512();
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  // Of each four pairs that a quarter of a vector holds, r[4 g + j] has pair j of rows 4 g to
  // 4 g + 3.
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m512i low = _mm512_shuffle_i32x4(r[j], r[4 + j], 0x88),
                  high = _mm512_shuffle_i32x4(r[j], r[4 + j], 0xdd),
                  low2 = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0x88),
                  high2 = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0xdd);
    _mm512_store_si512(to + j * kDepth, _mm512_shuffle_i32x4(low, low2, 0x88));
    _mm512_store_si512(to + (4 + j) * kDepth, _mm512_shuffle_i32x4(high, high2, 0x88));
    _mm512_store_si512(to + (8 + j) * kDepth, _mm512_shuffle_i32x4(low, low2, 0xdd));
    _mm512_store_si512(to + (12 + j) * kDepth, _mm512_shuffle_i32x4(high, high2, 0xdd));
  }
}

/// Columns of `c` that go together, so that few rows of `b` are copied on the stack.
constexpr int64_t kMostColumns = 4 * kTile;

/// 16 rows of `c`, from one tile of `a`, turned, and the rows of `b` that it meets.
void multiply_turned(const Narrow* left, const Narrow* b, int64_t b_bytes, float* c, int64_t ldc,
                     int64_t n, bool add) {
  for (; n >= 2 * kTile; n -= 2 * kTile, b += 4 * kTile, c += 2 * kTile) {
    const Sums<1, 2> sums{c, 4 * ldc};
    sums.begin(add);
    sums.add<true>(left, 0, 2 * kDepth, b, b_bytes);
    sums.end();
  }
  if (n == 0) return;
  const Sums<1, 1> sums{c, 4 * ldc};
  sums.begin(add);
  sums.add<true>(left, 0, 2 * kDepth, b, b_bytes);
  sums.end();
}

/// So many pairs of rows of both factors, up to a tile's; n is at most kMostColumns.
void add_pairs(const Narrow* a, int64_t lda, const Narrow* b, int64_t ldb, int64_t pairs, float* c,
               int64_t ldc, int64_t m, int64_t n, bool add) {
  alignas(64) Narrow left[kTile * kDepth];
  alignas(64) Narrow filled[kTile * 2 * kMostColumns];
  int64_t b_bytes = 4 * ldb;
  if (pairs < kTile) {
    for (int64_t i = 0; i < pairs; ++i) copy(b + 2 * i * ldb, 2 * n, filled + 2 * i * n);
    for (int64_t i = 2 * pairs * n; i < 2 * kTile * n; ++i) filled[i] = 0;
    b = filled, b_bytes = 4 * n;
  }
  for (int64_t i = 0; i < m; i += kTile) {
    turn_pairs(a + 2 * i, 2 * lda, pairs, left);
    multiply_turned(left, b, b_bytes, c + i * ldc, ldc, n, add);
  }
}

/// m is a number of whole tiles, or AVX-512 does it.
void multiply_transposed(const Narrow* a, int64_t lda, const Narrow* b, int64_t ldb, float* c,
                         int64_t ldc, int64_t m, int64_t n, int64_t k, bool add,
                         const Repeats& repeats) {
  if (m % kTile != 0) {
    avx512_bf16_kernels()->multiply_transposed(a, lda, b, ldb, c, ldc, m, n, k, add, repeats);
    return;
  }
  for (int64_t r = 0; r < repeats.count; ++r) {
    for (int64_t q = 0; q < k; q += kDepth) {
      const Narrow *left = a + r * repeats.a + q * lda, *right = b + r * repeats.b + q * ldb;
      for (int64_t j = 0; j < n; j += kMostColumns) {
        add_pairs(left, lda, right + 2 * j, ldb, least(kDepth, k - q) / 2, c + j, ldc, m,
                  least(kMostColumns, n - j), add || r > 0 || q > 0);
      }
    }
  }
}

}  // namespace

const MapKernels<uint16_t>* amx_kernels() {
  static const MapKernels<uint16_t> kernels = [] {
    MapKernels<uint16_t> own = *avx512_bf16_kernels();
    own.name = "AVX-512 BF16 and AMX";
    own.begin_products = begin_products;
    own.end_products = end_products;
    own.multiply = multiply;
    own.multiply_transposed = multiply_transposed;
    return own;
  }();
  return &kernels;
}

}  // namespace tailor::nn
#else

namespace tailor::nn {

const MapKernels<uint16_t>* amx_kernels() { return nullptr; }

}  // namespace tailor::nn
#endif

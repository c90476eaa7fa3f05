// Products of matrices, under the rules of nn/vector_code.h. What a product of T is, Product<T>
// says.
#pragma once

#include "nn/map_kernels.h"
#include "nn/vector_code.h"

namespace tailor::nn {
namespace {

/// kDepth rows of the summed axis go into one multiply-add. `read` and `store` are of channels that
/// lie beside one another.
template <typename T>
struct Product;

template <>
struct Product<float> {
  static constexpr int kDepth = 1;
  static Vector read(const float* p) { return load_vector(p); }
  static Vector load(const float* p) { return load_vector(p); }
  static float broadcast(const float* p) { return *p; }
  static Vector add(Vector sum, Vector w, float x) { return sum + w * x; }
  static float round(float x) { return x; }
  static float widened(float x) { return x; }
  static void store(float* p, Vector v) { store_vector(p, v); }
};

#if defined(__AVX512F__)
inline constexpr int kMostRows = 24;  // of results in registers: [kMostRows / vectors][vectors]
#else
inline constexpr int kMostRows = 12;
#endif

/// `kRows` rows of `kVectors` vectors. kTransposed: number (i, q) of a lies at a[q · lda + i], by
/// pairs.
template <typename T, int kRows, int kVectors, bool kTransposed>
void multiply_tile(const T* a, int64_t lda, const T* b, int64_t ldb, float* c, int64_t ldc,
                   int64_t k, bool add, const Repeats& repeats) {
  constexpr int kStep = Product<T>::kDepth;
  Vector sums[kRows][kVectors];
#pragma GCC unroll 32
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j)
      sums[i][j] = add ? load_vector(c + i * ldc + j * kVectorLanes) : Vector{};
  }
  for (int64_t r = 0; r < repeats.count; ++r) {
    const T *left = a + r * repeats.a, *right = b + r * repeats.b;
    for (int64_t q = 0; q < k; q += kStep, right += kStep * ldb) {
      decltype(Product<T>::load(right)) w[kVectors];
#pragma GCC unroll 2
      for (int j = 0; j < kVectors; ++j) w[j] = Product<T>::load(right + kStep * j * kVectorLanes);
#pragma GCC unroll 32
      for (int i = 0; i < kRows; ++i) {
        const auto x =
            Product<T>::broadcast(left + (kTransposed ? q * lda + kStep * i : i * lda + q));
#pragma GCC unroll 2
        for (int j = 0; j < kVectors; ++j) sums[i][j] = Product<T>::add(sums[i][j], w[j], x);
      }
    }
  }
#pragma GCC unroll 32
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) store_vector(c + i * ldc + j * kVectorLanes, sums[i][j]);
  }
}

template <typename T>
using MultiplyTile = void (*)(const T*, int64_t, const T*, int64_t, float*, int64_t, int64_t, bool,
                              const Repeats&);

/// rows[n] does n rows at once.
template <typename T, int kVectors, bool kTransposed>
struct MultiplyTiles {
  static constexpr int kMost = kMostRows / kVectors;
  MultiplyTile<T> rows[kMost + 1];

  template <int kRows>
  constexpr void fill() {
    if constexpr (kRows > 0) {
      rows[kRows] = multiply_tile<T, kRows, kVectors, kTransposed>;
      fill<kRows - 1>();
    }
  }
};

template <typename T, int kVectors, bool kTransposed>
constexpr MultiplyTiles<T, kVectors, kTransposed> make_multiply_tiles() {
  MultiplyTiles<T, kVectors, kTransposed> tiles{};
  tiles.template fill<tiles.kMost>();
  return tiles;
}

template <int kVectors, bool kTransposed, typename T>
void multiply_columns(const T* a, int64_t lda, const T* b, int64_t ldb, float* c, int64_t ldc,
                      int64_t m, int64_t k, bool add, const Repeats& repeats) {
  static constexpr auto kTiles = make_multiply_tiles<T, kVectors, kTransposed>();
  while (m > 0) {
    const int64_t n = tile_of(m, kTiles.kMost);
    kTiles.rows[n](a, lda, b, ldb, c, ldc, k, add, repeats);
    a += kTransposed ? Product<T>::kDepth * n : n * lda;
    c += n * ldc;
    m -= n;
  }
}

template <typename T>
void multiply(const T* a, int64_t lda, const T* b, float* c, int64_t ldc, int64_t m, int64_t n,
              int64_t k, bool add, const Repeats& repeats) {
  for (; n >= 2 * kVectorLanes; n -= 2 * kVectorLanes) {
    multiply_columns<2, false>(a, lda, b, 2 * kVectorLanes, c, ldc, m, k, add, repeats);
    b += 2 * kVectorLanes * k;
    c += 2 * kVectorLanes;
  }
  if (n > 0) multiply_columns<1, false>(a, lda, b, kVectorLanes, c, ldc, m, k, add, repeats);
}

template <typename T>
void multiply_transposed(const T* a, int64_t lda, const T* b, int64_t ldb, float* c, int64_t ldc,
                         int64_t m, int64_t n, int64_t k, bool add, const Repeats& repeats) {
  for (; n >= 2 * kVectorLanes; n -= 2 * kVectorLanes) {
    multiply_columns<2, true>(a, lda, b, ldb, c, ldc, m, k, add, repeats);
    b += Product<T>::kDepth * 2 * kVectorLanes;
    c += 2 * kVectorLanes;
  }
  if (n > 0) multiply_columns<1, true>(a, lda, b, ldb, c, ldc, m, k, add, repeats);
}

template <typename T>
void pack_panels(const float* at, int64_t row_stride, int64_t column_stride, int64_t rows,
                 int64_t columns, T* panels) {
  constexpr int64_t kDepth = Product<T>::kDepth;
  for (int64_t j = 0; j < columns; j += 2 * kVectorLanes) {
    const int64_t width = columns - j <= kVectorLanes ? kVectorLanes : 2 * kVectorLanes,
                  whole = columns - j < width ? columns - j : width;
    for (int64_t i = 0; i < rows; ++i) {
      const float* from = at + i * row_stride + j * column_stride;
      T* to = panels + i / kDepth * kDepth * width + i % kDepth;
      for (int64_t q = 0; q < whole; ++q)
        to[q * kDepth] = Product<T>::round(from[q * column_stride]);
      for (int64_t q = whole; q < width; ++q) to[q * kDepth] = 0;
    }
    panels += rows * width;
  }
}

template <typename T>
void widen(const T* from, float* to, int64_t n) {
  int64_t i = 0;
  for (; i + kVectorLanes <= n; i += kVectorLanes) store_vector(to + i, Product<T>::read(from + i));
  for (; i < n; ++i) to[i] = Product<T>::widened(from[i]);
}

}  // namespace
}  // namespace tailor::nn

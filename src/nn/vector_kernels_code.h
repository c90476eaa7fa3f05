// The code of VectorKernels' depthwise loops, under the rules of nn/vector_code.h, and all of them
// in one record.
#pragma once

#include "nn/map_kernels_code.h"
#include "nn/tile_kernels_code.h"
#include "nn/vector_code.h"
#include "nn/vector_kernels.h"

namespace tailor::nn {
namespace {

template <int kCount>
void correlate_tile(const float* rows, const TapRun* runs, int64_t run_count, const float* weights,
                    const float* start, float* out, int64_t out_stride) {
  Vector sums[kCount];
#pragma GCC unroll 32
  for (int t = 0; t < kCount; ++t) sums[t] = load_vector(start);
  for (const TapRun* run = runs; run != runs + run_count; ++run) {
    const float* x = rows + run->first * kVectorLanes;
    const int64_t step = run->step * kVectorLanes;
    for (int64_t i = 0; i < run->taps; ++i, x += step, weights += kVectorLanes) {
      const Vector w = load_vector(weights);
#pragma GCC unroll 32
      for (int t = 0; t < kCount; ++t) sums[t] += w * load_vector(x + t * kVectorLanes);
    }
  }
#pragma GCC unroll 32
  for (int t = 0; t < kCount; ++t) store_vector(out + t * out_stride, sums[t]);
}

template <int kCount>
void accumulate_tile(const float* rows, int64_t step, const float* factors, float* sums,
                     int64_t count) {
  Vector s[kCount];
#pragma GCC unroll 32
  for (int i = 0; i < kCount; ++i) s[i] = load_vector(sums + i * kVectorLanes);
  for (int64_t t = 0; t < count; ++t, rows += kVectorLanes, factors += kVectorLanes) {
    const Vector factor = load_vector(factors);
    const float* x = rows;
#pragma GCC unroll 32
    for (int i = 0; i < kCount; ++i, x += step) s[i] += factor * load_vector(x);
  }
#pragma GCC unroll 32
  for (int i = 0; i < kCount; ++i) store_vector(sums + i * kVectorLanes, s[i]);
}

using CorrelateTile = void (*)(const float*, const TapRun*, int64_t, const float*, const float*,
                               float*, int64_t);
using AccumulateTile = void (*)(const float*, int64_t, const float*, float*, int64_t);

/// tiles[n] does n results at once.
struct Tiles {
  CorrelateTile correlate[kMostSums + 1];
  AccumulateTile accumulate[kMostSums + 1];
};

template <int kCount>
constexpr void fill_tiles(Tiles& tiles) {
  if constexpr (kCount > 0) {
    tiles.correlate[kCount] = correlate_tile<kCount>;
    tiles.accumulate[kCount] = accumulate_tile<kCount>;
    fill_tiles<kCount - 1>(tiles);
  }
}

constexpr Tiles make_tiles() {
  Tiles tiles{};
  fill_tiles<kMostSums>(tiles);
  return tiles;
}
inline constexpr Tiles kTiles = make_tiles();

inline void pack(const float* source, int64_t stride, float* rows, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    store_vector(rows + i * kVectorLanes, load_vector(source + i * stride));
}

inline void correlate(const float* rows, const TapRun* runs, int64_t run_count,
                      const float* weights, const float* start, float* out, int64_t out_stride,
                      int64_t count) {
  while (count > 0) {
    const int64_t n = tile_of(count, kMostSums);
    kTiles.correlate[n](rows, runs, run_count, weights, start, out, out_stride);
    rows += n * kVectorLanes;
    out += n * out_stride;
    count -= n;
  }
}

inline void accumulate(const float* rows, const TapRun& run, const float* factors, float* sums,
                       int64_t count) {
  const int64_t step = run.step * kVectorLanes;
  rows += run.first * kVectorLanes;
  for (int64_t left = run.taps; left > 0;) {
    const int64_t n = tile_of(left, kMostSums);
    kTiles.accumulate[n](rows, step, factors, sums, count);
    rows += n * step;
    sums += n * kVectorLanes;
    left -= n;
  }
}

/// Sums differ, so that none is computed for another, and go to 1: subnormal numbers would be slow.
inline int64_t spin(int64_t repeats) {
  float start[kMostSums * kVectorLanes];
  for (int i = 0; i < kMostSums * kVectorLanes; ++i) start[i] = 1 + static_cast<float>(i) / 512;
  Vector sums[kMostSums];
  for (int i = 0; i < kMostSums; ++i) sums[i] = load_vector(start + i * kVectorLanes);
  const Vector half = sums[0] * 0 + 0.5F;
  for (int64_t r = 0; r < repeats; ++r) {
#pragma GCC unroll 32
    for (int i = 0; i < kMostSums; ++i) sums[i] = sums[i] * half + half;
  }
  Vector all = sums[0];
  for (int i = 1; i < kMostSums; ++i) all += sums[i];
  volatile float used = all[0];
  static_cast<void>(used);
  return repeats * kMostSums * kVectorLanes;
}

constexpr VectorKernels make_vector_kernels(const char* name) {
  return {name,
          kVectorLanes,
          pack,
          correlate,
          accumulate,
          spin,
          make_map_kernels<float>(name, tiles_of_input<float>, tiles_of_gradient, tiles_of_kernel)};
}

}  // namespace
}  // namespace tailor::nn

// A vector of the instruction set that the including file is compiled for. Without one name that
// the linker could share between those files: no standard header, all in here unnamed.
#pragma once

#include <cstdint>

namespace tailor::nn {
namespace {

#if defined(__AVX512F__)
inline constexpr int kVectorLanes = 16, kMostSums = 24;  // of 32 registers
#elif defined(__AVX2__)
inline constexpr int kVectorLanes = 8, kMostSums = 13;  // of 16
#else
inline constexpr int kVectorLanes = 4, kMostSums = 12;  // of 16 or 32
#endif

typedef float Vector __attribute__((vector_size(4 * kVectorLanes), aligned(4), may_alias));

inline Vector load_vector(const float* p) { return *reinterpret_cast<const Vector*>(p); }
inline void store_vector(float* p, Vector v) { *reinterpret_cast<Vector*>(p) = v; }

/// Of `count` results the first as many as share a tile of at most `most`, when all tiles are about
/// as large.
inline int64_t tile_of(int64_t count, int64_t most) {
  const int64_t tiles = (count + most - 1) / most;
  return (count + tiles - 1) / tiles;
}

}  // namespace
}  // namespace tailor::nn

// The innermost loops over maps in channels-last memory, one version an instruction set: a vector
// is so many channels. Who calls them cuts maps into blocks and packs them (nn/depthwise.cc).
#pragma once

#include <cstdint>

#include "nn/map_kernels.h"

namespace tailor::nn {

/// Taps of a depthwise convolution that lie evenly: tap i of output t reads row
/// first + i · step + t.
struct TapRun {
  int64_t first, step, taps;
};

/// All pointers are to float32 and need no alignment. A packed row is `lanes` channels side by
/// side.
struct VectorKernels {
  const char* name;
  int64_t lanes;
  /// Copies `count` rows of `lanes` floats that lie `stride` floats apart to packed ones.
  void (*pack)(const float* source, int64_t stride, float* rows, int64_t count);
  /// out[t] = start + Σ over runs and their taps of weight · row, t in [0, count). Weights: [taps
  /// of all runs][lanes], start: [lanes]; out's rows are `out_stride` floats apart.
  void (*correlate)(const float* rows, const TapRun* runs, int64_t run_count, const float* weights,
                    const float* start, float* out, int64_t out_stride, int64_t count);
  /// sums[i] += Σ over t in [0, count) of factors[t] · row of tap i; sums [taps of the run][lanes],
  /// factors [count][lanes].
  void (*accumulate)(const float* rows, const TapRun& run, const float* factors, float* sums,
                     int64_t count);
  /// So many times a multiply-add in each of as many sums as registers hold; returns how many
  /// numbers were multiplied.
  int64_t (*spin)(int64_t repeats);
  MapKernels<float> map;
};

/// The fastest that this CPU has, up to the instruction set `largest`, a value of oneDNN's variable
/// ONEDNN_MAX_CPU_ISA: SSE41 and AVX leave the plain version, AVX2… the one for AVX2.
const VectorKernels& find_vector_kernels(const char* largest);
/// Those of bfloat16 beside them, or null where this CPU has no instruction for them. By AMX unless
/// `largest` stops in front of it; the first such call asks Linux for tiles, for good.
const MapKernels<uint16_t>* find_narrow_kernels(const char* largest);
/// Those for this process's ONEDNN_MAX_CPU_ISA (up to oneDNN 2.6 DNNL_MAX_CPU_ISA) at the first
/// call.
const VectorKernels& vector_kernels();
const MapKernels<uint16_t>* narrow_kernels();

/// Of maps of float, or of bfloat16 where there are such.
template <typename T>
const MapKernels<T>& map_kernels();
template <>
inline const MapKernels<float>& map_kernels() {
  return vector_kernels().map;
}
template <>
inline const MapKernels<uint16_t>& map_kernels() {
  return *narrow_kernels();
}

}  // namespace tailor::nn

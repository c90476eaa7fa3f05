// The innermost loops of maps in channels-last memory, one version an instruction set: vectors go
// over channels. Who calls them cuts maps into blocks and packs them (nn/depthwise.cc).
#pragma once

#include <cstdint>

namespace tailor::nn {

/// Taps of a depthwise convolution that lie evenly: tap i reads row first + i · step.
struct TapRun {
  int64_t first, step, taps;
};

/// All pointers are to float32; a packed row is `lanes` channels side by side.
struct VectorKernels {
  const char* name;
  int64_t lanes;
  /// Copies `count` rows of `lanes` floats that lie stride floats apart to packed ones.
  void (*pack)(const float* source, int64_t stride, float* rows, int64_t count);
  /// out[t] = start + Σ over runs r, taps i of weights[·] · rows[r.first + i · r.step + t], t in
  /// [0, count). Weights [taps of all runs][lanes]; out's rows are out_stride floats apart.
  void (*correlate)(const float* rows, const TapRun* runs, int64_t run_count, const float* weights,
                    const float* start, float* out, int64_t out_stride, int64_t count);
  /// sums[i] += Σ over t in [0, count) of factors[t] · rows[run.first + i · run.step + t]; sums
  /// [taps of the run][lanes], factors [count][lanes].
  void (*accumulate)(const float* rows, const TapRun& run, const float* factors, float* sums,
                     int64_t count);
};

/// The fastest that this CPU has, and that ONEDNN_MAX_CPU_ISA or DNNL_MAX_CPU_ISA in the
/// environment allows, as of oneDNN's own kernels. Chosen once a process.
const VectorKernels& vector_kernels();

}  // namespace tailor::nn

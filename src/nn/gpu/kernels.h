// What the CUDA kernels take: maps in bfloat16, row by row of `channels` values (channels-last),
// everything else in float32; all on one device, nothing waits for it.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace tailor::nn::gpu {

struct Map {
  int64_t rows = 0;  // images × pixels
  int channels = 0;  // a power of two, 8 to 256
};

/// Of each channel [channels].
struct Statistics {
  float *mean, *inverse_deviation;
};

/// Floats that a reduction over a map needs between its blocks, and counters, all 0 before the
/// first one; a reduction leaves counters at 0.
int64_t scratch_floats(const Map& map);
constexpr int64_t kCounters = 1;

/// Batch statistics of x, and the running ones moved by `momentum` to them (the variance that
/// remains is unbiased). Sums are of the distance to the running mean, and in an order that depends
/// on the map's size alone.
void batch_statistics(const uint16_t* x, const Map& map, float epsilon, float momentum,
                      float* running_mean, float* running_variance, Statistics out, float* scratch,
                      unsigned* counters, cudaStream_t stream);

/// y = x · gamma · inverse deviation + (beta - mean · …), plus `skip` unless null, and a ReLU if
/// asked for. Without statistics y = x + beta …
void normalise(const uint16_t* x, const uint16_t* skip, bool relu, const Map& map,
               const Statistics* statistics, const float* gamma, const float* beta, uint16_t* y,
               cudaStream_t stream);

/// What `normalise` passes back from dy, of y (null: there was no ReLU): dx; d_skip unless null;
/// d_gamma and d_beta are added to. `sums`: 2 · channels floats to work with.
void normalise_backward(const uint16_t* dy, const uint16_t* y, const uint16_t* x, const Map& map,
                        Statistics statistics, const float* gamma, uint16_t* dx, uint16_t* d_skip,
                        float* d_gamma, float* d_beta, float* sums, float* scratch,
                        unsigned* counters, cudaStream_t stream);

}  // namespace tailor::nn::gpu

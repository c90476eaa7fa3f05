// Batch norm, skip and ReLU in two passes over a map, forward and backward: at 128 images of 32 x
// 32 a step is bound by the number of its kernels.
#include <cuda_bf16.h>

#include "nn/gpu/kernels.h"

namespace tailor::nn::gpu {
namespace {

constexpr int kThreads = 512, kWarps = kThreads / 32, kMostBlocks = 132, kLanes = 8;
constexpr int kMostChannels = 256;

/// Eight channels of a row.
struct alignas(16) Eight {
  __nv_bfloat16 v[kLanes];
};

__device__ Eight load(const uint16_t* p, int64_t i) {
  return reinterpret_cast<const Eight*>(p)[i];
}
__device__ void store(uint16_t* p, int64_t i, const Eight& e) {
  reinterpret_cast<Eight*>(p)[i] = e;
}
__device__ void to_float(const Eight& e, float* out) {
#pragma unroll
  for (int k = 0; k < kLanes; ++k) out[k] = __bfloat162float(e.v[k]);
}

int blocks_of(const Map& map) {
  const int64_t eights = map.rows * map.channels / kLanes;
  const int64_t wanted = (eights + 4 * kThreads - 1) / (4 * kThreads);
  return static_cast<int>(wanted < 1 ? 1 : wanted > kMostBlocks ? kMostBlocks : wanted);
}

/// Sums of a block: `first` and `second` of 8 channels in every thread become 2 · channels sums in
/// `out`. Threads of one group of channels are `groups` lanes apart.
__device__ void sum_block(float* first, float* second, int groups, float* out) {
  __shared__ float parts[kWarps][2 * kMostChannels];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, channels = groups * kLanes;
#pragma unroll
  for (int k = 0; k < kLanes; ++k) {
    for (int apart = groups; apart < 32; apart <<= 1) {
      first[k] += __shfl_xor_sync(0xffffffffU, first[k], apart);
      second[k] += __shfl_xor_sync(0xffffffffU, second[k], apart);
    }
  }
  if (lane < groups) {
#pragma unroll
    for (int k = 0; k < kLanes; ++k) {
      parts[warp][lane * kLanes + k] = first[k];
      parts[warp][channels + lane * kLanes + k] = second[k];
    }
  }
  __syncthreads();
  for (int c = threadIdx.x; c < 2 * channels; c += kThreads) {
    float sum = 0;
    for (int w = 0; w < kWarps; ++w) sum += parts[w][c];
    out[c] = sum;
  }
  __syncthreads();
}

/// Adds up what all blocks have left in `scratch`, in the last block that comes here, in the order
/// of the blocks. True in that one; `totals` is shared memory of 2 · channels.
__device__ bool sum_blocks(float* scratch, unsigned* counter, int channels, float* totals) {
  __shared__ bool last;
  __shared__ float pieces[kThreads];
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) last = atomicAdd(counter, 1U) == gridDim.x - 1;
  __syncthreads();
  if (!last) return false;
  __threadfence();
  const int sums = 2 * channels, each = kThreads / sums > 0 ? kThreads / sums : 1;
  const int blocks = static_cast<int>(gridDim.x);
  for (int first = 0; first < sums; first += kThreads) {
    const int c = first + static_cast<int>(threadIdx.x) % sums;
    const int piece = sums < kThreads ? static_cast<int>(threadIdx.x) / sums : 0;
    float sum = 0;
    if (piece < each && c < sums) {
      const int from = blocks * piece / each, to = blocks * (piece + 1) / each;
#pragma unroll 8
      for (int b = from; b < to; ++b) sum += __ldcg(scratch + static_cast<int64_t>(b) * sums + c);
    }
    pieces[threadIdx.x] = sum;
    __syncthreads();
    if (static_cast<int>(threadIdx.x) < sums && first + static_cast<int>(threadIdx.x) < sums) {
      float total = 0;
      for (int p = 0; p < each; ++p) total += pieces[threadIdx.x + p * sums];
      totals[first + threadIdx.x] = total;
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) *counter = 0;
  return true;
}

__global__ void __launch_bounds__(kThreads)
    statistics_kernel(const uint16_t* x, Map map, float epsilon, float momentum,
                      float* running_mean, float* running_variance, Statistics out, float* scratch,
                      unsigned* counter) {
  __shared__ float totals[2 * kMostChannels];
  const int groups = map.channels / kLanes, group = threadIdx.x % groups;
  float about[kLanes], sums[kLanes] = {}, squares[kLanes] = {};
#pragma unroll
  for (int k = 0; k < kLanes; ++k) about[k] = running_mean[group * kLanes + k];
  const int64_t n = map.rows * groups, stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < n; i += stride) {
    float v[kLanes];
    to_float(load(x, i), v);
#pragma unroll
    for (int k = 0; k < kLanes; ++k) {
      const float d = v[k] - about[k];
      sums[k] += d;
      squares[k] += d * d;
    }
  }
  sum_block(sums, squares, groups, scratch + static_cast<int64_t>(blockIdx.x) * 2 * map.channels);
  if (!sum_blocks(scratch, counter, map.channels, totals)) return;
  const float rows = static_cast<float>(map.rows);
  for (int c = threadIdx.x; c < map.channels; c += kThreads) {
    const float off = totals[c] / rows;
    const float found = totals[map.channels + c] / rows - off * off;
    const float variance = found < 0 ? 0.0F : found;  // NaN stays
    const float mean = running_mean[c] + off;
    out.mean[c] = mean;
    out.inverse_deviation[c] = rsqrtf(variance + epsilon);
    running_mean[c] += momentum * (mean - running_mean[c]);
    const float unbiased = variance * (rows / (rows - 1));
    running_variance[c] += momentum * (unbiased - running_variance[c]);
  }
}

__global__ void __launch_bounds__(kThreads)
    normalise_kernel(const uint16_t* x, const uint16_t* skip, bool relu, Map map, bool scales,
                     Statistics statistics, const float* gamma, const float* beta, uint16_t* y) {
  const int groups = map.channels / kLanes, group = threadIdx.x % groups;
  float scale[kLanes], shift[kLanes];
#pragma unroll
  for (int k = 0; k < kLanes; ++k) {
    const int c = group * kLanes + k;
    scale[k] = scales ? gamma[c] * statistics.inverse_deviation[c] : 1.0F;
    shift[k] = beta[c] - (scales ? statistics.mean[c] * scale[k] : 0.0F);
  }
  const int64_t n = map.rows * groups, stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < n; i += stride) {
    float v[kLanes], s[kLanes] = {};
    to_float(load(x, i), v);
    if (skip) to_float(load(skip, i), s);
    Eight out;
#pragma unroll
    for (int k = 0; k < kLanes; ++k) {
      const float sum = fmaf(v[k], scale[k], shift[k]) + s[k];
      out.v[k] = __float2bfloat16_rn(relu && sum < 0 ? 0.0F : sum);  // NaN stays
    }
    store(y, i, out);
  }
}

/// dy where the ReLU let through.
__device__ void gradient_behind(const uint16_t* dy, const uint16_t* y, int64_t i, float* g) {
  to_float(load(dy, i), g);
  if (!y) return;
  float out[kLanes];
  to_float(load(y, i), out);
#pragma unroll
  for (int k = 0; k < kLanes; ++k) g[k] = out[k] <= 0 ? 0.0F : g[k];
}

__global__ void __launch_bounds__(kThreads)
    backward_sums_kernel(const uint16_t* dy, const uint16_t* y, const uint16_t* x, Map map,
                         Statistics statistics, uint16_t* d_skip, float* d_gamma, float* d_beta,
                         float* means, float* scratch, unsigned* counter) {
  __shared__ float totals[2 * kMostChannels];
  const int groups = map.channels / kLanes, group = threadIdx.x % groups;
  float mean[kLanes], inverse[kLanes], sums[kLanes] = {}, products[kLanes] = {};
#pragma unroll
  for (int k = 0; k < kLanes; ++k) {
    mean[k] = statistics.mean[group * kLanes + k];
    inverse[k] = statistics.inverse_deviation[group * kLanes + k];
  }
  const int64_t n = map.rows * groups, stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < n; i += stride) {
    float g[kLanes], v[kLanes];
    gradient_behind(dy, y, i, g);
    to_float(load(x, i), v);
    Eight out;
#pragma unroll
    for (int k = 0; k < kLanes; ++k) {
      sums[k] += g[k];
      products[k] += g[k] * ((v[k] - mean[k]) * inverse[k]);
      out.v[k] = __float2bfloat16_rn(g[k]);
    }
    if (d_skip) store(d_skip, i, out);
  }
  sum_block(sums, products, groups, scratch + static_cast<int64_t>(blockIdx.x) * 2 * map.channels);
  if (!sum_blocks(scratch, counter, map.channels, totals)) return;
  const float rows = static_cast<float>(map.rows);
  for (int c = threadIdx.x; c < map.channels; c += kThreads) {
    d_beta[c] += totals[c];
    d_gamma[c] += totals[map.channels + c];
    means[c] = totals[c] / rows;
    means[map.channels + c] = totals[map.channels + c] / rows;
  }
}

__global__ void __launch_bounds__(kThreads)
    backward_kernel(const uint16_t* dy, const uint16_t* y, const uint16_t* x, Map map,
                    Statistics statistics, const float* gamma, const float* means, uint16_t* dx) {
  const int groups = map.channels / kLanes, group = threadIdx.x % groups;
  float mean[kLanes], inverse[kLanes], scale[kLanes], of_g[kLanes], of_product[kLanes];
#pragma unroll
  for (int k = 0; k < kLanes; ++k) {
    const int c = group * kLanes + k;
    mean[k] = statistics.mean[c];
    inverse[k] = statistics.inverse_deviation[c];
    scale[k] = gamma[c] * inverse[k];
    of_g[k] = means[c];
    of_product[k] = means[map.channels + c];
  }
  const int64_t n = map.rows * groups, stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < n; i += stride) {
    float g[kLanes], v[kLanes];
    gradient_behind(dy, y, i, g);
    to_float(load(x, i), v);
    Eight out;
#pragma unroll
    for (int k = 0; k < kLanes; ++k) {
      const float normal = (v[k] - mean[k]) * inverse[k];
      out.v[k] = __float2bfloat16_rn(scale[k] * (g[k] - of_g[k] - normal * of_product[k]));
    }
    store(dx, i, out);
  }
}

}  // namespace

int64_t scratch_floats(const Map& map) {
  return static_cast<int64_t>(kMostBlocks) * 2 * map.channels;
}

void batch_statistics(const uint16_t* x, const Map& map, float epsilon, float momentum,
                      float* running_mean, float* running_variance, Statistics out, float* scratch,
                      unsigned* counters, cudaStream_t stream) {
  statistics_kernel<<<blocks_of(map), kThreads, 0, stream>>>(
      x, map, epsilon, momentum, running_mean, running_variance, out, scratch, counters);
}

void normalise(const uint16_t* x, const uint16_t* skip, bool relu, const Map& map,
               const Statistics* statistics, const float* gamma, const float* beta, uint16_t* y,
               cudaStream_t stream) {
  const Statistics none{nullptr, nullptr};
  normalise_kernel<<<4 * blocks_of(map), kThreads, 0, stream>>>(
      x, skip, relu, map, statistics != nullptr, statistics ? *statistics : none, gamma, beta, y);
}

void normalise_backward(const uint16_t* dy, const uint16_t* y, const uint16_t* x, const Map& map,
                        Statistics statistics, const float* gamma, uint16_t* dx, uint16_t* d_skip,
                        float* d_gamma, float* d_beta, float* sums, float* scratch,
                        unsigned* counters, cudaStream_t stream) {
  backward_sums_kernel<<<blocks_of(map), kThreads, 0, stream>>>(
      dy, y, x, map, statistics, d_skip, d_gamma, d_beta, sums, scratch, counters);
  // What went to the skip is dy where the ReLU let through.
  backward_kernel<<<4 * blocks_of(map), kThreads, 0, stream>>>(
      d_skip ? d_skip : dy, d_skip ? nullptr : y, x, map, statistics, gamma, sums, dx);
}

}  // namespace tailor::nn::gpu

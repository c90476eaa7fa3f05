// The passes of a batch norm over maps of T on the CPU, channels-last: statistics from pieces, the
// normalised map, and both backward. Pieces are the same ones for any number of threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <vector>

#include "nn/fused_norm.h"
#include "nn/vector_kernels.h"
#include "tailor/nn/workers.h"

namespace tailor::nn {

/// A map's pixels in chunks, of which both passes over one find it in the first-level cache.
struct Chunks {
  static constexpr int64_t kNumbers = 4096;
  int64_t channels, pixels, most;

  Chunks(int64_t channels_of, int64_t pixels_of)
      : channels(channels_of),
        pixels(pixels_of),
        most(std::max<int64_t>(1, kNumbers / channels_of)) {}
  explicit Chunks(const at::Tensor& x) : Chunks(x.size(1), x.size(0) * x.size(2) * x.size(3)) {}
  int64_t count() const { return (pixels + most - 1) / most; }
  /// Pixels of a chunk.
  int64_t size(int64_t chunk) const { return std::min(most, pixels - chunk * most); }
  /// of(chunk, first number, pixels) for each, in parallel.
  template <typename F>
  void each(F of) const {
    work_off(count(), [&](WorkQueue& queue) {
      for (int64_t i = queue.take(); i >= 0; i = queue.take()) of(i, i * most * channels, size(i));
    });
  }
};

/// Two sums of a chunk, `channels` floats each.
class ChunkSums {
 public:
  explicit ChunkSums(const Chunks& chunks)
      : chunks_(chunks), sums_(static_cast<size_t>(2 * chunks.count() * chunks.channels)) {}
  float* first(int64_t chunk) { return sums_.data() + 2 * chunk * chunks_.channels; }
  float* second(int64_t chunk) { return first(chunk) + chunks_.channels; }

 private:
  const Chunks& chunks_;
  std::vector<float> sums_;
};

/// Of each channel, in float64.
struct Moments {
  std::vector<double> mean, squares;  // of the deviations from the mean
};

/// Moments of a map that are taken piece by piece, in any order and by several threads, and put
/// together in the order of the pieces.
class PieceMoments {
 public:
  void reserve(int64_t pieces, int64_t channels) {
    channels_ = channels;
    pixels_.assign(static_cast<size_t>(pieces), 0);
    numbers_.resize(static_cast<size_t>(2 * pieces * channels));
  }
  template <typename T>
  void take(int64_t piece, const T* x, int64_t pixels) {
    pixels_[static_cast<size_t>(piece)] = pixels;
    float* mean = numbers_.data() + 2 * piece * channels_;
    map_kernels<T>().moments(x, pixels, channels_, mean, mean + channels_);
  }
  Moments total() const;

 private:
  int64_t channels_ = 0;
  std::vector<int64_t> pixels_;
  std::vector<float> numbers_;
};

/// Four rows of `channels` floats that a backward pass reads again.
struct Saved {
  float *mean, *inverse, *scale, *shift;
  Saved(const at::Tensor& rows, int64_t channels)
      : mean(rows.data_ptr<float>()),
        inverse(mean + channels),
        scale(inverse + channels),
        shift(scale + channels) {}
};

/// Fills `saved` and moves the running statistics.
void take_statistics(const Chunks& chunks, const Moments& moments, const NormParameters& norm,
                     const Saved& saved);

/// relu?(normalised x + skip); the skip may be null.
template <typename T>
void normalise_map(const T* x, const T* skip, const Chunks& chunks, const Saved& saved, bool relu,
                   T* y) {
  chunks.each([&](int64_t, int64_t at, int64_t pixels) {
    map_kernels<T>().normalise(x + at, skip ? skip + at : nullptr, saved.scale, saved.shift, relu,
                               pixels, chunks.channels, y + at);
  });
}

/// What a backward pass does: dx = to_gradient · g + to_input · x + constant.
struct NormBackward {
  std::vector<float> to_gradient, to_input, constant, d_gamma, d_beta;
};

template <typename T>
NormGradient<T> part_of(NormGradient<T> all, int64_t at) {
  all.gradient += at, all.input += at;
  if (all.output) all.output += at;
  return all;
}

/// The first of two passes; `masked`, if any, becomes the gradient behind the ReLU.
template <typename T>
NormBackward sum_gradients(const Chunks& chunks, const NormGradient<T>& all, const Saved& saved,
                           T* masked);
extern template NormBackward sum_gradients(const Chunks&, const NormGradient<float>&, const Saved&,
                                           float*);
extern template NormBackward sum_gradients(const Chunks&, const NormGradient<uint16_t>&,
                                           const Saved&, uint16_t*);

/// What the second pass reads: `masked` where there is one.
template <typename T>
NormGradient<T> second_pass(const NormGradient<T>& all, const T* masked) {
  if (!masked) return all;
  return {masked, all.input, nullptr, nullptr, nullptr, ReluMask::None};
}

/// The mask of an output that was kept, or of one that was not.
inline ReluMask mask_of(bool relu, bool has_output) {
  return !relu ? ReluMask::None : has_output ? ReluMask::Output : ReluMask::Recomputed;
}

at::Tensor row_of(const std::vector<float>& values, const at::Tensor& like);

}  // namespace tailor::nn

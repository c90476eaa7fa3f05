// Passes of a convolution over maps of T in channels-last memory on the CPU, float or bfloat16
// (uint16_t): by minimal filtering and by products of rows. Weights and sums are float32.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <new>

#include "nn/batch_norm_passes.h"
#include "nn/convolution.h"
#include "nn/floats.h"
#include "nn/map_kernels.h"
#include "nn/vector_kernels.h"
#include "tailor/core/rooms.h"
#include "tailor/nn/workers.h"
#include "tailor/tensors/window.h"

namespace tailor::nn {

/// work_off by threads that make products of T, and run nothing but these kernels.
template <typename T, typename Work>
void work_off_products(int64_t n, Work work) {
  struct Scope {
    Scope() { map_kernels<T>().begin_products(); }
    ~Scope() { map_kernels<T>().end_products(); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
  };
  work_off(n, [&](WorkQueue& queue) {
    const Scope scope;
    work(queue);
  });
}

/// One convolution; its weight and that one's gradient are [out][kernel rows][kernel columns][in].
struct MapConv {
  int64_t images;
  MapShape in, out;  // of one image
  Window window;

  int64_t weights() const { return in.channels * window.taps() * out.channels; }
};

/// What a backward pass reads and makes: `dx` and `dw` may be null.
template <typename T>
struct MapGradients {
  const T *x, *dy;
  const float* weight;
  T* dx;
  float* dw;
  /// Where dy is null: makes that of so many images, the first at `to`. Called by several threads.
  std::function<void(int64_t first_image, int64_t images, T* to)> make_dy;

  /// Of some images, in `room` where it is made.
  const T* dy_of(const MapConv& conv, int64_t first_image, int64_t images, Floats& room) const {
    if (dy) return dy + first_image * conv.out.size();
    room.resize(images * conv.out.size());
    T* to = reinterpret_cast<T*>(room.data());
    make_dy(first_image, images, to);
    return to;
  }
};

/// A pair of passes.
template <typename T>
struct MapPasses {
  /// `moments`, if any: takes those of the output, piece by piece.
  void (*forward)(const MapConv& conv, const T* x, const float* weight, const Epilogue<T>& epilogue,
                  T* y, PieceMoments* moments);
  void (*backward)(const MapConv& conv, const MapGradients<T>& gradients);
};

/// Kernels of 3x3 and stride 1 with whole vectors of channels: 4 multiplications where the
/// definition has 9 (Lavin and Gray 2016), sums about as exact.
bool is_for_winograd(const MapConv& conv);
template <typename T>
MapPasses<T> winograd_passes();

/// Few taps, undilated columns and whole vectors of output channels; for dx of input channels too.
bool is_for_row_products(const MapConv& conv);
template <typename T>
MapPasses<T> row_product_passes(const MapConv& conv);

/// Partial sums, `size` floats each, one of each part of the images. Whoever makes them begins
/// them: what is in them at first is anything.
class PartialSums {
 public:
  PartialSums(int64_t images, int64_t size)
      : images_(images),
        count_(std::min<int64_t>(images, kMost)),
        size_(size),
        sums_(allocate(count_ * size)) {}
  int64_t count() const { return count_; }
  int64_t first_image(int64_t part) const { return part * images_ / count_; }
  float* of(int64_t part) { return sums_.get() + part * size_; }
  /// Adds all of them to the first, in order, and returns that.
  const float* total();

 private:
  static constexpr int64_t kMost = 16;
  static constexpr std::align_val_t kLine{64};  // no vector lies across two lines of the cache
  struct Free {
    void operator()(float* sums) const { ::operator delete[](sums, kLine); }
  };
  static float* allocate(int64_t floats) {
    return static_cast<float*>(
        ::operator new[](static_cast<size_t>(floats) * sizeof(float), kLine));
  }
  int64_t images_, count_, size_;
  std::unique_ptr<float[], Free> sums_;
};

}  // namespace tailor::nn

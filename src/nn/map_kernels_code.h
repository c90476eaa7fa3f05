// The code of MapKernels, under the rules of nn/vector_code.h.
#pragma once

#include "nn/map_kernels.h"
#include "nn/product_kernels_code.h"
#include "nn/tile_kernels_code.h"
#include "nn/vector_code.h"

namespace tailor::nn {
namespace {

/// Sums over pixels of one vector of channels, four at a time: an addition takes as long.
template <typename Term>
inline Vector sum_pixels(int64_t pixels, Term term) {
  Vector sums[4] = {};
  int64_t p = 0;
  for (; p + 4 <= pixels; p += 4) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) sums[i] += term(p + i);
  }
  for (; p < pixels; ++p) sums[0] += term(p);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

template <typename T>
void moments(const T* x, int64_t pixels, int64_t channels, float* mean, float* squares) {
  for (int64_t c = 0; c < channels; c += kVectorLanes) {
    auto at = [&](int64_t p) { return Product<T>::read(x + c + p * channels); };
    const Vector m = sum_pixels(pixels, at) / static_cast<float>(pixels);
    store_vector(mean + c, m);
    store_vector(squares + c, sum_pixels(pixels, [&](int64_t p) {
                   const Vector d = at(p) - m;
                   return d * d;
                 }));
  }
}

template <typename T>
void activate(const float* from, const Epilogue<T>& e, int64_t pixels, int64_t channels, T* to) {
  for (int64_t c = 0; c < channels; c += kVectorLanes) {
    const Vector bias = e.bias ? load_vector(e.bias + c) : Vector{};
    for (int64_t p = 0; p < pixels; ++p) {
      const int64_t at = p * channels + c;
      store_pixel(to + at, load_vector(from + at), at, e, bias);
    }
  }
}

template <bool kSkip, bool kRelu, typename T>
void normalise_as(const T* x, const T* skip, const float* scale, const float* shift, int64_t pixels,
                  int64_t channels, T* y) {
  for (int64_t c = 0; c < channels; c += kVectorLanes) {
    const Vector s = load_vector(scale + c), b = load_vector(shift + c);
    for (int64_t p = 0; p < pixels; ++p) {
      const int64_t at = p * channels + c;
      Vector v = Product<T>::read(x + at) * s + b;
      if constexpr (kSkip) v += Product<T>::read(skip + at);
      Product<T>::store(y + at, kRelu ? relu_of(v) : v);
    }
  }
}

template <typename T>
void normalise(const T* x, const T* skip, const float* scale, const float* shift, bool relu,
               int64_t pixels, int64_t channels, T* y) {
  auto* run = relu ? (skip ? normalise_as<true, true, T> : normalise_as<false, true, T>)
                   : (skip ? normalise_as<true, false, T> : normalise_as<false, false, T>);
  run(x, skip, scale, shift, pixels, channels, y);
}

/// Of one vector of channels.
template <ReluMask kMask, typename T>
struct MaskedGradient {
  const NormGradient<T>& of;
  Vector scale, shift;

  MaskedGradient(const NormGradient<T>& gradient, int64_t c) : of(gradient), scale{}, shift{} {
    if constexpr (kMask == ReluMask::Recomputed)
      scale = load_vector(of.scale + c), shift = load_vector(of.shift + c);
  }
  Vector at(int64_t i, Vector x) const {
    const Vector g = Product<T>::read(of.gradient + i);
    if constexpr (kMask == ReluMask::None) return g;
    const Vector y =
        kMask == ReluMask::Output ? Product<T>::read(of.output + i) : x * scale + shift;
    return y <= 0 ? Vector{} : g;  // of NaN: g
  }
};

template <ReluMask kMask, typename T>
void gradient_sums_as(const NormGradient<T>& of, const float* mean, int64_t pixels,
                      int64_t channels, T* masked, float* sums, float* products) {
  for (int64_t c = 0; c < channels; c += kVectorLanes) {
    const MaskedGradient<kMask, T> gradient(of, c);
    const Vector m = load_vector(mean + c);
    Vector s[4] = {}, q[4] = {};
    auto add = [&](int64_t p, int i) {
      const int64_t at = p * channels + c;
      const Vector x = Product<T>::read(of.input + at), g = gradient.at(at, x);
      if (masked) Product<T>::store(masked + at, g);
      s[i] += g;
      q[i] += g * (x - m);
    };
    int64_t p = 0;
    for (; p + 4 <= pixels; p += 4) {
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) add(p + i, i);
    }
    for (; p < pixels; ++p) add(p, 0);
    store_vector(sums + c, (s[0] + s[1]) + (s[2] + s[3]));
    store_vector(products + c, (q[0] + q[1]) + (q[2] + q[3]));
  }
}

template <typename T>
void gradient_sums(const NormGradient<T>& of, const float* mean, int64_t pixels, int64_t channels,
                   T* masked, float* sums, float* products) {
  auto* run = of.mask == ReluMask::None     ? gradient_sums_as<ReluMask::None, T>
              : of.mask == ReluMask::Output ? gradient_sums_as<ReluMask::Output, T>
                                            : gradient_sums_as<ReluMask::Recomputed, T>;
  run(of, mean, pixels, channels, masked, sums, products);
}

template <ReluMask kMask, typename T>
void input_gradient_as(const NormGradient<T>& of, const float* to_gradient, const float* to_input,
                       const float* constant, int64_t pixels, int64_t channels, T* dx) {
  for (int64_t c = 0; c < channels; c += kVectorLanes) {
    const MaskedGradient<kMask, T> gradient(of, c);
    const Vector by_g = load_vector(to_gradient + c), by_x = load_vector(to_input + c),
                 b = load_vector(constant + c);
    for (int64_t p = 0; p < pixels; ++p) {
      const int64_t at = p * channels + c;
      const Vector x = Product<T>::read(of.input + at);
      Product<T>::store(dx + at, gradient.at(at, x) * by_g + (x * by_x + b));
    }
  }
}

template <typename T>
void input_gradient(const NormGradient<T>& of, const float* to_gradient, const float* to_input,
                    const float* constant, int64_t pixels, int64_t channels, T* dx) {
  auto* run = of.mask == ReluMask::None     ? input_gradient_as<ReluMask::None, T>
              : of.mask == ReluMask::Output ? input_gradient_as<ReluMask::Output, T>
                                            : input_gradient_as<ReluMask::Recomputed, T>;
  run(of, to_gradient, to_input, constant, pixels, channels, dx);
}

inline float sum_lanes(Vector v) {
  float sum = 0;
  for (int i = 0; i < kVectorLanes; ++i) sum += v[i];
  return sum;
}

template <typename T>
void squares(const T* x, const T* y, int64_t n, float* apart, float* own) {
  Vector sums[4] = {}, owns[4] = {};
  auto add = [&](int64_t at, int i) {
    const Vector wanted = Product<T>::read(y + at), d = Product<T>::read(x + at) - wanted;
    sums[i] += d * d;
    owns[i] += wanted * wanted;
  };
  int64_t at = 0;
  for (; at + 4 * kVectorLanes <= n; at += 4 * kVectorLanes) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) add(at + i * kVectorLanes, i);
  }
  for (; at < n; at += kVectorLanes) add(at, 0);
  *apart = sum_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
  *own = sum_lanes((owns[0] + owns[1]) + (owns[2] + owns[3]));
}

template <typename T>
void scaled_difference(const T* x, const T* y, float factor, int64_t n, T* to) {
  for (int64_t at = 0; at < n; at += kVectorLanes) {
    Product<T>::store(to + at, (Product<T>::read(x + at) - Product<T>::read(y + at)) * factor);
  }
}

/// A product in registers needs no preparation.
inline void nothing() {}

/// `of_input_by_pairs`, `of_gradient`, `of_kernel`: those of T.
template <typename T, typename ByPairs, typename OfGradient, typename OfKernel>
constexpr MapKernels<T> make_map_kernels(const char* name, ByPairs of_input_by_pairs,
                                         OfGradient of_gradient, OfKernel of_kernel) {
  return {name,
          nothing,
          nothing,
          multiply<T>,
          multiply_transposed<T>,
          pack_panels<T>,
          widen<T>,
          activate<T>,
          tiles_of_input<T>,
          of_input_by_pairs,
          of_gradient,
          of_kernel,
          tiles_to_output<T>,
          tiles_to_kernel,
          moments<T>,
          normalise<T>,
          gradient_sums<T>,
          input_gradient<T>,
          squares<T>,
          scaled_difference<T>};
}

}  // namespace
}  // namespace tailor::nn

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

inline void moments(const float* x, int64_t pixels, int64_t channels, float* mean, float* squares) {
  for (int64_t c = 0; c < channels; c += kVectorLanes) {
    const float* at = x + c;
    const Vector m = sum_pixels(pixels, [&](int64_t p) { return load_vector(at + p * channels); }) /
                     static_cast<float>(pixels);
    store_vector(mean + c, m);
    store_vector(squares + c, sum_pixels(pixels, [&](int64_t p) {
                   const Vector d = load_vector(at + p * channels) - m;
                   return d * d;
                 }));
  }
}

template <bool kSkip, bool kRelu>
void normalise_as(const float* x, const float* skip, const float* scale, const float* shift,
                  int64_t pixels, int64_t channels, float* y) {
  for (int64_t c = 0; c < channels; c += kVectorLanes) {
    const Vector s = load_vector(scale + c), b = load_vector(shift + c);
    for (int64_t p = 0; p < pixels; ++p) {
      const int64_t at = p * channels + c;
      Vector v = load_vector(x + at) * s + b;
      if constexpr (kSkip) v += load_vector(skip + at);
      store_vector(y + at, kRelu ? relu_of(v) : v);
    }
  }
}

inline void normalise(const float* x, const float* skip, const float* scale, const float* shift,
                      bool relu, int64_t pixels, int64_t channels, float* y) {
  auto* run = relu ? (skip ? normalise_as<true, true> : normalise_as<false, true>)
                   : (skip ? normalise_as<true, false> : normalise_as<false, false>);
  run(x, skip, scale, shift, pixels, channels, y);
}

/// Of one vector of channels.
template <ReluMask kMask>
struct MaskedGradient {
  const NormGradient& of;
  Vector scale, shift;

  MaskedGradient(const NormGradient& gradient, int64_t c) : of(gradient), scale{}, shift{} {
    if constexpr (kMask == ReluMask::Recomputed)
      scale = load_vector(of.scale + c), shift = load_vector(of.shift + c);
  }
  Vector at(int64_t i, Vector x) const {
    const Vector g = load_vector(of.gradient + i);
    if constexpr (kMask == ReluMask::None) return g;
    const Vector y = kMask == ReluMask::Output ? load_vector(of.output + i) : x * scale + shift;
    return y <= 0 ? Vector{} : g;  // of NaN: g
  }
};

template <ReluMask kMask>
void gradient_sums_as(const NormGradient& of, const float* mean, int64_t pixels, int64_t channels,
                      float* masked, float* sums, float* products) {
  for (int64_t c = 0; c < channels; c += kVectorLanes) {
    const MaskedGradient<kMask> gradient(of, c);
    const Vector m = load_vector(mean + c);
    Vector s[4] = {}, q[4] = {};
    auto add = [&](int64_t p, int i) {
      const int64_t at = p * channels + c;
      const Vector x = load_vector(of.input + at), g = gradient.at(at, x);
      if (masked) store_vector(masked + at, g);
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

inline void gradient_sums(const NormGradient& of, const float* mean, int64_t pixels,
                          int64_t channels, float* masked, float* sums, float* products) {
  auto* run = of.mask == ReluMask::None     ? gradient_sums_as<ReluMask::None>
              : of.mask == ReluMask::Output ? gradient_sums_as<ReluMask::Output>
                                            : gradient_sums_as<ReluMask::Recomputed>;
  run(of, mean, pixels, channels, masked, sums, products);
}

template <ReluMask kMask>
void input_gradient_as(const NormGradient& of, const float* to_gradient, const float* to_input,
                       const float* constant, int64_t pixels, int64_t channels, float* dx) {
  for (int64_t c = 0; c < channels; c += kVectorLanes) {
    const MaskedGradient<kMask> gradient(of, c);
    const Vector by_g = load_vector(to_gradient + c), by_x = load_vector(to_input + c),
                 b = load_vector(constant + c);
    for (int64_t p = 0; p < pixels; ++p) {
      const int64_t at = p * channels + c;
      const Vector x = load_vector(of.input + at);
      store_vector(dx + at, gradient.at(at, x) * by_g + (x * by_x + b));
    }
  }
}

inline void input_gradient(const NormGradient& of, const float* to_gradient, const float* to_input,
                           const float* constant, int64_t pixels, int64_t channels, float* dx) {
  auto* run = of.mask == ReluMask::None     ? input_gradient_as<ReluMask::None>
              : of.mask == ReluMask::Output ? input_gradient_as<ReluMask::Output>
                                            : input_gradient_as<ReluMask::Recomputed>;
  run(of, to_gradient, to_input, constant, pixels, channels, dx);
}

constexpr MapKernels make_map_kernels() {
  return {{multiply<float>, multiply_transposed<float>, pack_panels<float>, copy_floats,
           tiles_of_input<float>, tiles_of_input<float>, tiles_of_gradient, tiles_of_kernel},
          make_tile_kernels(),
          moments,
          normalise,
          gradient_sums,
          input_gradient};
}

}  // namespace
}  // namespace tailor::nn

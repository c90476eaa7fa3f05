// The code of TileKernels, under the rules of nn/vector_code.h. All of them are exact transposes of
// one another, so that gradients are those of what the forward pass computes.
#pragma once

#include "nn/map_kernels.h"
#include "nn/vector_code.h"

namespace tailor::nn {
namespace {

inline Vector relu_of(Vector v) { return v < 0 ? Vector{} : v; }  // of NaN: NaN

/// One column of four rows through Bᵀ.
inline void input_column(const float* const rows[4], int64_t width, int64_t x, int64_t offset,
                         int64_t channels, Vector out[4]) {
  if (x < 0 || x >= width) {
    out[0] = out[1] = out[2] = out[3] = Vector{};
    return;
  }
  const int64_t at = x * channels + offset;
  Vector d[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) d[i] = load_vector(rows[i] + at);
  out[0] = d[0] - d[2];
  out[1] = d[1] + d[2];
  out[2] = d[2] - d[1];
  out[3] = d[1] - d[3];
}

inline void tiles_of_input(const float* const rows[4], int64_t width, int64_t left,
                           int64_t channels, int64_t tiles, float* v, int64_t plane) {
  for (int64_t c = 0; c < channels; c += kVectorLanes) {
    Vector a[4], b[4];  // the two columns that the tile before shares
    input_column(rows, width, -left, c, channels, a);
    input_column(rows, width, 1 - left, c, channels, b);
    float* out = v + c;
    for (int64_t t = 0; t < tiles; ++t, out += channels) {
      Vector e[4], f[4];
      input_column(rows, width, 2 * t + 2 - left, c, channels, e);
      input_column(rows, width, 2 * t + 3 - left, c, channels, f);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        float* row = out + 4 * i * plane;
        store_vector(row, a[i] - e[i]);
        store_vector(row + plane, b[i] + e[i]);
        store_vector(row + 2 * plane, e[i] - b[i]);
        store_vector(row + 3 * plane, b[i] - f[i]);
        a[i] = e[i], b[i] = f[i];
      }
    }
  }
}

inline void store_pixel(float* out, Vector value, int64_t skip, const Epilogue& e, Vector bias) {
  value += bias;
  if (e.skip) value += load_vector(e.skip + skip);
  store_vector(out, e.relu ? relu_of(value) : value);
}

inline void tiles_to_output(const float* m, int64_t plane, int64_t channels, int64_t tiles,
                            int64_t width, float* first, float* second, const Epilogue& e) {
  for (int64_t t = 0; t < tiles; ++t) {
    for (int64_t c = 0; c < channels; c += kVectorLanes) {
      const float* in = m + t * channels + c;
      Vector s[2][4];
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j, in += plane) {
        const Vector m0 = load_vector(in), m1 = load_vector(in + 4 * plane),
                     m2 = load_vector(in + 8 * plane), m3 = load_vector(in + 12 * plane);
        s[0][j] = m0 + m1 + m2;
        s[1][j] = m1 - m2 - m3;
      }
      const Vector bias = e.bias ? load_vector(e.bias + c) : Vector{};
      const int64_t at = 2 * t * channels + c;
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i) {
        float* out = i == 0 ? first : second;
        if (!out) continue;
        const int64_t skip = at + i * width * channels;
        store_pixel(out + at, s[i][0] + s[i][1] + s[i][2], skip, e, bias);
        if (2 * t + 1 < width)
          store_pixel(out + at + channels, s[i][1] - s[i][2] - s[i][3], skip + channels, e, bias);
      }
    }
  }
}

inline void tiles_of_gradient(const float* first, const float* second, int64_t width,
                              int64_t channels, int64_t tiles, float* v, int64_t plane) {
  for (int64_t t = 0; t < tiles; ++t) {
    const bool whole = 2 * t + 1 < width;
    for (int64_t c = 0; c < channels; c += kVectorLanes) {
      const int64_t at = 2 * t * channels + c;
      Vector d[2][2] = {};
      d[0][0] = load_vector(first + at);
      if (whole) d[0][1] = load_vector(first + at + channels);
      if (second) d[1][0] = load_vector(second + at);
      if (second && whole) d[1][1] = load_vector(second + at + channels);
      const Vector rows[4][2] = {{d[0][0], d[0][1]},
                                 {d[0][0] + d[1][0], d[0][1] + d[1][1]},
                                 {d[0][0] - d[1][0], d[0][1] - d[1][1]},
                                 {-d[1][0], -d[1][1]}};
      float* out = v + t * channels + c;
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i, out += 4 * plane) {
        store_vector(out, rows[i][0]);
        store_vector(out + plane, rows[i][0] + rows[i][1]);
        store_vector(out + 2 * plane, rows[i][0] - rows[i][1]);
        store_vector(out + 3 * plane, -rows[i][1]);
      }
    }
  }
}

/// G of three numbers.
inline void expand(Vector a, Vector b, Vector c, Vector out[4]) {
  const Vector outer = (a + c) * 0.5F, inner = b * 0.5F;
  out[0] = a;
  out[1] = outer + inner;
  out[2] = outer - inner;
  out[3] = c;
}

inline void tiles_of_kernel(const float* at, const KernelStrides& s, int64_t inputs,
                            int64_t outputs, float* u, int64_t plane) {
  constexpr int64_t kPanel = 2 * kVectorLanes;
  for (int64_t o = 0; o < outputs; o += kVectorLanes) {
    const int64_t panel = o / kPanel * kPanel,
                  width = outputs - panel < kPanel ? kVectorLanes : kPanel;
    for (int64_t c = 0; c < inputs; ++c) {
      float g[9][kVectorLanes];
      for (int tap = 0; tap < 9; ++tap) {
        const float* from = at + o * s.output + c * s.input + tap * s.tap;
        for (int i = 0; i < kVectorLanes; ++i) g[tap][i] = from[i * s.output];
      }
      Vector columns[3][4];
      for (int j = 0; j < 3; ++j)
        expand(load_vector(g[j]), load_vector(g[3 + j]), load_vector(g[6 + j]), columns[j]);
      float* out = u + panel * inputs + c * width + (o - panel);
      for (int i = 0; i < 4; ++i) {
        Vector row[4];
        expand(columns[0][i], columns[1][i], columns[2][i], row);
        for (int j = 0; j < 4; ++j) store_vector(out + (4 * i + j) * plane, row[j]);
      }
    }
  }
}

/// Gᵀ of four numbers.
inline void contract(Vector a, Vector b, Vector c, Vector d, Vector out[3]) {
  const Vector sum = (b + c) * 0.5F;
  out[0] = a + sum;
  out[1] = (b - c) * 0.5F;
  out[2] = sum + d;
}

inline void tiles_to_kernel(const float* m, int64_t plane, int64_t inputs, int64_t outputs,
                            float* at, const KernelStrides& s) {
  for (int64_t c = 0; c < inputs; ++c) {
    for (int64_t o = 0; o < outputs; o += kVectorLanes) {
      const float* in = m + c * outputs + o;
      auto number = [&](int i) { return load_vector(in + i * plane); };
      Vector rows[4][3];
      for (int j = 0; j < 4; ++j)
        contract(number(j), number(4 + j), number(8 + j), number(12 + j), rows[j]);
      for (int i = 0; i < 3; ++i) {
        Vector taps[3];
        contract(rows[0][i], rows[1][i], rows[2][i], rows[3][i], taps);
        for (int j = 0; j < 3; ++j) {
          float* to = at + o * s.output + c * s.input + (3 * i + j) * s.tap;
          for (int lane = 0; lane < kVectorLanes; ++lane) to[lane * s.output] = taps[j][lane];
        }
      }
    }
  }
}

constexpr TileKernels make_tile_kernels() {
  return {tiles_of_input, tiles_to_output, tiles_of_gradient, tiles_of_kernel, tiles_to_kernel};
}

}  // namespace
}  // namespace tailor::nn

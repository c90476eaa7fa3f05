// The transforms of minimal filtering, under the rules of nn/vector_code.h. All of them are exact
// transposes of one another, so that gradients are those of what the forward pass computes.
#pragma once

#include "nn/map_kernels.h"
#include "nn/product_kernels_code.h"
#include "nn/vector_code.h"

namespace tailor::nn {
namespace {

inline Vector relu_of(Vector v) { return v < 0 ? Vector{} : v; }  // of NaN: NaN

/// One column of four rows through Bᵀ.
template <typename T>
inline void input_column(const T* const rows[4], int64_t width, int64_t x, int64_t offset,
                         int64_t channels, Vector out[4]) {
  if (x < 0 || x >= width) {
    out[0] = out[1] = out[2] = out[3] = Vector{};
    return;
  }
  const int64_t at = x * channels + offset;
  Vector d[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) d[i] = Product<T>::read(rows[i] + at);
  out[0] = d[0] - d[2];
  out[1] = d[1] + d[2];
  out[2] = d[2] - d[1];
  out[3] = d[1] - d[3];
}

/// Where transformed tiles go: put(tile, first channel, its 16 numbers), then finish.
template <typename T>
struct TileStore {
  T* v;
  int64_t plane, channels;

  void put(int64_t tile, int64_t c, const Vector numbers[16]) {
    T* out = v + tile * channels + c;
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) Product<T>::store(out + i * plane, numbers[i]);
  }
  void finish(int64_t /*tiles*/, int64_t /*c*/) {}
};

template <typename T, typename Sink>
inline void transform_input(const T* const rows[4], int64_t width, int64_t left, int64_t channels,
                            int64_t tiles, Sink sink) {
  for (int64_t c = 0; c < channels; c += kVectorLanes) {
    Vector a[4], b[4];  // the two columns that the tile before shares
    input_column(rows, width, -left, c, channels, a);
    input_column(rows, width, 1 - left, c, channels, b);
    for (int64_t t = 0; t < tiles; ++t) {
      Vector e[4], f[4], numbers[16];
      input_column(rows, width, 2 * t + 2 - left, c, channels, e);
      input_column(rows, width, 2 * t + 3 - left, c, channels, f);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        numbers[4 * i] = a[i] - e[i];
        numbers[4 * i + 1] = b[i] + e[i];
        numbers[4 * i + 2] = e[i] - b[i];
        numbers[4 * i + 3] = b[i] - f[i];
        a[i] = e[i], b[i] = f[i];
      }
      sink.put(t, c, numbers);
    }
    sink.finish(tiles, c);
  }
}

template <typename T>
void tiles_of_input(const T* const rows[4], int64_t width, int64_t left, int64_t channels,
                    int64_t tiles, T* v, int64_t plane) {
  transform_input(rows, width, left, channels, tiles, TileStore<T>{v, plane, channels});
}

template <typename T>
inline void store_pixel(T* out, Vector value, int64_t skip, const Epilogue<T>& e, Vector bias) {
  value += bias;
  if (e.skip) value += Product<T>::read(e.skip + skip);
  Product<T>::store(out, e.relu ? relu_of(value) : value);
}

template <typename T>
void tiles_to_output(const float* m, int64_t plane, int64_t channels, int64_t tiles, int64_t width,
                     T* first, T* second, const Epilogue<T>& e) {
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
        T* out = i == 0 ? first : second;
        if (!out) continue;
        const int64_t skip = at + i * width * channels;
        store_pixel(out + at, s[i][0] + s[i][1] + s[i][2], skip, e, bias);
        if (2 * t + 1 < width)
          store_pixel(out + at + channels, s[i][1] - s[i][2] - s[i][3], skip + channels, e, bias);
      }
    }
  }
}

template <typename T, typename Sink>
inline void transform_gradient(const T* first, const T* second, int64_t width, int64_t channels,
                               int64_t tiles, Sink sink) {
  for (int64_t c = 0; c < channels; c += kVectorLanes) {
    for (int64_t t = 0; t < tiles; ++t) {
      const bool whole = 2 * t + 1 < width;
      const int64_t at = 2 * t * channels + c;
      Vector d[2][2] = {};
      d[0][0] = Product<T>::read(first + at);
      if (whole) d[0][1] = Product<T>::read(first + at + channels);
      if (second) d[1][0] = Product<T>::read(second + at);
      if (second && whole) d[1][1] = Product<T>::read(second + at + channels);
      const Vector rows[4][2] = {{d[0][0], d[0][1]},
                                 {d[0][0] + d[1][0], d[0][1] + d[1][1]},
                                 {d[0][0] - d[1][0], d[0][1] - d[1][1]},
                                 {-d[1][0], -d[1][1]}};
      Vector numbers[16];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        numbers[4 * i] = rows[i][0];
        numbers[4 * i + 1] = rows[i][0] + rows[i][1];
        numbers[4 * i + 2] = rows[i][0] - rows[i][1];
        numbers[4 * i + 3] = -rows[i][1];
      }
      sink.put(t, c, numbers);
    }
    sink.finish(tiles, c);
  }
}

inline void tiles_of_gradient(const float* first, const float* second, int64_t width,
                              int64_t channels, int64_t tiles, float* v, int64_t plane) {
  transform_gradient(first, second, width, channels, tiles, TileStore<float>{v, plane, channels});
}

/// G of three numbers.
inline void expand(Vector a, Vector b, Vector c, Vector out[4]) {
  const Vector outer = (a + c) * 0.5F, inner = b * 0.5F;
  out[0] = a;
  out[1] = outer + inner;
  out[2] = outer - inner;
  out[3] = c;
}

/// G g Gᵀ of the kernels from one input to `kVectorLanes` outputs.
inline void transform_kernel_vector(const float* at, const KernelStrides& s, Vector numbers[16]) {
  float g[9][kVectorLanes];
  for (int tap = 0; tap < 9; ++tap)
    for (int i = 0; i < kVectorLanes; ++i) g[tap][i] = at[tap * s.tap + i * s.output];
  Vector columns[3][4];
  for (int j = 0; j < 3; ++j)
    expand(load_vector(g[j]), load_vector(g[3 + j]), load_vector(g[6 + j]), columns[j]);
  for (int i = 0; i < 4; ++i) expand(columns[0][i], columns[1][i], columns[2][i], numbers + 4 * i);
}

/// Calls put(input, where its panel begins, column and width of the panel, numbers).
template <typename Put>
inline void transform_kernels(const float* at, const KernelStrides& s, int64_t inputs,
                              int64_t outputs, Put put) {
  constexpr int64_t kPanel = 2 * kVectorLanes;
  for (int64_t o = 0; o < outputs; o += kVectorLanes) {
    const int64_t panel = o / kPanel * kPanel,
                  width = outputs - panel < kPanel ? kVectorLanes : kPanel;
    for (int64_t c = 0; c < inputs; ++c) {
      Vector numbers[16];
      transform_kernel_vector(at + o * s.output + c * s.input, s, numbers);
      put(c, panel * inputs, o - panel, width, numbers);
    }
  }
}

inline void tiles_of_kernel(const float* at, const KernelStrides& s, int64_t inputs,
                            int64_t outputs, float* u, int64_t plane) {
  transform_kernels(
      at, s, inputs, outputs,
      [&](int64_t c, int64_t panel, int64_t column, int64_t width, const Vector numbers[16]) {
        float* out = u + panel + c * width + column;
        for (int i = 0; i < 16; ++i) store_vector(out + i * plane, numbers[i]);
      });
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

}  // namespace
}  // namespace tailor::nn

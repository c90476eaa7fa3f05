// Minimal filtering, F(2x2, 3x3): blocks of tiles are transformed, multiplied and transformed back
// while they are in the cache. Each tile's result is its own, whatever block or thread it is in.
#include <algorithm>
#include <optional>
#include <type_traits>

#include "nn/map_passes.h"
#include "nn/vector_kernels.h"
#include "tailor/nn/workers.h"

namespace tailor::nn {
namespace {

/// Of a block, so that its transformed tiles stay in the second-level cache.
constexpr int64_t kBlockTiles = 32;
constexpr int64_t kTileNumbers = 16;
/// Floats between planes, so that they do not compete for the same lines of the cache.
constexpr int64_t kPlaneGap = 16;

/// Of input and output channels: with more of them oneDNN is as fast (tests/bench/README.md).
constexpr int64_t kMostPairs = 256 * 256;

int64_t halves(int64_t n) { return (n + 1) / 2; }

/// A convolution of stride 1 from maps to maps, cut into tiles of 2x2 outputs. Rows of tiles are
/// counted through all images.
struct Tiling {
  MapShape in, out;
  int64_t top, left;

  int64_t columns() const { return halves(out.width); }
  int64_t rows_per_image() const { return halves(out.height); }
  /// Rows of tiles of a block.
  int64_t block() const { return std::max<int64_t>(1, kBlockTiles / columns()); }
  int64_t tiles(int64_t rows) const { return rows * columns(); }
};

Tiling forward_tiling(const MapConv& c) {
  return {c.in, c.out, c.window.pads.top, c.window.pads.left};
}
/// The gradient of the input is a convolution of that of the output by the kernel turned around.
Tiling backward_tiling(const MapConv& c) {
  return {c.out, c.in, 2 - c.window.pads.top, 2 - c.window.pads.left};
}

/// Transformed tiles: kTileNumbers planes of [tiles][channels].
class TransformedTiles {
 public:
  template <typename T>
  T* reserve(int64_t tiles, int64_t channels) {
    plane_ = tiles * channels + kPlaneGap;
    floats_.resize(kTileNumbers * plane_);
    return all<T>();
  }
  template <typename T>
  T* all() {
    return reinterpret_cast<T*>(floats_.data());  // of which T is a half or the whole
  }
  template <typename T>
  const T* number(int64_t i) {
    return all<T>() + i * plane_;
  }
  int64_t plane() const { return plane_; }

 private:
  Floats floats_;
  int64_t plane_ = 0;
};
struct Scratch {
  TransformedTiles inputs, products;
  Floats zeros;     // a row beyond the map, of floats or their halves
  Floats gradient;  // of the output, of images at a time, likewise
};
Scratch& scratch_of_thread() {
  static thread_local Scratch scratch;
  return scratch;
}

/// Tiles of a row by pairs: an odd number has one of zeros behind it.
int64_t paired(int64_t tiles) { return 2 * halves(tiles); }

/// `v`: where tiles go, `row_tiles` for each row of tiles.
template <typename T, typename Transform>
void transform_inputs(const Tiling& t, const T* x, int64_t first, int64_t count, int64_t row_tiles,
                      Transform transform, Scratch& scratch) {
  const int64_t channels = t.in.channels, row_size = t.in.width * channels;
  T* v = scratch.inputs.reserve<T>(count * row_tiles, channels);
  scratch.zeros.resize(row_size);
  const T* zeros = reinterpret_cast<const T*>(scratch.zeros.data());
  for (int64_t r = first; r < first + count; ++r, v += row_tiles * channels) {
    const T* image = x + r / t.rows_per_image() * t.in.height * row_size;
    const int64_t begin = 2 * (r % t.rows_per_image()) - t.top;
    const T* rows[4];
    for (int64_t i = 0; i < 4; ++i) {
      const int64_t y = begin + i;
      rows[i] = y >= 0 && y < t.in.height ? image + y * row_size : zeros;
    }
    transform(rows, t.in.width, t.left, channels, t.columns(), v, scratch.inputs.plane());
  }
}

/// The first row of outputs of a row of tiles, and whether there is a second.
struct OutputRows {
  int64_t offset;
  bool two;
};
OutputRows output_rows(const Tiling& t, int64_t r) {
  const int64_t image = r / t.rows_per_image(), y = 2 * (r % t.rows_per_image());
  return {(image * t.out.height + y) * t.out.width * t.out.channels, y + 1 < t.out.height};
}

/// Memory that will be read or written soon. It is fetched piece by piece while products are made,
/// which need the first-level cache alone: rows are too short for the CPU to see them coming.
template <typename T>
struct Ahead {
  const T* at;
  int64_t numbers;

  void fetch(int64_t piece) const {
    constexpr auto kLine = static_cast<int64_t>(64 / sizeof(T));
    for (int64_t i = piece * kLine; i < numbers; i += kTileNumbers * kLine)
      __builtin_prefetch(at + i, /*rw=*/0, /*locality=*/2);
  }
};

/// Where tiles begin in the map that they are cut from: of rows of tiles `first` to `first + count`
/// the pixels that those before do not share.
template <typename T>
Ahead<T> inputs_of(const Tiling& t, const T* x, int64_t first, int64_t count) {
  const int64_t row_size = t.in.width * t.in.channels,
                row = first / t.rows_per_image() * t.in.height + 2 * (first % t.rows_per_image()) +
                      2 - t.top;
  return {x + row * row_size, 2 * count * row_size};
}

/// Rows of tiles `first` to `first + count`; `u`: the transformed kernel.
template <typename T>
void make_outputs(const Tiling& t, const T* x, const T* u, const Epilogue<T>& epilogue,
                  int64_t first, int64_t count, T* y) {
  const int64_t in = t.in.channels, out = t.out.channels, row_size = t.out.width * out;
  const MapKernels<T>& kernels = map_kernels<T>();
  Scratch& scratch = scratch_of_thread();
  transform_inputs(t, x, first, count, t.columns(), kernels.of_input, scratch);
  float* m = scratch.products.reserve<float>(t.tiles(count), out);
  const int64_t plane = scratch.products.plane();
  const Ahead<T> next = inputs_of(t, x, first + count, count),
                 outputs{y + output_rows(t, first).offset, 2 * count * row_size};
  for (int64_t i = 0; i < kTileNumbers; ++i) {
    next.fetch(i);
    outputs.fetch(i);
    kernels.multiply(scratch.inputs.number<T>(i), in, u + i * in * out, m + i * plane, out,
                     t.tiles(count), out, in, /*add=*/false, {});
  }
  for (int64_t r = first; r < first + count; ++r, m += t.columns() * out) {
    const OutputRows rows = output_rows(t, r);
    Epilogue<T> e = epilogue;
    if (e.skip) e.skip += rows.offset;
    T* to = y + rows.offset;
    kernels.to_output(m, plane, out, t.columns(), t.out.width, to,
                      rows.two ? to + row_size : nullptr, e);
  }
}

/// What rows of tiles give is added to `sums`, kTileNumbers matrices [inputs][outputs], or begins
/// them.
template <typename T>
void add_kernel_gradient(const Tiling& t, const T* x, const T* dy, int64_t first, int64_t count,
                         bool add, float* sums) {
  const int64_t in = t.in.channels, out = t.out.channels, row_size = t.out.width * out,
                row_tiles = std::is_same_v<T, float> ? t.columns() : paired(t.columns());
  const MapKernels<T>& kernels = map_kernels<T>();
  Scratch& scratch = scratch_of_thread();
  transform_inputs(t, x, first, count, row_tiles, kernels.of_input_by_pairs, scratch);
  T* d = scratch.products.reserve<T>(count * row_tiles, out);
  const int64_t plane = scratch.products.plane();
  for (int64_t r = first; r < first + count; ++r, d += row_tiles * out) {
    const OutputRows rows = output_rows(t, r);
    const T* from = dy + rows.offset;
    kernels.of_gradient(from, rows.two ? from + row_size : nullptr, t.out.width, out, t.columns(),
                        d, plane);
  }
  const Ahead<T> next = inputs_of(t, x, first + count, count);
  for (int64_t i = 0; i < kTileNumbers; ++i) {
    next.fetch(i);
    kernels.multiply_transposed(scratch.inputs.number<T>(i), in, scratch.products.number<T>(i), out,
                                sums + i * in * out, out, in, out, count * row_tiles, add, {});
  }
}

/// kTileNumbers packed matrices [in][out]. `strides`: of the inputs and outputs that they are to
/// have.
template <typename T>
class TransformedKernel {
 public:
  TransformedKernel(const float* weight, const KernelStrides& strides, int64_t in, int64_t out)
      : room_(kTileNumbers * in * out) {
    map_kernels<T>().of_kernel(weight, strides, in, out, reinterpret_cast<T*>(room_.data()),
                               in * out);
  }
  const T* data() const { return reinterpret_cast<const T*>(room_.data()); }

 private:
  Floats room_;
};
KernelStrides strides_of(const MapConv& c) { return {9 * c.in.channels, 1, c.in.channels}; }

/// Calls of(first row of tiles, count) for every block of so many images.
template <typename F>
void for_each_block(const Tiling& t, int64_t images, F of) {
  const int64_t end = images * t.rows_per_image();
  for (int64_t r = 0; r < end; r += t.block()) of(r, std::min(t.block(), end - r));
}

template <typename T>
void filter_forward(const MapConv& c, const T* x, const float* weight, const Epilogue<T>& epilogue,
                    T* y, PieceMoments* moments) {
  const Tiling t = forward_tiling(c);
  const TransformedKernel<T> u(weight, strides_of(c), c.in.channels, c.out.channels);
  const int64_t rows = c.images * t.rows_per_image(), blocks = (rows + t.block() - 1) / t.block();
  if (moments) moments->reserve(blocks, c.out.channels);
  // Blocks that follow one another find their inputs fetched.
  constexpr int64_t kTogether = 4;
  work_off_products<T>((blocks + kTogether - 1) / kTogether, [&](WorkQueue& queue) {
    for (int64_t i = queue.take(); i >= 0; i = queue.take()) {
      for (int64_t b = i * kTogether; b < std::min(blocks, (i + 1) * kTogether); ++b) {
        const int64_t first = b * t.block();
        const int64_t count = std::min(t.block(), rows - first);
        make_outputs(t, x, u.data(), epilogue, first, count, y);
        if (!moments) continue;
        const int64_t begin = output_rows(t, first).offset,
                      end = first + count < rows ? output_rows(t, first + count).offset
                                                 : c.images * c.out.size();
        moments->take(b, y + begin, (end - begin) / c.out.channels);
      }
    }
  });
}

template <typename T>
void filter_backward(const MapConv& c, const MapGradients<T>& g) {
  const Tiling ahead = forward_tiling(c), back = backward_tiling(c);
  const KernelStrides s = strides_of(c);
  std::optional<TransformedKernel<T>> u;
  if (g.dx) {
    u.emplace(g.weight + 8 * s.tap, KernelStrides{s.input, s.output, -s.tap}, c.out.channels,
              c.in.channels);
  }
  const int64_t matrix = c.in.channels * c.out.channels,
                together = std::max<int64_t>(1, ahead.block() / ahead.rows_per_image());
  PartialSums parts(c.images, g.dw ? kTileNumbers * matrix : 0);
  work_off_products<T>(parts.count(), [&](WorkQueue& queue) {
    for (int64_t part = queue.take(); part >= 0; part = queue.take()) {
      const int64_t begin = parts.first_image(part), end = parts.first_image(part + 1);
      // Both gradients of the same images, while they are in the cache.
      for (int64_t i = begin; i < end; i += together) {
        const int64_t images = std::min(together, end - i);
        const T* dy = g.dy_of(c, i, images, scratch_of_thread().gradient);
        if (g.dx) {
          for_each_block(back, images, [&](int64_t first, int64_t n) {
            make_outputs<T>(back, dy, u->data(), {}, first, n, g.dx + i * c.in.size());
          });
        }
        if (g.dw) {
          for_each_block(ahead, images, [&](int64_t first, int64_t n) {
            const bool add = i > begin || first > 0;
            add_kernel_gradient<T>(ahead, g.x + i * c.in.size(), dy, first, n, add, parts.of(part));
          });
        }
      }
    }
  });
  if (g.dw) {
    map_kernels<T>().to_kernel(parts.total(), matrix, c.in.channels, c.out.channels, g.dw, s);
  }
}

}  // namespace

bool is_for_winograd(const MapConv& c) {
  const int64_t lanes = vector_kernels().lanes;
  const Window& w = c.window;
  return c.in.channels * c.out.channels <= kMostPairs && w.kernel == Size2{3, 3} &&
         w.stride.size() == 1 && w.dilation.size() == 1 && w.pads.top <= 2 && w.pads.left <= 2 &&
         c.in.channels % lanes == 0 && c.out.channels % lanes == 0;
}

template <typename T>
MapPasses<T> winograd_passes() {
  return {filter_forward<T>, filter_backward<T>};
}
template MapPasses<float> winograd_passes();
template MapPasses<uint16_t> winograd_passes();

}  // namespace tailor::nn

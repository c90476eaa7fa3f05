// A row of a kernel over a row of a map as one product of matrices that lie in the map as it is.
// Each image's result is its own, whatever thread it is in.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "nn/map_passes.h"
#include "nn/vector_kernels.h"
#include "tailor/nn/workers.h"

namespace tailor::nn {
namespace {

/// With more weights or taps, and pointwise, oneDNN is as fast (tests/bench/README.md).
constexpr int64_t kMostWeights = 128 * 128 * 9, kMostTaps = 9;

/// A kernel's row over a row of the map is one product of matrices: row x of the left one begins at
/// pixel x · stride, and is all taps of the kernel's row long.
struct Rows {
  MapConv conv;
  int64_t taps, step;     // of a kernel's row: numbers; floats between outputs' first ones
  int64_t height, width;  // of the map with the zeros around it

  explicit Rows(const MapConv& c)
      : conv(c),
        taps(c.window.kernel.width * c.in.channels),
        step(c.window.stride.width * c.in.channels),
        height(c.in.height + c.window.pads.top + c.window.pads.bottom),
        width(c.in.width + c.window.pads.left + c.window.pads.right) {}

  int64_t row_size() const { return width * conv.in.channels; }
  /// Of the map with its zeros: where the kernel's row of an output's row begins.
  int64_t row(int64_t out_row, int64_t kernel_row) const {
    const Window& w = conv.window;
    return (out_row * w.stride.height + kernel_row * w.dilation.height) * row_size();
  }
  int64_t first_pixel() const {
    return (conv.window.pads.top * width + conv.window.pads.left) * conv.in.channels;
  }
};

/// Room for numbers of T, a float or its half.
template <typename T>
T* reserve(Floats& room, int64_t n) {
  room.resize(n);
  return reinterpret_cast<T*>(room.data());
}

/// The image with its zeros, as numbers of T: itself, or a copy in `room`.
template <typename T, typename Map>
const T* padded_image(const Rows& r, const Map* x, int64_t image, Floats& room) {
  const MapShape& in = r.conv.in;
  const Map* from = x + image * in.size();
  if constexpr (std::is_same_v<T, Map>) {
    if (!r.conv.window.pads.any()) return from;
  }
  T* to = reserve<T>(room, r.height * r.row_size());  // the zeros around stay
  const int64_t row = in.width * in.channels;
  for (int64_t y = 0; y < in.height; ++y) {
    T* padded = to + r.first_pixel() + y * r.row_size();
    if constexpr (std::is_same_v<T, Map>) {
      std::copy_n(from + y * row, row, padded);
    } else {
      map_kernels<Map>().widen(from + y * row, padded, row);
    }
  }
  return to;
}

/// One matrix a row of the kernel, packed.
template <typename T>
class PackedKernel {
 public:
  /// [taps of the row][outputs].
  static PackedKernel ahead(const Rows& r, const float* weight) {
    const int64_t all = r.conv.window.kernel.height * r.taps;
    return {r, weight, {1, all}, {r.taps, r.conv.out.channels}, {0, r.taps}};
  }
  /// [outputs][taps `first` to `first + taps` of the row].
  static PackedKernel back(const Rows& r, const float* weight, int64_t first, int64_t taps) {
    const int64_t all = r.conv.window.kernel.height * r.taps;
    return {r, weight, {all, 1}, {r.conv.out.channels, taps}, {first, r.taps}};
  }
  int64_t size() const { return size_; }
  const T* row(int64_t kernel_row) const {
    return reinterpret_cast<const T*>(panels_.data()) + kernel_row * size_;
  }

 private:
  struct Pair {
    int64_t a, b;
  };
  PackedKernel(const Rows& r, const float* weight, Pair strides, Pair shape, Pair place)
      : size_(shape.a * shape.b) {
    const int64_t rows = r.conv.window.kernel.height;
    T* panels = reserve<T>(panels_, rows * size_);
    for (int64_t k = 0; k < rows; ++k) {
      map_kernels<T>().pack_panels(weight + place.a + k * place.b, strides.a, strides.b, shape.a,
                                   shape.b, panels + k * size_);
    }
  }
  int64_t size_;
  Floats panels_;
};

/// Maps of Map, products of T.
template <typename Map, typename T>
void multiply_forward(const MapConv& conv, const Map* x, const float* weight,
                      const Epilogue<Map>& epilogue, Map* y, PieceMoments* moments) {
  const Rows r(conv);
  const MapShape& out = r.conv.out;
  const auto packed = PackedKernel<T>::ahead(r, weight);
  constexpr bool kInPlace = std::is_same_v<Map, float>;
  if (moments) moments->reserve(conv.images * out.height, out.channels);
  const bool plain = kInPlace && !epilogue.bias && !epilogue.skip && !epilogue.relu;
  work_off_products<T>(conv.images, [&](WorkQueue& queue) {
    Floats room, sums(kInPlace ? 0 : out.width * out.channels);
    for (int64_t i = queue.take(); i >= 0; i = queue.take()) {
      const T* from = padded_image<T>(r, x, i, room);
      for (int64_t row = 0; row < out.height; ++row) {
        const int64_t at = (i * out.height + row) * out.width * out.channels;
        float* to = sums.data();
        if constexpr (kInPlace) to = y + at;
        map_kernels<T>().multiply(from + r.row(row, 0), r.step, packed.row(0), to, out.channels,
                                  out.width, out.channels, r.taps, /*add=*/false,
                                  {r.conv.window.kernel.height, r.row(0, 1), packed.size()});
        if (!plain) {
          Epilogue<Map> e = epilogue;
          if (e.skip) e.skip += at;
          map_kernels<Map>().activate(to, e, out.width, out.channels, y + at);
        }
        if (moments) moments->take(i * out.height + row, y + at, out.width);
      }
    }
  });
}

/// A kernel's row as parts within which no two outputs read the same pixel.
template <typename T>
struct KernelPart {
  int64_t first, taps;
  PackedKernel<T> packed;
};
template <typename T>
std::vector<KernelPart<T>> disjoint_parts(const Rows& r, const float* weight) {
  std::vector<KernelPart<T>> parts;
  for (int64_t first = 0; first < r.taps; first += r.step) {
    const int64_t taps = std::min(r.step, r.taps - first);
    parts.push_back({first, taps, PackedKernel<T>::back(r, weight, first, taps)});
  }
  return parts;
}

/// Of one image.
template <typename T>
void make_input_gradient(const Rows& r, const std::vector<KernelPart<T>>& parts, const T* dy, T* dx,
                         Floats& room) {
  const MapShape &in = r.conv.in, &out = r.conv.out;
  constexpr bool kInPlace = std::is_same_v<T, float>;
  const bool copies = !kInPlace || r.conv.window.pads.any();
  float* to = copies ? reserve<float>(room, r.height * r.row_size()) : nullptr;
  if constexpr (kInPlace) to = copies ? to : dx;
  std::fill_n(to, r.height * r.row_size(), 0.0F);
  for (int64_t row = 0; row < out.height; ++row, dy += out.width * out.channels) {
    for (int64_t k = 0; k < r.conv.window.kernel.height; ++k) {
      for (const KernelPart<T>& part : parts) {
        map_kernels<T>().multiply(dy, out.channels, part.packed.row(k),
                                  to + r.row(row, k) + part.first, r.step, out.width, part.taps,
                                  out.channels, /*add=*/true, {});
      }
    }
  }
  for (int64_t y = 0; copies && y < in.height; ++y) {
    map_kernels<T>().activate(to + r.first_pixel() + y * r.row_size(), {}, in.width, in.channels,
                              dx + y * in.width * in.channels);
  }
}

/// Sums are [kernel rows][taps of a row][outputs]; they begin with the first image.
void add_row_products(const Rows& r, const float* image, const float* dy, bool add, float* sums) {
  const MapShape& out = r.conv.out;
  for (int64_t k = 0; k < r.conv.window.kernel.height; ++k) {
    map_kernels<float>().multiply_transposed(image + r.row(0, k), r.step, dy, out.channels,
                                             sums + k * r.taps * out.channels, out.channels, r.taps,
                                             out.channels, out.width, add,
                                             {out.height, r.row(1, 0), out.width * out.channels});
  }
}

/// The weight's gradient is summed over pixels, which do not lie by pairs: in float32. T: of the
/// input's gradient, which has whole vectors of channels.
template <typename T>
void multiply_backward(const MapConv& conv, const MapGradients<T>& g) {
  const Rows r(conv);
  const MapShape &in = r.conv.in, &out = r.conv.out;
  const auto kernel = g.dx ? disjoint_parts<T>(r, g.weight) : std::vector<KernelPart<T>>();
  PartialSums parts(conv.images, g.dw ? conv.weights() : 0);
  work_off_products<T>(parts.count(), [&](WorkQueue& queue) {
    Floats room, gradient_room, widened, made;
    auto floats_of = [&](const T* dy) -> const float* {
      if constexpr (std::is_same_v<T, float>) {
        return dy;
      } else {
        widened.resize(out.size());
        map_kernels<T>().widen(dy, widened.data(), out.size());
        return widened.data();
      }
    };
    for (int64_t part = queue.take(); part >= 0; part = queue.take()) {
      for (int64_t i = parts.first_image(part); i < parts.first_image(part + 1); ++i) {
        const T* dy = g.dy_of(conv, i, 1, made);
        if (g.dx) make_input_gradient(r, kernel, dy, g.dx + i * in.size(), gradient_room);
        if (g.dw) {
          const bool add = i > parts.first_image(part);
          add_row_products(r, padded_image<float>(r, g.x, i, room), floats_of(dy), add,
                           parts.of(part));
        }
      }
    }
  });
  if (!g.dw) return;
  const float* total = parts.total();
  const int64_t taps = conv.weights() / out.channels;
  for (int64_t o = 0; o < out.channels; ++o)
    for (int64_t t = 0; t < taps; ++t) g.dw[o * taps + t] = total[t * out.channels + o];
}

}  // namespace

const float* PartialSums::total() {
  constexpr int64_t kPiece = 4096;
  auto add = [&](int64_t piece) {
    float* sum = sums_.get() + piece * kPiece;
    const int64_t n = std::min(kPiece, size_ - piece * kPiece);
    for (int64_t part = 1; part < count_; ++part) {
      const float* from = sum + part * size_;
      for (int64_t j = 0; j < n; ++j) sum[j] += from[j];
    }
  };
  work_off((size_ + kPiece - 1) / kPiece, [&](WorkQueue& queue) {
    for (int64_t i = queue.take(); i >= 0; i = queue.take()) add(i);
  });
  return sums_.get();
}

bool is_for_row_products(const MapConv& c) {
  const Window& w = c.window;
  return c.weights() <= kMostWeights && w.taps() <= kMostTaps &&
         (w.taps() > 1 || w.stride.size() > 1) && w.dilation.width == 1 &&
         c.out.channels % vector_kernels().lanes == 0;
}

template <>
MapPasses<float> row_product_passes(const MapConv& /*conv*/) {
  return {multiply_forward<float, float>, multiply_backward<float>};
}
/// Products of bfloat16 are of pairs of input channels.
template <>
MapPasses<uint16_t> row_product_passes(const MapConv& c) {
  const bool whole = c.in.channels % vector_kernels().lanes == 0;
  return {whole ? multiply_forward<uint16_t, uint16_t> : multiply_forward<uint16_t, float>,
          multiply_backward<uint16_t>};
}

}  // namespace tailor::nn

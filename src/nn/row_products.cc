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

/// The image with its zeros: floats without zeros themselves, else a copy in `room`.
template <typename T>
const T* padded_image(const Rows& r, const float* x, int64_t image, Floats& room) {
  const MapShape& in = r.conv.in;
  const float* from = x + image * in.size();
  if constexpr (std::is_same_v<T, float>) {
    if (!r.conv.window.pads.any()) return from;
  }
  T* to = reserve<T>(room, r.height * r.row_size());  // the zeros around stay
  const int64_t row = in.width * in.channels;
  for (int64_t y = 0; y < in.height; ++y)
    products<T>().round(from + y * row, to + r.first_pixel() + y * r.row_size(), row);
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
      products<T>().pack_panels(weight + place.a + k * place.b, strides.a, strides.b, shape.a,
                                shape.b, panels + k * size_);
    }
  }
  int64_t size_;
  Floats panels_;
};

template <typename T>
void multiply_forward(const MapConv& conv, const float* x, const float* weight,
                      const Epilogue& epilogue, float* y) {
  const Rows r(conv);
  const MapShape& out = r.conv.out;
  const auto packed = PackedKernel<T>::ahead(r, weight);
  const auto channels = static_cast<size_t>(out.channels);
  const std::vector<float> ones(channels, 1.0F), zeros(channels, 0.0F);
  const float* bias = epilogue.bias ? epilogue.bias : zeros.data();
  const bool plain = !epilogue.bias && !epilogue.skip && !epilogue.relu;
  work_off(conv.images, [&](WorkQueue& queue) {
    Floats room;
    for (int64_t i = queue.take(); i >= 0; i = queue.take()) {
      const T* from = padded_image<T>(r, x, i, room);
      for (int64_t row = 0; row < out.height; ++row) {
        const int64_t at = (i * out.height + row) * out.width * out.channels;
        products<T>().multiply(from + r.row(row, 0), r.step, packed.row(0), y + at, out.channels,
                               out.width, out.channels, r.taps, /*add=*/false,
                               {r.conv.window.kernel.height, r.row(0, 1), packed.size()});
        if (plain) continue;
        vector_kernels().map.normalise(y + at, epilogue.skip ? epilogue.skip + at : nullptr,
                                       ones.data(), bias, epilogue.relu, out.width, out.channels,
                                       y + at);
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
void make_input_gradient(const Rows& r, const std::vector<KernelPart<T>>& parts, const float* dy,
                         float* dx, Floats& room, Floats& rounded) {
  const MapShape &in = r.conv.in, &out = r.conv.out;
  const bool pads = r.conv.window.pads.any();
  float* to = pads ? reserve<float>(room, r.height * r.row_size()) : dx;
  std::fill_n(to, r.height * r.row_size(), 0.0F);
  T* d = reserve<T>(rounded, out.size());
  products<T>().round(dy, d, out.size());
  for (int64_t row = 0; row < out.height; ++row, d += out.width * out.channels) {
    for (int64_t k = 0; k < r.conv.window.kernel.height; ++k) {
      for (const KernelPart<T>& part : parts) {
        products<T>().multiply(d, out.channels, part.packed.row(k), to + r.row(row, k) + part.first,
                               r.step, out.width, part.taps, out.channels, /*add=*/true, {});
      }
    }
  }
  const int64_t row = in.width * in.channels;
  for (int64_t y = 0; pads && y < in.height; ++y)
    std::copy_n(to + r.first_pixel() + y * r.row_size(), row, dx + y * row);
}

/// Sums are [kernel rows][taps of a row][outputs]; they begin with the first image.
void add_row_products(const Rows& r, const float* image, const float* dy, bool add, float* sums) {
  const MapShape& out = r.conv.out;
  for (int64_t k = 0; k < r.conv.window.kernel.height; ++k) {
    vector_kernels().map.products.multiply_transposed(
        image + r.row(0, k), r.step, dy, out.channels, sums + k * r.taps * out.channels,
        out.channels, r.taps, out.channels, out.width, add,
        {out.height, r.row(1, 0), out.width * out.channels});
  }
}

/// The weight's gradient is summed over pixels, which do not lie by pairs: in float32.
template <typename T>
void multiply_backward(const MapConv& conv, const MapGradients& g) {
  const Rows r(conv);
  const MapShape &in = r.conv.in, &out = r.conv.out;
  const auto kernel = g.dx ? disjoint_parts<T>(r, g.weight) : std::vector<KernelPart<T>>();
  PartialSums parts(conv.images, g.dw ? conv.weights() : 0);
  work_off(parts.count(), [&](WorkQueue& queue) {
    Floats room, gradient_room, rounded;
    for (int64_t part = queue.take(); part >= 0; part = queue.take()) {
      for (int64_t i = parts.first_image(part); i < parts.first_image(part + 1); ++i) {
        const float* dy = g.dy + i * out.size();
        if (g.dx) {
          make_input_gradient(r, kernel, dy, g.dx + i * in.size(), gradient_room, rounded);
        }
        if (g.dw) {
          const bool add = i > parts.first_image(part);
          add_row_products(r, padded_image<float>(r, g.x, i, room), dy, add, parts.of(part));
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

MapPasses row_product_passes(const MapConv& c, Products in) {
  const bool whole = c.in.channels % vector_kernels().lanes == 0;
  if (in == Products::BFloat16 && whole)
    return {multiply_forward<uint16_t>, multiply_backward<uint16_t>};
  return {multiply_forward<float>, multiply_backward<float>};
}

}  // namespace tailor::nn

// Max pool and global average pool.
#include <algorithm>
#include <cmath>

#include "tailor/emulate/kernels.h"

namespace tailor::emulate {
namespace {

using Map = std::vector<double>;

Map max_pool(const Window& w, const MapShape& in, const MapShape& out, const Map& x) {
  Map y(static_cast<size_t>(out.size()), -INFINITY);
  for (int64_t p = 0; p < out.pixels(); ++p) {
    const int64_t top = p / out.width * w.stride.height - w.pads.top,
                  left = p % out.width * w.stride.width - w.pads.left;
    double* best = y.data() + p * out.channels;
    for (int64_t ky = 0; ky < w.kernel.height; ++ky) {
      for (int64_t kx = 0; kx < w.kernel.width; ++kx) {
        const int64_t iy = top + ky * w.dilation.height, ix = left + kx * w.dilation.width;
        if (iy < 0 || iy >= in.height || ix < 0 || ix >= in.width) continue;
        const double* pixel = x.data() + (iy * in.width + ix) * in.channels;
        for (int64_t c = 0; c < in.channels; ++c) best[c] = std::max(best[c], pixel[c]);
      }
    }
  }
  return y;
}

Map float64_max_pool(const Float64Call& call) {
  return max_pool(call.node.as<ops::MaxPool2d>().window, call.in(), call.out(), call.input());
}

Map float64_average(const Float64Call& call) {
  const Map& x = call.input();
  Map y(static_cast<size_t>(call.out().channels), 0.0);
  for (size_t i = 0; i < x.size(); ++i) y[i % y.size()] += x[i];
  for (double& v : y) v /= static_cast<double>(call.in().pixels());
  return y;
}

struct IntegerMaxPool {
  template <class U, class T>
  static std::vector<U> run(const IntegerCall<T>& call) {
    const Window& w = call.node.template as<ops::MaxPool2d>().window;
    const MapShape &in = call.in(), &out = call.out();
    return call.template cast_each<U>([&](size_t i) {
      const auto index = static_cast<int64_t>(i);
      const int64_t c = index % out.channels,
                    left = index / out.channels % out.width * w.stride.width - w.pads.left,
                    top = index / out.channels / out.width * w.stride.height - w.pads.top;
      int64_t best = std::numeric_limits<int64_t>::min();
      for (int64_t ky = 0; ky < w.kernel.height; ++ky) {
        for (int64_t kx = 0; kx < w.kernel.width; ++kx) {
          const int64_t y0 = top + ky * w.dilation.height, x0 = left + kx * w.dilation.width;
          if (y0 < 0 || y0 >= in.height || x0 < 0 || x0 >= in.width) continue;
          best = std::max<int64_t>(
              best, call.input()[static_cast<size_t>((y0 * in.width + x0) * in.channels + c)]);
        }
      }
      return best;
    });
  }
};

struct IntegerAverage {
  template <class U, class T>
  static std::vector<U> run(const IntegerCall<T>& call) {
    const int64_t reciprocal =
        quantise(1.0 / static_cast<double>(call.in().pixels()), *call.node.hardware.reciprocal);
    std::vector<int64_t> sums(static_cast<size_t>(call.out().channels), 0);
    for (size_t i = 0; i < call.input().size(); ++i) sums[i % sums.size()] += call.input()[i];
    return call.template cast_each<U>([&](size_t i) { return sums[i] * reciprocal; });
  }
};

const RegisterKernels<ops::MaxPool2d> kMaxPoolKernels({float64_max_pool},
                                                      integer_kernel<IntegerMaxPool>());
const RegisterKernels<ops::GlobalAvgPool> kAverageKernels({float64_average},
                                                          integer_kernel<IntegerAverage>());

}  // namespace
}  // namespace tailor::emulate

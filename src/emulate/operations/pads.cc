// Zeros around a map, and the pad shortcut of option A.
#include <algorithm>
#include <cmath>

#include "tailor/emulate/kernels.h"

namespace tailor::emulate {
namespace {

using Map = std::vector<double>;

Map float64_zero_pad(const Float64Call& call) {
  const auto& a = call.node.as<ops::ZeroPad>();
  const MapShape &in = call.in(), &out = call.out();
  Map y(static_cast<size_t>(out.size()), a.lowest ? -INFINITY : 0.0);
  for (int64_t row = 0; row < in.height; ++row) {
    const double* from = call.input().data() + row * in.width * in.channels;
    std::copy(from, from + in.width * in.channels,
              y.data() + ((row + a.pads.top) * out.width + a.pads.left) * out.channels);
  }
  return y;
}

Map float64_shortcut(const Float64Call& call) {
  const auto& a = call.node.as<ops::ShortcutPad>();
  const MapShape &in = call.in(), &out = call.out();
  Map y(static_cast<size_t>(out.size()), 0.0);
  for (int64_t oy = 0; oy < out.height; ++oy) {
    for (int64_t ox = 0; ox < out.width; ++ox) {
      const double* from = call.input().data() +
                           (oy * a.stride.height * in.width + ox * a.stride.width) * in.channels;
      std::copy(from, from + in.channels,
                y.data() + (oy * out.width + ox) * out.channels + a.channel_offset);
    }
  }
  return y;
}

struct IntegerZeroPad {
  template <class U, class T>
  static std::vector<U> run(const IntegerCall<T>& call) {
    const auto& a = call.node.template as<ops::ZeroPad>();
    const MapShape &in = call.in(), &out = call.out();
    const int64_t fill = a.lowest ? call.type().min_raw() : 0;
    return call.template cast_each<U>([&](size_t i) -> int64_t {
      const auto index = static_cast<int64_t>(i);
      const int64_t c = index % out.channels, x = index / out.channels % out.width - a.pads.left,
                    row = index / out.channels / out.width - a.pads.top;
      if (x < 0 || x >= in.width || row < 0 || row >= in.height) return fill;
      return call.input()[static_cast<size_t>((row * in.width + x) * in.channels + c)];
    });
  }
};

struct IntegerShortcut {
  template <class U, class T>
  static std::vector<U> run(const IntegerCall<T>& call) {
    const auto& a = call.node.template as<ops::ShortcutPad>();
    const MapShape &in = call.in(), &out = call.out();
    std::vector<U> y(static_cast<size_t>(out.size()), U{0});
    for (int64_t oy = 0; oy < out.height; ++oy) {
      for (int64_t ox = 0; ox < out.width; ++ox) {
        const auto* from = call.input().data() +
                           (oy * a.stride.height * in.width + ox * a.stride.width) * in.channels;
        U* to = y.data() + (oy * out.width + ox) * out.channels + a.channel_offset;
        for (int64_t c = 0; c < in.channels; ++c)
          to[c] = static_cast<U>((*call.stage.caster)(from[c], call.overflows));
      }
    }
    return y;
  }
};

const RegisterKernels<ops::ZeroPad> kZeroPadKernels({float64_zero_pad},
                                                    integer_kernel<IntegerZeroPad>());
const RegisterKernels<ops::ShortcutPad> kShortcutKernels({float64_shortcut},
                                                         integer_kernel<IntegerShortcut>());

}  // namespace
}  // namespace tailor::emulate

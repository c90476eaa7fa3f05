// A sliding window over a map: kernel, stride, dilation and the zeros around the map. Rectangular;
// one dimension is height 1. Every room that speaks of windows uses this one.
#pragma once

#include <cstdint>
#include <string>

#include "tailor/tensors/map_shape.h"

namespace tailor::tensors {

struct Size2 {
  int64_t height = 1, width = 1;  // rows, columns
  int64_t size() const { return height * width; }
  friend bool operator==(const Size2& a, const Size2& b) {
    return a.height == b.height && a.width == b.width;
  }
  friend bool operator!=(const Size2& a, const Size2& b) { return !(a == b); }
};

/// Rows and columns that stand around a map.
struct Pads {
  int64_t top = 0, left = 0, bottom = 0, right = 0;
  bool any() const { return top != 0 || left != 0 || bottom != 0 || right != 0; }
  friend bool operator==(const Pads& a, const Pads& b) {
    return a.top == b.top && a.left == b.left && a.bottom == b.bottom && a.right == b.right;
  }
  friend bool operator!=(const Pads& a, const Pads& b) { return !(a == b); }
};

/// Tap (ky, kx) of the window that makes output (y, x) is the pixel
/// (y · stride + ky · dilation - top, x · stride + kx · dilation - left), 0 outside of the map.
struct Window {
  Size2 kernel, stride, dilation;
  Pads pads;

  /// Rows and columns from the first tap to the last one, both included.
  Size2 extent() const {
    return {(kernel.height - 1) * dilation.height + 1, (kernel.width - 1) * dilation.width + 1};
  }
  int64_t taps() const { return kernel.size(); }
  bool is_pointwise() const { return taps() == 1 && !pads.any(); }

  friend bool operator==(const Window& a, const Window& b) {
    return a.kernel == b.kernel && a.stride == b.stride && a.dilation == b.dilation &&
           a.pads == b.pads;
  }
  friend bool operator!=(const Window& a, const Window& b) { return !(a == b); }
};

inline Window square_window(int64_t kernel, int64_t stride = 1, int64_t pad = 0,
                            int64_t pad_end = -1) {
  const int64_t end = pad_end < 0 ? pad : pad_end;
  return {{kernel, kernel}, {stride, stride}, {1, 1}, {pad, pad, end, end}};
}

/// Whether a tap reads the pixel at (y · stride, x · stride): (pads.top, pads.left) / dilation.
inline bool has_centre_tap(const Window& w) {
  return w.pads.top % w.dilation.height == 0 && w.pads.left % w.dilation.width == 0 &&
         w.pads.top / w.dilation.height < w.kernel.height &&
         w.pads.left / w.dilation.width < w.kernel.width;
}
/// Its index ky · kernel.width + kx.
inline int64_t centre_tap(const Window& w) {
  return w.pads.top / w.dilation.height * w.kernel.width + w.pads.left / w.dilation.width;
}

/// Whether sizes are 1 … kMaxMapSide and pads 0 … kMaxMapSide.
bool is_window(const Window& window);

/// Rows and columns of outputs on a map of so many rows and columns; 0 × 0 where none fits.
Size2 count_windows(const Window& window, const MapShape& map);

/// "3x3", "1x33/2" (stride), "1x87 dilated 1x2"; pads are left out.
std::string to_string(const Window& window);

}  // namespace tailor::tensors

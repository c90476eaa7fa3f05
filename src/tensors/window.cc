#include "tailor/tensors/window.h"

#include <fmt/format.h>

namespace tailor::tensors {
namespace {

bool is_size(const Size2& s) { return is_map_side(s.height) && is_map_side(s.width); }
bool is_pad(int64_t n) { return n >= 0 && n <= kMaxMapSide; }

}  // namespace

bool is_window(const Window& w) {
  return is_size(w.kernel) && is_size(w.stride) && is_size(w.dilation) && is_pad(w.pads.top) &&
         is_pad(w.pads.left) && is_pad(w.pads.bottom) && is_pad(w.pads.right);
}

Size2 count_windows(const Window& w, const MapShape& map) {
  const Size2 extent = w.extent();
  const int64_t rows = map.height + w.pads.top + w.pads.bottom - extent.height,
                columns = map.width + w.pads.left + w.pads.right - extent.width;
  if (rows < 0 || columns < 0) return {0, 0};
  return {rows / w.stride.height + 1, columns / w.stride.width + 1};
}

std::string to_string(const Window& w) {
  std::string text = fmt::format("{}x{}", w.kernel.height, w.kernel.width);
  if (w.stride.height == w.stride.width) {
    if (w.stride.height != 1) text += fmt::format("/{}", w.stride.height);
  } else {
    text += fmt::format("/{}x{}", w.stride.height, w.stride.width);
  }
  if (w.dilation.size() != 1)
    text += fmt::format(" dilated {}x{}", w.dilation.height, w.dilation.width);
  return text;
}

}  // namespace tailor::tensors

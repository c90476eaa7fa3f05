// Shape of one image's feature map. Every room that speaks of maps uses this one.
#pragma once

#include <cstdint>
#include <string>

namespace tailor::tensors {

struct MapShape {
  int64_t channels = 0, height = 0, width = 0;
  int64_t pixels() const { return height * width; }
  int64_t size() const { return channels * height * width; }
  friend bool operator==(const MapShape& a, const MapShape& b) {
    return a.channels == b.channels && a.height == b.height && a.width == b.width;
  }
  friend bool operator!=(const MapShape& a, const MapShape& b) { return !(a == b); }
};

/// Far beyond any image; within them no product of sizes overflows, whatever a damaged file says.
constexpr int64_t kMaxMapSide = 1 << 20;
constexpr int64_t kMaxMapElements = 1 << 30;
inline bool is_map_side(int64_t n) { return n >= 1 && n <= kMaxMapSide; }

/// "16x32x32": channels, rows, columns.
std::string to_string(const MapShape& shape);

}  // namespace tailor::tensors

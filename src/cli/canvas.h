// A picture that the program draws by itself: letters, rectangles, lines.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "tailor/data/images.h"

namespace tailor::cli {

using Rgb = std::array<uint8_t, 3>;
constexpr Rgb kInk = {40, 40, 40}, kPaleInk = {120, 120, 120}, kRule = {214, 214, 214};

/// In pixels of the picture.
struct PlotPoint {
  double x = 0, y = 0;
};
/// A rectangle of the picture.
struct PlotBox {
  int64_t top = 0, left = 0, height = 0, width = 0;
};

/// White at first; what lies outside is cut off.
class Canvas {
 public:
  static constexpr int64_t kTextScale = 2, kLetterStep = 6 * kTextScale,
                           kLetterHeight = 7 * kTextScale, kLineHeight = kLetterHeight + 8;

  explicit Canvas(Extent extent);
  Extent extent() const { return extent_; }

  /// Letters that fit in `width` pixels.
  void text(int64_t top, int64_t left, const std::string& text, int64_t width, Rgb ink = kInk);
  /// Around `centre`, which is a column.
  void centred_text(int64_t top, int64_t centre, const std::string& text, Rgb ink = kInk);
  void fill(int64_t top, int64_t left, int64_t height, int64_t width, Rgb rgb);
  void frame(PlotBox box, Rgb rgb);
  /// A smooth line through the points, `width` pixels wide, within the box.
  void line(const std::vector<PlotPoint>& points, double width, PlotBox box, Rgb rgb);
  /// PNG.
  void save(const std::string& path) const;

 private:
  Extent extent_;
  std::vector<uint8_t> rgb_;
};

/// Pixels that a text is wide.
int64_t text_width(const std::string& text);

/// 256 colours from dark blue to pale yellow, lighter throughout, the same distance apart in OKLab
/// (Ottosson 2020), so that equal steps of a value look equal.
const std::vector<Rgb>& even_colours();

}  // namespace tailor::cli

// What the program's own SVG pictures have in common: a page that is white, or dark where the
// reader's is, with ink that shows on both; and texts that are safe in XML.
#pragma once

#include <cstdint>
#include <string>

namespace tailor::report {

constexpr double kSvgCharacter = 0.62;  // of the size of the type, in width

struct SvgText {
  std::string text;
  double width = 0;  // characters
};

/// Escaped for XML, without what XML forbids or is not UTF-8, and of at most so many characters.
SvgText svg_text(const std::string& text, size_t longest);
/// The beginning of a picture, up to its paper. Classes are `paper` and `ink`, which fill, and
/// `line`. The end is "</svg>\n".
std::string svg_begin(int64_t width, int64_t height, const std::string& title);

}  // namespace tailor::report

#include "report/draw.h"

#include <fmt/core.h>

namespace tailor::report {

std::string figure_begin(double width, double height, const std::string& title,
                         const std::string& description) {
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 {:.0f} {:.0f}\">\n"
      "<title>{}</title>\n",
      width, height, svg_text(title, 200).text);
  if (!description.empty())
    svg += fmt::format("<desc>{}</desc>\n", svg_text(description, description.size()).text);
  return svg;
}

std::string dash_of(size_t style) {
  constexpr const char* kDashes[] = {"", "6 3", "2 3", "9 3 2 3"};
  const char* const dash = kDashes[style % std::size(kDashes)];
  return *dash ? fmt::format(" stroke-dasharray=\"{}\"", dash) : "";
}

std::string marker(size_t style, double x, double y) {
  const size_t ink = style % kInks;
  constexpr const char* kShapes[] = {"m-2.8 -2.8h5.6v5.6h-5.6z", "m0 -4l4 4l-4 4l-4 -4z",
                                     "m0 -4l3.8 6.8h-7.6z", "m0 4l3.8 -6.8h-7.6z"};
  const size_t shape = style % (std::size(kShapes) + 1);
  if (shape == 0) {
    return fmt::format("<circle class=\"m s{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.8\"/>", ink, x,
                       y);
  }
  return fmt::format("<path class=\"m s{}\" d=\"M{:.1f} {:.1f}{}\"/>", ink, x, y,
                     kShapes[shape - 1]);
}

std::string drop_path(double x, double before, double after) {
  return fmt::format(
      "<path class=\"drop\" d=\"M{0:.1f} {1:.1f}V{2:.1f}\"/><path class=\"bar\" d=\"M{0:.1f} "
      "{2:.1f}m-3 {3}h6l-3 {4}z\"/>",
      x, before, after, after >= before ? "-4" : "4", after >= before ? "4" : "-4");
}

std::string stale_mark(double x, double y) {
  return fmt::format("<path class=\"hollow\" d=\"M{:.1f} {:.1f}m-3.5 -3h7l-3.5 6z\"/>", x, y);
}

}  // namespace tailor::report

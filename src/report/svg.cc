#include "tailor/report/svg.h"

#include <fmt/core.h>

#include "tailor/core/rooms.h"

namespace tailor::report {

SvgText svg_text(const std::string& name, size_t longest) {
  SvgText out;
  size_t characters = 0;
  for (size_t i = 0; i < name.size(); ++characters) {
    if (characters == longest) {
      out.text += "…";
      out.width += 1;
      break;
    }
    const auto lead = static_cast<uint8_t>(name[i]);
    size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    bool valid = lead < 0x80 ? lead >= 0x20 && lead != 0x7F : lead >= 0xC2 && lead < 0xF5;
    valid = valid && i + length <= name.size();
    for (size_t k = 1; valid && k < length; ++k)
      valid = (static_cast<uint8_t>(name[i + k]) & 0xC0) == 0x80;
    if (!valid) length = 1;
    const std::string one = valid ? name.substr(i, length) : "?";
    out.text += one == "&" ? "&amp;" : one == "<" ? "&lt;" : one == ">" ? "&gt;" : one;
    out.width += length >= 3 ? 2 : 1;  // most of these are as wide as two Latin letters
    i += length;
  }
  return out;
}

std::string svg_begin(int64_t width, int64_t height, const std::string& title) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" font-family=\"Helvetica, Arial, sans-serif\">\n<title>{2}</title>\n"
      "<style>.paper{{fill:#fff}}.ink{{fill:#000}}.line{{fill:none;stroke:#000}}"
      "@media (prefers-color-scheme:dark){{.paper{{fill:#111}}.ink{{fill:#eee}}"
      ".line{{stroke:#eee}}}}</style>\n<rect class=\"paper\" width=\"{0}\" height=\"{1}\"/>\n",
      width, height, svg_text(title, title.size()).text);
}

}  // namespace tailor::report

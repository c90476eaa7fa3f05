#include "target/hls/xml.h"

#include <algorithm>

#include "tailor/core/error.h"
#include "target/hls/report_text.h"

namespace tailor::target {

XmlFile::XmlFile(std::string_view text, const std::string& where) : text_(text) {
  // The encoding is said, so that offsets are those of the text.
  const pugi::xml_parse_result result = document_.load_buffer(
      text.data(), text.size(), pugi::parse_default | pugi::parse_trim_pcdata, pugi::encoding_utf8);
  if (result) return;
  const size_t at =
      std::min(static_cast<size_t>(std::max<ptrdiff_t>(result.offset, 0)), text.size());
  const std::string_view found = text.substr(at, 20);
  const auto first = static_cast<unsigned char>(found.empty() ? ' ' : found[0]);
  const std::string got = found.empty()                ? "the end of the file"
                          : first < ' ' || first > '~' ? fmt::format("the byte 0x{:02x}", first)
                                                       : quoted_excerpt(found);
  fail(ErrorKind::Data, "{}: line {}: expected XML, got {}: {}; let the tool write it again", where,
       line_at(result.offset), got, result.description());
}

int XmlFile::line(const pugi::xml_node& element) const { return line_at(element.offset_debug()); }

int XmlFile::line_at(ptrdiff_t offset) const {
  const std::string_view before =
      text_.substr(0, static_cast<size_t>(std::max<ptrdiff_t>(offset, 0)));
  return 1 + static_cast<int>(std::count(before.begin(), before.end(), '\n'));
}

}  // namespace tailor::target

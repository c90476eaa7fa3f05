// Enough of XML for the reports of a tool: elements and their text. Attributes are skipped; no
// entity but the five of XML (characters by number are '?'), no DTD.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tailor::target {

struct XmlElement {
  std::string name, text;  // text without blanks at its ends
  int line = 1;
  std::vector<XmlElement> children;
  /// The first child of that name, or none.
  const XmlElement* find(std::string_view name) const;
};

/// The root. Throws Data with `where` and the line.
XmlElement parse_xml(std::string_view text, const std::string& where);

}  // namespace tailor::target

// Reads a page's pictures back: that they are well-formed XML, and where things are in them.
#pragma once

#include <gtest/gtest.h>

#include <pugixml.hpp>
#include <string>
#include <vector>

namespace tailor::test {

/// The picture as a document; the test fails where it is not well-formed.
inline pugi::xml_document read_svg(const std::string& svg) {
  pugi::xml_document document;
  const pugi::xml_parse_result result = document.load_string(svg.c_str());
  EXPECT_TRUE(result) << result.description() << " at "
                      << svg.substr(static_cast<size_t>(result.offset), 80);
  EXPECT_STREQ(document.document_element().name(), "svg");
  EXPECT_STRNE(document.document_element().child_value("title"), "");
  return document;
}

/// Every SVG of a page.
inline std::vector<std::string> pictures_of(const std::string& html) {
  std::vector<std::string> pictures;
  for (size_t at = html.find("<svg"); at != std::string::npos; at = html.find("<svg", at + 1)) {
    const size_t end = html.find("</svg>", at);
    pictures.push_back(html.substr(at, end + 6 - at));
  }
  return pictures;
}

/// Elements that an XPath finds.
inline std::vector<pugi::xml_node> find_nodes(const pugi::xml_document& document,
                                              const std::string& path) {
  std::vector<pugi::xml_node> nodes;
  for (const auto& found : document.select_nodes(path.c_str())) nodes.push_back(found.node());
  return nodes;
}

}  // namespace tailor::test

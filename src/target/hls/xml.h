// An XML report of a tool, read by pugixml, and the line of each of its elements.
#pragma once

#include <pugixml.hpp>
#include <string>
#include <string_view>

namespace tailor::target {

/// `text` and `where` are kept by reference.
class XmlFile {
 public:
  /// Throws Data with `where` and the line.
  XmlFile(std::string_view text, const std::string& where);
  pugi::xml_node root() const { return document_.document_element(); }
  /// Of an element's name, from 1.
  int line(const pugi::xml_node& element) const;

 private:
  int line_at(ptrdiff_t offset) const;

  std::string_view text_;
  pugi::xml_document document_;
};

}  // namespace tailor::target

// A reader of plain XML by one pass over the text; elements lie at most kDeepest deep, so that no
// file can exhaust the stack.
#include "target/hls/xml.h"

#include "tailor/core/error.h"
#include "tailor/core/strings.h"

namespace tailor::target {
namespace {

constexpr int kDeepest = 64;
constexpr std::string_view kVerbatim = "<![CDATA[";

bool is_xml_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.' || c == ':' || static_cast<unsigned char>(c) >= 0x80;
}

class XmlReader {
 public:
  XmlReader(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  XmlElement document() {
    skip_between();
    if (!starts("<")) fail_here("an element", found());
    XmlElement root = element(0);
    skip_between();
    if (at_ < text_.size()) fail_here("the end of the file", found());
    return root;
  }

 private:
  bool starts(std::string_view what) const { return text_.substr(at_, what.size()) == what; }
  std::string found() const {
    return at_ >= text_.size() ? "the end of the file"
                               : "'" + printable(text_.substr(at_, 20)) + "'";
  }
  static std::string printable(std::string_view text) {
    std::string out;
    for (char c : text) out += c >= ' ' && c < 127 ? c : '?';
    return out;
  }
  [[noreturn]] void fail_here(const std::string& expected, const std::string& got) const {
    fail(ErrorKind::Data, "{}: line {}: expected {}, got {}", where_, line_, expected, got);
  }
  void advance(size_t n) {
    for (size_t i = 0; i < n && at_ < text_.size(); ++i, ++at_) line_ += text_[at_] == '\n';
  }
  void skip_blanks() {
    while (at_ < text_.size() && is_blank(text_[at_])) advance(1);
  }
  static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
  void skip_past(std::string_view end, const char* what) {
    const size_t to = text_.find(end, at_);
    if (to == std::string_view::npos) fail_here(what, "the end of the file");
    advance(to + end.size() - at_);
  }
  /// Blanks, comments, declarations.
  void skip_between() {
    for (;;) {
      skip_blanks();
      if (starts("<?")) {
        skip_past("?>", "the end of a declaration, ?>");
      } else if (starts("<!--")) {
        skip_past("-->", "the end of a comment, -->");
      } else {
        return;
      }
    }
  }
  std::string name() {
    const size_t begin = at_;
    while (at_ < text_.size() && is_xml_name(text_[at_])) ++at_;
    if (at_ == begin) fail_here("a name", found());
    return std::string(text_.substr(begin, at_ - begin));
  }
  /// To behind the tag's '>'; whether the element ends there already.
  bool skip_attributes() {
    for (;;) {
      skip_blanks();
      if (starts("/>")) return advance(2), true;
      if (starts(">")) return advance(1), false;
      name();
      skip_blanks();
      if (!starts("=")) fail_here("'=' behind an attribute's name", found());
      advance(1);
      skip_blanks();
      if (!starts("\"") && !starts("'")) fail_here("a quoted value", found());
      const std::string quote(1, text_[at_]);
      advance(1);
      skip_past(quote, "the quote that ends a value");
    }
  }
  void append_text(std::string& out) {
    if (text_[at_] != '&') {
      out += text_[at_];
      return advance(1);
    }
    for (const auto& [entity, c] :
         {std::pair("&lt;", '<'), std::pair("&gt;", '>'), std::pair("&amp;", '&'),
          std::pair("&quot;", '"'), std::pair("&apos;", '\'')}) {
      if (starts(entity)) {
        out += c;
        return advance(std::string_view(entity).size());
      }
    }
    if (starts("&#")) {  // of a character by number nothing depends on which it is
      out += '?';
      return skip_past(";", "the end of a character, ;");
    }
    fail_here("&lt;, &gt;, &amp;, &quot; or &apos;", found());
  }
  XmlElement element(int depth) {
    if (depth >= kDeepest)
      fail_here(fmt::format("elements at most {} deep", kDeepest), "a deeper one");
    XmlElement e;
    e.line = line_;
    advance(1);
    e.name = name();
    if (skip_attributes()) return e;
    for (;;) {
      if (at_ >= text_.size()) fail_here(fmt::format("</{}>", e.name), found());
      if (starts("</")) break;
      if (starts("<!--")) {
        skip_past("-->", "the end of a comment, -->");
      } else if (starts(kVerbatim)) {
        const size_t begin = at_ + kVerbatim.size();
        skip_past("]]>", "the end of verbatim text, ]]>");
        e.text += text_.substr(begin, at_ - 3 - begin);
      } else if (text_[at_] == '<') {
        e.children.push_back(element(depth + 1));
      } else {
        append_text(e.text);
      }
    }
    advance(2);
    const std::string closed = name();
    if (closed != e.name) fail_here(fmt::format("</{}>", e.name), fmt::format("</{}>", closed));
    skip_blanks();
    if (!starts(">")) fail_here("'>'", found());
    advance(1);
    e.text = std::string(trim(e.text));
    return e;
  }

  std::string_view text_;
  const std::string& where_;
  size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

const XmlElement* XmlElement::find(std::string_view wanted) const {
  for (const XmlElement& child : children) {
    if (child.name == wanted) return &child;
  }
  return nullptr;
}

XmlElement parse_xml(std::string_view text, const std::string& where) {
  return XmlReader(text, where).document();
}

}  // namespace tailor::target

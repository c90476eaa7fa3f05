#include "target/hls/report_text.h"

#include "tailor/core/error.h"
#include "tailor/core/strings.h"

namespace tailor::target {

std::string quoted_excerpt(std::string_view text) {
  constexpr size_t kMost = 40;
  std::string out = "'";
  for (char c : text.substr(0, kMost)) out += c >= ' ' && c < 127 ? c : '?';
  return out + (text.size() > kMost ? "…'" : "'");
}

std::optional<double> tool_figure(std::string_view text, bool& valid) {
  text = trim(text);
  valid = true;
  for (std::string_view none : {"", "-", "?", "NA", "N/A", "undef", "x"}) {
    if (text == none) return {};
  }
  // "11 ~ 15": the worst case counts.
  const size_t range = text.find(" ~ ");
  if (range != std::string_view::npos) text = trim(text.substr(range + 3));
  if (ends_with(text, " ns")) text = trim(text.substr(0, text.size() - 3));
  if (!text.empty() && text[0] == '~') text.remove_prefix(1);
  const std::optional<double> value = parse_number(text);
  valid = value && *value >= 0 && *value < 1e18;
  return valid ? value : std::nullopt;
}

ReportLines::ReportLines(std::string_view text, const std::string& where) : where_(where) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r' || line.back() == '\t'))
      line.remove_suffix(1);
    lines_.push_back(line);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
}

std::vector<std::string_view> ReportLines::cells(size_t i) const {
  std::string_view line = trim(lines_[i]);
  std::vector<std::string_view> cells;
  if (line.size() < 2 || line.front() != '|' || line.back() != '|') return cells;
  line.remove_prefix(1);
  for (size_t end = line.find('|'); end != std::string_view::npos; end = line.find('|')) {
    cells.push_back(trim(line.substr(0, end)));
    line.remove_prefix(end + 1);
  }
  return cells;
}

std::optional<double> ReportLines::figure(size_t line, std::string_view cell) const {
  bool valid = false;
  const std::optional<double> value = tool_figure(cell, valid);
  if (!valid) fail_at(line, "a number of 0 or more", quoted_excerpt(cell));
  return value;
}

void ReportLines::fail_at(size_t line, std::string_view expected, std::string_view got) const {
  fail(ErrorKind::Data, "{}: line {}: expected {}, got {}", where_, line + 1, expected, got);
}

void ReportLines::fail_whole(std::string_view expected) const {
  fail(ErrorKind::Data, "{}: expected {}; it ends after {} lines without", where_, expected,
       lines_.size());
}

}  // namespace tailor::target

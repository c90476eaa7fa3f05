// Lines and tables of the tools' text reports: | a | b |, with rules of + and - between them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tailor::target {

/// The lines of a report, and where one is for an error.
class ReportLines {
 public:
  ReportLines(std::string_view text, const std::string& where);
  size_t size() const { return lines_.size(); }
  /// Without blanks at its end.
  std::string_view operator[](size_t i) const { return lines_[i]; }
  /// Cells of a table's row, trimmed; none where the line is no row.
  std::vector<std::string_view> cells(size_t i) const;
  /// A figure of a table. Empty where the tool has none ("-", "?", "NA", "undef", ""). Throws Data
  /// where it is something else than a number of 0 or more.
  std::optional<double> figure(size_t line, std::string_view cell) const;
  [[noreturn]] void fail_at(size_t line, std::string_view expected, std::string_view got) const;
  [[noreturn]] void fail_whole(std::string_view expected) const;

 private:
  std::vector<std::string_view> lines_;
  const std::string& where_;
};

/// Control characters as '?', cut to what a message can hold.
std::string quoted_excerpt(std::string_view text);

/// A tool's figure: a number of 0 or more, nothing where the tool has none; `valid` says whether it
/// is either.
std::optional<double> tool_figure(std::string_view text, bool& valid);

}  // namespace tailor::target

// A page of tables and figures as one HTML file without anything from outside, and its tables as
// Markdown. Texts are escaped here, figures are SVG already.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tailor/core/rooms.h"

namespace tailor::report {

struct DataTable {
  std::string caption;
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
  bool folded = false;  // opened by who wants to see it
};
/// Without the columns, beside the first, in which no row says anything ("" or "–").
DataTable without_empty_columns(DataTable table);
/// The same picture for two widths of the page; without a narrow one, it is scrolled there. What is
/// `full` is as wide as the page.
struct Drawing {
  std::string caption, wide, narrow;
  bool full = false;
};
using Paragraph = std::string;
struct Section {
  std::string heading;
  std::vector<std::variant<Paragraph, DataTable, Drawing>> parts;
  bool folded = false;
};
struct Page {
  std::string title;
  std::vector<Paragraph> lead;
  std::optional<int64_t> refresh_s;  // the reader's program loads it again after so long
  std::vector<Section> sections;
};

/// Units that figures for the two widths are drawn in.
constexpr int64_t kNarrowFigure = 352, kWideFigure = 540, kFullFigure = 1060;
/// A figure in both widths: `emit` takes one.
template <class Emit>
Drawing make_figure(std::string caption, const Emit& emit, bool full = false) {
  return {std::move(caption), emit(full ? kFullFigure : kWideFigure), emit(kNarrowFigure), full};
}

std::string emit_html(const Page& page);
/// Without figures: a heading whose section has none of anything else is left out.
std::string emit_markdown(const Page& page);
/// A table as Markdown has it; the first row is the header.
std::string emit_markdown_table(const std::vector<std::vector<std::string>>& cells);

/// Whether a text begins as emit_html's or emit_markdown's: what may be replaced by another.
bool is_report(const std::string& beginning);

}  // namespace tailor::report

#include "tailor/report/page.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>

#include "report/style.h"
#include "tailor/core/strings.h"
#include "tailor/core/version.h"
#include "tailor/report/svg.h"

namespace tailor::report {
namespace {

constexpr const char* kHtmlBegin = "<!doctype html>\n<!-- tailor report -->\n";
constexpr const char* kMarkdownBegin = "<!-- tailor report -->\n";

std::string escaped(const std::string& text) { return svg_text(text, text.size()).text; }

/// Digits with what stands between and behind them, or nothing at all: such columns end at the
/// right.
bool is_figure(const std::string& cell) {
  if (cell.empty() || cell == "–") return true;
  if (cell.find_first_of("0123456789") == std::string::npos) return false;
  std::string rest = cell;
  for (const char* const sign : {"±", "–", "→", " of "}) {
    for (size_t at = rest.find(sign); at != std::string::npos; at = rest.find(sign))
      rest.erase(at, std::string(sign).size());
  }
  return rest.find_first_not_of("0123456789.,+-% e()") == std::string::npos;
}

/// The first cell of a row that is no header says which row it is; long texts are broken.
std::string html_row(const std::vector<std::string>& cells, const std::vector<bool>& figures,
                     bool is_header) {
  constexpr size_t kLong = 60;
  std::string html = "<tr>";
  for (size_t i = 0; i < cells.size(); ++i) {
    const char* const style = figures[i]                ? " class=\"n\""
                              : cells[i].size() > kLong ? " class=\"long\""
                                                        : "";
    html += is_header ? fmt::format("<th scope=\"col\"{}>{}</th>", style, escaped(cells[i]))
            : i == 0  ? fmt::format("<th scope=\"row\"{}>{}</th>", style, escaped(cells[i]))
                      : fmt::format("<td{}>{}</td>", style, escaped(cells[i]));
  }
  return html + "</tr>\n";
}

std::string emit(const DataTable& table) {
  std::vector<bool> figures(table.header.size(), true);
  for (const auto& row : table.rows) {
    for (size_t i = 0; i < row.size(); ++i) figures.at(i) = figures[i] && is_figure(row[i]);
  }
  std::string html = table.folded
                         ? fmt::format("<details><summary>{}</summary>\n", escaped(table.caption))
                         : std::string();
  html += "<div class=\"scroll\"><table>\n";
  html += fmt::format("<caption><span>{}</span></caption>\n<thead>", escaped(table.caption));
  html += html_row(table.header, figures, true) + "</thead>\n<tbody>\n";
  for (const auto& row : table.rows) html += html_row(row, figures, false);
  return html + "</tbody></table></div>\n" + (table.folded ? "</details>\n" : "");
}

std::string emit(const Drawing& figure) {
  std::string html = fmt::format("<figure{}><figcaption>{}</figcaption>\n",
                                 figure.full ? " class=\"full\"" : "", escaped(figure.caption));
  if (figure.narrow.empty())
    return html + "<div class=\"scroll\">" + figure.wide + "</div></figure>\n";
  return html + "<div class=\"wide\">" + figure.wide + "</div>\n<div class=\"narrow\">" +
         figure.narrow + "</div></figure>\n";
}

/// Figures that follow one another stand in one grid.
std::string emit(const Section& section) {
  const char *const opens = section.folded ? "<details><summary>" : "",
                    *const ends = section.folded ? "</summary>" : "",
                    *const closes = section.folded ? "</details>\n" : "";
  std::string html =
      fmt::format("<section>\n{}<h2>{}</h2>{}\n", opens, escaped(section.heading), ends);
  bool in_grid = false;
  for (const auto& part : section.parts) {
    const bool is_figure = std::holds_alternative<Drawing>(part);
    if (is_figure != in_grid) html += is_figure ? "<div class=\"figures\">\n" : "</div>\n";
    in_grid = is_figure;
    if (const auto* text = std::get_if<Paragraph>(&part)) {
      html += fmt::format("<p>{}</p>\n", escaped(*text));
    } else if (const auto* table = std::get_if<DataTable>(&part)) {
      html += emit(*table);
    } else {
      html += emit(std::get<Drawing>(part));
    }
  }
  return html + (in_grid ? "</div>\n" : "") + closes + "</section>\n";
}

}  // namespace

DataTable without_empty_columns(DataTable table) {
  for (size_t column = table.header.size(); column-- > 1;) {
    const bool says_nothing =
        std::all_of(table.rows.begin(), table.rows.end(), [&](const std::vector<std::string>& row) {
          return row.at(column).empty() || row[column] == "–";
        });
    if (!says_nothing) continue;
    const auto at = static_cast<std::ptrdiff_t>(column);
    table.header.erase(table.header.begin() + at);
    for (auto& row : table.rows) row.erase(row.begin() + at);
  }
  return table;
}

std::string emit_html(const Page& page) {
  std::string html = kHtmlBegin;
  html += "<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n";
  html += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n";
  html += fmt::format("<meta name=\"generator\" content=\"tailor {}\"/>\n", version());
  if (page.refresh_s)
    html += fmt::format("<meta http-equiv=\"refresh\" content=\"{}\"/>\n", *page.refresh_s);
  html +=
      fmt::format("<title>{0}</title>\n<style>{1}</style>\n</head>\n<body>\n<main>\n<h1>{0}</h1>\n",
                  escaped(page.title), kStyle);
  for (const Paragraph& text : page.lead)
    html += fmt::format("<p class=\"lead\">{}</p>\n", escaped(text));
  for (const Section& section : page.sections) html += emit(section);
  return html + "</main>\n</body>\n</html>\n";
}

std::string emit_markdown_table(const std::vector<std::vector<std::string>>& cells) {
  std::string text;
  for (size_t i = 0; i < cells.size(); ++i) {
    for (const std::string& cell : cells[i]) {
      text += "| ";
      for (const char c : cell) text += c == '|' ? std::string("\\|") : std::string(1, c);
      text += " ";
    }
    text += "|\n";
    if (i == 0) {
      for (size_t j = 0; j < cells[0].size(); ++j) text += "|---";
      text += "|\n";
    }
  }
  return text;
}

std::string emit_markdown(const Page& page) {
  // As in HTML, texts of others are no markup.
  std::string text = fmt::format("{}# {}\n", kMarkdownBegin, escaped(page.title));
  for (const Paragraph& lead : page.lead) text += "\n" + escaped(lead) + "\n";
  for (const Section& section : page.sections) {
    std::string body;
    for (const auto& part : section.parts) {
      if (const auto* paragraph = std::get_if<Paragraph>(&part)) {
        body += "\n" + escaped(*paragraph) + "\n";
      } else if (const auto* table = std::get_if<DataTable>(&part)) {
        std::vector<std::vector<std::string>> cells = {table->header};
        cells.insert(cells.end(), table->rows.begin(), table->rows.end());
        for (auto& row : cells) std::transform(row.begin(), row.end(), row.begin(), escaped);
        body += fmt::format("\n**{}**\n\n{}", escaped(table->caption), emit_markdown_table(cells));
      }
    }
    if (!body.empty()) text += fmt::format("\n## {}\n{}", escaped(section.heading), body);
  }
  return text;
}

bool is_report(const std::string& beginning) {
  return starts_with(beginning, kHtmlBegin) || starts_with(beginning, kMarkdownBegin);
}

}  // namespace tailor::report

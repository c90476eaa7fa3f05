// Pages: escaped, whole, from nowhere but themselves.
#include "tailor/report/page.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/rooms.h"

namespace tailor::test {
namespace {

report::Page small_page() {
  report::Page page;
  page.title = "a <b> & c";
  page.lead = {"lead <i>"};
  report::DataTable table{
      "cap | tion", {"name", "value", "text"}, {{"x|<y>", "1,234", "ok"}, {"z", "–", ""}}};
  page.sections = {
      {"Only <figures>", {report::Drawing{"fig & ure", "<svg>w</svg>", "<svg>n</svg>"}}},
      {"Tables", {std::string("text & more"), table}}};
  return page;
}

TEST(ReportPage, EscapesAndAlignsFigures) {
  const std::string html = report::emit_html(small_page());
  testing::expect_words(
      html,
      {"<title>a &lt;b&gt; &amp; c</title>", "<p class=\"lead\">lead &lt;i&gt;</p>",
       "<caption><span>cap | tion</span></caption>", "<th scope=\"row\">x|&lt;y&gt;</th>",
       "<td class=\"n\">1,234</td>", "<td>ok</td>", "<th scope=\"col\" class=\"n\">value</th>",
       "<figcaption>fig &amp; ure</figcaption>", "<div class=\"wide\"><svg>w</svg></div>",
       "<div class=\"narrow\"><svg>n</svg></div>", "prefers-color-scheme:dark"});
  EXPECT_EQ(html.find("http-equiv"), std::string::npos);
}

TEST(ReportPage, FoldedSectionsKeepTheirHeading) {
  report::Page page = small_page();
  page.sections[1].folded = true;
  testing::expect_words(report::emit_html(page),
                        {"<section>\n<h2>Only &lt;figures&gt;</h2>\n",
                         "<section>\n<details><summary><h2>Tables</h2></summary>\n",
                         "</details>\n</section>\n</main>"});
}

TEST(ReportPage, TakesNothingFromOutside) {
  const std::string html = report::emit_html(small_page());
  for (const char* const word : {"http:", "https:", "<script", "<link", "src=", "@import", "url("})
    EXPECT_EQ(html.find(word), std::string::npos) << word;
}

TEST(ReportPage, IsLoadedAgainWhereItIsAskedFor) {
  report::Page page = small_page();
  page.refresh_s = 7;
  testing::expect_words(report::emit_html(page), {"<meta http-equiv=\"refresh\" content=\"7\"/>"});
}

TEST(ReportPage, MarkdownHasTheSameTables) {
  const std::string text = report::emit_markdown(small_page());
  testing::expect_words(text,
                        {"# a &lt;b&gt; &amp; c", "## Tables", "**cap | tion**",
                         "| name | value | text |\n|---|---|---|\n| x\\|&lt;y&gt; | 1,234 | ok |"});
  EXPECT_EQ(text.find("Only"), std::string::npos);  // a section of figures alone
}

TEST(ReportPage, ColumnsThatSayNothingAreLeftOut) {
  const report::DataTable table =
      report::without_empty_columns({"t", {"a", "b", "c"}, {{"", "–", "1"}, {"", "", ""}}});
  EXPECT_EQ(table.header, (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(table.rows[0], (std::vector<std::string>{"", "1"}));
}

TEST(ReportPage, KnowsItsOwn) {
  EXPECT_TRUE(report::is_report(report::emit_html(small_page())));
  EXPECT_TRUE(report::is_report(report::emit_markdown(small_page())));
  EXPECT_FALSE(report::is_report("<!doctype html>\n<html>"));
}

}  // namespace
}  // namespace tailor::test

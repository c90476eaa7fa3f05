// Charts: points, alterations, bars and dots are where their numbers are.
#include "tailor/report/chart.h"

#include <algorithm>
#include <set>

#include "report/svg_reader.h"
#include "support/expect_error.h"
#include "support/rooms.h"

namespace tailor::test {
namespace {

/// Values to places, by two ticks of an axis.
struct ReadAxis {
  double value[2], place[2];
  ReadAxis(const pugi::xml_document& svg, const std::string& axis, const std::string& attribute,
           double shift) {
    const auto ticks = find_nodes(svg, "//text[@class='" + axis + "']");
    EXPECT_GE(ticks.size(), 2U);
    for (size_t i : {0, 1}) {
      const pugi::xml_node& tick = i == 0 ? ticks.front() : ticks.back();
      value[i] = std::stod(tick.child_value());
      place[i] = tick.attribute(attribute.c_str()).as_double() + shift;
    }
  }
  double at(double v) const {
    return place[0] + (v - value[0]) / (value[1] - value[0]) * (place[1] - place[0]);
  }
};

report::LineChart three_epochs() {
  report::LineChart chart;
  chart.title = "accuracy of <a & b>";
  chart.x = {"epochs", false, true, 0.0, 3.0};
  chart.y = {"accuracy (%)", false, false, {}, 100.0};
  chart.series = {{"validation", {{{1, 81.5}, {2, 92.25}}, {{2, 64}, {3, 90}}}}};
  chart.edits = {{2, "removed \"x\" & <y>", 92.25, 41.0, 64.0}};
  chart.levels = {{"teacher", 95}};
  return chart;
}

TEST(LineChart, PointsAreWhereTheyMustBe) {
  const pugi::xml_document svg = read_svg(report::emit_line_chart(three_epochs(), 540));
  const ReadAxis x(svg, "x", "x", 0), y(svg, "y", "y", -4);
  const auto marks = find_nodes(svg, "//circle[@r='2.8']");
  ASSERT_EQ(marks.size(), 5U);  // the first is the legend's
  const double expected[4][2] = {{1, 81.5}, {2, 92.25}, {2, 64}, {3, 90}};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(marks[i + 1].attribute("cx").as_double(), x.at(expected[i][0]), 0.15);
    EXPECT_NEAR(marks[i + 1].attribute("cy").as_double(), y.at(expected[i][1]), 0.15);
  }
  // Two lines with a gap between them, where the network was altered.
  const auto lines = find_nodes(svg, "//path[@class='l s0']");
  const std::string path = lines.back().attribute("d").value();
  EXPECT_EQ(std::count(path.begin(), path.end(), 'M'), 2);
}

TEST(LineChart, AnAlterationIsALineWithItsNameAndADrop) {
  const pugi::xml_document svg = read_svg(report::emit_line_chart(three_epochs(), 540));
  const ReadAxis x(svg, "x", "x", 0), y(svg, "y", "y", -4);
  const auto edits = find_nodes(svg, "//g[path[@class='edit'] and title]");
  ASSERT_EQ(edits.size(), 1U);
  EXPECT_STREQ(edits[0].child_value("title"), "removed \"x\" & <y>");
  const auto drops = find_nodes(svg, "//g[@class='dropped']/path[@class='drop']");
  ASSERT_EQ(drops.size(), 1U);
  double at = 0, before = 0, after = 0;
  ASSERT_EQ(std::sscanf(drops[0].attribute("d").value(), "M%lf %lfV%lf", &at, &before, &after), 3);
  EXPECT_NEAR(at, x.at(2), 0.15);
  EXPECT_NEAR(before, y.at(92.25), 0.15);
  EXPECT_NEAR(after, y.at(64), 0.15);
  double stale = 0;
  const auto stales = find_nodes(svg, "//g[@class='dropped']/path[@class='hollow']");
  ASSERT_EQ(stales.size(), 1U);
  ASSERT_EQ(std::sscanf(stales[0].attribute("d").value(), "M%lf %lf", &at, &stale), 2);
  EXPECT_NEAR(stale, y.at(41), 0.15);
}

TEST(LineChart, TellsSeriesApartWithoutColour) {
  report::LineChart chart = three_epochs();
  chart.series.clear();
  for (int s = 0; s < 20; ++s)
    chart.series.push_back({std::to_string(s), {{{1, s + 1.0}, {2, 9}}}});
  const pugi::xml_document svg = read_svg(report::emit_line_chart(chart, 352));
  std::set<std::string> looks;  // dash and marker of each in the legend
  for (const auto& line : find_nodes(svg, "//g[@class='t']/path[starts-with(@class, 'l ')]")) {
    const pugi::xml_node marker = line.next_sibling();
    const std::string shape = marker.attribute("d").value();
    looks.insert(std::string(line.attribute("stroke-dasharray").value()) + "/" + marker.name() +
                 shape.substr(std::min(shape.size(), shape.find_last_of("m"))));
  }
  EXPECT_GE(looks.size(), 20U);
}

TEST(LineChart, ManyPointsHaveFewMarkers) {
  report::LineChart chart = three_epochs();
  chart.series = {{"long", {{}}}};
  for (int i = 0; i < 1000; ++i) chart.series[0].lines[0].push_back({i * 0.1, i % 7 + 50.0});
  const pugi::xml_document svg = read_svg(report::emit_line_chart(chart, 540));
  EXPECT_LE(find_nodes(svg, "//circle[@r='2.8']").size(), 33U);
}

TEST(LineChart, WithoutAPointIsABug) {
  testing::expect_error(ErrorKind::Internal, {"empty"}, [] {
    report::emit_line_chart({"empty", "", {}, {}, {}, {}, {}}, 540);
  });
}

TEST(BarChart, BarsAreAsLongAsTheirValues) {
  const report::BarChart chart{"FIFO bits",
                               "",
                               {{"a", "300", 200, 100}, {"b", "150", 150, 0}},
                               "between stages",
                               "of skips"};
  const pugi::xml_document svg = read_svg(report::emit_bar_chart(chart, 540));
  const auto solid = find_nodes(svg, "//g[title]/rect[@class='bar']"),
             hollow = find_nodes(svg, "//g[title]/rect[@class='hollow']");
  ASSERT_EQ(solid.size(), 2U);
  ASSERT_EQ(hollow.size(), 1U);
  const double first = solid[0].attribute("width").as_double();
  EXPECT_NEAR(solid[1].attribute("width").as_double() / first, 0.75, 0.01);
  EXPECT_NEAR((hollow[0].attribute("width").as_double() + 1) / first, 0.5, 0.01);
  EXPECT_NEAR(hollow[0].attribute("x").as_double(), first + 0.5, 0.11);
}

TEST(DotChart, HasEachRunTheirMeanAndTheTeacher) {
  const report::DotChart chart{
      "by method",
      "",
      {"test (%)", false, false, {}, {}},
      {{"cut", "83", {80, 83, 86}, 83, 3, 90}, {"solve", "88", {88}, 88, 0, {}}},
      "a run",
      "mean",
      "teacher"};
  const pugi::xml_document svg = read_svg(report::emit_dot_chart(chart, 540));
  const ReadAxis x(svg, "x", "x", 0);
  const auto dots = find_nodes(svg, "//g[title]/circle[@class='hollow']"),
             means = find_nodes(svg, "//g[title]/circle[@class='bar']");
  ASSERT_EQ(dots.size(), 3U);
  ASSERT_EQ(means.size(), 2U);
  EXPECT_NEAR(dots[0].attribute("cx").as_double(), x.at(80), 0.15);
  EXPECT_NEAR(means[0].attribute("cx").as_double(), x.at(83), 0.15);
  EXPECT_NEAR(means[1].attribute("cx").as_double(), x.at(88), 0.15);
  // The teacher's tick, and the deviation to both sides of the mean.
  EXPECT_EQ(find_nodes(svg, "//g[title]/path[@class='mark']").size(), 2U);
}

}  // namespace
}  // namespace tailor::test

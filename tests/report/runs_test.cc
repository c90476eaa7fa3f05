// What a page says of runs, in numbers by hand.
#include "tailor/report/runs.h"

#include "report/svg_reader.h"
#include "support/expect_error.h"
#include "support/rooms.h"

namespace tailor::test {
namespace {

EpochMetrics epoch(int64_t number, double train, std::optional<double> validation) {
  EpochMetrics m;
  m.epoch = number, m.lr = 0.1 / static_cast<double>(number + 1);
  m.train[0].value = 2.5, m.train[1].value = train;
  m.validation[0].value = 0.5, m.validation[1].value = validation;
  m.seconds = 10, m.examples_per_s = 200;
  return m;
}
AlterationLine alteration(int64_t before_epoch, const std::string& skip, double before,
                          double stale, double after) {
  AlterationLine a;
  a.epoch = before_epoch, a.skip = skip, a.text = "removed " + skip, a.kind = "remove";
  a.validation_before.value = before, a.validation_stale.value = stale,
  a.validation_after.value = after;
  return a;
}
/// Three epochs of four, two skips before the second one.
report::ReportedRun half_a_run() {
  report::ReportedRun run;
  run.name = "half <1>", run.network = "resnet8", run.data = "synthetic";
  run.method = "remove, cut, α 1";
  run.epochs_planned = 4, run.skips_before = 3, run.skips = 1;
  run.epochs = {epoch(0, 50, 60), epoch(1, 55, 58), epoch(2, 61, 66)};
  run.alterations = {alteration(1, "s1", 60, 20, 52), alteration(1, "s2", 52, 30, 44)};
  return run;
}

TEST(ReportedRuns, TableSaysHowFarOneGot) {
  const report::DataTable table = report::runs_table({half_a_run()});
  const std::vector<std::string> expected = {"half <1>", "resnet8", "synthetic", "remove, cut, α 1",
                                             "3 → 1",    "3 of 4",  "6,000",     "30"};
  EXPECT_EQ(table.rows, std::vector<std::vector<std::string>>{expected});
}

TEST(ReportedRuns, OneDataSetIsNamedByTheCaption) {
  report::ReportedRun other = half_a_run();
  EXPECT_EQ(report::runs_table({half_a_run(), other}).caption,
            "Runs on synthetic; teacher, last and best: accuracy on the test split, in per cent");
  EXPECT_EQ(report::runs_table({half_a_run(), other}).rows[0][2], "remove, cut, α 1");
  other.data = "svhn";
  const report::DataTable table = report::runs_table({half_a_run(), other});
  EXPECT_EQ(table.rows[1][2], "svhn");
  EXPECT_EQ(table.caption.rfind("Runs; ", 0), 0U);
}

TEST(ReportedRuns, AlterationsStandBetweenTheEpochs) {
  const report::Drawing figure = report::accuracy_figure(half_a_run());
  for (const std::string& text : {figure.wide, figure.narrow}) {
    const pugi::xml_document svg = read_svg(text);
    const auto edits = find_nodes(svg, "//g[path[@class='edit'] and title]");
    ASSERT_EQ(edits.size(), 2U);
    EXPECT_STREQ(edits[0].child_value("title"),
                 "removed s1, before epoch 1: 60.00 to 52.00 %, stale 20.00");
    EXPECT_EQ(find_nodes(svg, "//g[@class='dropped']").size(), 2U);
    // Up to 1; from the first drop to the second; from there on.
    const auto lines = find_nodes(svg, "//path[@class='l s0']");
    const std::string path = lines.back().attribute("d").value();
    EXPECT_EQ(std::count(path.begin(), path.end(), 'M'), 3) << path;
  }
}

TEST(ReportedRuns, WhatFadesIsMarkedAndDropsNowhere) {
  report::ReportedRun run = half_a_run();
  for (AlterationLine& a : run.alterations) a.edit = "fade";
  const pugi::xml_document svg = read_svg(report::accuracy_figure(run).wide);
  EXPECT_EQ(find_nodes(svg, "//g[path[@class='edit'] and title]").size(), 2U);
  EXPECT_TRUE(find_nodes(svg, "//g[@class='dropped']").empty());
  const std::string path = find_nodes(svg, "//path[@class='l s0']").back().attribute("d").value();
  EXPECT_EQ(std::count(path.begin(), path.end(), 'M'), 1) << path;
}

TEST(ReportedRuns, SectionsOfARunWithoutAnEpochHaveNoFigure) {
  report::ReportedRun run = half_a_run();
  run.epochs.clear(), run.alterations.clear();
  const report::Section section = report::run_section(run);
  ASSERT_EQ(section.parts.size(), 1U);
  EXPECT_NE(std::get<std::string>(section.parts[0]).find("0 of 4 epochs"), std::string::npos);
}

TEST(ReportedRuns, MeasuredNothingIsNoFigureOfValidation) {
  report::ReportedRun run = half_a_run();
  run.alterations.clear();
  for (EpochMetrics& m : run.epochs) m.validation[0].value = m.validation[1].value = std::nullopt;
  const pugi::xml_document svg = read_svg(report::accuracy_figure(run).wide);
  EXPECT_TRUE(find_nodes(svg, "//text[text()='validation']").empty());
}

TEST(ReportedRuns, FinishedOnesShowTeacherAndTest) {
  report::ReportedRun run = half_a_run();
  RunSummary summary;
  summary.epochs = 4, summary.seconds = 99.6, summary.last.test.value = 71.25;
  summary.teacher = Json::object({{"test_accuracy", 91.5}});
  run.summary = summary;
  EXPECT_EQ(report::teacher_of(summary), 91.5);
  const report::DataTable table = report::runs_table({run});
  const std::vector<std::string> expected = {"half <1>", "resnet8", "synthetic", "remove, cut, α 1",
                                             "3 → 1",    "91.50",   "71.25",     "4",
                                             "6,000",    "100"};
  EXPECT_EQ(table.rows[0], expected);
  testing::expect_words(report::accuracy_figure(run).wide,
                        {">teacher, test: 91.50<", ">test: 71.25<"});
}

TEST(ReportedRuns, SeedsAreOneCurveOfTheirMean) {
  report::ReportedRun a = half_a_run(), b = half_a_run(), c = half_a_run();
  a.name = "a", b.name = "b", c.name = "c";
  for (EpochMetrics& m : b.epochs) *m.validation[0].value += 10, *m.validation[1].value += 10;
  b.epochs.pop_back();
  const auto section = report::runs_side_by_side(
      {a, b, c}, {{"a (+1)", "cut", "resnet20", 20, {80, 84}, 90.0, {"a", "b"}}});
  ASSERT_TRUE(section);
  ASSERT_EQ(section->parts.size(), 1U);
  const auto& drawing = std::get<report::Drawing>(section->parts[0]);
  EXPECT_EQ(drawing.caption, "All runs, those of several seeds by their mean");
  // A last phase stands behind those before it, and one without lines moves nobody's.
  report::ReportedRun late = half_a_run(), lost = half_a_run();
  late.name = "late", lost.name = "lost", lost.epochs.clear();
  for (EpochMetrics& m : late.epochs) m.epoch += 10;
  const auto moved = report::runs_side_by_side(
      {late, lost, c}, {{"l", "cut", "resnet20", 20, {80, 84}, 90.0, {"late", "lost"}}});
  testing::expect_words(std::get<report::Drawing>(moved->parts.at(0)).wide,
                        {"l: 66 at 13 epochs; c: 66 at 3 epochs"});
  // Up to where the shorter one ends: the mean of 58 and 68.
  testing::expect_words(drawing.wide, {"a (+1): 63 at 2 epochs; c: 66 at 3 epochs"});
}

TEST(ReportedRuns, SeedsOfOneMethodAloneAreEachACurve) {
  report::ReportedRun a = half_a_run(), b = half_a_run();
  a.name = "a", b.name = "b";
  const auto section = report::runs_side_by_side(
      {a, b}, {{"a (+1)", "cut", "resnet20", 20, {80, 84}, 90.0, {"a", "b"}}});
  ASSERT_TRUE(section);
  const auto& drawing = std::get<report::Drawing>(section->parts.at(0));
  EXPECT_EQ(drawing.caption, "All runs");
  testing::expect_words(drawing.wide, {"a: 66 at 3 epochs; b: 66 at 3 epochs"});
}

TEST(ReportedRuns, SideBySideNeedsTwo) {
  EXPECT_FALSE(report::runs_side_by_side({half_a_run()}, {}));
  const auto section = report::runs_side_by_side({half_a_run(), half_a_run()},
                                                 {{"a (+1)", "cut", "resnet20", 20, {80, 84}, 90.0},
                                                  {"b", "cut", "resnet56", 56, {70}, 93.0},
                                                  {"c", "solve", "resnet56", 56, {88}, 93.0}});
  ASSERT_TRUE(section);
  ASSERT_EQ(section->parts.size(), 3U);  // by method, by depth, all curves
  const pugi::xml_document methods = read_svg(std::get<report::Drawing>(section->parts[0]).wide);
  EXPECT_EQ(find_nodes(methods, "//g[title]/circle[@class='bar']").size(), 3U);
  testing::expect_words(
      std::get<report::Drawing>(section->parts[0]).wide,
      {">a (+1): resnet20, cut<", ">82.00 ± 2.83<", ">c: resnet56, solve<", ">88.00<"});
}

}  // namespace
}  // namespace tailor::test

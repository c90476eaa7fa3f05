// What a page says of projects and of answers, from records by hand.
#include "tailor/report/projects.h"

#include "report/svg_reader.h"
#include "support/expect_error.h"
#include "support/rooms.h"
#include "tailor/report/answers.h"

namespace tailor::test {
namespace {

report::ReportedProject project(const std::string& name, int64_t skip_depth) {
  report::ReportedProject p;
  p.name = name;
  Manifest& m = p.manifest;
  m.network = "net", m.design.type = "ap_fixed<16,6,AP_RND,AP_SAT>", m.design.layout = "fused";
  m.cost.cost.multipliers = 100, m.cost.cost.lut_multipliers = 40, m.cost.cost.dsp = 60;
  m.cost.cost.interval_cycles = 1000, m.cost.dsp_available = 240;
  m.cost.cost.fifo_bits = 64 * (2 + skip_depth);
  Manifest::Layer layer;
  layer.name = "a", layer.op = "conv2d", layer.multipliers = 100, layer.cycles = 1000;
  layer.window_skips = {"s.skip"};
  m.layers = {layer};
  Manifest::Fifo fifo;
  fifo.name = "a_out", fifo.depth = 2, fifo.bits = 64, fifo.storage = "srl";
  m.fifos = {fifo};
  p.flow = {"flow",
            {{"a", "conv2d, 4x8x8", 1000, 100}, {"b", "conv2d, 4x8x8", 900, 0}},
            {{0, 1, 2, 64, "srl", ""}, {0, 1, skip_depth, 64, "srl", "s.skip"}}};
  return p;
}

TEST(ReportedProjects, TableSaysWhatEachNeeds) {
  const report::DataTable table = report::projects_table({project("p <1>", 30)});
  const auto cell = [&](const std::string& name) {
    for (size_t i = 0; i < table.header.size(); ++i) {
      if (table.header[i] == name) return table.rows[0][i];
    }
    return std::string("no such column");
  };
  EXPECT_EQ(cell("streams"), "ap_fixed<16,6>");
  EXPECT_EQ(cell("DSP"), "60 (25 %)");
  EXPECT_EQ(cell("FIFO bits"), "2,048");
  EXPECT_EQ(cell("URAM"), "no such column");  // none has any
}

TEST(ReportedProjects, SideBySideTellsSkipsFromStages) {
  EXPECT_FALSE(report::projects_side_by_side({project("p", 30)}));
  const auto section = report::projects_side_by_side({project("p", 30), project("q", 0)});
  ASSERT_TRUE(section);
  bool found = false;
  for (const auto& part : section->parts) {
    const auto& figure = std::get<report::Drawing>(part);
    const pugi::xml_document svg = read_svg(figure.wide);
    read_svg(figure.narrow);
    if (figure.caption != "FIFOs, bits") continue;
    found = true;
    const auto solid = find_nodes(svg, "//g[title]/rect[@class='bar']"),
               hollow = find_nodes(svg, "//g[title]/rect[@class='hollow']");
    ASSERT_EQ(hollow.size(), 1U);
    EXPECT_NEAR(
        (hollow[0].attribute("width").as_double() + 1) / solid[0].attribute("width").as_double(),
        15, 0.2);  // 30 tokens and 2
  }
  EXPECT_TRUE(found);
}

Json evaluation() {
  return Json::parse(
      R"({"checkpoint": "runs/a", "data": "synthetic", "split": "test", "images": 5,
          "accuracy": 60.0, "backend": "emulator", "type": "ap_fixed<8,3>", "overflows": 7,
          "per_class": [{"name": "cat"}, {"name": "d<o>g"}],
          "confusion": [[0, 0, 2], [0, 1, 1], [1, 1, 1], [1, 0, 1]]})",
      "e");
}

TEST(ReportedAnswers, HaveAccuracyAndConfusion) {
  ASSERT_TRUE(report::is_evaluation(evaluation()));
  const auto section = report::answers_section({}, {}, {{"e.json", evaluation()}});
  ASSERT_TRUE(section);
  const auto& table = std::get<report::DataTable>(section->parts.at(0));
  EXPECT_EQ(table.rows[0],
            (std::vector<std::string>{"runs/a", "integers, ap_fixed<8,3>", "synthetic, test", "5",
                                      "accuracy", "60.00", "7 overflows"}));
  const std::string& picture = std::get<report::Drawing>(section->parts.at(1)).wide;
  read_svg(picture);
  testing::expect_words(picture, {">66.7 %<", ">50.0 %<", ">d&lt;o&gt;g<"});
}

TEST(ReportedAnswers, CellsOutsideAreRefused) {
  Json json = evaluation();
  json.set("confusion", Json::parse("[[0, 2, 1]]", "c"));
  testing::expect_error(ErrorKind::Data, {"e.json", "2 classes", "[0,2,1]"}, [&] {
    report::answers_section({}, {}, {{"e.json", json}});
  });
}

TEST(ReportedAnswers, ChecksSayEachStep) {
  const Json json = Json::parse(
      R"({"project": "p", "passed": false, "vectors": 2, "steps": [
          {"step": "float64", "passed": true, "warning": false, "detail": "equal"},
          {"step": "compiled", "passed": false, "detail": "a differs"}]})",
      "c");
  ASSERT_TRUE(report::is_check(json));
  const auto section = report::checks_section({{"c.json", json}});
  const auto& table = std::get<report::DataTable>(section->parts.at(0));
  EXPECT_EQ(table.caption, "p: FAILED");
  EXPECT_EQ(table.rows[1], (std::vector<std::string>{"compiled", "FAILED", "a differs"}));
}

}  // namespace
}  // namespace tailor::test

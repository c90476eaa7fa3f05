// Reports of the vendor's tools: what is read from files in their form (written by hand, reports/),
// what a damaged one is answered with, and how the figures find their stages.
#include "tailor/target/reports.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/projects.h"
#include "tailor/core/files.h"

namespace tailor::test {
namespace {

std::string sample(const std::string& name) {
  return read_file(path_join(TAILOR_TEST_SOURCE, "target/hls/reports/" + name));
}

/// The sample with the first `old` replaced.
std::string changed(const std::string& name, const std::string& old, const std::string& to) {
  std::string text = sample(name);
  const size_t at = text.find(old);
  EXPECT_NE(at, std::string::npos) << old;
  return text.replace(at, old.size(), to);
}

TEST(Reports, SynthesisAsXml) {
  const SynthesisReport r = read_synthesis_xml(sample("csynth.xml"), "r");
  EXPECT_EQ(r.version, "2023.2");
  EXPECT_EQ(r.part, "xcu200-fsgd2104-2-e");
  EXPECT_EQ(r.clock_ns, 5.0);
  EXPECT_EQ(r.estimated_ns, 3.65);
  EXPECT_EQ(r.top.name, "block");
  EXPECT_EQ(r.top.latency_min, 1900);
  EXPECT_EQ(r.top.latency_max, 1904);
  EXPECT_EQ(r.top.interval_min, 1700);
  EXPECT_EQ(r.top.interval_max, 1702);
  EXPECT_EQ(r.top.resources.lut, 6200);
  EXPECT_EQ(r.top.resources.bram18, 6);
  EXPECT_EQ(r.available.dsp, 6840);
  ASSERT_EQ(r.modules.size(), 2U);
  EXPECT_EQ(r.modules[0].name, "stem_conv1");
  EXPECT_EQ(r.modules[0].interval_max, 1695);
  EXPECT_EQ(r.modules[0].resources.dsp, 2);
  EXPECT_EQ(r.modules[1].latency_max, std::nullopt);  // undef
}

TEST(Reports, XmlWithAttributesVerbatimTextAndNumberedCharacters) {
  const SynthesisReport r = read_synthesis_xml(
      changed("csynth.xml", "<Version>2023.2</Version>",
              "<Extra a=\"1>2\" b='x'>&#169; &nbsp;</Extra><Version><![CDATA[a<b]]></Version>"),
      "r");
  EXPECT_EQ(r.version, "a<b");
  testing::expect_error(ErrorKind::Data, {"line 4: expected XML", "CDATA"},
                        [] { read_synthesis_xml("<a>\n\n\n<![CDATA[x</a>", "r"); });
}

TEST(Reports, SynthesisAsText) {
  const SynthesisReport r = read_synthesis_text(sample("csynth.rpt"), "r");
  EXPECT_EQ(r.version, "2019.2");
  EXPECT_EQ(r.part, "xcu200-fsgd2104-2-e");
  EXPECT_EQ(r.clock_ns, 5.0);
  EXPECT_EQ(r.estimated_ns, 4.375);
  EXPECT_EQ(r.top.name, "block");
  EXPECT_EQ(r.top.latency_min, 2100);
  EXPECT_EQ(r.top.interval_max, 1802);
  EXPECT_EQ(r.top.resources.dsp, 33);
  EXPECT_EQ(r.top.resources.lut, 6510);
  EXPECT_EQ(r.available.lut, 1182240);
  ASSERT_EQ(r.modules.size(), 2U);
  EXPECT_EQ(r.modules[0].name, "stem_conv1");
  EXPECT_EQ(r.modules[0].latency_max, 1795);
  EXPECT_EQ(r.modules[0].resources.lut, 950);
  EXPECT_EQ(r.modules[1].latency_max, std::nullopt);  // ?
  EXPECT_EQ(r.modules[1].resources.dsp, 1);
}

TEST(Reports, Cosimulation) {
  const CosimulationReport r = read_cosimulation(sample("cosim.rpt"), "r");
  EXPECT_EQ(r.rtl, "Verilog");
  EXPECT_EQ(r.status, "Pass");
  EXPECT_EQ(r.latency_average, 1901);
  EXPECT_EQ(r.interval_max, 1700);
  EXPECT_EQ(read_cosimulation(changed("cosim.rpt", "Pass", "Fail"), "r").status, "Fail");
}

TEST(Reports, Utilisation) {
  const UtilisationReport r = read_utilisation(sample("utilisation.rpt"), "r");
  EXPECT_EQ(r.used.lut, 5807);
  EXPECT_EQ(r.used.ff, 4711);
  EXPECT_EQ(r.used.bram18, 5);  // 2.5 of 36 Kbit
  EXPECT_EQ(r.used.dsp, 29);
  EXPECT_EQ(r.available.bram18, 4320);
}

TEST(Reports, Hierarchy) {
  const auto rows = read_hierarchy(sample("hierarchy.rpt"), "r");
  ASSERT_EQ(rows.size(), 5U);  // not the row in parentheses
  EXPECT_EQ(rows[0].instance, "block");
  EXPECT_EQ(rows[0].used.bram18, 5);
  EXPECT_EQ(rows[2].instance, "stem_conv1_U0");
  EXPECT_EQ(rows[2].depth, 1);
  EXPECT_EQ(rows[2].used.bram18, 3);
  EXPECT_EQ(rows[3].depth, 2);
}

TEST(Reports, Timing) {
  const TimingReport r = read_timing(sample("timing.rpt"), "r");
  EXPECT_EQ(r.worst_slack_ns, -0.125);
  EXPECT_EQ(r.failing, 41);
  EXPECT_EQ(r.endpoints, 12007);
  EXPECT_EQ(r.clock_ns, 5.0);
}

TEST(Reports, ADamagedOneIsAnErrorThatSaysWhatAndWhere) {
  auto refused = [](auto read, const std::string& text, std::initializer_list<std::string> words) {
    testing::expect_error(ErrorKind::Data, words, [&] { read(text, "x/r.rpt"); });
  };
  const std::string xml = sample("csynth.xml");
  refused(read_synthesis_xml, "", {"x/r.rpt: line 1: expected XML, got the end"});
  refused(read_synthesis_xml, "<a><b></a>",
          {"x/r.rpt: line 1: expected XML, got 'a>'", "mismatch"});
  refused(read_synthesis_xml, xml.substr(0, xml.size() / 2), {"x/r.rpt: line", "expected XML"});
  refused(read_synthesis_xml, "<a><\x01/></a>", {"line 1: expected XML, got the byte 0x01"});
  refused(read_synthesis_xml, "<profile/>", {"line 1: expected <profile> with <UserAssignments>"});
  refused(read_synthesis_xml, changed("csynth.xml", "<DSP>31<", "<DSP>many<"),
          {"x/r.rpt: line 35: DSP: expected a number of 0 or more, got 'many'"});
  refused(read_synthesis_xml, changed("csynth.xml", "<DSP>31<", "<DSP>-1<"), {"line 35"});
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "<a>";
  refused(read_synthesis_xml, deep, {"line 1: expected XML"});
  for (int i = 0; i < 100000; ++i) deep += "</a>";
  refused(read_synthesis_xml, deep, {"line 1: expected <profile>", "got 'a'"});
  refused(read_synthesis_text, "", {"expected a title"});
  refused(read_synthesis_text,
          changed("csynth.rpt", "|Total                |        7|", "|Total |"),
          {"x/r.rpt: line", "expected 6 cells as in the table's first row, got 5"});
  refused(read_synthesis_text, changed("csynth.rpt", "     33|     5230|", "    33x|     5230|"),
          {"expected a number of 0 or more, got '33x'"});
  refused(read_cosimulation, "| Verilog |", {"expected a row of Verilog or VHDL"});
  refused(read_cosimulation, changed("cosim.rpt", "Pass", "Poss"),
          {"x/r.rpt: line 12: expected Pass, Fail or NA, got 'Poss'"});
  refused(read_utilisation, sample("timing.rpt"), {"expected tables of Site Type"});
  refused(read_hierarchy, sample("utilisation.rpt"), {"expected a table of Instance"});
  refused(read_hierarchy, changed("hierarchy.rpt", "Total LUTs", "Whole LUTs"),
          {"line 7: expected columns Total LUTs"});
  refused(read_timing, sample("utilisation.rpt"), {"expected a Design Timing Summary"});
  refused(read_timing, changed("timing.rpt", "-0.125", "    NA"),
          {"line 10: expected a worst slack, got NA: no clock was constrained"});
  // Control characters do not reach the terminal.
  refused(read_timing, changed("timing.rpt", "-0.125", "\x1b[31m"), {"got '?[31m'"});
}

/// The block's project with reports where its scripts leave them.
struct Imported : public ::testing::Test {
  TemporaryDirectory folder{"tailor-reports-test"};
  std::string path = folder.path() + "/p";
  std::string hls = path + "/block_prj/solution1/";

  void SetUp() override {
    testing::write_parts(testing::project_parts(testing::block_network()), path);
  }
  void put_all() {
    write_file(hls + "syn/report/block_csynth.xml", sample("csynth.xml"));
    write_file(hls + "sim/report/block_cosim.rpt", sample("cosim.rpt"));
    write_file(path + "/utilisation_impl.rpt", sample("utilisation.rpt"));
    write_file(path + "/utilisation_impl_hierarchy.rpt", sample("hierarchy.rpt"));
    write_file(path + "/timing_impl.rpt", sample("timing.rpt"));
  }
  static const MeasuredStage& stage(const ReportSummary& s, const std::string& name) {
    for (const MeasuredStage& m : s.stages) {
      if (m.name == name) return m;
    }
    throw std::runtime_error(name);
  }
};

TEST_F(Imported, FiguresStandBesideTheModels) {
  put_all();
  const ReportSummary s = import_reports(path);
  EXPECT_EQ(s.files.size(), 5U);
  EXPECT_EQ(s.tool, "HLS 2023.2");
  EXPECT_EQ(s.interval, 1702);
  EXPECT_EQ(s.cosim_interval, 1692);
  EXPECT_EQ(s.cosim_status, "Pass");
  const MeasuredStage& stem = stage(s, "stem_conv1");
  EXPECT_GT(stem.model_cycles.value_or(0), 0);
  EXPECT_GT(stem.model_dsp.value_or(0), 0);
  EXPECT_EQ(stem.cycles, 1695);
  EXPECT_EQ(stem.synthesised.dsp, 2);
  EXPECT_EQ(stem.logic.lut, 777);
  // A part of a stage is not the stage.
  EXPECT_EQ(stage(s, "b0_conv1").synthesised.lut, std::nullopt);
  EXPECT_EQ(stage(s, "fc").logic.dsp, 1);
  ASSERT_EQ(s.fifos.size(), 1U);
  EXPECT_EQ(s.fifos[0].name, "b0_skip_conv_out");
  EXPECT_EQ(s.fifos[0].logic.lut, 71);
  ASSERT_EQ(s.phases.size(), 2U);
  EXPECT_EQ(s.phases[1].phase, "place and route");
  // 5 ns and 0.125 ns too late, an image every 1692 cycles.
  EXPECT_NEAR(s.phases[1].images_per_s.value_or(0), 1e9 / (5.125 * 1692), 1);
  ASSERT_EQ(s.notes.size(), 1U);
  EXPECT_EQ(s.notes[0], "place and route: timing is not met on 41 of 12007 endpoints");
}

TEST_F(Imported, TextIsReadWhereThereIsNoXml) {
  write_file(hls + "syn/report/block_csynth.rpt", sample("csynth.rpt"));
  const ReportSummary s = import_reports(path);
  EXPECT_EQ(s.interval, 1802);
  EXPECT_EQ(stage(s, "stem_conv1").cycles, 1795);
  EXPECT_EQ(stage(s, "fc").cycles, std::nullopt);
}

TEST_F(Imported, AReportOfEachModuleCounts) {
  // Vivado HLS writes one file a function and no list of them.
  std::string module = changed("csynth.xml", "<TopModelName>block<", "<TopModelName>fc<");
  module.erase(module.find("<ModuleInformation>"),
               module.find("</ModuleInformation>") + 20 - module.find("<ModuleInformation>"));
  write_file(hls + "syn/report/fc_csynth.xml", module);
  const ReportSummary s = import_reports(path);
  EXPECT_EQ(stage(s, "fc").cycles, 1702);
  ASSERT_EQ(s.notes.size(), 1U);
  EXPECT_EQ(s.notes[0], "no synthesis report of the top function block is there");
}

TEST_F(Imported, NoneTwoOrADamagedOneIsRefused) {
  testing::expect_error(ErrorKind::Data, {path, "found none", "make synth"},
                        [&] { import_reports(path); });
  testing::expect_error(ErrorKind::Data, {"no manifest.json"},
                        [&] { import_reports(folder.path()); });
  put_all();
  write_file(path + "/block_prj/solution2/sim/report/block_cosim.rpt", sample("cosim.rpt"));
  testing::expect_error(ErrorKind::Data, {"solution1", "solution2", "expected one report"},
                        [&] { import_reports(path); });
  remove_all(path + "/block_prj/solution2");
  write_file(path + "/timing_impl.rpt", "");
  testing::expect_error(ErrorKind::Data, {"timing_impl.rpt", "expected a Design Timing Summary"},
                        [&] { import_reports(path); });
}

TEST_F(Imported, AFailedCosimulationAndAnotherPartAreSaid) {
  put_all();
  write_file(hls + "sim/report/block_cosim.rpt", changed("cosim.rpt", "Pass", "Fail"));
  write_file(hls + "syn/report/block_csynth.xml", changed("csynth.xml", "xcu200", "xcu250"));
  const ReportSummary s = import_reports(path);
  ASSERT_EQ(s.notes.size(), 3U);
  EXPECT_EQ(s.notes[0],
            "the reports are for xcu250-fsgd2104-2-e, the project is for xcu200-fsgd2104-2-e");
  testing::expect_words(s.notes[2], {"co-simulation FAILED"});
}

}  // namespace
}  // namespace tailor::test

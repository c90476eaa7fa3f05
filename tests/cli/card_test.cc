// tailor export --target kernel and tailor import-reports, as the program.
#include "cli/cli_fixture.h"

namespace tailor::test {
namespace {

TEST_F(Cli, AKernelIsExportedAndChecked) {
  const ProcessResult exported =
      run({"export", "--network", "resnet8", "--untrained", "--target", "kernel", "--vectors", "2",
           "--output", "p", "--json", "--log", "warn"});
  ASSERT_EQ(exported.status, 0) << exported.output;
  for (const char* name : {"firmware/resnet8_kernel.cpp", "link.cfg", "card.mk", "host.cpp",
                           "Makefile", "dataflow.svg", "README.md"})
    EXPECT_TRUE(path_exists(file(std::string("p/") + name))) << name;
  const ProcessResult checked = run({"check", "p"});
  EXPECT_EQ(checked.status, 0) << checked.output;
  testing::expect_words(checked.output, {"compiled C++ (the kernel) and emulator agree"});
  // Beside it, the core: none of these files.
  ASSERT_EQ(run({"export", "--network", "resnet8", "--untrained", "--target", "ip", "--vectors",
                 "1", "--output", "q"})
                .status,
            0);
  EXPECT_FALSE(path_exists(file("q/host.cpp")));
  EXPECT_FALSE(path_exists(file("q/firmware/tailor/kernel.h")));
}

TEST_F(Cli, AKernelIsOfVitisAndOfACardWithAPlatform) {
  const std::vector<std::string> base = {"export",   "--network", "resnet8", "--untrained",
                                         "--output", "p",         "--target"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), base.begin(), base.end());
    return more;
  };
  expect_failure(2, {"--target kernel", "vitis", "vivado"},
                 with({"kernel", "--backend", "vivado"}));
  expect_failure(2, {"--target: expected one of ip, kernel; got 'card'"}, with({"card"}));
  write_file(file("mine.json"),
             R"({"name": "mine", "part": "xcku115-flvb2104-2-e", "dsp": 5520, "ramb18": 4320,
                 "lut": 663360, "ff": 1326720, "uram": 0})");
  expect_failure(5, {"--target kernel", "mine", "`platform`"},
                 with({"kernel", "--fpga", "mine.json"}));
  EXPECT_FALSE(path_exists(file("p")));
}

TEST_F(Cli, ReportsStandBesideTheModel) {
  ASSERT_EQ(
      run({"export", "--network", "resnet8", "--untrained", "--vectors", "1", "--output", "p"})
          .status,
      0);
  expect_failure(4, {"p: expected reports of its scripts", "make synth"}, {"import-reports", "p"});
  expect_failure(4, {"no manifest.json"}, {"import-reports", "."});
  auto sample = [](const std::string& name) {
    return read_file(path_join(TAILOR_TEST_SOURCE, "target/hls/reports/" + name));
  };
  std::string text = sample("csynth.xml");
  for (size_t at; (at = text.find(">block<")) != std::string::npos;)
    text.replace(at, 7, ">resnet8<");
  write_file(file("p/resnet8_prj/solution1/syn/report/resnet8_csynth.xml"), text);
  write_file(file("p/resnet8_prj/solution1/sim/report/resnet8_cosim.rpt"), sample("cosim.rpt"));
  write_file(file("p/utilisation_synth.rpt"), sample("utilisation.rpt"));
  write_file(file("p/timing_synth.rpt"), sample("timing.rpt"));
  const ProcessResult r = run({"import-reports", "p"});
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output,
                        {"p: 4 reports of HLS 2023.2, co-simulation: Pass", "stem_conv1",
                         "high-level synthesis", "logic synthesis", "-0.125", "between images",
                         "note: logic synthesis: timing is not met on 41 of 12007 endpoints"});
  const ProcessResult json = run({"import-reports", "p", "--json", "--log", "off"});
  const Json answer = Json::parse(json.output, "answer");
  EXPECT_EQ(answer.at("interval_cycles").as_number(), 1702);
  EXPECT_EQ(answer.at("cosim_interval_cycles").as_number(), 1692);
  EXPECT_EQ(answer.at("stages").as_array()[0].at("stage").as_string(), "stem_conv1");
  EXPECT_EQ(answer.at("stages").as_array()[0].at("synthesised").at("lut").as_number(), 900);
  write_file(file("p/timing_synth.rpt"), "nothing");
  expect_failure(4, {"p/timing_synth.rpt: expected a Design Timing Summary"},
                 {"import-reports", "p"});
}

}  // namespace
}  // namespace tailor::test

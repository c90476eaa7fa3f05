// The tools' Tcl scripts, run by tclsh with every command of the tools recorded: which, in which
// order, with which arguments, and whether each file that one names is there.
#include "support/rooms.h"
#include "tailor/target/target.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "support/expect_error.h"
#include "support/projects.h"
#include "tailor/core/files.h"
#include "tailor/core/process.h"
#include "tailor/core/strings.h"

namespace tailor::test {
namespace {

using Words = std::vector<std::string>;

/// Commands of the tools: each prints itself; those that take files want them to be there.
constexpr const char* kRecorder = R"(
proc say {name arguments} { puts "> [string trim "$name $arguments"]" }
proc there {files} { foreach f $files { if {![file exists $f]} { error "$f is not there" } } }
proc add_files {args} {
  set files {}
  for {set i 0} {$i < [llength $args]} {incr i} {
    set word [lindex $args $i]
    if {$word eq "-cflags"} { incr i } elseif {$word ne "-tb"} { lappend files {*}$word }
  }
  there $files
  set names {}
  foreach f $files { lappend names [file tail $f] }
  say add_files "[expr {[lindex $args 0] eq "-tb" ? "-tb " : ""}]$names"
}
proc tailed {args} { return "[lrange $args 0 end-1] [file tail [lindex $args end]]" }
proc read_xdc {args} { there [list [lindex $args end]]; say read_xdc [tailed {*}$args] }
proc open_checkpoint {file} { there $file; say open_checkpoint $file }
proc get_ports {name} { return $name }
proc get_timing_paths {args} { return paths }
proc get_property {name what} { return $::slack }
foreach name {open_project set_top open_solution set_part create_clock set_clock_uncertainty
              config_array_partition csim_design csynth_design cosim_design create_project
              synth_design opt_design report_utilization report_timing_summary write_checkpoint
              place_design phys_opt_design route_design create_ip} {
  proc $name {args} "say $name \$args"
}
proc export_design {args} { say export_design [tailed {*}$args] }
set slack 0.25
)";

struct Scripts : public ::testing::Test {
  TemporaryDirectory folder{"tailor scripts test"};  // with blanks
  std::string path = folder.path() + "/p";

  void SetUp() override {
    if (std::system("tclsh </dev/null >/dev/null 2>&1") != 0)
      GTEST_SKIP() << "tclsh is not installed";
  }
  void write(HlsPackage package = HlsPackage::Ip, HlsBackend backend = HlsBackend::Vitis) {
    ProjectContents contents =
        testing::contents_of(testing::project_parts(testing::block_network()));
    contents.package = package;
    contents.backend = backend;
    write_project(find_target("hls"), contents, path, /*force=*/true);
  }
  ProcessResult source(const std::string& script, const std::string& before = "",
                       const std::string& steps = "") {
    write_file(path + "/recorder.tcl", kRecorder + before + "\nsource " + script + "\n");
    std::vector<std::pair<std::string, std::string>> environment;
    if (!steps.empty()) environment.emplace_back("TAILOR_STEPS", steps);
    return run_process({"tclsh", "recorder.tcl"}, path, environment);
  }
  static Words calls(const ProcessResult& r) {
    Words words;
    for (const std::string& line : split(r.output, '\n'))
      if (starts_with(line, "> ")) words.push_back(line.substr(2));
    return words;
  }
};

TEST_F(Scripts, EveryStepInItsOrder) {
  write();
  const ProcessResult r = source("build_prj.tcl", "set argv [list cosim=1 export=1]");
  EXPECT_EQ(r.status, 0) << r.output;
  const Words expected = {"open_project -reset block_prj",
                          "set_top block",
                          "add_files block.cpp",
                          "add_files -tb block_test.cpp",
                          "add_files -tb weights",
                          "add_files -tb tb_data",
                          "open_solution -reset solution1 -flow_target vivado",
                          "set_part xcu200-fsgd2104-2-e",
                          "create_clock -period 5 -name default",
                          "set_clock_uncertainty 27% default",
                          "csim_design",
                          "csynth_design",
                          "cosim_design -rtl verilog -trace_level none",
                          "export_design -format ip_catalog -version 0.1.0"};
  EXPECT_EQ(calls(r), expected);
}

TEST_F(Scripts, AKernelIsBuiltAndPackagedAsOne) {
  write(HlsPackage::Kernel);
  // vitis-run hands no arguments on.
  const ProcessResult r = source("build_prj.tcl", "", "reset=0 csim=0 export=1");
  EXPECT_EQ(r.status, 0) << r.output;
  const Words expected = {"open_project block_prj",
                          "set_top block_kernel",
                          "add_files block.cpp",
                          "add_files block_kernel.cpp",
                          "add_files -tb block_test.cpp",
                          "add_files -tb weights",
                          "add_files -tb tb_data",
                          "open_solution solution1 -flow_target vitis",
                          "set_part xcu200-fsgd2104-2-e",
                          "create_clock -period 5 -name default",
                          "set_clock_uncertainty 27% default",
                          "csynth_design",
                          "export_design -format xo -output block_kernel.xo"};
  EXPECT_EQ(calls(r), expected);
}

TEST_F(Scripts, VivadoHlsHasNoFlowTarget) {
  write(HlsPackage::Ip, HlsBackend::Vivado);
  const ProcessResult r = source("build_prj.tcl", "set argv [list -f build_prj.tcl csim=0]");
  EXPECT_EQ(r.status, 0) << r.output;
  const Words all = calls(r);
  EXPECT_EQ(all[6], "open_solution -reset solution1");
  EXPECT_EQ(all.back(), "csynth_design");
}

TEST_F(Scripts, AnErrorOfTheToolEndsItWithAStatus) {
  write();
  const ProcessResult r =
      source("build_prj.tcl", "proc csim_design {} { error {2 of 5 samples differ} }");
  EXPECT_EQ(r.status, 1);
  testing::expect_words(r.output, {"build_prj.tcl: 2 of 5 samples differ"});
  EXPECT_EQ(calls(r).back(), "set_clock_uncertainty 27% default");
  const ProcessResult step = source("build_prj.tcl", "", "simulate=1");
  EXPECT_NE(step.status, 0);
  testing::expect_words(step.output, {"unknown step 'simulate'"});
}

TEST_F(Scripts, LogicSynthesisReadsAllThatWasGeneratedAndTheClockFirst) {
  write();
  const ProcessResult none = source("vivado_synth.tcl");
  EXPECT_NE(none.status, 0);
  testing::expect_words(none.output, {"has no Verilog: run the synth step"});
  const std::string generated = path + "/block_prj/solution1/syn/verilog/";
  for (const char* name : {"block.v", "block_fc.v", "block_axis.sv", "block_fc_rom.dat"})
    write_file(generated + name, "");
  write_file(generated + "block_mul_ip.tcl", "create_ip -name mult\n");
  const ProcessResult r = source("vivado_synth.tcl");
  EXPECT_EQ(r.status, 0) << r.output;
  const Words expected = {"create_project -in_memory -part xcu200-fsgd2104-2-e",
                          "add_files block.v block_axis.sv block_fc.v",
                          "add_files block_fc_rom.dat",
                          "create_ip -name mult",
                          "read_xdc -mode out_of_context clock.xdc",
                          "synth_design -top block -part xcu200-fsgd2104-2-e -mode out_of_context",
                          "opt_design",
                          "report_utilization -file utilisation_synth.rpt",
                          "report_utilization -hierarchical -file utilisation_synth_hierarchy.rpt",
                          "report_timing_summary -file timing_synth.rpt",
                          "write_checkpoint -force post_synth.dcp"};
  EXPECT_EQ(calls(r), expected);
  const ProcessResult clock = source("clock.xdc");
  EXPECT_EQ(calls(clock), Words{"create_clock -period 5 -name ap_clk ap_clk"});
}

TEST_F(Scripts, PlaceAndRouteReportsAndSaysWhetherTimingIsMet) {
  write();
  testing::expect_words(source("vivado_impl.tcl").output, {"run vivado_synth.tcl first"});
  write_file(path + "/post_synth.dcp", "");
  const ProcessResult r = source("vivado_impl.tcl");
  EXPECT_EQ(r.status, 0) << r.output;
  const Words expected = {"open_checkpoint post_synth.dcp",
                          "place_design",
                          "phys_opt_design",
                          "route_design",
                          "report_utilization -file utilisation_impl.rpt",
                          "report_utilization -hierarchical -file utilisation_impl_hierarchy.rpt",
                          "report_timing_summary -file timing_impl.rpt",
                          "write_checkpoint -force post_route.dcp"};
  EXPECT_EQ(calls(r), expected);
  testing::expect_words(r.output, {"timing: met at 5 ns, worst slack 0.25 ns"});
  testing::expect_words(source("vivado_impl.tcl", "set slack -0.5").output,
                        {"timing: NOT met at 5 ns, worst slack -0.5 ns"});
}

TEST_F(Scripts, MakeRunsThemInOrder) {
  write();
  const ProcessResult r = run_process({"make", "-n", "impl", "HLS=hls", "VIVADO=vivado"}, path);
  ASSERT_EQ(r.status, 0) << r.output;
  const size_t synth = r.output.find("TAILOR_STEPS=\"csim=0\" hls build_prj.tcl"),
               logic = r.output.find("vivado -mode batch -source vivado_synth.tcl"),
               impl = r.output.find("vivado -mode batch -source vivado_impl.tcl");
  ASSERT_NE(synth, std::string::npos) << r.output;
  EXPECT_LT(synth, logic);
  EXPECT_LT(logic, impl);
  EXPECT_LT(impl, r.output.size());
  EXPECT_EQ(run_process({"make", "check"}, path).status, 0);
  // A core has no card to run on.
  EXPECT_NE(run_process({"make", "-n", "run"}, path).status, 0);
}

}  // namespace
}  // namespace tailor::test

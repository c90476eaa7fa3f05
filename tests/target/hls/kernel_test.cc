// A project for a card: the kernel computes what the core computes, the host packs and unpacks as
// the kernel does, and the files that link it name what is there.
#include "support/rooms.h"
#include "tailor/target/target.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "support/designs.h"
#include "support/expect_error.h"
#include "support/frames.h"
#include "support/graphs.h"
#include "support/layers.h"
#include "support/projects.h"
#include "tailor/core/files.h"
#include "tailor/core/process.h"
#include "tailor/core/strings.h"

namespace tailor::test {
namespace {

using Words = std::vector<std::string>;

struct Kernel : public ::testing::Test {
  TemporaryDirectory folder{"tailor-kernel-test"};
  std::string path = folder.path() + "/p";

  void write(const testing::ProjectParts& parts) {
    ProjectContents contents = testing::contents_of(parts);
    contents.package = HlsPackage::Kernel;
    write_project(find_target("hls"), contents, path, /*force=*/true);
  }
  ProcessResult run(const Words& command,
                    std::vector<std::pair<std::string, std::string>> set = {}) {
    return run_process(command, path, set);
  }
  /// The host on the stand-in for XRT, where the kernel is compiled natively.
  void build_host(const std::string& top) {
    const std::string name = top + "_kernel";
    const ProcessResult built = run(
        {"c++", "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-DTAILOR_STUB_KERNEL=" + name,
         "-DTAILOR_STUB_NAME=\"" + name + "\"", "-DTAILOR_STUB_HEADER=\"" + name + ".h\"",
         "-I" + path_join(TAILOR_TEST_SOURCE, "target/hls/xrt"), "-Ifirmware", "-idirafter",
         "firmware/native", "firmware/" + top + ".cpp", "firmware/" + name + ".cpp", "host.cpp",
         "-o", "host.exe"});
    ASSERT_EQ(built.status, 0) << built.output;
  }
};

testing::ProjectParts network_of(int64_t channels, int64_t classes) {
  testing::GraphBuilder b("pixels", {channels, 4, 5});
  ops::Conv2d conv;
  conv.window = square_window(1);
  b.conv("conv", b.at, conv, 2, 1e-3);
  return testing::project_parts(b.finish(classes), {}, 3);
}

TEST_F(Kernel, ComputesWhatTheCoreComputes) {
  write(testing::project_parts(testing::block_network()));
  const ProcessResult native = run({"sh", "build_native.sh"});
  EXPECT_EQ(native.status, 0) << native.output;
  EXPECT_EQ(native.output, "0 of 5 samples differ\n");
  // A call begins anywhere.
  EXPECT_EQ(run({"./csim", "--first", "2", "--count", "2"}).output, "0 of 2 samples differ\n");
  // It is compared with the very vectors of the core.
  const Json manifest = Json::parse(read_file(path + "/manifest.json"), "manifest");
  EXPECT_EQ(manifest.at("kernel").at("name").as_string(), "block_kernel");
  // 42 tokens of 32 bits: 16 in a word. Five logits: one token.
  EXPECT_EQ(manifest.at("kernel").at("input_beats").as_int(), 3);
  EXPECT_EQ(manifest.at("kernel").at("output_beats").as_int(), 1);
}

TEST_F(Kernel, ABitMoreInTheVectorsIsFound) {
  write(testing::project_parts(testing::block_network()));
  std::string expected = read_file(path + "/tb_data/expected.dat");
  const size_t digit = expected.find_last_of("0123456789");
  expected[digit] = expected[digit] == '0' ? '1' : '0';
  write_file(path + "/tb_data/expected.dat", expected);
  const ProcessResult native = run({"sh", "build_native.sh"});
  EXPECT_EQ(native.status, 1);
  testing::expect_words(native.output, {"1 of 5 samples differ"});
}

TEST_F(Kernel, TokensOfEveryWidthLieInWords) {
  // A word of 512 bits holds 32 tokens, 10, one, and half of one; and an answer of 80 takes
  // several.
  for (const auto& [in, out] : {std::pair<int64_t, int64_t>(1, 3), {3, 80}, {32, 2}, {33, 11}}) {
    write(network_of(in, out));
    const ProcessResult native = run({"sh", "build_native.sh"});
    EXPECT_EQ(native.output, "0 of 3 samples differ\n") << in << " to " << out;
    build_host("pixels");
    const ProcessResult host = run({"./host.exe", "--batch", "2", "--repeat", "2"});
    EXPECT_EQ(host.status, 0) << in << " to " << out << ": " << host.output;
  }
}

TEST_F(Kernel, HostLoadsRunsChecksAndMeasures) {
  write(testing::project_parts(testing::block_network()));
  build_host("block");
  const ProcessResult good = run({"./host.exe", "--results", "r.txt", "--repeat", "3"});
  EXPECT_EQ(good.status, 0) << good.output;
  testing::expect_words(good.output, {"0 of 5 images differ", "kernel alone: 1024 images in",
                                      "images/s", "with copies", "one image:"});
  EXPECT_EQ(good.output.find("when batches follow"), std::string::npos);
  // The raw outputs are those of expected.dat, line by line.
  const std::string expected = read_file(path + "/tb_data/expected.dat");
  EXPECT_EQ(read_file(path + "/r.txt"), expected.substr(expected.find('\n') + 1));
  // Images of one's own, of which nothing is known.
  const ProcessResult own = run({"./host.exe", "--inputs", "tb_data/inputs.dat", "--batch", "2"});
  EXPECT_EQ(own.status, 0) << own.output;
  testing::expect_words(own.output, {"5 images; nothing to compare with"});
  EXPECT_EQ(run({"./host.exe", "--device", "0000:65:00.1"}).status, 0);
}

TEST_F(Kernel, HostFindsWhatIsWrong) {
  write(testing::project_parts(testing::block_network()));
  build_host("block");
  const ProcessResult bit = run({"./host.exe", "--batch", "3"}, {{"TAILOR_STUB_FAULT", "1"}});
  EXPECT_EQ(bit.status, 1) << bit.output;
  testing::expect_words(bit.output, {"image 0, output 0: expected", "2 of 5 images differ"});
  const ProcessResult hang = run({"./host.exe"}, {{"TAILOR_STUB_FAULT", "2"}});
  EXPECT_EQ(hang.status, 3);
  testing::expect_words(hang.output, {"did not finish within 60 s", "xbutil reset"});
  EXPECT_EQ(run({"./host.exe", "--xclbin", "missing.xclbin"}).status, 3);
  EXPECT_EQ(run({"./host.exe", "--batch", "0"}).status, 2);
  const ProcessResult help = run({"./host.exe", "--help"});
  EXPECT_EQ(help.status, 0);
  testing::expect_words(help.output, {"usage: ./host.exe [--xclbin FILE]", "[--batch N]"});
  EXPECT_EQ(run({"./host.exe", "--batsh", "1"}).status, 2);
  EXPECT_EQ(run({"./host.exe", "--device"}).status, 2);
  write_file(path + "/short.dat", "1 2 3\n");
  const ProcessResult line = run({"./host.exe", "--inputs", "short.dat"});
  EXPECT_EQ(line.status, 3);
  testing::expect_words(line.output, {"short.dat: line 1: expected 84 numbers, got 3"});
}

TEST_F(Kernel, HostRoundsAndSaturatesAsTheInputsTypeDoes) {
  write(testing::project_parts(testing::block_network()));
  build_host("block");
  // The vectors, moved by less than half a step and beyond the range: the same answers.
  const Json port = Json::parse(read_file(path + "/manifest.json"), "m").at("ports").as_array()[0];
  const FixedType type = parse_fixed_type(port.at("type").as_string());
  std::string moved, kept;
  for (const std::string& line : split(read_file(path + "/tb_data/inputs.dat"), '\n')) {
    if (line.empty() || line[0] == '#') continue;
    for (const std::string& word : split(line, ' ')) {
      const double value = *parse_number(word);
      const bool largest = value >= type.max_value();
      moved += fmt::format("{} ", largest ? value * 1000 : value + 0.49 * type.step());
    }
    moved += '\n';
  }
  write_file(path + "/moved.dat", moved);
  const ProcessResult host =
      run({"./host.exe", "--inputs", "moved.dat", "--expected", "tb_data/expected.dat"});
  EXPECT_EQ(host.status, 0) << host.output;
}

TEST_F(Kernel, HostCompilesAgainstXrtItself) {
  if (!path_exists("/usr/include/xrt/xrt/xrt_kernel.h"))
    GTEST_SKIP() << "libxrt-dev is not installed";
  write(testing::project_parts(testing::block_network()));
  const ProcessResult host = run({"make", "host", "XRT_INCLUDE=/usr/include/xrt"});
  EXPECT_EQ(host.status, 0) << host.output;
  // There is no card here, and it says so.
  const ProcessResult none = run({"./host.exe"});
  EXPECT_EQ(none.status, 3) << none.output;
}

TEST_F(Kernel, PragmasAreOfTheKernelAndNotOfTheCoresPorts) {
  write(testing::project_parts(testing::block_network()));
  const ProcessResult r =
      run({"c++", "-std=c++14", "-E", "-P", "-D__SYNTHESIS__", "-I.", "-Ifirmware", "-idirafter",
           "firmware/native", "firmware/block_kernel.cpp"});
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(
      r.output,
      {"#pragma HLS INTERFACE m_axi port=inputs offset=slave bundle=gmem_in depth=15",
       "#pragma HLS INTERFACE m_axi port=outputs offset=slave bundle=gmem_out depth=5",
       "#pragma HLS INTERFACE s_axilite port=count bundle=control",
       "#pragma HLS INTERFACE s_axilite port=return bundle=control", "#pragma HLS DATAFLOW"});
  const std::string core = read_file(path + "/firmware/block.cpp");
  EXPECT_EQ(core.find("TAILOR_AXI_STREAM"), std::string::npos);
  EXPECT_NE(core.find("TAILOR_DATAFLOW"), std::string::npos);
}

TEST_F(Kernel, LinksWithTheCardsPlatformAndMemory) {
  write(testing::project_parts(testing::block_network()));
  const std::string link = read_file(path + "/link.cfg");
  testing::expect_words(link,
                        {"platform=xilinx_u200_gen3x16_xdma_2_202110_1", "kernel_frequency=200",
                         "nk=block_kernel:1:block_kernel_1", "sp=block_kernel_1.inputs:DDR[1]",
                         "sp=block_kernel_1.outputs:DDR[1]"});
  const ProcessResult plan = run({"make", "-n", "run", "HLS=hls", "VPP=vpp", "CXX=cxx"});
  ASSERT_EQ(plan.status, 0) << plan.output;
  testing::expect_words(plan.output,
                        {"TAILOR_STEPS=\"csim=0\" hls build_prj.tcl",
                         "TAILOR_STEPS=\"reset=0 csim=0 synth=0 export=1\" hls build_prj.tcl",
                         "vpp -l -t hw --config link.cfg -o block_kernel.hw.xclbin block_kernel.xo",
                         "cxx -std=c++17 -O2", "host.cpp", "-lxrt_coreutil",
                         "./host.exe --xclbin block_kernel.hw.xclbin"});
  const ProcessResult emulated = run({"make", "-n", "run", "TARGET=hw_emu", "HLS=hls"});
  testing::expect_words(emulated.output, {"emconfigutil --platform xilinx_u200",
                                          "XCL_EMULATION_MODE=hw_emu ./host.exe"});
}

TEST_F(Kernel, ACardWithoutAPlatformIsRefused) {
  ProjectContents contents = testing::contents_of(testing::project_parts(testing::block_network()));
  contents.package = HlsPackage::Kernel;
  contents.design.device.platform = "";
  testing::expect_error(ErrorKind::Unsupported, {"--target kernel", "u200", "`platform`"},
                        [&] { write_project(find_target("hls"), contents, path, false); });
  EXPECT_FALSE(path_exists(path));
}

TEST_F(Kernel, FramesOfASequenceGoThroughItToo) {
  // 8 channels in 2 tokens a frame; an answer for each of several frames.
  testing::DesignOptions options;
  options.token_bits = 64;
  write(testing::project_parts(
      testing::speech_graph(testing::FrameSkips::Long, Join::BeforeActivation, 27, 8, 4, 2),
      options, 2));
  const ProcessResult native = run({"sh", "build_native.sh"});
  EXPECT_EQ(native.output, "0 of 2 samples differ\n");
}

}  // namespace
}  // namespace tailor::test

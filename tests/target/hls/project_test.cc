// The written project: its text for two tiny graphs (goldens), its determinism, and what is
// refused. That it computes the right thing is tests/check.
#include "support/rooms.h"
#include "tailor/ir/identifier.h"
#include "tailor/target/target.h"

#include <gtest/gtest.h>

#include <cctype>
#include <cstdlib>
#include <set>

#include "support/designs.h"
#include "support/expect_error.h"
#include "support/golden.h"
#include "support/graphs.h"
#include "support/layers.h"
#include "support/projects.h"
#include "tailor/core/process.h"
#include "tailor/emulate/streams.h"
#include "target/hls/cpp_document.h"
#include "target/hls/emit.h"

namespace tailor::test {
namespace {

using testing::Surgery;

testing::DesignOptions options(Layout layout) {
  testing::DesignOptions o;
  o.layout = layout;
  o.reuse_factor = 27;
  return o;
}

TEST(Emit, BlockWithASkipFused) {
  const auto parts = testing::project_parts(testing::block_network(), options(Layout::Fused));
  testing::expect_golden("target/hls/golden/block_fused.top.golden",
                         emit_top_source(parts.design, "block", "banner"));
  testing::expect_golden("target/hls/golden/block_fused.parameters.golden",
                         emit_parameters(parts.design, "banner"));
  testing::expect_golden("target/hls/golden/block_fused.defines.golden",
                         emit_defines(parts.design, "banner"));
  testing::expect_golden("target/hls/golden/block_fused.weights.golden",
                         emit_weights_header(parts.design, "banner"));
  emit_weight_files(parts.design, "banner", [](const WeightFile& file) {
    if (file.name == "stem_conv1.h")
      testing::expect_golden("target/hls/golden/block_fused.stem_conv1.golden", file.text);
  });
}

TEST(Emit, BlockWithASkipStock) {
  const auto parts = testing::project_parts(
      testing::block_network(Surgery::Traditional, Join::AfterActivation, Shortcut::Pad),
      options(Layout::Stock));
  testing::expect_golden("target/hls/golden/block_stock.top.golden",
                         emit_top_source(parts.design, "block", "banner"));
  testing::expect_golden("target/hls/golden/block_stock.parameters.golden",
                         emit_parameters(parts.design, "banner"));
}

TEST(Emit, PoolsGroupsAndOneSidedPads) {
  for (Layout layout : {Layout::Fused, Layout::Stock}) {
    const auto parts = testing::project_parts(testing::windows_graph(9, 12, /*shortened=*/false),
                                              options(layout), 1);
    const std::string name = std::string("target/hls/golden/windows_") + to_string(layout);
    testing::expect_golden(name + ".parameters.golden", emit_parameters(parts.design, "banner"));
    testing::expect_golden(name + ".top.golden",
                           emit_top_source(parts.design, "windows", "banner"));
  }
}

TEST(Emit, StatementsAreTheThreeThatHaveNoNodeOfTheirOwn) {
  // The document tree's only raw text; more of them would be a template language.
  const std::string source = read_file(path_join(TAILOR_TEST_SOURCE, "../src/target/hls/emit.cc"));
  size_t count = 0;
  for (size_t at = source.find("Statement{"); at != std::string::npos;
       at = source.find("Statement{", at + 1))
    ++count;
  EXPECT_EQ(count, 3U);
}

TEST(Emit, VendorIntegersAreWidenedBeforeTheirHeader) {
  Network wide = testing::block_network();
  testing::conv_of(wide.blocks[0].stages[0]).out =
      80;  // 80 × 16 bits: more than the vendor's 1,024
  testing::conv_of(wide.blocks[1].stages[0]).in = 80;
  testing::layer_of<ConvLayer>(wide.blocks[1].skips[0].layers).in = 80;
  const auto parts = testing::project_parts(wide, options(Layout::Fused), 1);
  const std::string defines = emit_defines(parts.design, "banner");
  EXPECT_LT(defines.find("#define AP_INT_MAX_W 1280"), defines.find("#include \"ap_fixed.h\""));
}

TEST(Document, WrapsLongCallsAndPrintsTablesInRows) {
  using namespace cpp;
  std::vector<int64_t> values;
  for (int64_t i = 0; i < 60; ++i) values.push_back(i * 1000 - 30000);
  const std::string text = print(
      {Table{"short", "w", values}, Call{"f", {"A"}, std::vector<std::string>(30, "argument")}});
  for (const std::string& line : split(text, '\n')) EXPECT_LE(line.size(), 120U) << line;
  EXPECT_NE(text.find("static const short w[60] = {\n-30000, -29000,"), std::string::npos);
  EXPECT_NE(text.find("29000};\n"), std::string::npos);
  EXPECT_EQ(print({Table{"short", "v", {1, -2, 3, 4, 5, 6}, 3}, Array{"int", "a", 12, 4}}),
            "static const short v[2][3] = {\n{1, -2, 3}, {4, 5, 6}};\nstatic int a[3][4];\n");
}

/// What stands outside of a stage's loop is a pause between two outputs, and a loop in it that is
/// neither unrolled nor the stage's own is one of many cycles.
TEST(Library, EveryLoopIsAStagesOwnOrUnrolled) {
  const std::string folder = path_join(TAILOR_TEST_SOURCE, "../src/target/hls/library/tailor");
  int stages = 0;
  for (const std::string& name : list_directory(folder)) {
    if (name == "host.h") continue;
    const std::vector<std::string> lines = split(read_file(path_join(folder, name)), '\n');
    for (size_t i = 0; i + 1 < lines.size(); ++i) {
      if (lines[i].find("  for (") != 0 && lines[i].find(" for (") == std::string::npos) continue;
      if (trim(lines[i]).find("//") == 0) continue;
      const std::string first(trim(lines[i + 1]));
      EXPECT_TRUE(first == "TAILOR_UNROLL" || first == "TAILOR_PIPELINE(C)" ||
                  first == "TAILOR_PIPELINE_BEATS")
          << name << ": " << lines[i];
      if (first != "TAILOR_PIPELINE(C)") continue;
      ++stages;
      EXPECT_EQ(lines[i].find("  for (int "), 0U) << name << ": a stage's loop lies in no other";
    }
  }
  EXPECT_GE(stages, 10);
}

/// Vendor tools build a divider for each division that is no power of two. What is unrolled has
/// none, so nothing here may have one either.
TEST(Library, NoStageDivides) {
  const char* clang = std::getenv("CLANGXX");
  const std::string compiler = clang && *clang ? clang : "clang++-14";
  if (std::system((compiler + " --version >/dev/null 2>&1").c_str()) != 0)
    GTEST_SKIP() << compiler << " is not installed (CLANGXX)";
  testing::GraphBuilder b("odd", {4, 13, 13});
  ops::Conv2d conv;
  conv.window = square_window(3, 3, 1);
  b.conv("conv", b.at, conv, 6);
  ops::MaxPool2d pool;
  pool.window = square_window(2, 3, 1);
  b.at = b.add(pool, "odd_pool", {b.at});
  testing::DesignOptions options;
  options.reuse_factor = 10000;  // larger than the products of a sum, in every stage
  TemporaryDirectory folder("tailor-hls-test");
  const std::string path = path_join(folder.path(), "p");
  testing::write_parts(testing::project_parts(b.finish(5), options, 1), path);
  const ProcessResult compiled =
      run_process({compiler, "-std=c++11", "-O1", "-S", "-emit-llvm", "-I.", "-Ifirmware",
                   "-idirafter", "firmware/native", "firmware/odd.cpp", "-o", "odd.ll"},
                  path);
  ASSERT_EQ(compiled.status, 0) << compiled.output;
  for (const std::string& line : split(read_file(path_join(path, "odd.ll")), '\n')) {
    for (const char* division : {" udiv ", " sdiv i", " urem ", " srem "})
      EXPECT_EQ(line.find(division), std::string::npos) << line;
  }
}

TEST(Project, SameInputSameBytes) {
  TemporaryDirectory folder("tailor-hls-test");
  const auto parts = testing::project_parts(testing::block_network());
  testing::write_parts(parts, folder.path() + "/a");
  testing::write_parts(testing::project_parts(testing::block_network()), folder.path() + "/b");
  const auto files = list_files_recursively(folder.path() + "/a");
  EXPECT_EQ(files, list_files_recursively(folder.path() + "/b"));
  EXPECT_GT(files.size(), 25U);
  for (const std::string& file : files)
    EXPECT_EQ(read_file(folder.path() + "/a/" + file), read_file(folder.path() + "/b/" + file))
        << file;
}

TEST(Project, ManifestListsEveryFileWithItsHash) {
  TemporaryDirectory folder("tailor-hls-test");
  testing::write_parts(testing::project_parts(testing::block_network()), folder.path() + "/p");
  Json manifest = Json::parse(read_file(folder.path() + "/p/manifest.json"), "manifest");
  std::vector<std::string> listed = {"manifest.json"};
  for (const auto& [name, hash] : manifest.at("files").as_object()) {
    listed.push_back(name);
    EXPECT_EQ(sha256(read_file(folder.path() + "/p/" + name)), hash.as_string()) << name;
  }
  std::sort(listed.begin(), listed.end());
  EXPECT_EQ(listed, list_files_recursively(folder.path() + "/p"));
  EXPECT_EQ(manifest.at("ports").as_array()[0].at("token_bits").as_int(), 32);
}

TEST(Project, AnExistingFolderIsRefusedAndForceReplacesIt) {
  TemporaryDirectory folder("tailor-hls-test");
  auto parts = testing::project_parts(testing::block_network());
  const std::string path = folder.path() + "/p";
  write_file(path + "/mine.txt", "keep");
  testing::expect_error(ErrorKind::Usage, {path, "it exists already", "--force"},
                        [&] { testing::write_parts(parts, path); });
  EXPECT_EQ(read_file(path + "/mine.txt"), "keep");
  // --force replaces what tailor wrote, never what somebody else did.
  parts.force = true;
  testing::expect_error(ErrorKind::Usage, {path, "--force replaces projects only"},
                        [&] { testing::write_parts(parts, path); });
  EXPECT_EQ(read_file(path + "/mine.txt"), "keep");
  write_file(path + "/manifest.json", "{\"format\": \"tailor.project\"}");
  testing::write_parts(parts, path);
  EXPECT_FALSE(path_exists(path + "/mine.txt"));
  EXPECT_TRUE(path_exists(path + "/firmware/block.cpp"));
}

TEST(Project, AnUnwritableFolderIsAnErrorAndLeavesNothing) {
  TemporaryDirectory folder("tailor-hls-test");
  write_file(folder.path() + "/file", "not a folder");
  testing::expect_error(ErrorKind::Data, {"cannot create folder"}, [&] {
    testing::write_parts(testing::project_parts(testing::block_network()),
                         folder.path() + "/file/p");
  });
  EXPECT_EQ(list_directory(folder.path()), std::vector<std::string>{"file"});
}

TEST(Project, WeightsCompiledInGiveTheSameResults) {
  // What synthesis reads: the weight files included, not parsed.
  TemporaryDirectory folder("tailor-hls-test");
  const std::string path = folder.path() + "/p";
  testing::write_parts(testing::project_parts(testing::block_network()), path);
  ProcessResult compiled =
      run_process({"c++", "-std=c++11", "-O1", "-Wall", "-Wextra", "-Werror",
                   "-DTAILOR_COMPILE_WEIGHTS", "-I.", "-Ifirmware", "-idirafter", "firmware/native",
                   "firmware/block.cpp", "block_test.cpp", "-o", "csim"},
                  path);
  ASSERT_EQ(compiled.status, 0) << compiled.output;
  remove_all(path + "/firmware/weights");
  ProcessResult run = run_process({"./csim"}, path);
  EXPECT_EQ(run.status, 0) << run.output;
  EXPECT_EQ(run.output, "0 of 5 samples differ\n");
}

TEST(Project, PragmasReadAsEachToolWantsThem) {
  TemporaryDirectory folder("tailor-hls-test");
  auto parts = testing::project_parts(testing::block_network());
  parts.force = true;
  const std::string path = folder.path() + "/p";
  auto synthesis_view = [&](HlsBackend backend) {
    parts.backend = backend;
    testing::write_parts(parts, path);
    ProcessResult r =
        run_process({"c++", "-std=c++11", "-E", "-P", "-D__SYNTHESIS__", "-I.", "-Ifirmware",
                     "-idirafter", "firmware/native", "firmware/block.cpp"},
                    path);
    EXPECT_EQ(r.status, 0) << r.output;
    ProcessResult compiled =
        run_process({"c++", "-std=c++11", "-fsyntax-only", "-D__SYNTHESIS__", "-I.", "-Ifirmware",
                     "-idirafter", "firmware/native", "firmware/block.cpp"},
                    path);
    EXPECT_EQ(compiled.status, 0) << compiled.output;
    return r.output;
  };
  const std::string depth =
      std::to_string(parts.design.graph().value(skip_depths(parts.design)[0].value).fifo_depth);
  testing::expect_words(synthesis_view(HlsBackend::Vitis),
                        {"#pragma HLS INTERFACE mode=axis port=in depth=42", "#pragma HLS DATAFLOW",
                         "#pragma HLS STREAM variable=b0_skip_conv_out depth=" + depth,
                         "#pragma HLS BIND_STORAGE variable=b0_skip_conv_out type=fifo impl=srl",
                         "#pragma HLS ARRAY_RESHAPE variable=weights complete dim=1",
                         "#pragma HLS PIPELINE II=1 style=frp", "iterations:",
                         "#pragma HLS DEPENDENCE variable=lines type=inter dependent=false"});
  testing::expect_words(
      synthesis_view(HlsBackend::Vivado),
      {"#pragma HLS INTERFACE axis port=in depth=42",
       "#pragma HLS RESOURCE variable=b0_skip_conv_out core=FIFO_SRL",
       "#pragma HLS RESOURCE variable=lines core=RAM_S2P_LUTRAM", "#pragma HLS PIPELINE II=1",
       "#pragma HLS DEPENDENCE variable=lines inter false"});
}

TEST(Project, ToolsAreToldWhereWeightsLie) {
  TemporaryDirectory folder("tailor-hls-test");
  testing::DesignOptions shared;
  shared.reuse_factor = 27;
  auto parts = testing::project_parts(testing::block_network(), shared);
  parts.force = true;
  const std::string path = folder.path() + "/p";
  auto view = [&](HlsBackend backend) {
    parts.backend = backend;
    testing::write_parts(parts, path);
    return run_process({"c++", "-std=c++11", "-E", "-P", "-D__SYNTHESIS__", "-I.", "-Ifirmware",
                        "-idirafter", "firmware/native", "firmware/block.cpp"},
                       path)
        .output;
  };
  testing::expect_words(
      view(HlsBackend::Vitis),
      {"#pragma HLS BIND_STORAGE variable=b0_conv1_weight type=rom_1p impl=lutram"});
  testing::expect_words(view(HlsBackend::Vivado),
                        {"#pragma HLS RESOURCE variable=b0_conv1_weight core=ROM_1P_LUTRAM"});
  parts.design = testing::make_design(parts.lowered, {{}, 2.1, Layout::Fused, 1});
  EXPECT_EQ(view(HlsBackend::Vitis).find("rom_1p"), std::string::npos) << "wires are in no ROM";
}

TEST(Project, SkeletonsHaveNoSlotLeft) {
  TemporaryDirectory folder("tailor-hls-test");
  testing::write_parts(testing::project_parts(testing::block_network()), folder.path() + "/p");
  for (const std::string& file : list_files_recursively(folder.path() + "/p"))
    EXPECT_EQ(read_file(folder.path() + "/p/" + file).find("@{"), std::string::npos) << file;
}

TEST(Project, VendorHeadersArePreferredToOurs) {
  // A stand-in for the vendor's folder on the include path: the native headers must not shadow it.
  TemporaryDirectory folder("tailor-hls-test");
  const std::string path = folder.path() + "/p", vendor = folder.path() + "/vendor";
  testing::write_parts(testing::project_parts(testing::block_network()), path);
  write_file(vendor + "/ap_fixed.h", "#error vendor header taken\n");
  ProcessResult compiled =
      run_process({"c++", "-std=c++11", "-fsyntax-only", "-I" + vendor, "-I.", "-Ifirmware",
                   "-idirafter", "firmware/native", "firmware/block.cpp"},
                  path);
  EXPECT_NE(compiled.status, 0);
  EXPECT_NE(compiled.output.find("vendor header taken"), std::string::npos);
}

TEST(Tcl, ScriptsRunTheStepsTheyAreAskedFor) {
  if (std::system("tclsh </dev/null >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "tclsh is not installed";
  TemporaryDirectory folder("tailor-hls-test");
  const std::string path = folder.path() + "/p";
  testing::write_parts(testing::project_parts(testing::block_network()), path);
  // Every vendor command becomes one that prints itself.
  std::string stubs;
  for (const char* command :
       {"open_project", "set_top", "add_files", "open_solution", "set_part", "create_clock",
        "set_clock_uncertainty", "csim_design", "csynth_design", "cosim_design", "export_design"})
    stubs += fmt::format("proc {} {{args}} {{ puts \"{} $args\" }}\n", command, command);
  write_file(path + "/stubs.tcl",
             stubs + "set argv [list csim=0 export=1]\nsource build_prj.tcl\n");
  ProcessResult run = run_process({"tclsh", "stubs.tcl"}, path);
  EXPECT_EQ(run.status, 0) << run.output;
  testing::expect_words(
      run.output, {"open_project -reset block_prj", "set_top block", "set_part xcu200-fsgd2104-2-e",
                   "create_clock -period 5 -name default", "csynth_design", "export_design"});
  EXPECT_EQ(run.output.find("csim_design"), std::string::npos);
  EXPECT_EQ(run.output.find("cosim_design"), std::string::npos);
  write_file(path + "/stubs.tcl", stubs + "set argv [list simulate=1]\nsource build_prj.tcl\n");
  ProcessResult wrong = run_process({"tclsh", "stubs.tcl"}, path);
  EXPECT_NE(wrong.status, 0);
  testing::expect_words(wrong.output,
                        {"unknown step 'simulate', expected one of cosim csim export reset synth"});
}

TEST(Tcl, AStepThatIsNotZeroOrOneIsAnError) {
  if (std::system("tclsh </dev/null >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "tclsh is not installed";
  TemporaryDirectory folder("tailor hls test");  // with blanks
  const std::string path = folder.path() + "/p";
  testing::write_parts(testing::project_parts(testing::block_network()), path);
  const std::string stubs =
      "proc unknown {name args} { puts \"$name [llength [lindex $args end]]: $args\" }\n";
  auto run = [&](const std::string& arguments) {
    write_file(path + "/stubs.tcl",
               stubs + "set argv [list " + arguments + "]\nsource build_prj.tcl\n");
    return run_process({"tclsh", "stubs.tcl"}, path);
  };
  for (const char* argument : {"cosim=yes", "cosim=", "cosim=2", "cosim"}) {
    const ProcessResult wrong = run(argument);
    EXPECT_NE(wrong.status, 0) << argument;
    testing::expect_words(wrong.output, {"step 'cosim': expected"});
  }
  const ProcessResult right = run("-f build_prj.tcl cosim=1");
  EXPECT_EQ(right.status, 0) << right.output;
  // A path with blanks stays one word, and no flag holds a path.
  testing::expect_words(right.output, {"add_files 1: -tb", "cosim_design"});
  EXPECT_EQ(right.output.find("-I"), std::string::npos) << right.output;
  EXPECT_EQ(right.output.find("config_array_partition"), std::string::npos);
}

TEST(Tcl, VivadoHlsIsToldOfRegisterArraysBeyond1024Elements) {
  TemporaryDirectory folder("tailor-hls-test");
  testing::GraphBuilder b("wide", {128, 3, 3});
  ops::Conv2d a;
  a.window = square_window(3, 1, 1);
  b.conv("conv", b.at, a, 2, 1e-3);
  testing::ProjectParts parts = testing::project_parts(b.finish(2), {}, 2);
  auto script = [&](HlsBackend backend, const char* name) {
    parts.backend = backend;
    testing::write_parts(parts, path_join(folder.path(), name));
    return read_file(path_join(folder.path(), std::string(name) + "/build_prj.tcl"));
  };
  EXPECT_NE(script(HlsBackend::Vivado, "a").find("\n  config_array_partition -maximum_size 1152\n"),
            std::string::npos);
  EXPECT_EQ(script(HlsBackend::Vitis, "b").find("config_array_partition"), std::string::npos);
}

TEST(Project, SourcesFindTheirHeadersWithoutFlags) {
  TemporaryDirectory folder("tailor hls test");
  const std::string path = folder.path() + "/p q";
  testing::write_parts(testing::project_parts(testing::block_network()), path);
  for (const char* file : {"firmware/block.cpp", "block_test.cpp"}) {
    const ProcessResult compiled = run_process({"c++", "-std=c++11", "-fsyntax-only", "-idirafter",
                                                path + "/firmware/native", path + "/" + file},
                                               folder.path());
    EXPECT_EQ(compiled.status, 0) << compiled.output;
  }
  const ProcessResult bench = run_process({"sh", path + "/build_native.sh"}, folder.path());
  EXPECT_EQ(bench.status, 0) << bench.output;
}

/// Every word in the files that a project brings with it, as the name of a top function.
TEST(TopName, NoNameOfTheBenchOrTheLibraryIsTaken) {
  TemporaryDirectory folder("tailor-hls-test");
  const std::string path = folder.path() + "/p";
  testing::write_parts(testing::project_parts(testing::block_network()), path);
  std::set<std::string> names = {"kOutputs", "size_t", "FILE", "EOF", "pow", "read", "printf"};
  for (const std::string& file : list_files_recursively(path)) {
    const bool library = file.find("firmware/tailor/") == 0 || file.find("firmware/native/") == 0;
    if (!library && file != "block_test.cpp" && file != "test_bench.h") continue;
    std::string word;
    for (char c : read_file(path + "/" + file) + " ") {
      if (std::isalnum(static_cast<unsigned char>(c)) || c == '_') {
        word += c;
      } else {
        names.insert(make_identifier(word));
        word.clear();
      }
    }
  }
  ASSERT_GT(names.size(), 300U);
  std::string text = "#include \"test_bench.h\"\n";
  for (const std::string& raw : names) {
    const std::string name = make_identifier(raw);
    EXPECT_TRUE(is_identifier(name)) << name;
    if (name == "block" || name.find("input_") == 0 || name.find("_token") != std::string::npos)
      continue;  // what this project itself has
    text += "void " + name + "(hls::stream<input_token>&, hls::stream<output_token>&);\n";
  }
  write_file(path + "/all.cpp", text + "#include \"block_test.cpp\"\n");
  const ProcessResult compiled =
      run_process({"c++", "-std=c++11", "-fsyntax-only", "-I.", "-Ifirmware", "-idirafter",
                   "firmware/native", "all.cpp"},
                  path);
  EXPECT_EQ(compiled.status, 0) << compiled.output;
}

TEST(TopName, IsAlwaysLegal) {
  EXPECT_EQ(make_identifier("8net"), "n8net");  // as formats.md says
  EXPECT_EQ(make_identifier("size_t"), "size_t_net");
  for (const char* raw : {"A-", "A--", "EOF_", "_", "-", "ap_", "int_", "x_t_", "__", "a__b_"})
    EXPECT_TRUE(is_identifier(make_identifier(raw))) << raw << ": " << make_identifier(raw);
  EXPECT_EQ(make_identifier("RESNET"), "RESNET_net");
  EXPECT_EQ(make_identifier("TAILOR_OUTPUT_BITS"), "TAILOR_OUTPUT_BITS_net");
  EXPECT_EQ(make_identifier("ap_int"), "n_ap_int");
  EXPECT_EQ(make_identifier("resnet20"), "resnet20");
  EXPECT_EQ(make_identifier("20-layers"), "n20_layers");
  EXPECT_EQ(make_identifier(""), "n");
  for (const char* word : {"main", "defines", "weights", "nullptr", "loaded"})
    EXPECT_EQ(make_identifier(word), std::string(word) + "_0");
}

}  // namespace
}  // namespace tailor::test

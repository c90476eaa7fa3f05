// tailor export, check and inspect: projects, and what is said of them.
#include "cli/cli_fixture.h"

namespace tailor::test {
namespace {

TEST_F(Cli, ExportThenCheckThenEvaluate) {
  write_checkpoint("runs/tiny/last.ckpt");
  write_file(file("runs/tiny/summary.json"), "{}");
  ProcessResult exported =
      run({"export", "--precision", "12,5", "--fpga", "u200", "--vectors", "3", "--output", "p"});
  ASSERT_EQ(exported.status, 0) << exported.output;
  testing::expect_words(exported.output, {"newest finished run: runs/tiny/last.ckpt",
                                          "p: fused of runs/tiny/last.ckpt",
                                          "vectors: the first 3 test images of synthetic",
                                          "next: tailor check p", "images/s at 5 ns"});
  ProcessResult checked = run({"check", "p", "--json"});
  EXPECT_EQ(checked.status, 0) << checked.output;
  EXPECT_NE(checked.output.find("\"passed\": true"), std::string::npos);
  ProcessResult evaluated = run({"evaluate", "--backend", "emulator", "--precision", "12,5",
                                 "--layout", "stock", "--limit", "20", "--json", "--log", "off"});
  ASSERT_EQ(evaluated.status, 0) << evaluated.output;
  Json answer = Json::parse(evaluated.output.substr(evaluated.output.find("{\n")), "answer");
  EXPECT_EQ(answer.at("images").as_int(), 20);
  EXPECT_EQ(answer.at("type").as_string(), "ap_fixed<12,5,AP_RND,AP_SAT>");
  EXPECT_EQ(answer.at("layout").as_string(), "stock");
  // The graph file alone does the same, and its project is the same, byte for byte.
  ProcessResult again = run({"export", "--graph", "p/graph.safetensors", "--precision", "12,5",
                             "--vectors", "3", "--output", "q"});
  ASSERT_EQ(again.status, 0) << again.output;
  for (const std::string& name : list_files_recursively(file("p")))
    EXPECT_EQ(read_file(file("p/" + name)), read_file(file("q/" + name))) << name;
  // A second export needs --force, and a failing one leaves the first.
  expect_failure(2, {"it exists already", "--force"}, {"export", "--output", "p"});
  for (const char* flag : {"--frames", "--token-bits"}) {
    expect_failure(2, {std::string(flag) + " 8: it is of networks on sequences", "one on images"},
                   {"export", "--output", "q", flag, "8"});
  }
  expect_failure(2, {"--frames 0: expected 1 to"}, {"export", "--output", "q", "--frames", "0"});
  EXPECT_EQ(
      run({"export", "--output", "p", "--force", "--reuse-factor", "7", "--vectors", "1"}).status,
      0);
  expect_failure(2, {"expected a lowered graph, got a design"},
                 {"export", "--graph", "p/design.safetensors"});
}

TEST_F(Cli, ExportOfEveryOption) {
  ProcessResult r =
      run({"export",      "--network", "resnet8",    "--untrained", "--output",       "p",
           "--precision", "8,3",       "--rounding", "trn",         "--overflow",     "wrap",
           "--backend",   "vivado",    "--layout",   "stock",       "--reuse-factor", "70",
           "--clock-ns",  "10",        "--vectors",  "2",           "--json",         "--log",
           "warn"});
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(
      r.output, {"reuse factor 70 is not valid", "\"type\": \"ap_fixed<8,3,AP_TRN,AP_WRAP>\"",
                 "\"vectors\": \"2 images of seeded noise\"", "\"layout\": \"stock\""});
  Json manifest = Json::parse(read_file(file("p/manifest.json")), "manifest");
  EXPECT_EQ(manifest.at("clock_ns").as_number(), 10);
  EXPECT_EQ(manifest.at("backend").as_string(), "vivado");
  EXPECT_NE(read_file(file("p/firmware/tailor/profile.h")).find("Vivado HLS's words"),
            std::string::npos);
}

TEST_F(Cli, ExportPacksProductsAndTakesFactorsOfStages) {
  write_file(file("factors.json"),
             R"({"reuse_factor": 144, "stages": [{"stage": "stem.conv1", "reuse_factor": 9}]})");
  const std::vector<std::string> flags = {"export",
                                          "--network",
                                          "resnet8",
                                          "--untrained",
                                          "--output",
                                          "p",
                                          "--force",
                                          "--precision",
                                          "8,3",
                                          "--dsp-packing",
                                          "--reuse-factor",
                                          "factors.json",
                                          "--vectors",
                                          "1"};
  const ProcessResult r = run(flags);
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output,
                        {"(packed)", "(reuse factor 144; of their own: stem.conv1), DSP ",
                         " multipliers packed in pairs", "LUTs of multipliers and their sums "});
  const Json manifest = Json::parse(read_file(file("p/manifest.json")), "manifest");
  EXPECT_TRUE(manifest.at("design").at("dsp_packing").as_bool());
  EXPECT_EQ(manifest.at("design").at("own_reuse_factors").as_array()[0].as_string(), "stem.conv1");
  int64_t sum = 0;
  for (const Json& layer : manifest.at("layers").as_array()) {
    if (layer.get_string("name", "") == "stem.conv1") {
      EXPECT_EQ(layer.get_int("reuse_factor", 0), 9);
      EXPECT_EQ(layer.get_int("multipliers", 0), 48);
      EXPECT_EQ(layer.get_int("dsp", 0), 24);
      EXPECT_EQ(layer.get_string("weight_storage", ""), "lutram");
    }
    sum += layer.get_int("dsp", 0);
  }
  EXPECT_EQ(sum, manifest.at("cost").at("dsp").as_int());
  testing::expect_words(read_file(file("p/README.md")), {"in pairs that share a DSP slice"});
  testing::expect_words(run({"inspect", "p/design.safetensors"}).output, {"two products a DSP"});
  write_file(file("factors.json"), R"({"stages": [{"stage": "stem.conv2", "reuse_factor": 9}]})");
  const ProcessResult wrong = run(flags);
  EXPECT_EQ(wrong.status, 2) << wrong.output;
  testing::expect_words(wrong.output, {"resnet8 has no stage 'stem.conv2'", "stem.conv1"});
}

/// With flags of the hardware, what a design of it would need, as its export says it.
TEST_F(Cli, InspectSaysWhatAnExportWouldNeed) {
  const std::vector<std::string> flags = {"--network",     "resnet8",      "--precision", "8,3",
                                          "--dsp-packing", "--card-share", "0.5"};
  auto with = [&](std::vector<std::string> command, const std::vector<std::string>& more) {
    command.insert(command.end(), flags.begin(), flags.end());
    command.insert(command.end(), more.begin(), more.end());
    const ProcessResult r = run(command);
    EXPECT_EQ(r.status, 0) << r.output;
    return r.output;
  };
  const std::string text = with({"inspect"}, {});
  const Json seen = Json::parse(with({"inspect"}, {"--json"}), "inspect");
  with({"export", "--untrained", "--output", "p"}, {});
  const Json manifest = Json::parse(read_file(file("p/manifest.json")), "manifest");
  for (const char* part : {"cost", "design"}) {
    EXPECT_GT(seen.at(part).as_object().size(), 5U);
    for (const auto& [key, value] : seen.at(part).as_object())
      EXPECT_EQ(value, manifest.at(part).at(key)) << part << " " << key;
  }
  EXPECT_EQ(seen.at("cost").find("latency_cycles_model"), nullptr);
  testing::expect_words(
      text, {"fused on u200, streams of ap_fixed<8,3,AP_RND,AP_SAT>, before FIFOs:",
             fmt::format("DSP {} of 6,840", with_commas(manifest.at("cost").at("dsp").as_int())),
             "balanced within 50 % of DSPs and LUTs", "packed in pairs", "images/s at 5 ns"});
  EXPECT_EQ(text.find("logits"), std::string::npos) << text;
  EXPECT_EQ(run({"inspect", "--network", "resnet8"}).output.find("DSP"), std::string::npos);
}

TEST_F(Cli, TypesOfStagesAreSaidWhereverTypesAre) {
  write_checkpoint("tiny.ckpt");
  write_file(file("types.json"), R"({"weights": "8,2", "activations": "u8,3", "layout": "fused",
      "stages": [{"stage": "stem.conv1", "weights": "6,0"},
                 {"stage": "stage2.block0.conv1", "weights": "7,1"},
                 {"stage": "fc", "weights": "12,1"}]})");
  const std::string types =
      "types by stage: weights of 6 to 8 and 12 bits, streams of 8 bits and of 8 bits without a "
      "sign";
  auto with_types = [](std::vector<std::string> command) {
    command.insert(command.end(), {"--checkpoint", "tiny.ckpt", "--precision", "types.json"});
    return command;
  };
  ProcessResult r = run(with_types({"export", "--output", "p", "--vectors", "2"}));
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(
      r.output, {"p: fused of tiny.ckpt, " + types + "\n", "the input's rounding included: rms "});
  const Json manifest = Json::parse(read_file(file("p/manifest.json")), "manifest");
  EXPECT_EQ(manifest.at("design").at("type").as_string(), types);
  testing::expect_words(read_file(file("p/README.md")),
                        {"laid out fused, " + types + ".", "- " + types + "; quantisation"});
  r = run({"inspect", "p/design.safetensors"});
  testing::expect_words(r.output, {" weights\n", " u8,3 ", " 6,0\n", " 8,2\n", " 12,1\n",
                                   "unless named; u: ap_ufixed"});
  EXPECT_EQ(run({"inspect", "p"}).output, r.output);
  r = run(with_types({"evaluate", "--backend", "emulator", "--limit", "2", "--json"}));
  testing::expect_words(r.output, {"\"type\": \"" + types + "\""});
  testing::expect_words(run({"check", "p"}).output, {"whose inputs are rounded already: rms "});
  // Of one type, and a graph without any.
  ASSERT_EQ(run({"export", "--checkpoint", "tiny.ckpt", "--precision", "8,3", "--output", "q",
                 "--vectors", "1"})
                .status,
            0);
  testing::expect_words(
      read_file(file("q/README.md")),
      {"streams of ap_fixed<8,3,AP_RND,AP_SAT>.", "- types: `ap_fixed<8,3,AP_RND,AP_SAT>`;"});
  EXPECT_EQ(run({"inspect", "q/graph.safetensors"}).output.find("weights\n"), std::string::npos);
}

TEST_F(Cli, ATypeFileThatCannotBeMeantIsRefused) {
  auto expect_refused = [&](int status, std::initializer_list<std::string> words,
                            const std::string& text) {
    write_file(file("types.json"), text);
    expect_failure(status, words,
                   {"export", "--network", "resnet8", "--untrained", "--output", "p", "--precision",
                    "types.json"});
  };
  expect_refused(3, {"/precision/weights: expected a type W,I", "got nothing in types.json"}, "{}");
  expect_refused(3, {"/precision/activations: expected a type W,I"}, R"({"weights": "8,3"})");
  const std::string both = R"({"weights": "8,3", "activations": "8,3", "stages": [)",
                    stem = R"({"stage": "stem.conv1", "weights": "8,1"})";
  expect_refused(3, {"/precision/stages/1/stage: expected every stage once, got \"stem.conv1\""},
                 both + stem + ", " + stem + "]}");
  expect_refused(3, {"/precision/stages/0/stage: expected the name of a stage, got nothing"},
                 both + R"({"weights": "8,1"}]})");
  expect_refused(3, {"/precision/stages/0/activations: expected a type with a sign", "\"u8,3\""},
                 both + R"({"stage": "input", "activations": "u8,3"}]})");
  expect_refused(2, {"u8,3 of stem.conv1: what it writes in resnet8 may be negative", "as in 8,3"},
                 R"({"weights": "8,3", "activations": "8,3", "layout": "stock", "stages": [
                    {"stage": "stem.conv1", "activations": "u8,3"}]})");
  // Of all stages it means those whose values have none.
  write_file(file("types.json"), R"({"weights": "8,3", "activations": "u8,3", "layout": "stock"})");
  EXPECT_EQ(run({"export", "--network", "resnet8", "--untrained", "--output", "p", "--precision",
                 "types.json", "--vectors", "1"})
                .status,
            0);
}

TEST_F(Cli, WhatAFlagTakesAwayFromAnotherIsSaid) {
  auto exported = [&](std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"export", "--network", "resnet8", "--untrained", "--output", "p",
                                 "--vectors", "1", "--force"});
    return run(flags).output;
  };
  testing::expect_words(exported({"--reuse-factor", "72", "--card-share", "0.5"}),
                        {"--card-share has no effect: --reuse-factor leaves nothing to balance"});
  EXPECT_EQ(exported({"--card-share", "0.5"}).find("no effect"), std::string::npos);
  const std::string packing = exported({"--precision", "16,6", "--dsp-packing"});
  testing::expect_words(packing, {"no stage of resnet8 has two products that fit one DSP: "
                                  "stem.conv1 (weights of 16 bits, at most 8 fit), ",
                                  ", and 7 more; ask for"});
  EXPECT_LT(packing.size(), 500U);
}

/// As a checkpoint of learned types says them.
TEST_F(Cli, OtherModesAndLayoutsKeepTheTypesOfStages) {
  Checkpoint c = load_checkpoint(write_checkpoint("tiny.ckpt"));
  c.precision = TrainedPrecision();
  c.precision->weights = "8,2", c.precision->activations = "u8,3";
  c.precision->input_magnitude = 2;
  c.precision->stages = {{"stem.conv1", "6,1", "u7,2"}};
  save_checkpoint(file("tiny.ckpt"), c);
  auto stem = [&](std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"export", "--checkpoint", "tiny.ckpt", "--output", "p",
                                 "--vectors", "1", "--force", "--log", "off"});
    const ProcessResult r = run(flags);
    EXPECT_EQ(r.status, 0) << r.output;
    const Json manifest = Json::parse(read_file(file("p/manifest.json")), "manifest");
    for (const Json& layer : manifest.at("layers").as_array()) {
      if (layer.at("name").as_string() == "stem.conv1")
        return layer.at("weight").as_string() + " " + layer.at("type").as_string();
    }
    return std::string();
  };
  EXPECT_EQ(stem({}), "ap_fixed<6,1,AP_RND,AP_SAT> ap_ufixed<7,2,AP_RND,AP_SAT>");
  EXPECT_EQ(stem({"--rounding", "trn"}),
            "ap_fixed<6,1,AP_TRN,AP_SAT> ap_ufixed<7,2,AP_TRN,AP_SAT>");
  EXPECT_EQ(stem({"--overflow", "wrap"}),
            "ap_fixed<6,1,AP_RND,AP_WRAP> ap_ufixed<7,2,AP_RND,AP_WRAP>");
  // Of the stock layout its ReLU is a stage behind it.
  EXPECT_EQ(stem({"--layout", "stock"}), "ap_fixed<6,1,AP_RND,AP_SAT> ap_fixed<7,2,AP_RND,AP_SAT>");
  // One type is asked for, though it reads as the activations' bits do.
  EXPECT_EQ(stem({"--precision", "8,3"}),
            "ap_fixed<8,3,AP_RND,AP_SAT> ap_fixed<8,3,AP_RND,AP_SAT>");
  const ProcessResult onnx = run({"export", "--checkpoint", "tiny.ckpt", "--format", "onnx",
                                  "--rounding", "rnd_conv", "--output", "x.onnx"});
  EXPECT_EQ(onnx.status, 0) << onnx.output;
  testing::expect_words(onnx.output, {"1 stage with types of its own with QONNX's Quant nodes"});
  EXPECT_EQ(onnx.output.find("AP_RND is not"), std::string::npos);
}

TEST_F(Cli, InspectShowsSkipsAndCounts) {
  ProcessResult r = run({"inspect", "--network", "resnet20"});
  EXPECT_EQ(r.status, 0);
  testing::expect_words(
      r.output, {"\n  skips         9, join before_activation\n", "\n  parameters    272,474\n",
                 "stage2.block0.skip  0 to 2  projection, stride 2         576\n",
                 "average pool, linear 64 to 10  10x1x1           650\n"});
  testing::expect_words(
      run({"inspect", "--network", "quartznet10x5_speech"}).output,
      {"\n  cost          12,766,016 multiply-accumulates an answer, 800 answers\n",
       "answers       one for every 2 columns; each hears 5,497 of them\n",
       "  separable 33 stride 2, 64 to 256 ", "separable 87 dilated 2, 512 to 512",
       "stage1.block1.skip  0 to 5  projection, stride 1      66,048\n"});
  for (const std::string& name :
       split(std::string(trim(run({"config", "networks"}).output)), '\n')) {
    // Parameters by stage and skip add up to the whole; no line is wider than a terminal.
    int64_t sum = 0, whole = 0;
    for (const std::string& line : split(run({"inspect", "--network", name}).output, '\n')) {
      EXPECT_LE(line.size(), 80u) << line;
      std::string number = line.substr(line.rfind(' ') + 1);
      number.erase(std::remove(number.begin(), number.end(), ','), number.end());
      const int64_t n = parse_int(number).value_or(0);
      if (line.compare(0, 13, "  parameters ") == 0) {
        whole = n;
      } else if (line.compare(0, 2, "  ") != 0) {
        sum += n;
      }
    }
    EXPECT_EQ(sum, whole) << name;
  }
  write_checkpoint("x.ckpt");
  testing::expect_words(
      run({"inspect", "x.ckpt"}).output,
      {"\n  run           tiny\n", "\n  witness       1 image\n", "\n  skips         3, join"});
  Json json = Json::parse(run({"inspect", "x.ckpt", "--json"}).output, "answer");
  EXPECT_EQ(json.at("skips").as_array().size(), 3U);
  ASSERT_EQ(run({"export", "--checkpoint", "x.ckpt", "--output", "p", "--vectors", "1"}).status, 0);
  testing::expect_words(run({"inspect", "p/graph.safetensors"}).output,
                        {"a lowered graph", "stage2.block0.skip.conv", "  .bn2, .skip"});
  testing::expect_words(run({"inspect", "p/design.safetensors"}).output,
                        {"a design graph", "ap_fixed<W,I,AP_RND,AP_SAT> unless named", "  16,6\n",
                         " AP_TRN,AP_WRAP ", " weights\n"});
}

TEST_F(Cli, AGraphFileOfAnotherVersionExitsWith5) {
  write_checkpoint("x.ckpt");
  ASSERT_EQ(run({"export", "--checkpoint", "x.ckpt", "--output", "p", "--vectors", "1"}).status, 0);
  std::string bytes = read_file(file("p/graph.safetensors"));
  const std::string version = fmt::format("\"version\":\"{}\"", kGraphVersion);
  bytes.replace(bytes.find(version), version.size(), "\"version\":\"7\"");
  write_file(file("other.graph"), bytes);
  expect_failure(5, {"graph file other.graph: expected version 1..2, got 7"},
                 {"export", "--graph", "other.graph"});
}

TEST_F(Cli, AChangedFileWarnsAMissingOneExitsWith6AndABrokenCompilerWith7) {
  write_checkpoint("x.ckpt");
  ASSERT_EQ(run({"export", "--checkpoint", "x.ckpt", "--output", "p", "--vectors", "1"}).status, 0);
  expect_failure(7, {"cannot run no-such-compiler"},
                 {"check", "p", "--compiler", "no-such-compiler"});
  write_file(file("p/README.md"), "changed");
  const ProcessResult changed = run({"check", "p"});
  EXPECT_EQ(changed.status, 0) << changed.output;
  testing::expect_words(changed.output, {"warn  files", "changed since the export: README.md",
                                         "pass  compiled", "p: pass"});
  remove_all(file("p/README.md"));
  expect_failure(6, {"FAIL  files", "README.md is missing", "pass  compiled", "p: FAIL"},
                 {"check", "p"});
}

TEST_F(Cli, PassAndFailAreColouredOnATerminalThatTakesIt) {
  if (run_process({"sh", "-c", "command -v script"}, "/").status != 0)
    GTEST_SKIP() << "needs script (util-linux)";
  write_checkpoint("tiny.ckpt");
  ASSERT_EQ(run({"export", "--checkpoint", "tiny.ckpt", "--vectors", "1", "--output", "p"}).status,
            0);
  auto check = [&](const char* term, const char* no_color) {
    return run_process({"script", "-qec", shell_quote(TAILOR_BINARY) + " check p", "/dev/null"},
                       folder.path(), {{"TERM", term}, {"NO_COLOR", no_color}, {"CXX", "c++ -O0"}})
        .output;
  };
  write_file(file("p/README.md"), "changed");
  testing::expect_words(check("xterm-256color", ""),
                        {"\x1b[33mwarn\x1b[0m  files", "p: \x1b[32mpass\x1b[0m"});
  remove_all(file("p/README.md"));
  testing::expect_words(
      check("xterm-256color", ""),
      {"\x1b[31mFAIL\x1b[0m  files", "\x1b[32mpass\x1b[0m  compiled", "p: \x1b[31mFAIL\x1b[0m"});
  for (const auto& [term, no_color] : {std::pair("dumb", ""), std::pair("xterm", "1")}) {
    const std::string plain = check(term, no_color);
    testing::expect_words(plain, {"FAIL  files", "pass  compiled", "p: FAIL"});
    EXPECT_EQ(plain.find('\x1b'), std::string::npos) << plain;
  }
}

TEST_F(Cli, PathsInPrintedCommandsAreQuoted) {
  write_checkpoint("tiny.ckpt");
  const ProcessResult r =
      run({"export", "--checkpoint", "tiny.ckpt", "--vectors", "1", "--output", "my Größe's p"});
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"next: tailor check 'my Größe'\\''s p'\n"});
}

}  // namespace
}  // namespace tailor::test

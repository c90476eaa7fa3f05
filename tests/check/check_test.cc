// A project passes, and every fault is noticed by the step that is there for it: each is planted
// alone, with the manifest's hashes made to agree, so that no other step gives it away.
#include "tailor/check/check.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "support/designs.h"
#include "support/expect_error.h"
#include "support/graphs.h"
#include "support/projects.h"
#include "support/random_graphs.h"
#include "support/random_projects.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/emulate/float64.h"

namespace tailor::test {
namespace {

using testing::Surgery;

const CheckStep& step(const CheckReport& report, const std::string& name) {
  for (const CheckStep& s : report.steps) {
    if (s.name == name) return s;
  }
  throw std::runtime_error("no step " + name);
}

/// Makes the manifest's hash of a file that of its present content.
void rehash(const std::string& folder, const std::string& file) {
  const std::string path = path_join(folder, "manifest.json");
  Json manifest = Json::parse(read_file(path), path);
  manifest.find("files")->set(file, sha256(read_file(path_join(folder, file))));
  write_file(path, manifest.dump(2));
}

void replace_in(const std::string& folder, const std::string& file, const std::string& from,
                const std::string& to) {
  const std::string path = path_join(folder, file);
  std::string text = read_file(path);
  const size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from << " is not in " << file;
  write_file(path, text.replace(at, from.size(), to));
}

/// The compiler is asked to be quick: these networks are small.
CheckOptions quick_options() {
  CheckOptions options;
  options.compiler = "c++ -O0";
  return options;
}

struct Case {
  const char* name;
  Graph lowered;
  Layout layout;
  FixedType type;
  std::optional<int64_t> reuse;
  HlsBackend backend;
  double scale = 1;     // of the pixels
  bool answers = true;  // the logits depend on the input
};

class Compiled : public ::testing::TestWithParam<int> {};

std::vector<Case> cases() {
  auto block_network = [](auto... arguments) {
    return testing::lowered(testing::block_network(arguments...));
  };
  return {
      {"TraditionalFused",
       block_network(),
       Layout::Fused,
       {16, 6},
       std::nullopt,
       HlsBackend::Vitis},
      {"TraditionalPadStock",
       block_network(Surgery::Traditional, Join::BeforeActivation, Shortcut::Pad),
       Layout::Stock,
       {8, 3},
       12,
       HlsBackend::Vivado},
      {"ShortenedAfterFused",
       block_network(Surgery::Shortened, Join::AfterActivation),
       Layout::Fused,
       {12, 4, true, Rounding::Trn, Overflow::Wrap},
       54,
       HlsBackend::Vivado},
      {"IdentityAfterStock",
       block_network(Surgery::Traditional, Join::AfterActivation, Shortcut::Projection, 1),
       Layout::Stock,
       {20, 7, true, Rounding::RndConv, Overflow::SatSym},
       1,
       HlsBackend::Vitis},
      {"RemovedFused",
       block_network(Surgery::Removed),
       Layout::Fused,
       {16, 6},
       108,
       HlsBackend::Vitis},
      {"TraditionalPadFused",
       block_network(Surgery::Traditional, Join::AfterActivation, Shortcut::Pad),
       Layout::Fused,
       {10, 3, true, Rounding::RndZero, Overflow::WrapSm},
       9,
       HlsBackend::Vitis},
      // 2 channels of 13 bits: the input port's token is rounded up to 32 bits, the pad's behind it
      // is not
      {"PortWiderThanItsPixelStock",
       block_network(),
       Layout::Stock,
       {13, 4},
       std::nullopt,
       HlsBackend::Vitis},
      // Max pools, groups, one-sided pads, projections without batch norm, on odd and even maps,
      // every skip over two convolutions or over one.
      {"WindowsOddFused",
       testing::windows_graph(9, 11, /*shortened=*/false),
       Layout::Fused,
       {16, 6},
       std::nullopt,
       HlsBackend::Vitis},
      {"WindowsEvenStock",
       testing::windows_graph(10, 12, /*shortened=*/false),
       Layout::Stock,
       {9, 4, true, Rounding::RndZero, Overflow::SatSym},
       54,
       HlsBackend::Vivado},
      {"WindowsShortenedFused",
       testing::windows_graph(10, 13, /*shortened=*/true),
       Layout::Fused,
       {11, 5},
       27,
       HlsBackend::Vivado},
      {"BottlenecksFused",
       testing::bottleneck_graph({3, 33, 36}, {2, 1}, 4, 6),
       Layout::Fused,
       {14, 6},
       std::nullopt,
       HlsBackend::Vitis},
      // As large as raw pixels: [-510, 535.5] needs 11 bits, one more than the streams have.
      {"RawPixelsStock",
       testing::windows_graph(8, 9, /*shortened=*/true),
       Layout::Stock,
       {10, 9},
       12,
       HlsBackend::Vitis,
       255,
       /*answers=*/false},  // one bit behind the point is too few: 81 % of the weights become 0
  };
}

TEST_P(Compiled, AgreesBitForBit) {
  const Case c = cases()[static_cast<size_t>(GetParam())];
  TemporaryDirectory folder("tailor-check-test");
  testing::DesignOptions options;
  options.type = c.type;
  options.layout = c.layout;
  options.reuse_factor = c.reuse;
  auto parts = testing::project_parts(c.lowered, options, 5, c.scale);
  parts.backend = c.backend;
  testing::write_parts(parts, folder.path() + "/p");
  CheckReport report = check_project(folder.path() + "/p", quick_options());
  for (const CheckStep& s : report.steps)
    EXPECT_EQ(s.passed, c.answers || s.name != "answers") << s.name << ": " << s.detail;
  EXPECT_EQ(step(report, "compiled").detail,
            "compiled C++ and emulator agree bit for bit on 5 vectors");
}

INSTANTIATE_TEST_SUITE_P(Check, Compiled, ::testing::Range(0, 12),
                         [](const auto& p) { return cases()[static_cast<size_t>(p.param)].name; });

/// Seeds of random graphs: a few, or as many as $TAILOR_RANDOM_GRAPHS asks for.
int random_graphs() {
  const char* asked = std::getenv("TAILOR_RANDOM_GRAPHS");
  return asked ? std::atoi(asked) : 5;
}

class Random : public ::testing::TestWithParam<int> {};

/// Each as it is exported, and in one other layout or form in turn.
TEST_P(Random, GraphsOfEveryKindOfWindowAgreeBitForBitInEveryLayout) {
  const auto all = testing::layouts();
  for (const auto& [layout, skips] : {all[0], all[1 + static_cast<size_t>(GetParam()) % 3]}) {
    TemporaryDirectory folder("tailor-check-test");
    testing::DesignOptions options;
    options.type = GetParam() % 3 == 0 ? FixedType{12, 5} : FixedType{16, 6};
    options.dsp_packing = GetParam() % 3 == 1;  // of weights and inputs of 8 bits
    if (options.dsp_packing) options.type = FixedType{8, 4};
    options.layout = layout;
    options.skips = skips;
    if (GetParam() % 4 != 0) options.reuse_factor = 1 + 5 * (GetParam() % 4);
    const auto parts = testing::project_parts(testing::random_graph(GetParam()), options, 3);
    testing::write_parts(parts, folder.path() + "/p");
    for (const CheckStep& s : check_project(folder.path() + "/p", quick_options()).steps)
      EXPECT_TRUE(s.passed) << to_string(layout) << " " << to_string(skips) << ", " << s.name
                            << ": " << s.detail;
  }
}

INSTANTIATE_TEST_SUITE_P(Check, Random, ::testing::Range(0, random_graphs()));

/// Strides of 3, a reuse factor above the products of a sum in every stage, a mean that is no
/// shift, and groups whose outputs share multipliers across groups.
TEST(Check, StridesOf3AndMultipliersOfSeveralOutputsAgreeAndTakeTheirCycles) {
  testing::GraphBuilder b("odd", {4, 14, 16});
  ops::Conv2d grouped;
  grouped.window = square_window(3, 3, 1);
  grouped.groups = 2;
  b.conv("grouped", b.at, grouped, 6);
  ops::MaxPool2d pool;
  pool.window = square_window(2, 3, 1);
  b.at = b.add(pool, "odd_pool", {b.at});
  const Graph graph = b.finish(5);
  for (int64_t factor : {4, 18, 36, 72, 1000}) {
    for (Layout layout : {Layout::Fused, Layout::Stock}) {
      TemporaryDirectory folder("tailor-check-test");
      testing::DesignOptions options;
      options.layout = layout;
      options.dsp_packing = layout == Layout::Stock;  // pairs within a group, or none
      if (options.dsp_packing) options.type = FixedType{8, 4};
      options.reuse_factor = factor;
      testing::write_parts(testing::project_parts(graph, options, 3), folder.path() + "/p");
      const CheckReport report = check_project(folder.path() + "/p", quick_options());
      EXPECT_TRUE(step(report, "cycles").passed) << step(report, "cycles").detail;
      EXPECT_TRUE(step(report, "compiled").passed) << step(report, "compiled").detail;
    }
  }
}

TEST(Dilation, GivesTheNumbersThatArithmeticGives) {
  //  1  2  3          1   10    The kernel's rows are two apart, and a column of zeros is on the
  //  4  5  6   with   .    .    left: 10 · 1 + 1000 · 7 = 7010,
  //  7  8  9        100 1000    1 · 1 + 10 · 2 + 100 · 7 + 1000 · 8 = 8721, …
  // 10 11 12
  const std::vector<int64_t> sums = {7010, 8721, 9832, 10040, 12054, 13165};
  testing::GraphBuilder b("dilated", {1, 4, 3});
  ops::Conv2d a;
  a.window = {{2, 2}, {1, 1}, {2, 1}, {0, 1, 0, 0}};
  b.conv("conv", b.at, a, 1);
  Graph graph = b.finish(6, /*pooled=*/false);
  auto set = [&](const char* name, const std::vector<float>& values) {
    Span<float> data = graph.tensors.at(name).as<float>();
    std::copy(values.begin(), values.end(), data.data());
  };
  set("conv.weight", {1, 10, 100, 1000});
  set("conv.bias", {0});
  std::vector<float> identity(36, 0.0F);
  for (size_t i = 0; i < 6; ++i) identity[7 * i] = 1;
  set("fc.weight", identity);
  set("fc.bias", {0, 0, 0, 0, 0, 0});
  const std::vector<double> image = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  EXPECT_EQ(Float64Emulator(graph).run(image), std::vector<double>(sums.begin(), sums.end()));

  TemporaryDirectory folder("tailor-check-test");
  testing::DesignOptions options;
  options.type = FixedType{24, 16};
  auto parts = testing::project_parts(graph, options, 1, 6);
  parts.vectors.inputs = {image, image};  // the second finds what the first has left behind
  const Graph& design = parts.design;
  const FixedType& type = *design.value(design.nodes.back().inputs[0]).type;
  std::vector<int64_t> raw;
  for (int64_t sum : sums) raw.push_back(sum << type.fraction());
  parts.vectors.expected = {raw, raw};
  testing::write_parts(parts, folder.path() + "/p");
  for (const CheckStep& s : check_project(folder.path() + "/p", quick_options()).steps)
    EXPECT_TRUE(s.passed) << s.name << ": " << s.detail;
}

TEST(RandomGraphs, AFewSeedsHoldWindowsAndSkipsOfEveryKind) {
  std::map<std::string, int64_t> count;
  for (int64_t seed = 0; seed < 5; ++seed) {
    const Graph design = testing::project_parts(testing::random_graph(seed), {}, 1).design;
    for (const Node& node : design.nodes) {
      const auto* conv = node.op.get_if<ops::Conv2d>();
      const auto* pool = node.op.get_if<ops::MaxPool2d>();
      if (!conv && !pool) continue;
      const Window& w = conv ? conv->window : pool->window;
      const std::string op = pool ? "pool" : "conv";
      count[op + " of one row"] += design.value(node.inputs[0]).shape.height == 1;
      count[op + " dilated"] += w.dilation.size() > 1;
      count[op + " not square"] += w.kernel.height != w.kernel.width && w.kernel.height > 1;
      count[op + " of two strides"] += w.stride.height != w.stride.width;
      count[op + " of two pads"] += w.pads.top != w.pads.bottom || w.pads.left != w.pads.right;
      if (!conv) continue;
      count["grouped"] += conv->groups > 1;
      count["folded"] += !conv->folded_skips.empty() && w.dilation.size() > 1;
      count["in the window"] += !conv->window_skips.empty() && w.dilation.size() > 1;
      count["handed on"] += node.outputs.size() > 1;
      count["as a stream"] += node.inputs.size() > 1 && w.dilation.size() > 1;
      count["a skip's pixel under no tap"] += node.inputs.size() > 1 && !has_centre_tap(w);
    }
  }
  for (const auto& [what, n] : count) EXPECT_GT(n, 0) << what;
  EXPECT_EQ(count.size(), 16U);
}

class Faults : public ::testing::Test {
 protected:
  Faults() : parts_(testing::project_parts(testing::block_network())) {}
  std::string write() {
    testing::write_parts(parts_, project());
    return project();
  }
  std::string project() const { return folder_.path() + "/p"; }
  CheckReport check(bool compile = false) {
    CheckOptions options = quick_options();
    options.compile = compile;
    return check_project(project(), options);
  }
  /// Writes another design in place of the exported one.
  void write_design(const Graph& design) {
    save_graph(project() + "/design.safetensors", design);
    rehash(project(), "design.safetensors");
  }

  TemporaryDirectory folder_{"tailor-check-test"};
  testing::ProjectParts parts_;
};

TEST_F(Faults, AChangedWeightIsNamedWithStageAndPixel) {
  write();
  const std::string file = "firmware/weights/b0_conv2.h";
  const auto weights = read_file(path_join(project(), file));
  const size_t open = weights.find("{\n{"), end = weights.find(',', open);
  const std::string first = weights.substr(open + 3, end - open - 3);
  replace_in(project(), file, "{\n{" + first + ",",
             "{\n{" + std::to_string(std::stol(first) + 64) + ",");
  CheckReport hashed = check();
  EXPECT_TRUE(step(hashed, "files").warns);
  testing::expect_words(step(hashed, "files").detail, {"changed since the export: " + file + ";"});
  rehash(project(), file);
  CheckReport report = check(/*compile=*/true);
  EXPECT_TRUE(step(report, "files").passed);
  EXPECT_FALSE(step(report, "compiled").passed);
  testing::expect_words(
      step(report, "compiled").detail,
      {"first differing stage: b0_conv2 (conv2d), pixel row", "channel 0: the emulator has"});
  EXPECT_FALSE(report.passed());
}

TEST_F(Faults, ATrainedGraphWithoutItsWitnessFails) {
  parts_.lowered.provenance = Json::object({{"run", "mine"}});
  write();
  CheckReport report = check();
  EXPECT_FALSE(step(report, "libtorch").passed);
  testing::expect_words(step(report, "libtorch").detail,
                        {"no stored outputs of LibTorch", "export again"});
}

TEST_F(Faults, ADroppedSkipInTheGraphContradictsTheWitness) {
  // The witness is the trained network's, the graph one without its skip: the design agrees with
  // the graph, only LibTorch does not.
  Network with = testing::block_network(), without = testing::block_network(Surgery::Removed);
  TensorMap tensors = testing::random_tensors(with, 3);
  Graph right = lower(with, tensors, "test");
  Witness witness{"2 images", Tensor(DType::F32, {2, 6, 7, 2}), Tensor(DType::F32, {2, 5})};
  Float64Emulator reference(right);
  for (int64_t i = 0; i < 2; ++i) {
    auto image = testing::random_image(with.input, i);
    auto logits = reference.run(image);
    std::copy(image.begin(), image.end(), witness.inputs.as<float>().data() + i * 84);
    std::copy(logits.begin(), logits.end(), witness.outputs.as<float>().data() + i * 5);
  }
  parts_.lowered.witness = witness;
  write();
  EXPECT_TRUE(step(check(), "libtorch").passed);
  TensorMap fewer;
  for (const TensorSpec& spec : tensor_specs(without))
    fewer.emplace(spec.name, tensors.at(spec.name));
  parts_.lowered = lower(without, fewer, "test");
  parts_.lowered.witness = witness;
  parts_.design =
      testing::make_design(parts_.lowered, {FixedType{16, 6}, 2.1, Layout::Fused, std::nullopt});
  parts_.force = true;
  write();
  CheckReport report = check();
  EXPECT_FALSE(step(report, "libtorch").passed);
  EXPECT_TRUE(step(report, "design").passed);
}

TEST_F(Faults, AWrongBatchNormFoldContradictsTheGraph) {
  write();
  Graph wrong = parts_.design;
  for (double& w : wrong.tensors.at("b0.conv1.weight").as<double>()) w *= 1.001;
  write_design(wrong);
  CheckReport report = check();
  EXPECT_TRUE(step(report, "files").passed);
  EXPECT_FALSE(step(report, "design").passed);
  testing::expect_words(step(report, "design").detail,
                        {"design (folded, laid out) against graph", "allowed 1e-09"});
}

TEST_F(Faults, ASkipDroppedInTheDesignContradictsTheGraph) {
  write();
  TensorMap tensors = testing::random_tensors(testing::block_network(Surgery::Removed), 3);
  Graph without =
      testing::make_design(lower(testing::block_network(Surgery::Removed), tensors, "test"),
                           {FixedType{16, 6}, 2.1, Layout::Fused, std::nullopt});
  write_design(without);
  EXPECT_FALSE(step(check(), "design").passed);
}

/// The test bench has the inputs rounded: what an export measures is this and the input's rounding.
TEST(Check, QuantisationIsThatOfRoundedInputs) {
  TemporaryDirectory folder{"tailor-check-test"};
  testing::DesignOptions options;
  options.type = FixedType{8, 3};
  testing::ProjectParts parts = testing::project_parts(testing::block_network(), options);
  testing::write_parts(parts, folder.path() + "/p");
  TestVectors rounded = parts.vectors;
  const FixedType type = *parts.design.graph().value(parts.design.graph().input()).type;
  for (std::vector<double>& input : rounded.inputs) {
    for (double& v : input) v = type.to_double(quantise(v, type));
  }
  const double rms = measure(parts.design, rounded).rms_measured;
  EXPECT_LT(rms, 0.99 * parts.quantisation.rms_measured);
  CheckOptions quick = quick_options();
  quick.compile = false;
  testing::expect_words(
      step(check_project(folder.path() + "/p", quick), "quantisation").detail,
      {fmt::format("whose inputs are rounded already: rms {:.3g}, at most ", rms)});
}

TEST_F(Faults, ATooCoarseTypeLeavesTheBound) {
  write();
  Graph coarse =
      testing::make_design(parts_.lowered, {FixedType{8, 6}, 2.1, Layout::Fused, std::nullopt});
  write_design(coarse);
  CheckReport report = check();
  EXPECT_TRUE(step(report, "design").passed);
  EXPECT_FALSE(step(report, "quantisation").passed);
}

TEST_F(Faults, AFifoOneTooShallowDeadlocksOrStalls) {
  testing::DesignOptions options{FixedType{16, 6}, 2.1, Layout::Fused, 27};
  options.skips = SkipForm::Cloned;
  parts_ = testing::project_parts(
      testing::block_network(Surgery::Traditional, Join::BeforeActivation, Shortcut::Projection, 1),
      options);
  write();
  EXPECT_TRUE(step(check(), "fifos").passed);
  int64_t depth = 0;
  for (const Value& v : parts_.design.graph().values) {
    if (v.identifier == "b0_skip") depth = v.fifo_depth;
  }
  ASSERT_EQ(depth, 2 * 8 + 3);
  const std::string file = "firmware/block.cpp", line = "TAILOR_FIFO(b0_skip, ";
  // Two below full speed is the deadlock bound, which stalls; one less deadlocks.
  replace_in(project(), file, line + std::to_string(depth), line + std::to_string(depth - 2));
  rehash(project(), file);
  CheckReport stalled = check();
  EXPECT_FALSE(step(stalled, "fifos").passed);
  testing::expect_words(step(stalled, "fifos").detail,
                        {"the design stalls", "b0_skip (depth 17, exported with 19)"});
  replace_in(project(), file, line + std::to_string(depth - 2), line + std::to_string(depth - 3));
  rehash(project(), file);
  CheckReport dead = check();
  EXPECT_FALSE(step(dead, "fifos").passed);
  testing::expect_words(
      step(dead, "fifos").detail,
      {"the design deadlocks: stem.conv1.clone waits for space in the FIFO b0.skip of depth 16"});
}

TEST_F(Faults, AFifoOneTooShallowForWhatIsHandedOnDeadlocks) {
  parts_ = testing::project_parts(
      testing::block_network(Surgery::Traditional, Join::BeforeActivation, Shortcut::Projection, 1),
      {FixedType{16, 6}, 2.1, Layout::Fused, 27});
  write();
  EXPECT_TRUE(step(check(), "fifos").passed);
  replace_in(project(), "firmware/block.cpp", "TAILOR_FIFO(b0_skip, 10", "TAILOR_FIFO(b0_skip, 8");
  rehash(project(), "firmware/block.cpp");
  CheckReport dead = check();
  EXPECT_FALSE(step(dead, "fifos").passed);
  testing::expect_words(
      step(dead, "fifos").detail,
      {"the design deadlocks: b0.conv1 waits for space in the FIFO b0.skip of depth 8"});
}

TEST_F(Faults, AStageThatTakesMoreCyclesThanItsFiguresSayIsNoticed) {
  write();
  const std::string file = "firmware/tailor/conv2d.h";
  replace_in(project(), file, "  const int iterations = ", "  const int iterations = 2 + ");
  rehash(project(), file);
  const CheckReport report = check(/*compile=*/true);
  EXPECT_TRUE(step(report, "compiled").passed) << "it waits at its end and computes the same";
  EXPECT_FALSE(step(report, "cycles").passed);
  Graph design = parts_.design;
  const Node& stem = testing::node_of(design, "stem.conv1");
  const int64_t cycles = stage_loop(design, stem).image_cycles(stem.hardware.reuse_factor);
  testing::expect_words(
      step(report, "cycles").detail,
      {fmt::format("stem_conv1 ran {} times a vector instead of {}", cycles + 2, cycles)});
}

TEST_F(Faults, ChangedVectorsAreNoticed) {
  write();
  const std::string file = "tb_data/expected.dat";
  const std::string text = read_file(path_join(project(), file));
  const size_t line = text.find('\n') + 1, end = text.find(' ', line);
  const std::string first = text.substr(line, end - line);
  replace_in(project(), file, "\n" + first + " ",
             "\n" + std::to_string(std::stoll(first) + 1) + " ");
  rehash(project(), file);
  CheckReport report = check(/*compile=*/true);
  EXPECT_FALSE(step(report, "compiled").passed);
  testing::expect_words(step(report, "compiled").detail, {"tb_data/expected.dat was changed"});
}

TEST_F(Faults, ANetworkThatAnswersTheSameToEverythingFails) {
  // The stem's scale becomes so small that its weights round to 0; float64 still tells images
  // apart.
  for (float& gamma : parts_.lowered.tensors.at("stem.bn1.weight").as<float>()) gamma *= 1e-4F;
  parts_ = testing::project_parts(parts_.lowered);
  write();
  const CheckReport report = check(/*compile=*/true);
  for (const char* name : {"design", "quantisation", "cycles", "compiled"})
    EXPECT_TRUE(step(report, name).passed) << step(report, name).detail;
  EXPECT_FALSE(step(report, "answers").passed) << step(report, "answers").detail;
  testing::expect_words(step(report, "answers").detail,
                        {"all 5 vectors give the same logits and in float64 they do not",
                         "weights became 0", "--precision"});
  EXPECT_FALSE(report.passed());
}

TEST_F(Faults, AConstantNetworkIsOneInFloat64Too) {
  for (float& w : parts_.lowered.tensors.at("fc.weight").as<float>()) w = 0;
  parts_ = testing::project_parts(parts_.lowered);
  write();
  EXPECT_TRUE(step(check(), "answers").passed);
  testing::expect_words(step(check(), "answers").detail, {"same logits, in float64 too"});
}

TEST_F(Faults, ATunedPragmaLeavesTheOtherStepsStanding) {
  write();
  const std::string file = "firmware/tailor/profile.h";
  replace_in(project(), file, "PIPELINE II=1", "PIPELINE II=2");
  const CheckReport report = check(/*compile=*/true);
  for (const CheckStep& s : report.steps) {
    EXPECT_TRUE(s.passed) << s.name << ": " << s.detail;
    EXPECT_EQ(s.warns, s.name == "files") << s.name;
  }
  testing::expect_words(step(report, "files").detail,
                        {"1 of", "changed since the export: firmware/tailor/profile.h",
                         "the other steps are of the files as they are"});
  EXPECT_TRUE(report.passed());
}

TEST_F(Faults, AMissingFileIsNamed) {
  write();
  remove_all(path_join(project(), "firmware/tailor/pool.h"));
  EXPECT_EQ(step(check(), "files").detail, "firmware/tailor/pool.h is missing");
}

TEST_F(Faults, AChangedFileThatDoesNotCompileFailsItsStepAndNoOther) {
  write();
  replace_in(project(), "firmware/block.cpp", "void block(", "void block(nonsense ");
  const CheckReport report = check(/*compile=*/true);
  testing::expect_words(step(report, "files").detail, {"firmware/block.cpp"});
  testing::expect_words(step(report, "compiled").detail, {"could not compile", "nonsense"});
  for (const CheckStep& s : report.steps) EXPECT_EQ(s.passed, s.name != "compiled") << s.name;
}

TEST_F(Faults, AMissingHeaderIsNamedBeforeTheCompilerMissesIt) {
  write();
  remove_all(path_join(project(), "firmware/tailor/conv2d.h"));
  const CheckReport report = check(/*compile=*/true);
  EXPECT_EQ(step(report, "files").detail, "firmware/tailor/conv2d.h is missing");
  EXPECT_TRUE(step(report, "quantisation").passed);
  testing::expect_words(step(report, "compiled").detail, {"could not compile"});
}

TEST_F(Faults, AMissingGraphIsALineAndNothingIsCompared) {
  for (const char* file : {"graph.safetensors", "design.safetensors", "tb_data/inputs.dat"}) {
    remove_all(project());
    write();
    remove_all(path_join(project(), file));
    const CheckReport report = check(/*compile=*/true);
    EXPECT_FALSE(report.passed());
    EXPECT_EQ(step(report, "files").detail, std::string(file) + " is missing");
    testing::expect_words(step(report, "graphs").detail, {file, "nothing can be compared"});
  }
}

TEST_F(Faults, ACompilerErrorIsAnExternalToolError) {
  write();
  CheckOptions refused;
  refused.compiler = "c++ --no-such-flag";
  testing::expect_error(ErrorKind::ExternalTool, {"could not compile", "no-such-flag"},
                        [&] { check_project(project(), refused); });
  CheckOptions options;
  options.compiler = "no-such-compiler";
  testing::expect_error(ErrorKind::ExternalTool, {"cannot run no-such-compiler"},
                        [&] { check_project(project(), options); });
}

TEST_F(Faults, OtherFoldersAreRefused) {
  testing::expect_error(ErrorKind::Data,
                        {"no manifest.json: not a project that tailor export wrote"},
                        [&] { check_project(folder_.path()); });
  write();
  replace_in(project(), "manifest.json", "\"version\": 1", "\"version\": 9");
  testing::expect_error(ErrorKind::Unsupported, {"expected version 1, got 9"}, [&] { check(); });
}

}  // namespace
}  // namespace tailor::test

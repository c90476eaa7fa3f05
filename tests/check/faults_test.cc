// Every fault of a project is noticed by the step that is there for it: each is planted alone, with
// the manifest's hashes made to agree, so that no other step gives it away.
#include "support/rooms.h"
#include "tailor/check/check.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "support/checks.h"
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

using testing::quick_options;
using testing::step;
using testing::Surgery;

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

// A target is a seam: one that is not ours writes, opens and runs projects, and the check compares
// its witnesses without knowing it.
#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/projects.h"
#include "support/rooms.h"
#include "tailor/check/check.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/emulate/integer.h"

namespace tailor::test {
namespace {

/// A design as text: a line a stage, and the vectors in JSON. What runs is the integer emulator on
/// the stored design, with the offset that `offset.txt` adds to every logit.
class TextProject : public Project {
 public:
  explicit TextProject(std::string folder) : folder_(std::move(folder)) {}
  std::vector<std::vector<double>> inputs(const MapShape& shape) const override {
    std::vector<std::vector<double>> images;
    const Json document = Json::parse(read_file(path_join(folder_, "vectors.json")), "vectors");
    for (const Json& image : document.as_array()) {
      images.emplace_back();
      for (const Json& v : image.as_array()) images.back().push_back(v.as_number());
      EXPECT_EQ(static_cast<int64_t>(images.back().size()), shape.size());
    }
    return images;
  }
  const char* what_runs() const override { return "stages of text"; }
  ProjectRun run(const RunOptions& options, Progress&) override {
    ProjectRun result;
    const Graph design = load_graph(path_join(folder_, "design.safetensors"));
    const IntegerEmulator emulator(design);
    const auto images = inputs(design.input_shape());
    for (int64_t i = 0; i < options.vectors; ++i) {
      result.logits.push_back(emulator.run(images[static_cast<size_t>(i)]).logits_raw);
      for (int64_t& logit : result.logits.back())
        logit += *parse_int(trim(read_file(path_join(folder_, "offset.txt"))));
    }
    return result;
  }
  std::string trace(const RunOptions&, size_t) override { return "text says nothing on its way"; }
  std::vector<std::vector<int64_t>> traced(const Value&) const override { return {}; }

 private:
  std::string folder_;
};

class TextTarget : public Target {
 public:
  const char* name() const override { return "text"; }
  void write(const ProjectContents& contents, Manifest&, ProjectFiles& files) const override {
    Json images = Json::Array();
    for (const auto& image : contents.vectors.inputs) images.push_back(Json::array(image));
    files.write("vectors.json", images.dump());
    std::string stages;
    for (const Node& node : contents.design.design.graph().nodes) stages += node.name + "\n";
    files.write("stages.txt", stages);
    files.write("offset.txt", "0\n");
  }
  std::unique_ptr<Project> open(const std::string& folder, const Manifest&) const override {
    return std::make_unique<TextProject>(folder);
  }
};

class Targets : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { add_target(std::make_unique<TextTarget>()); }
  Targets() {
    testing::write_parts(testing::project_parts(testing::block_network()), project(), "text");
  }
  std::string project() const { return folder_.path() + "/p"; }
  TemporaryDirectory folder_{"tailor-target-test"};
};

const CheckStep& compiled(const CheckReport& report) { return report.steps.back(); }

TEST_F(Targets, AnotherTargetsProjectPassesEveryStep) {
  const CheckReport report = check_project(project());
  for (const CheckStep& step : report.steps) EXPECT_TRUE(step.passed) << step.detail;
  EXPECT_EQ(compiled(report).detail, "stages of text and emulator agree bit for bit on 5 vectors");
  EXPECT_EQ(read_manifest(project()).target, "text");
  EXPECT_TRUE(is_project(project()));
  EXPECT_FALSE(path_exists(project() + "/firmware"));
}

TEST_F(Targets, WhatItRunsIsComparedAndNotBelieved) {
  write_file(project() + "/offset.txt", "1\n");
  const CheckReport report = check_project(project());
  EXPECT_FALSE(compiled(report).passed);
  testing::expect_words(compiled(report).detail,
                        {"5 of 5 vectors differ from the emulator", "text says nothing"});
}

TEST_F(Targets, AreNamedWhereThereIsNoSuchOne) {
  testing::expect_error(ErrorKind::Usage, {"expected hls or text, got 'verilog'"},
                        [] { find_target("verilog"); });
  std::string manifest = read_file(project() + "/manifest.json");
  const std::string name = "\"target\": \"text\"";
  manifest.replace(manifest.find(name), name.size(), "\"target\": \"other\"");
  write_file(project() + "/manifest.json", manifest);
  testing::expect_error(ErrorKind::Unsupported, {"it is a project for other", "hls, text"},
                        [&] { check_project(project()); });
}

TEST_F(Targets, AManifestIsReadAsItWasWritten) {
  Manifest manifest = read_manifest(project());
  Json written = write_record([&](RecordVisitor& v) { manifest.describe(v); });
  Json file = Json::parse(read_file(project() + "/manifest.json"), "manifest.json");
  file.erase("format");
  file.erase("version");
  EXPECT_EQ(written.dump(2), file.dump(2));
  EXPECT_EQ(manifest.design.layout, "fused");
  EXPECT_GT(manifest.quantisation.rms_bound, 0);
}

}  // namespace
}  // namespace tailor::test

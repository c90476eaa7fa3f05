// A recipe of three phases: a teacher, a student that loses its skips, and a second student of the
// first. Whatever is interrupted goes on, and what is done is not done again.
#include "tailor/train/recipe.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <csignal>

#include "support/expect_error.h"
#include "tailor/core/files.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/log.h"
#include "tailor/run/results.h"
#include "tailor/run/shared_run.h"

namespace tailor::test {
namespace {

/// Notes the bars of the epochs, and sends SIGINT at the step that is asked for.
class RecipeWatch : public Progress {
 public:
  std::vector<std::string> labels;
  std::string stop_in;
  void begin(const std::string& label, int64_t /*total*/, const std::string& /*unit*/) override {
    if (label.find("epoch") != std::string::npos) labels.push_back(label);
    label_ = label;
  }
  void advance(int64_t /*items*/) override {
    if (!stop_in.empty() && label_ == stop_in) set_pending_interrupt(SIGINT);
  }
  void place(int64_t /*done*/, int64_t /*after*/) override {}
  void note(const std::string& /*text*/) override {}
  void end() override {}

 private:
  std::string label_;
};

struct ThreePhases {
  TemporaryDirectory folder{"tailor-recipe"};
  RunConfig config;
  Recipe recipe;

  ThreePhases() {
    set_torch_threads(1);
    config.network.depth = 8;
    config.network.width = 4;
    config.data.name = "synthetic";
    config.data.train_size = 96;
    config.data.validation = 24;
    config.data.test_size = 24;
    config.train.epochs = 2;
    config.train.batch_size = 24;
    config.train.optimizer.lr = 0.05;
    config.runtime.threads = 1;
    config.teacher.emplace();
    config.teacher->train = config.train;
    config.train.epochs = 5;
    config.surgery.kind = SurgeryKind::Remove;
    config.surgery.alpha = 1;
    recipe = make_recipe(config);
    Phase second;
    second.teacher = kPrevious;
    second.train = config.train;
    second.train.epochs = 2;
    recipe.phases.push_back(second);
  }
  std::string path(const std::string& name) const { return path_join(folder.path(), name); }
  RunResult run(const std::string& name, Progress& progress = null_progress()) const {
    const bool goes_on = RunFolder::is_run(path(name));
    RecipeRun r(config, recipe, "test", path(name), goes_on);
    RunFolder f(path(name), false);
    r.begin(f);
    return r.run(f, SumOrder(), progress);
  }
};

TEST(Recipe, RunsTeacherStudentAndASecondStudentOfTheFirst) {
  ThreePhases f;
  RecipeWatch watch;
  const RunResult last = f.run("a/run", watch);
  EXPECT_EQ(watch.labels.size(), 9U);
  EXPECT_EQ(watch.labels.front(), "teacher, epoch 0 (1 of 2)");
  EXPECT_EQ(watch.labels.at(2), "student 1, epoch 0 (1 of 5)");
  EXPECT_EQ(watch.labels.back(), "student 2, epoch 1 (2 of 2)");
  EXPECT_EQ(list_directory(f.path("a/teachers")).size(), 2U);

  // The second student is the first one's network, without skips, and bound to its weights.
  RunFolder second(f.path("a/run"), false);
  const std::string first = second.linked_teacher();
  const Checkpoint student = load_checkpoint(path_join(first, "best.ckpt"));
  EXPECT_EQ(read_summary(path_join(first, "summary.json")).skips_before, 3);
  EXPECT_EQ(skip_ids(student.network).size(), 0U);
  EXPECT_EQ(write_network(last.last.network), write_network(student.network));
  const RunSummary summary = read_summary(second.file("summary.json"));
  EXPECT_EQ(summary.skips_before, 0);
  EXPECT_EQ(summary.teacher.at("weights_sha256").as_string(), weights_digest(student.tensors));
  // Its config.json is that of an ordinary student: it says network and teacher without a recipe.
  const RunConfig written =
      read_run_config(Json::parse(read_file(second.file("config.json")), "config"), "config");
  EXPECT_EQ(written.network.family, "file");
  EXPECT_EQ(written.network.file, kDescription);
  EXPECT_EQ(Json::parse(read_file(second.file(kDescription)), "network"),
            write_network(student.network));
  EXPECT_EQ(absolute_path(written.teacher->checkpoint),
            absolute_path(path_join(first, "best.ckpt")));
  EXPECT_EQ(written.teacher->weights_sha256, weights_digest(student.tensors));
}

TEST(Recipe, WhateverPhaseWasInterruptedGoesOnAndWhatIsDoneIsReused) {
  ThreePhases f;
  const std::string digest = weights_digest(f.run("whole/run").last.tensors);
  for (const char* label : {"teacher, epoch 1 (2 of 2)", "student 1, epoch 3 (4 of 5)",
                            "student 2, epoch 0 (1 of 2)"}) {
    RecipeWatch watch;
    watch.stop_in = label;
    EXPECT_THROW(f.run("cut/run", watch), Interrupted) << label;
    set_pending_interrupt(0);
    RecipeWatch rest;
    EXPECT_EQ(weights_digest(f.run("cut/run", rest).last.tensors), digest) << label;
    EXPECT_EQ(rest.labels.front(), label);  // what came before was done
    remove_all(f.path("cut"));
  }
  // Another run of the same recipe but for its end finds both phases.
  f.recipe.phases[2].train.seed = 2;
  RecipeWatch other;
  EXPECT_NE(weights_digest(f.run("whole/other", other).last.tensors), digest);
  EXPECT_EQ(other.labels.front(), "student 2, epoch 0 (1 of 2)");
}

TEST(Recipe, APhaseGoesOnWithTheOptimiserOrBeginsWithANewOne) {
  ThreePhases f;
  f.recipe.phases.resize(1);
  Phase more;
  more.start = kPrevious;
  more.train = f.config.teacher->train;
  more.train.epochs = 1;
  f.recipe.phases.push_back(more);
  const std::string anew = weights_digest(f.run("run").last.tensors);
  f.recipe.phases[1].keep_optimizer = true;
  EXPECT_NE(weights_digest(f.run("kept").last.tensors), anew);
  // Without momentum there is nothing to keep.
  for (Phase& phase : f.recipe.phases) phase.train.optimizer.momentum = 0;
  f.recipe.phases[1].train.optimizer.nesterov = f.recipe.phases[0].train.optimizer.nesterov = false;
  const std::string kept = weights_digest(f.run("kept0").last.tensors);
  f.recipe.phases[1].keep_optimizer = false;
  EXPECT_EQ(weights_digest(f.run("anew0").last.tensors), kept);
}

TEST(Recipe, WhatCannotWorkInALaterPhaseIsSaidBeforeAnyIsTrained) {
  ThreePhases f;
  f.recipe.phases[2].surgery.kind = SurgeryKind::Remove;
  f.recipe.phases[2].surgery.plan = {{"stage1.block0.skip", AlterationKind::Remove}};
  // Student 1 has removed it.
  testing::expect_error(ErrorKind::Config, {"stage1.block0.skip"}, [&] { f.run("run"); });
  EXPECT_FALSE(path_exists(f.path("run")));
}

}  // namespace
}  // namespace tailor::test

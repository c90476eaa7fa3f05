// A recipe of three phases: a teacher, a student that loses its skips, and a second student of the
// first. Whatever is interrupted goes on, and what is done is not done again.
#include "tailor/train/recipe.h"

#include <gtest/gtest.h>

#include <map>

#include "support/expect_error.h"
#include "tailor/run/results.h"
#include "tailor/run/shared_run.h"
#include "train/recipes.h"

namespace tailor::test {
namespace {

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
  f.recipe.phases[2].at = "/phases/1";
  // Student 1 has removed it.
  testing::expect_error(ErrorKind::Config, {"/phases/1/surgery/plan/0/skip", "stage1.block0.skip"},
                        [&] { f.run("run"); });
  EXPECT_FALSE(path_exists(f.path("run")));
}

/// The Keras runs of 2021 on three skips: each phase goes on with the one before and follows the
/// first teacher.
struct OneSkipAPhase : ThreePhases {
  OneSkipAPhase() {
    config = read_run_config(Json::parse(R"({
      "network": {"depth": 8, "width": 4},
      "data": {"name": "synthetic", "train_size": 96, "validation": 24, "test_size": 24},
      "teacher": {"epochs": 2, "batch_size": 24, "optimizer": {"lr": 0.05}},
      "surgery": {"kind": "remove", "order": "output_first", "first_epoch": 0, "alpha": 100,
                  "allow_partial": true},
      "train": {"epochs": 2, "batch_size": 24, "optimizer": {"lr": 0.05},
                "schedule": {"kind": "cosine"}},
      "phases": [{"repeat": 3, "start": "previous", "teacher": "original"}],
      "runtime": {"threads": 1}})",
                                         "test"),
                             "test");
    recipe = make_recipe(config);
  }
};

TEST(RecipePhases, ATeacherOfAllTeachesEachAndTheWeightsGoOn) {
  OneSkipAPhase f;
  const RunResult last = f.run("a/run");
  EXPECT_TRUE(skip_ids(last.last.network).empty());
  ASSERT_EQ(list_directory(f.path("a/teachers")).size(), 3U);
  RunFolder run(f.path("a/run"), false);
  // The link is to whoever teaches the last phase, and that is the first of all.
  const Checkpoint teacher = load_checkpoint(path_join(run.linked_teacher(), "best.ckpt"));
  EXPECT_EQ(skip_ids(teacher.network).size(), 3U);
  std::map<int64_t, std::string> by_skips;  // that a phase begins with
  for (const std::string& name : list_directory(f.path("a/teachers"))) {
    const std::string folder = path_join(f.path("a/teachers"), name);
    const RunSummary s = read_summary(path_join(folder, "summary.json"));
    by_skips[s.alterations > 0 ? s.skips_before : 4] = folder;
    if (s.alterations > 0) {
      EXPECT_EQ(s.teacher.at("weights_sha256").as_string(), weights_digest(teacher.tensors));
      EXPECT_EQ(s.skips_before - s.skips, 1);
    }
  }
  ASSERT_EQ(by_skips.size(), 3U);
  // The last one's summary is of all three: what they began with, and what they took.
  const RunSummary s = read_summary(run.file("summary.json"));
  EXPECT_EQ(s.skips_before, 3);
  EXPECT_EQ(s.alterations, 3);
  EXPECT_EQ(s.epochs, 2);
  EXPECT_EQ(s.earlier.phases, 2);
  EXPECT_EQ(s.earlier.epochs, 4);
  const double seconds = read_summary(path_join(by_skips.at(3), "summary.json")).seconds +
                         read_summary(path_join(by_skips.at(2), "summary.json")).seconds;
  EXPECT_NEAR(s.earlier.seconds, seconds, 1e-9);
  EXPECT_EQ(s.teacher.at("weights_sha256").as_string(), weights_digest(teacher.tensors));
  for (const auto& [link, skips] : {std::pair("phase1", 3), std::pair("phase2", 2)})
    EXPECT_EQ(absolute_path(run.file(link)), absolute_path(by_skips.at(skips)));
  EXPECT_FALSE(path_exists(run.file("phase3")));
  // From the output side, with the weights of the phase before.
  const Checkpoint second = load_checkpoint(path_join(by_skips.at(2), "last.ckpt"));
  EXPECT_EQ(skip_ids(second.network), std::vector<std::string>{"stage1.block0.skip"});
  const RunConfig said = read_run_config(second.config, "second");
  EXPECT_EQ(absolute_path(parent_path(said.train.start)), absolute_path(by_skips.at(3)));
  // The run's folder says the whole and is bound, so that the same command finds its run.
  const RunConfig written =
      read_run_config(Json::parse(read_file(run.file("config.json")), "config"), "config");
  RunConfig bound = f.config;
  bound.teacher->weights_sha256 = weights_digest(teacher.tensors);
  EXPECT_EQ(write_run_config(written).dump(), write_run_config(bound).dump());
}

TEST(RecipePhases, ResumeInTheMiddleOfEachIsBitForBit) {
  OneSkipAPhase f;
  const RunResult whole = f.run("whole/run");
  for (const char* label : {"student 1, epoch 1 (2 of 2)", "student 2, epoch 0 (1 of 2)",
                            "student 2, epoch 1 (2 of 2)", "student 3, epoch 1 (2 of 2)"}) {
    RecipeWatch watch;
    watch.stop_in = label;
    EXPECT_THROW(f.run("cut/run", watch), Interrupted) << label;
    set_pending_interrupt(0);
    RecipeWatch rest;
    const RunResult resumed = f.run("cut/run", rest);
    EXPECT_EQ(weights_digest(resumed.last.tensors), weights_digest(whole.last.tensors)) << label;
    EXPECT_EQ(resumed.last.slots, whole.last.slots) << label;
    EXPECT_EQ(rest.labels.front(), label);
    remove_all(f.path("cut"));
  }
  // A teacher that has become another one is not gone on with.
  RecipeWatch watch;
  watch.stop_in = "student 3, epoch 1 (2 of 2)";
  EXPECT_THROW(f.run("cut/run", watch), Interrupted);
  set_pending_interrupt(0);
  f.config.teacher->weights_sha256 = std::string(64, 'a');
  testing::expect_error(ErrorKind::Data, {"is not the one that the run is bound to"},
                        [&] { f.run("cut/run"); });
}

TEST(RecipePhases, AKeptOptimiserIsThatOfThePhaseBefore) {
  OneSkipAPhase f;
  const std::string anew = weights_digest(f.run("run").last.tensors);
  f.config.phases[0].repeat = 1;
  f.config.phases.push_back(f.config.phases[0]);
  f.config.phases.back().repeat = 2;
  f.recipe = make_recipe(f.config);
  EXPECT_EQ(weights_digest(f.run("same").last.tensors), anew);
  f.config.phases.back().keep_optimizer = true;
  f.recipe = make_recipe(f.config);
  EXPECT_NE(weights_digest(f.run("kept").last.tensors), anew);
}

/// Distillation only: another topology than its teacher's, and initial weights.
struct NotAsItsTeacher : OneSkipAPhase {
  NotAsItsTeacher() {
    config.phases.clear();
    config.surgery = {};
    config.train.start = kInitial;
    config.train.skips = InitialSkips::Removed;
    recipe = make_recipe(config);
  }
};

TEST(RecipePhases, AStudentThatBeginsWithInitialWeightsFollowsATeacherWithSkips) {
  NotAsItsTeacher f;
  f.config.train.optimizer.lr = 0;
  f.recipe = make_recipe(f.config);
  const RunResult still = f.run("still/run");
  const Network network = initial_network(f.config, {3, 32, 32}, 10);
  EXPECT_EQ(write_network(still.last.network), write_network(network));
  const TensorMap initial = initial_tensors(network, f.config.train.seed);
  for (const auto& [name, tensor] : initial) {
    if (name.find("running") == std::string::npos) {
      EXPECT_EQ(still.last.tensors.at(name), tensor) << name;
    }
  }
  RunFolder run(f.path("still/run"), false);
  const Checkpoint teacher = load_checkpoint(path_join(run.linked_teacher(), "best.ckpt"));
  EXPECT_EQ(skip_ids(teacher.network).size(), 3U);
  const Json line = Json::parse(read_file(run.file("metrics.jsonl"))
                                    .substr(0, read_file(run.file("metrics.jsonl")).find('\n')),
                                "line");
  EXPECT_GT(line.at("train_distance").as_number(), 0);
  // The same teacher is another student's.
  f.config.train.skips = InitialSkips::Shortened;
  f.config.train.optimizer.lr = 0.05;
  f.recipe = make_recipe(f.config);
  RecipeWatch watch;
  EXPECT_EQ(skip_ids(f.run("still/short", watch).last.network).size(), 6U);
  EXPECT_EQ(watch.labels.front(), "student, epoch 0 (1 of 2)");
}

TEST(RecipePhases, AStudentThatBeginsWithInitialWeightsResumesBitForBit) {
  NotAsItsTeacher f;
  const std::string digest = weights_digest(f.run("whole/run").last.tensors);
  RecipeWatch watch;
  watch.stop_in = "student, epoch 1 (2 of 2)";
  EXPECT_THROW(f.run("cut/run", watch), Interrupted);
  set_pending_interrupt(0);
  EXPECT_EQ(weights_digest(f.run("cut/run").last.tensors), digest);
}

TEST(RecipePhases, AStudentMayBeginAsOneRunAndFollowAnother) {
  NotAsItsTeacher f;
  const Checkpoint first = f.run("first/run").last;
  RunFolder run(f.path("first/run"), false);
  f.config.teacher->checkpoint = path_join(absolute_path(run.linked_teacher()), "best.ckpt");
  f.config.teacher->train = {};
  f.config.train.start = absolute_path(path_join(f.path("first/run"), "last.ckpt"));
  f.config.train.optimizer.lr = 0;
  f.recipe = make_recipe(f.config);
  const RunResult second = f.run("second/run");
  EXPECT_EQ(second.last.tensors.at("fc.weight"), first.tensors.at("fc.weight"));
  // Its skips are not those of the configuration.
  f.config.train.skips = InitialSkips::Kept;
  f.recipe = make_recipe(f.config);
  testing::expect_error(ErrorKind::Config, {"/train/start", "no skips", "train.skips"},
                        [&] { f.run("third/run"); });
}

TEST(RecipePhases, WhatNoTeacherCanAnswerIsSaidBeforeOneIsTrained) {
  NotAsItsTeacher f;
  Network one = make_network(f.config.network, {3, 32, 32}, 10);
  one.blocks.resize(2);  // all of whose maps have one shape
  write_file(f.path("one.json"), write_network(one).dump());
  f.config.network = {};
  f.config.network.family = "file", f.config.network.file = f.path("one.json");
  f.config.distill.through_weight = 1;
  f.recipe = make_recipe(f.config);
  testing::expect_error(ErrorKind::Config, {"/distill/through_weight", "no block that could go on"},
                        [&] { f.run("run"); });
  EXPECT_FALSE(path_exists(f.path("teachers")));
}

TEST(RecipePhases, FromScratchWithoutSkipsNeedsNoTeacher) {
  NotAsItsTeacher f;
  f.config.teacher.reset();
  f.config.train.start.clear();
  f.recipe = make_recipe(f.config);
  EXPECT_TRUE(skip_ids(f.run("run").last.network).empty());
  EXPECT_FALSE(path_exists(f.path("teachers")));
  const RunConfig written = read_run_config(
      Json::parse(read_file(path_join(f.path("run"), "config.json")), "config"), "config");
  EXPECT_EQ(write_run_config(written).dump(), write_run_config(f.config).dump());
}

}  // namespace
}  // namespace tailor::test

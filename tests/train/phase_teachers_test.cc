// Phases with a teacher and images of their own, and the order of classes in each.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "support/expect_error.h"
#include "tailor/core/log.h"
#include "tailor/run/results.h"
#include "tailor/tensors/npy.h"
#include "train/recipes.h"

namespace tailor::test {
namespace {

/// A teacher of another depth, and images that are mixed.
struct AnotherTeacher : ThreePhases {
  RunConfig alone = config;  // ends with the student without skips
  std::string other;

  AnotherTeacher() {
    RunConfig deeper = config;
    deeper.network.depth = 14;
    deeper.teacher.reset(), deeper.surgery = {};
    deeper.train.epochs = 1;
    run_of(deeper, "other/run");
    other = absolute_path(path("other/run/best.ckpt"));
  }
  RunResult run_of(const RunConfig& c, const std::string& name,
                   Progress& progress = null_progress()) {
    config = c, recipe = make_recipe(c);
    return run(name, progress);
  }
  /// The student as the first phase, and one that follows the other teacher.
  RunConfig both() const {
    RunConfig c = alone;
    c.surgery = {};
    PhaseConfig first, second;
    first.surgery = Json::object({{"kind", "remove"}, {"alpha", 1}});
    second.start = kPrevious, second.teacher = other;
    second.data = Json::parse(R"({"augment": ["flip", "mixup"]})", "test");
    second.train = Json::object({{"epochs", 2}});
    c.phases = {first, second};
    return c;
  }
};

TEST(RecipePhases, AnotherTeacherAndAugmentationAreAsInARunOfTheirOwn) {
  AnotherTeacher f;
  const RunResult phases = f.run_of(f.both(), "phases/run");
  f.run_of(f.alone, "alone/run");
  RunConfig by_hand = f.alone;
  by_hand.surgery = {};
  by_hand.train.epochs = 2;
  by_hand.train.start = absolute_path(f.path("alone/run/best.ckpt"));
  by_hand.train.skips = InitialSkips::Removed;
  by_hand.teacher->checkpoint = f.other, by_hand.teacher->train = {};
  by_hand.data.augment = {"flip", "mixup"};
  const RunResult second = f.run_of(by_hand, "hand/run");
  EXPECT_EQ(weights_digest(phases.last.tensors), weights_digest(second.last.tensors));
  by_hand.data.augment = {"flip"};
  EXPECT_NE(weights_digest(phases.last.tensors),
            weights_digest(f.run_of(by_hand, "unmixed/run").last.tensors));
  // The phase is bound to its teacher, and the run to none: no phase of it follows the other at
  // last.
  RunFolder run(f.path("phases/run"), false);
  const RunConfig written =
      read_run_config(Json::parse(read_file(run.file("config.json")), "config"), "config");
  EXPECT_EQ(written.phases[1].weights_sha256, weights_digest(load_checkpoint(f.other).tensors));
  EXPECT_EQ(written.teacher->weights_sha256, "");
  EXPECT_EQ(absolute_path(run.linked_teacher()), f.other);
}

TEST(RecipePhases, UnderAnotherTeacherEachResumesBitForBit) {
  AnotherTeacher f;
  const std::string digest = weights_digest(f.run_of(f.both(), "whole/run").last.tensors);
  for (const char* label : {"student 1, epoch 2 (3 of 5)", "student 2, epoch 1 (2 of 2)"}) {
    RecipeWatch watch, rest;
    watch.stop_in = label;
    EXPECT_THROW(f.run_of(f.both(), "cut/run", watch), Interrupted) << label;
    set_pending_interrupt(0);
    EXPECT_EQ(weights_digest(f.run_of(f.both(), "cut/run", rest).last.tensors), digest) << label;
    EXPECT_EQ(rest.labels.front(), label);
    remove_all(f.path("cut"));
  }
}

TEST(RecipePhases, AnotherTeacherHasTheNetworkOfWhoBeginsAsIt) {
  AnotherTeacher f;
  RunConfig c = f.both();
  c.phases[1].start.clear();
  const auto refused = [&](const char* at) {
    testing::expect_error(ErrorKind::Config, {at, "\"previous\"", "(resnet14) is another network"},
                          [&] { f.run_of(c, "run"); });
  };
  refused("/phases/1/start");
  // Also where another phase has it as its teacher already.
  c.phases.push_back(c.phases[1]);
  c.phases[1].start = kPrevious;
  refused("/phases/2/start");
  // Blocks of the same names are other ones there.
  c.phases.pop_back();
  c.phases[1].distill = Json::object({{"features", "blocks"}});
  testing::expect_error(ErrorKind::Config,
                        {"/phases/1/distill/features", "\"stages\"", "other blocks"},
                        [&] { f.run_of(c, "run"); });
  // Answers are kept where images come again as they were.
  c.phases[1].distill = Json::object({{"teacher_cache", "on"}});
  testing::expect_error(ErrorKind::Config, {"/phases/1/distill/teacher_cache"},
                        [&] { f.run_of(c, "run"); });
  EXPECT_FALSE(path_exists(f.path("teachers")));
}

TEST(RecipePhases, ATeacherThatHasBecomeAnotherOneIsNotGoneOnWith) {
  AnotherTeacher f;
  RunConfig c = f.both();
  PhaseConfig third;
  third.start = kPrevious, third.train = Json::object({{"epochs", 2}});
  c.phases.push_back(third);
  RecipeWatch watch;
  watch.stop_in = "student 3, epoch 1 (2 of 2)";
  EXPECT_THROW(f.run_of(c, "cut/run", watch), Interrupted);
  set_pending_interrupt(0);
  Checkpoint other = load_checkpoint(f.other);
  other.tensors.at("fc.bias").as<float>()[0] += 1;
  save_checkpoint(f.other, other);
  testing::expect_error(ErrorKind::Data, {f.other, "phases.1.weights_sha256"},
                        [&] { f.run_of(c, "cut/run"); });
  EXPECT_EQ(list_directory(f.path("cut/teachers")).size(), 3U);  // nothing was trained anew
  // The run's own too, where only an earlier phase follows it.
  const std::string good = f.path("good.ckpt");
  std::filesystem::copy(f.path("other/run/best.ckpt"), good);
  c = f.both();
  c.network.depth = 14;
  c.phases[0].surgery.set("at_once", 6);
  c.teacher->checkpoint = good, c.teacher->train = {};
  watch.stop_in = "student 2, epoch 1 (2 of 2)";
  EXPECT_THROW(f.run_of(c, "own/run", watch), Interrupted);
  set_pending_interrupt(0);
  other.tensors.at("fc.bias").as<float>()[0] += 1;
  save_checkpoint(good, other);
  testing::expect_error(ErrorKind::Data, {good, "teacher.weights_sha256"},
                        [&] { f.run_of(c, "own/run"); });
  EXPECT_EQ(list_directory(f.path("own/teachers")).size(), 1U);
}

TEST(RecipePhases, EachReadsTheClassesInTheOrderOfItsWeights) {
  AnotherTeacher f;
  Checkpoint other = load_checkpoint(f.other);
  other.class_names = official_class_names("synthetic");
  std::swap(other.class_names[0], other.class_names[1]);
  save_checkpoint(f.other, other);
  // Who begins without weights has the order of the first that there are.
  EXPECT_EQ(f.run_of(f.both(), "both/run").last.class_names, other.class_names);
  // Whoever begins as the phase before has the order of that one.
  Checkpoint third = other;
  std::swap(third.class_names[2], third.class_names[3]);
  save_checkpoint(f.path("third.ckpt"), third);
  RunConfig again = f.both();
  again.phases.push_back(again.phases[1]);
  again.phases[2].teacher = f.path("third.ckpt");
  testing::expect_error(ErrorKind::Data, {"phases.2.start", "order of classes"},
                        [&] { f.run_of(again, "run"); });
  // A phase that begins anew may have another; the phase behind it has that of its own teacher.
  f.run_of(f.alone, "alone/run");
  RunConfig plain = f.alone;
  plain.surgery = {};
  plain.teacher->checkpoint =
      absolute_path(path_join(RunFolder(f.path("alone/run"), false).linked_teacher(), "best.ckpt"));
  plain.teacher->train = {};
  const RunResult last = f.run_of(plain, "plain/run");
  PhaseConfig first, second;
  first.start = kInitial, first.teacher = f.other;
  second.teacher = kOriginal;
  plain.phases = {first, second};
  const RunResult behind = f.run_of(plain, "phases/run");
  EXPECT_EQ(weights_digest(behind.last.tensors), weights_digest(last.last.tensors));
  EXPECT_TRUE(behind.last.class_names.empty());
  // The official names in their own order are no other order than none.
  std::swap(other.class_names[0], other.class_names[1]);
  save_checkpoint(f.other, other);
  EXPECT_NO_THROW(f.run_of(f.both(), "named/run"));
}

TEST(RecipePhases, ATrainedTeacherHasTheClassesInTheOrderOfItsStudentsStart) {
  AnotherTeacher f;
  RunConfig c = f.alone;
  f.run_of(c, "first/run");
  Checkpoint start = load_checkpoint(f.path("first/run/last.ckpt"));
  start.class_names = official_class_names("synthetic");
  std::swap(start.class_names[0], start.class_names[1]);
  save_checkpoint(f.path("start.ckpt"), start);
  c.surgery = {};
  c.train.start = f.path("start.ckpt"), c.train.skips = InitialSkips::Removed;
  EXPECT_EQ(f.run_of(c, "second/run").last.class_names, start.class_names);
  EXPECT_EQ(load_checkpoint(
                path_join(RunFolder(f.path("second/run"), false).linked_teacher(), "best.ckpt"))
                .class_names,
            start.class_names);
}

TEST(RecipePhases, APhaseByItselfDecidesNothingOfTheOthersClasses) {
  AnotherTeacher f;
  f.run_of(f.alone, "alone/run");
  Checkpoint other = load_checkpoint(f.other), words = other;
  words.class_names = official_class_names("synthetic");
  std::swap(words.class_names[0], words.class_names[1]);
  save_checkpoint(f.path("swapped.ckpt"), words);
  words.class_names = official_class_names("synthetic");
  words.class_names[3] = "another word";
  save_checkpoint(f.path("words.ckpt"), words);
  RunConfig c = f.alone;
  c.surgery = {};
  PhaseConfig first, second, third;
  first.start = kInitial, first.teacher = f.path("swapped.ckpt");
  first.train = second.train = third.train = Json::object({{"epochs", 1}});
  second.start = kInitial, second.teacher = f.path("words.ckpt");
  third.teacher = kOriginal;
  c.phases = {first, second, third};
  const RunResult last = f.run_of(c, "run");
  EXPECT_TRUE(last.last.class_names.empty());  // the official order
}

TEST(RecipePhases, WhatWasTrainedInAnotherOrderOfClassesIsNotGoneOnWith) {
  AnotherTeacher f;
  RunConfig c = f.alone;
  c.network.depth = 14;
  c.surgery = {}, c.teacher->checkpoint = f.other, c.teacher->train = {};
  RecipeWatch watch;
  watch.stop_in = "student, epoch 1 (2 of 5)";
  EXPECT_THROW(f.run_of(c, "cut/run", watch), Interrupted);
  set_pending_interrupt(0);
  Checkpoint other = load_checkpoint(f.other);
  other.class_names = official_class_names("synthetic");
  std::swap(other.class_names[0], other.class_names[1]);
  save_checkpoint(f.other, other);
  testing::expect_error(ErrorKind::Data, {"the classes in the order", "ring, disc", "disc, ring"},
                        [&] { f.run_of(c, "cut/run"); });
}

TEST(RecipePhases, ATeacherThatIsOnlyAStartIsBoundAndLookedAt) {
  AnotherTeacher f;
  f.run_of(f.alone, "alone/run");
  const std::string own =
      absolute_path(path_join(RunFolder(f.path("alone/run"), false).linked_teacher(), "best.ckpt"));
  RunConfig c = f.alone;
  c.surgery = {};
  c.teacher->checkpoint = own, c.teacher->train = {};
  c.teacher->weights_sha256 = std::string(64, '0');
  PhaseConfig first;
  first.start = kPrevious, first.teacher = f.other, first.train = Json::object({{"epochs", 1}});
  c.phases = {first};
  testing::expect_error(ErrorKind::Data, {own, "teacher.weights_sha256"},
                        [&] { f.run_of(c, "run"); });
  c.teacher->weights_sha256.clear();
  f.run_of(c, "begun/run");
  const std::string file = f.path("begun/run/config.json");
  EXPECT_EQ(read_run_config(Json::parse(read_file(file), file), file).teacher->weights_sha256,
            weights_digest(load_checkpoint(own).tensors));
  Checkpoint headless = load_checkpoint(own);
  headless.metrics.set("new_head", true);
  save_checkpoint(f.path("headless.ckpt"), headless);
  c.teacher->checkpoint = f.path("headless.ckpt");
  testing::expect_error(ErrorKind::Config, {"/teacher/checkpoint", "a trained teacher"},
                        [&] { f.run_of(c, "other/run2"); });
}

/// The warnings on the way.
std::string said_by(const std::function<void()>& work) {
  set_log_levels("warn");
  ::testing::internal::CaptureStderr();
  work();
  set_log_levels("off");
  return ::testing::internal::GetCapturedStderr();
}
size_t count_in(const std::string& text, const std::string& words) {
  size_t count = 0;
  for (size_t at = text.find(words); at != std::string::npos; at = text.find(words, at + 1))
    ++count;
  return count;
}

TEST(RecipePhases, WhatThePhasesShareIsSaidOnce) {
  AnotherTeacher f;
  Checkpoint other = load_checkpoint(f.other);
  other.class_names = official_class_names("synthetic");
  std::swap(other.class_names[0], other.class_names[1]);
  save_checkpoint(f.other, other);
  other.tensors.at("fc.bias").as<float>()[0] += 1;
  save_checkpoint(f.path("more.ckpt"), other);
  RunConfig c = f.both();
  c.network.depth = 14;
  c.teacher->checkpoint = f.other, c.teacher->train = {};
  c.phases[0].surgery.set("at_once", 6);
  c.phases[1].start = kInitial, c.phases[1].teacher = f.path("more.ckpt");
  c.phases.push_back(c.phases[0]);
  c.phases[2].surgery = {}, c.phases[2].teacher = kOriginal;
  c.data.train_size = 90;  // so that the teacher has seen images of another split
  RecipeWatch watch;
  watch.stop_in = "student 3, epoch 0 (1 of 5)";
  const std::string text =
      said_by([&] { EXPECT_THROW(f.run_of(c, "cut/run", watch), Interrupted); });
  set_pending_interrupt(0);
  EXPECT_EQ(count_in(text, "in the order of the weights"), 2U) << text;  // of two files
  EXPECT_EQ(count_in(text, "the run's 1, 90 and 24"), 1U) << text;
}

TEST(RecipePhases, ARunWhoseLastPhaseNamesItsTeacherKnowsWhichItWas) {
  AnotherTeacher f;
  RecipeWatch watch;
  watch.stop_in = "student 2, epoch 1 (2 of 2)";
  EXPECT_THROW(f.run_of(f.both(), "cut/run", watch), Interrupted);
  set_pending_interrupt(0);
  const std::string text = said_by([&] { f.run_of(f.both(), "cut/run"); });
  EXPECT_EQ(count_in(text, "of an older version"), 0U) << text;
}

TEST(RecipePhases, AnAugmentationThatDoesNotFitIsSaidWithoutATeacherToo) {
  AnotherTeacher f;
  for (const auto& [name, count] : {std::pair("train", 8), std::pair("test", 4)}) {
    const std::string part = f.path(name);
    save_npy(part + "_images.npy", Tensor(DType::F32, {count, 16, 16, 1}));
    save_npy(part + "_labels.npy", Tensor(DType::I64, {count}));
  }
  RunConfig c = f.alone;
  c.data = {};
  c.data.name = "npy", c.data.root = f.folder.path(), c.data.validation = 0, c.data.augment = {};
  c.teacher.reset(), c.surgery = {}, c.train.batch_size = 4;
  PhaseConfig first;
  first.data = Json::parse(R"({"augment": ["color_jitter"]})", "test");
  c.phases = {first, {}};
  testing::expect_error(ErrorKind::Config, {"/phases/0/data/augment", "a black and a white"},
                        [&] { f.run_of(c, "run"); });
}

}  // namespace
}  // namespace tailor::test

// A recipe is a list of phases, and a configuration's recipe is what its run always was.
#include "tailor/run/recipe.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "tailor/core/files.h"
#include "tailor/run/shared_run.h"

namespace tailor::test {
namespace {

RunConfig with_teacher() {
  RunConfig c;
  c.teacher.emplace();
  c.teacher->train.epochs = 30;
  c.surgery.kind = SurgeryKind::Remove;
  c.train.epochs = 60;
  return c;
}

Phase student_of(const std::string& teacher) {
  Phase p;
  p.teacher = teacher;
  return p;
}

TEST(Recipe, OfAConfigurationWithoutATeacherIsTheRunItself) {
  RunConfig c;
  c.train.start = "/weights.ckpt";
  const Recipe recipe = make_recipe(c);
  ASSERT_EQ(recipe.phases.size(), 1U);
  EXPECT_EQ(recipe.phases[0].start, "/weights.ckpt");
  EXPECT_EQ(write_run_config(phase_config(c, recipe, 0)), write_run_config(c));
  EXPECT_EQ(phase_role(recipe, 0), "");
}

TEST(Recipe, OfAConfigurationTrainsItsTeacherFirstUnlessItNamesOne) {
  RunConfig c = with_teacher();
  c.teacher->train.start = "/import.ckpt";
  c.teacher->weights_sha256 = std::string(64, 'a');
  c.exporting.vectors = 3;
  const Recipe recipe = make_recipe(c);
  ASSERT_EQ(recipe.phases.size(), 2U);
  EXPECT_EQ(recipe.phases[0].start, "/import.ckpt");
  EXPECT_EQ(recipe.phases[1].teacher, kPrevious);
  EXPECT_EQ(phase_role(recipe, 0), "teacher");
  EXPECT_EQ(phase_role(recipe, 1), "student");
  EXPECT_EQ(write_run_config(phase_config(c, recipe, 1)), write_run_config(c));
  // The teacher as a run of its own: same network and data, no surgery, nothing distilled.
  RunConfig teacher;
  teacher.train = c.teacher->train;
  teacher.distill.beta = 0;
  EXPECT_EQ(write_run_config(phase_config(c, recipe, 0)), write_run_config(teacher));

  c.teacher->train.start.clear();
  c.teacher->checkpoint = "/teacher.ckpt";
  const Recipe named = make_recipe(c);
  ASSERT_EQ(named.phases.size(), 1U);
  EXPECT_EQ(named.phases[0].teacher, "/teacher.ckpt");
  EXPECT_EQ(phase_role(named, 0), "student");
  EXPECT_EQ(write_run_config(phase_config(c, named, 0)), write_run_config(c));
}

TEST(Recipe, OfSeveralStudentsEachHasANumberAndABindingOfItsOwn) {
  RunConfig c = with_teacher();
  c.teacher->weights_sha256 = std::string(64, 'a');
  Recipe recipe = make_recipe(c);
  recipe.phases.push_back(student_of(kPrevious));
  EXPECT_EQ(phase_role(recipe, 1), "student 1");
  EXPECT_EQ(phase_role(recipe, 2), "student 2");
  EXPECT_EQ(phase_config(c, recipe, 1).teacher->weights_sha256, "");
  EXPECT_EQ(phase_config(c, recipe, 2).teacher->weights_sha256, std::string(64, 'a'));
  EXPECT_EQ(recipe_images(c, recipe, 0, 300), 30 * 300 + 2 * 60 * 300 * 4 / 3);
  EXPECT_EQ(recipe_images(c, recipe, 3, 300), 0);
}

TEST(Recipe, WhatCannotWorkIsSaidWithThePhase) {
  auto refused = [](Recipe recipe, std::initializer_list<std::string> words) {
    testing::expect_error(ErrorKind::Config, words, [&] { verify_recipe(recipe, "test"); });
  };
  Phase first, second = student_of(kPrevious);
  EXPECT_NO_THROW(verify_recipe({{first, second}}, "test"));
  refused({}, {"/phases", "at least one"});
  refused({{second}}, {"/phases/0/teacher", "no phase before it"});
  second.start = "/a.ckpt";
  refused({{first, second}}, {"/phases/1/start", "begins as its teacher", "/a.ckpt"});
  second = Phase();
  second.keep_optimizer = true;
  refused({{first, second}}, {"/phases/1/keep_optimizer", "does not begin with the one before"});
  second.keep_optimizer = false;
  second.surgery.kind = SurgeryKind::Remove;
  refused({{first, second}}, {"/phases/1/teacher", "surgery alters skips"});
}

TEST(SharedFolder, IsNamedByWhatDecidesTheWeights) {
  RunConfig c;
  DataSplits data;
  Network network;
  network.name = "resnet20";
  auto name = [&](const Phase& phase = {}) {
    return shared_folder("runs/a", phase, c, network, data);
  };
  const std::string plain = name();
  EXPECT_EQ(plain.rfind("runs/teachers/resnet20-cifar10-teacher-", 0), 0U) << plain;
  c.runtime.threads = 7;
  c.data.root = "/elsewhere";
  c.exporting.vectors = 3;
  EXPECT_EQ(name(), plain);
  Phase kept;
  kept.keep_optimizer = true;
  EXPECT_NE(name(kept), plain);
  c.train.seed = 2;
  EXPECT_NE(name(), plain);
  c.train.seed = 1;
  c.teacher.emplace();
  c.teacher->checkpoint = "/one/place";
  c.teacher->weights_sha256 = std::string(64, 'a');
  const std::string student = name();
  c.teacher->checkpoint = "/another";
  EXPECT_EQ(name(), student);
  c.teacher->weights_sha256 = std::string(64, 'b');
  EXPECT_NE(name(), student);
}

}  // namespace
}  // namespace tailor::test

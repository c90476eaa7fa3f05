// A recipe is a list of phases, and a configuration's recipe is what its run always was.
#include "tailor/run/recipe.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
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
  EXPECT_EQ(recipe_images(recipe, 0, 300), 30 * 300 + 2 * 60 * 300 * 4 / 3);
  EXPECT_EQ(recipe_images(recipe, 3, 300), 0);
}

TEST(Recipe, WhatCannotWorkIsSaidWithThePhase) {
  auto refused = [](Recipe recipe, std::initializer_list<std::string> words) {
    testing::expect_error(ErrorKind::Config, words, [&] { verify_recipe(recipe, "test"); });
  };
  Phase first, second = student_of(kPrevious);
  EXPECT_NO_THROW(verify_recipe({{first, second}}, "test"));
  refused({}, {"/phases", "at least one"});
  refused({{second}}, {"/phases/0/teacher", "no phase before it"});
  second.train.skips = InitialSkips::Removed;
  refused({{first, second}}, {"/phases/1/train/skips", "kept", "removed"});
  second.start = kInitial;
  EXPECT_NO_THROW(verify_recipe({{first, second}}, "test"));
  second = student_of(kFirst);
  second.keep_optimizer = true;
  refused({{first, first, second}}, {"/phases/2/keep_optimizer"});
  second.start = kPrevious;
  EXPECT_NO_THROW(verify_recipe({{first, first, second}}, "test"));
  refused({{second}}, {"/phases/0/start", "no phase before it"});
  second = Phase();
  second.keep_optimizer = true;
  refused({{first, second}}, {"/phases/1/keep_optimizer", "does not begin with the one before"});
  second.keep_optimizer = false;
  second.surgery.kind = SurgeryKind::Remove;
  refused({{first, second}}, {"/phases/1/teacher", "surgery alters skips"});
}

RunConfig config_of(const std::string& text) {
  return read_run_config(Json::parse(text, "test"), "test");
}

/// Who begins as whom, and who teaches whom: a line a phase.
std::string links_of(const Recipe& recipe) {
  std::string text;
  for (const Phase& p : recipe.phases) {
    text += fmt::format("{}<{} {}x{}\n", p.start.empty() ? "." : p.start,
                        p.teacher.empty() ? "." : p.teacher, to_string(p.surgery.kind),
                        p.surgery.at_once);
  }
  return text;
}

TEST(Recipe, OfPhasesBeginsWithTheTeacherAndEachTeachesTheNext) {
  const RunConfig rounds = config_of(R"({
    "teacher": {"epochs": 5},
    "surgery": {"first_epoch": 0, "alpha": 100, "allow_partial": true},
    "train": {"epochs": 7},
    "phases": [
      {"surgery": {"kind": "shorten", "at_once": 9}, "train": {"optimizer": {"lr": 0.5}}},
      {"repeat": 2, "comment": "rounds", "surgery": {"kind": "remove", "at_once": 3},
       "distill": {"beta": 0.5}, "train": {"epochs": 3}}]})");
  const Recipe recipe = make_recipe(rounds);
  EXPECT_EQ(links_of(recipe),
            ".<. nonex1\n.<previous shortenx9\n.<previous removex3\n"
            ".<previous removex3\n");
  EXPECT_EQ(recipe.phases[1].train.epochs, 7);
  EXPECT_EQ(recipe.phases[1].train.optimizer.lr, 0.5);
  EXPECT_EQ(recipe.phases[1].distill.beta, 0.35);
  EXPECT_EQ(recipe.phases[2].train.epochs, 3);
  EXPECT_EQ(recipe.phases[2].train.optimizer.lr, 0.1);
  EXPECT_EQ(recipe.phases[2].surgery.alpha, 100);
  const RunConfig second = phase_config(rounds, recipe, 2);
  EXPECT_EQ(second.distill.beta, 0.5);
  EXPECT_TRUE(second.phases.empty());
  // What is written says no more than what was said, and is read again as it was.
  EXPECT_EQ(write_run_config(rounds).at("phases").dump(),
            R"([{"surgery":{"kind":"shorten","at_once":9},"train":{"optimizer":{"lr":0.5}}},)"
            R"({"repeat":2,"surgery":{"kind":"remove","at_once":3},"distill":{"beta":0.5},)"
            R"("train":{"epochs":3}}])");
  EXPECT_EQ(write_run_config(read_run_config(write_run_config(rounds), "again")).dump(),
            write_run_config(rounds).dump());
}

TEST(Recipe, OfPhasesMayKeepTheOriginalTeacher) {
  const std::string phases = R"("phases": [
      {"repeat": 3, "start": "previous", "teacher": "original",
       "surgery": {"kind": "remove", "order": "output_first"}}]})";
  const RunConfig trained = config_of(R"({"teacher": {}, )" + phases);
  const Recipe recipe = make_recipe(trained);
  EXPECT_EQ(links_of(recipe),
            ".<. nonex1\n.<previous removex1\nprevious<<first> removex1\n"
            "previous<<first> removex1\n");
  EXPECT_EQ(phase_config(trained, recipe, 3).teacher->train.epochs, trained.teacher->train.epochs);
  EXPECT_EQ(links_of(make_recipe(config_of(R"({"teacher": {"checkpoint": "/t.ckpt"}, )" + phases))),
            ".</t.ckpt removex1\nprevious</t.ckpt removex1\nprevious</t.ckpt removex1\n");
}

TEST(Recipe, APhaseMayAugmentInItsOwnWayAndFollowATeacherOfItsOwn) {
  const RunConfig run = config_of(R"({
    "data": {"train_size": 400, "validation": 50, "augment": ["flip"]},
    "teacher": {"checkpoint": "/t.ckpt", "weights_sha256": ")" +
                                  std::string(64, 'a') + R"("},
    "phases": [{"surgery": {"kind": "remove"}},
               {"start": "previous", "teacher": "/other.ckpt",
                "data": {"augment": ["flip", "mixup"], "mixup": {"alpha": 1}}},
               {"start": "previous", "teacher": "original"}]})");
  const Recipe recipe = make_recipe(run);
  EXPECT_EQ(links_of(recipe),
            ".</t.ckpt removex1\nprevious</other.ckpt nonex1\nprevious</t.ckpt nonex1\n");
  const RunConfig first = phase_config(run, recipe, 0), second = phase_config(run, recipe, 1),
                  last = phase_config(run, recipe, 2);
  EXPECT_EQ(second.data.augment, (std::vector<std::string>{"flip", "mixup"}));
  EXPECT_EQ(second.data.mixup.alpha, 1);
  EXPECT_EQ(second.data.train_size, 400);
  EXPECT_EQ(second.teacher->checkpoint, "/other.ckpt");
  EXPECT_EQ(second.teacher->weights_sha256, "");  // the binding is to whoever teaches the last
  for (const RunConfig* plain : {&first, &last}) {
    EXPECT_EQ(plain->data.augment, std::vector<std::string>{"flip"});
    EXPECT_EQ(plain->teacher->checkpoint, "/t.ckpt");
  }
  // The first phase too; a teacher that is trained is then for whom "original" names.
  const RunConfig other = config_of(R"({"teacher": {"start": "/w.ckpt", "epochs": 3},
      "phases": [{"teacher": "/other.ckpt"}, {"teacher": "original"}]})");
  EXPECT_EQ(links_of(make_recipe(other)),
            "/w.ckpt<. nonex1\n.</other.ckpt nonex1\n.<<first> nonex1\n");
  // As a run of its own it can be read again.
  const RunConfig named = phase_config(other, make_recipe(other), 1);
  EXPECT_EQ(read_run_config(write_run_config(named), "again").teacher->checkpoint, "/other.ckpt");
  EXPECT_EQ(read_run_config(write_run_config(run), "again").phases[1].teacher, "/other.ckpt");
}

TEST(Recipe, APhasesListReplacesTheRuns) {
  const RunConfig run = config_of(R"({"teacher": {},
    "surgery": {"kind": "remove", "plan": [{"skip": "a", "kind": "shorten"},
                                           {"skip": "b", "kind": "shorten"}]},
    "phases": [{}, {"surgery": {"plan": [{"skip": "c"}]}}]})");
  const SurgeryConfig over = resolve_phase(run, 1, "test").surgery;
  ASSERT_EQ(over.plan.size(), 1U);
  EXPECT_EQ(over.plan[0].kind, config_of(R"({"teacher": {}, "surgery": {"kind": "remove",
            "plan": [{"skip": "c"}]}})")
                                   .surgery.plan[0]
                                   .kind);
}

TEST(Recipe, OfPhasesWithoutATeacherBeginsWithTheFirst) {
  const RunConfig c = config_of(R"({
    "train": {"start": "initial", "skips": "removed"},
    "phases": [{}, {"start": "previous", "keep_optimizer": true, "train": {"skips": "kept"}}]})");
  EXPECT_EQ(links_of(make_recipe(c)), "initial<. nonex1\nprevious<previous nonex1\n");
}

TEST(Recipe, AStudentMayBeginWithInitialWeightsAndOtherSkips) {
  RunConfig c =
      config_of(R"({"teacher": {}, "train": {"start": "initial", "skips": "shortened"}})");
  const Recipe recipe = make_recipe(c);
  EXPECT_EQ(links_of(recipe), ".<. nonex1\ninitial<previous nonex1\n");
  const RunConfig teacher = phase_config(c, recipe, 0), student = phase_config(c, recipe, 1);
  EXPECT_EQ(skip_ids(initial_network(teacher, {3, 32, 32}, 10)).size(), 9U);
  EXPECT_EQ(skip_ids(initial_network(student, {3, 32, 32}, 10)).size(), 18U);
  // A teacher that is trained does not depend on its student's skips.
  RunConfig alone = config_of(R"({"teacher": {}})");
  EXPECT_EQ(write_run_config(teacher),
            write_run_config(phase_config(alone, make_recipe(alone), 0)));
  c.train.skips = InitialSkips::Removed;
  const Network removed = initial_network(c, {3, 32, 32}, 10);
  EXPECT_EQ(skip_ids(removed).size(), 0U);
  EXPECT_EQ(parameter_count(removed), 269'722);  // the projections are gone
}

TEST(Recipe, WhatPhasesCannotSayIsSaidWhereItStands) {
  auto refused = [](const std::string& text, std::initializer_list<std::string> words) {
    testing::expect_error(ErrorKind::Config, words, [&] { config_of(text); });
  };
  refused(R"({"teacher": {}, "train": {"skips": "removed"}})",
          {"/train/skips", "kept", "\"initial\"", "removed"});
  refused(R"({"teacher": {}, "phases": [{}, {"train": {"skips": "removed"}}]})",
          {"/phases/1/train/skips", "kept"});
  refused(R"({"phases": [{"surgery": {"kind": "remove"}}]})", {"/phases/0/teacher", "a teacher"});
  refused(R"({"phases": [{"start": "previous"}]})", {"/phases/0/start", "no phase before it"});
  refused(R"({"phases": [{}, {"teacher": "original"}]})", {"/phases/1/teacher", "no /teacher"});
  refused(R"({"phases": [{}, {"start": "initial", "keep_optimizer": true}]})",
          {"/phases/1/keep_optimizer", "does not begin with the one before"});
  refused(R"({"phases": [{}, {"train": {"epoch": 3}}]})", {"/phases/1/train/epoch", "epochs"});
  refused(R"({"phases": [{"train": {"start": "previous"}}]})",
          {"/phases/0/train/start", "/phases/0/start"});
  refused(
      R"({"teacher": {}, "phases": [{"train": {"epochs": 2, "schedule": {"warmup_epochs": 2}}}]})",
      {"/phases/0/train/schedule/warmup_epochs", "less than the 2 epochs"});
  refused(R"({"phases": [{"repeat": 0}]})", {"/phases/0/repeat", "1..10000"});
  refused(R"({"phases": [{}, {"weights_sha256": "00"}]})", {"/phases/1/weights_sha256", "64"});
  refused(R"({"phases": [{}, {"weights_sha256": ")" + std::string(64, '0') + R"("}]})",
          {"/phases/1/weights_sha256", "names no teacher"});
  for (const char* const teacher : {"", "initial"}) {
    refused(fmt::format(R"({{"phases": [{{"teacher": "{}"}}]}})", teacher),
            {"/phases/0/teacher", "\"original\", or a checkpoint"});
  }
  refused(R"({"phases": [{"data": {"train_size": 3}}]})", {"/phases/0/data/train_size", "augment"});
  refused(R"({"phases": [{}, {"data": {"augment": ["pad_crop", "random_resized_crop"]}}]})",
          {"/phases/1/data/augment", "one kind of crop"});
  refused(R"({"phases": [{"data": {"augment": ["flip", "speed"]}}]})",
          {"/phases/0/data/augment/1", "of images"});
}

TEST(Recipe, WhatIsVainIsRefusedOfANewRunAndReadOfAnOldOne) {
  auto refuse = [](const std::string& text) {
    const RunConfig c = config_of(text);
    refuse_vain_phases(c, make_recipe(c), "test");
  };
  auto refused = [&](const std::string& text, std::initializer_list<std::string> words) {
    testing::expect_error(ErrorKind::Config, words, [&] { refuse(text); });
  };
  refused(R"({"phases": [{}, {"start": "previous", "keep_optimizer": true,
                              "train": {"optimizer": {"kind": "adamw"}}}]})",
          {"/phases/1/keep_optimizer", "another optimiser", "sgd"});
  refused(R"({"teacher": {}, "phases": [{"teacher": "/t.ckpt"}]})",
          {"/teacher", "no phase follows it"});
  EXPECT_NO_THROW(refuse(R"({"teacher": {}, "phases": [{}, {"teacher": "/t.ckpt"}]})"));
  EXPECT_NO_THROW(
      refuse(R"({"teacher": {}, "phases": [{"start": "previous", "teacher": "/t.ckpt"}]})"));
  EXPECT_NO_THROW(
      refuse(R"({"teacher": {"checkpoint": "/t.ckpt"}, "phases": [{"teacher": "/t.ckpt"}]})"));
}

TEST(Recipe, TheFirstPhasesPreviousIsTheRunsTeacherWhoeverTeachesIt) {
  const std::string phases = R"("phases": [{"start": "previous", "teacher": "/other.ckpt"}]})";
  EXPECT_EQ(links_of(make_recipe(config_of(R"({"teacher": {}, )" + phases))),
            ".<. nonex1\nprevious</other.ckpt nonex1\n");
  EXPECT_EQ(links_of(make_recipe(config_of(R"({"teacher": {"checkpoint": "/t.ckpt"}, )" + phases))),
            "/t.ckpt</other.ckpt nonex1\n");
  testing::expect_error(ErrorKind::Config, {"/phases/0/start", "no phase before it"},
                        [&] { config_of("{" + phases); });
}

TEST(SharedFolder, OfAnOfficialSetSaysTheOrderOfItsClassesWhereItIsAnother) {
  RunConfig c;
  DataSplits data;
  Network network;
  auto name = [&] { return shared_folder("runs/a", {}, c, network, data); };
  data.name = "cifar10";
  const std::string plain = name();
  data.class_names = official_class_names("cifar10");
  EXPECT_EQ(name(), plain);
  std::swap(data.class_names[0], data.class_names[1]);
  EXPECT_NE(name(), plain);
  // Labels of sequences are the same in every run, and are always there.
  data.kind = ExampleKind::Speech;
  EXPECT_EQ(name(), plain);
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

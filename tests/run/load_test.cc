#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/rooms.h"
#include "tailor/core/embedded.h"
#include "tailor/core/files.h"
#include "tailor/run/matrix.h"
#include "tailor/run/run_config.h"

namespace tailor::test::load_test {
namespace {

using testing::expect_error;
using testing::message_of;
using Lines = std::vector<std::string>;

std::string overridden(const std::string& text, const std::string& assignment) {
  Json json = Json::parse(text, "");
  apply_override(json, assignment);
  return json.dump();
}

TEST(ApplyOverride, SetsNestedKeysAsJsonElseAsText) {
  EXPECT_EQ(overridden(R"({"train":{"epochs":1,"seed":2}})", "train.epochs=3"),
            R"({"train":{"epochs":3,"seed":2}})");
  EXPECT_EQ(overridden("{}", "a.b.c=0.0001"), R"({"a":{"b":{"c":0.0001}}})");
  EXPECT_EQ(overridden("{}", "data.name=synthetic"), R"({"data":{"name":"synthetic"}})");
  EXPECT_EQ(overridden("{}", "data.name=\"x\""), R"({"data":{"name":"x"}})");
  EXPECT_EQ(overridden("{}", "augment=[\"flip\"]"), R"({"augment":["flip"]})");
  EXPECT_EQ(overridden("{}", "export.precision=8,3"), R"({"export":{"precision":"8,3"}})");
  EXPECT_EQ(overridden("{}", "root=/data/a=b"), R"({"root":"/data/a=b"})");
  EXPECT_EQ(overridden("{}", "root="), R"({"root":""})");
  EXPECT_EQ(overridden(R"({"teacher":{"epochs":1}})", "teacher=null"), R"({"teacher":null})");
  EXPECT_EQ(overridden(R"({"teacher":null})", "teacher.epochs=2"), R"({"teacher":{"epochs":2}})");
}

TEST(ApplyOverride, RefusesWhatIsNoAssignment) {
  EXPECT_EQ(message_of(ErrorKind::Usage, [] { overridden("{}", "train.epochs"); }),
            "--set: expected key=value (as in train.epochs=3), got 'train.epochs'");
  EXPECT_EQ(message_of(ErrorKind::Usage, [] { overridden("{}", "=3"); }),
            "--set: expected key=value (as in train.epochs=3), got '=3'");
  EXPECT_EQ(message_of(ErrorKind::Usage, [] { overridden(R"({"a":{"b":1}})", "a.b.c.d=3"); }),
            "--set a.b.c.d=3: 'a.b' is not an object");
}

TEST(LoadRunConfig, EveryEmbeddedConfigLoads) {
  const auto names = embedded_config_names();
  EXPECT_NE(std::find(names.begin(), names.end(), "resnet20_remove"), names.end());
  for (const std::string& name : names)
    EXPECT_EQ(load_run_config(name, {}).source, "embedded:" + name + ".json");
}

TEST(LoadRunConfig, FindsByNameWithAndWithoutJsonAndByPath) {
  const LoadedConfig by_name = load_run_config("resnet20_remove", {});
  EXPECT_EQ(by_name.name, "resnet20_remove");
  EXPECT_EQ(by_name.config.surgery.kind, SurgeryKind::Remove);
  EXPECT_EQ(by_name.config.teacher->train.epochs, 160);
  EXPECT_EQ(load_run_config("resnet20_remove.json", {}).source, by_name.source);

  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "mine.json");
  write_file(path, R"({"comment": "x", "train": {"epochs": 7}})");
  const LoadedConfig by_path = load_run_config(path, {});
  EXPECT_EQ(by_path.name, "mine");
  EXPECT_EQ(by_path.source, path);
  EXPECT_EQ(by_path.config.train.epochs, 7);
}

TEST(LoadRunConfig, TakesAMemberOfTheUsersMatrix) {
  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "mine.json");
  write_file(path, R"({"names": "run_{seed}", "base": {"distill": {"beta": 0.5}}, "axes": {
      "seed": {"a": {"train": {"seed": 7}}, "b": {"train": {"seed": 8}}}}})");
  for (const char* member : {":run_b", ":run_b.json"}) {
    const LoadedConfig loaded = load_run_config(path + member, {"train.epochs=3"});
    EXPECT_EQ(loaded.name, "run_b");
    EXPECT_EQ(loaded.source, path + ":run_b with --set");
    EXPECT_EQ(loaded.config.train.seed, 8);
    EXPECT_EQ(loaded.config.train.epochs, 3);
    // It is the user's, as any file of his.
    EXPECT_EQ(loaded.without_effect, Lines{"distill.beta has no effect: there is no teacher"});
  }
  EXPECT_EQ(
      message_of(ErrorKind::Usage, [&] { load_run_config(path, {}); }),
      fmt::format("--config: {0} is a matrix; give {0}:NAME, which is one of run_a, run_b", path));
  EXPECT_EQ(message_of(ErrorKind::Usage, [&] { load_run_config(path + ":run_c", {}); }),
            fmt::format("--config: {0} is a matrix without 'run_c' (did you mean 'run_a'?); give "
                        "{0}:NAME, which is one of run_a, run_b",
                        path));
  write_file(path, "{}");
  EXPECT_EQ(
      message_of(ErrorKind::Usage, [&] { load_run_config(path + ":run_a", {}); }),
      fmt::format("--config: {} is one configuration, not a matrix: expected no ':run_a'", path));
}

TEST(LoadRunConfig, LaysAFilesKeysOverThoseThatThereAre) {
  TemporaryDirectory folder("tailor-set-file");
  const std::string part = path_join(folder.path(), "plan.json");
  write_file(part, R"({"surgery": {"order": "plan", "plan": [{"skip": "x", "kind": "keep"}]}})");
  const LoadedConfig loaded = load_run_config(
      "resnet20_remove", {"surgery.alpha=2", part, "surgery.at_once=4", "surgery.kind=shorten"});
  const SurgeryConfig& c = loaded.config.surgery;
  EXPECT_EQ(c.alpha, 2);
  EXPECT_EQ(c.at_once, 4);
  EXPECT_EQ(c.order, EditOrder::Plan);
  ASSERT_EQ(c.plan.size(), 1U);
  EXPECT_EQ(c.plan[0].skip, "x");
  EXPECT_EQ(loaded.without_effect, Lines());
  write_file(part, R"({"surgery": {"odrer": "plan"}})");
  expect_error(ErrorKind::Config, {"/surgery/odrer", "order"},
               [&] { load_run_config("resnet20_remove", {part}); });
  write_file(part, "[1]");
  expect_error(ErrorKind::Config, {part, "expected an object"},
               [&] { load_run_config("resnet20_remove", {part}); });
  expect_error(ErrorKind::Data, {"gone.json"},
               [&] { load_run_config("resnet20_remove", {"gone.json"}); });
}

TEST(LoadRunConfig, AppliesOverridesInOrder) {
  const LoadedConfig loaded = load_run_config(
      "resnet20_remove", {"train.epochs=70", "train.epochs=80", "export.precision=8,3"});
  EXPECT_EQ(loaded.config.train.epochs, 80);
  EXPECT_EQ(loaded.config.train.batch_size, 128);
  EXPECT_EQ(loaded.config.exporting.precision, "8,3");
  EXPECT_EQ(
      message_of(ErrorKind::Config, [] { load_run_config("resnet20_remove", {"train.epoch=70"}); }),
      "config: /train/epoch: unknown key (did you mean 'epochs'?) in embedded:resnet20_remove.json "
      "with --set");
}

TEST(LoadRunConfig, AnUnknownNameIsAnsweredWithTheNearestAndWhereAllAre) {
  const std::string message =
      message_of(ErrorKind::Usage, [] { load_run_config("resnet20_remov", {}); });
  EXPECT_EQ(
      message.find(
          "--config: no file 'resnet20_remov' and no configuration of that name (did you mean "
          "'resnet20_remove'?); the nearest of "),
      0U)
      << message;
  testing::expect_words(message, {"resnet20_remove_paper", "(tailor config list prints all)"});
  EXPECT_EQ(message.find("quickstart"), std::string::npos) << message;
}

TEST(LoadRunConfig, TheLastWordOfAKeyIsAnsweredWithTheKeys) {
  testing::expect_error(ErrorKind::Usage,
                        {"--set epochs=3", "whole paths: teacher.epochs, train.epochs"},
                        [] { load_run_config("quickstart", {"epochs=3"}); });
  // What is no key's word is the record's to refuse.
  testing::expect_error(ErrorKind::Config, {"/nonsense: unknown key"},
                        [] { load_run_config("quickstart", {"nonsense=3"}); });
}

TEST(LoadRunConfig, NamesTheFileThatIsBroken) {
  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "mine.json");
  write_file(path, "{\"train\": }");
  expect_error(ErrorKind::Config, {"config: " + path + ": not valid JSON at line 1, column 11: "},
               [&] { load_run_config(path, {}); });
  write_file(path, R"({"seed": 1, "seed": 2})");
  EXPECT_EQ(message_of(ErrorKind::Config, [&] { load_run_config(path, {}); }),
            "config: " + path + ": the key \"seed\" stands twice in one object");
  expect_error(ErrorKind::Data, {"cannot read configuration " + folder.path() + ": it is a folder"},
               [&] { load_run_config(folder.path(), {}); });
}

TEST(LoadRunConfig, TheResolvedDumpLoadsAsTheSameConfig) {
  for (const std::string& name : embedded_config_names()) {
    const Json resolved = write_run_config(load_run_config(name, {}).config);
    TemporaryDirectory folder;
    const std::string path = path_join(folder.path(), "resolved.json");
    write_file(path, resolved.dump(2));
    EXPECT_EQ(write_run_config(load_run_config(path, {}).config).dump(2), resolved.dump(2)) << name;
  }
}

/// What the keys of `mine` lack an effect for, on top of an embedded configuration or alone.
Lines without_effect(const std::string& mine) {
  const Json json = Json::parse(mine, "");
  return keys_without_effect(read_run_config(json, "test"), json);
}

TEST(KeysWithoutEffect, AreNamedWithTheReason) {
  EXPECT_EQ(
      without_effect(R"({"export": {"reuse_factor": 4, "card_share": 0.5}})"),
      Lines{"export.card_share has no effect: export.reuse_factor leaves nothing to balance"});
  EXPECT_EQ(without_effect(R"({"distill": {"beta": 0.5}})"),
            Lines{"distill.beta has no effect: there is no teacher"});
  EXPECT_EQ(without_effect(R"({"distill": {"teacher_cache": "on"}})"),
            Lines{"distill.teacher_cache has no effect: there is no teacher"});
  EXPECT_EQ(without_effect(R"({"teacher": {}, "distill": {"beta": 0, "teacher_cache": "on"}})"),
            Lines{"distill.teacher_cache has no effect: distill.beta is 0"});
  EXPECT_EQ(without_effect(
                R"({"teacher": {}, "distill": {"teacher_cache": "off", "teacher_cache_mib": 9}})"),
            Lines{"distill.teacher_cache_mib has no effect: distill.teacher_cache is off"});
  EXPECT_EQ(without_effect(R"({"teacher": {}, "distill": {"beta": 0, "distance": "kl"}})"),
            Lines{"distill.distance has no effect: distill.beta is 0"});
  EXPECT_EQ(without_effect(R"({"teacher": {}, "distill": {"temperature": 2}})"),
            Lines{"distill.temperature has no effect: distill.distance is not kl"});
  EXPECT_EQ(without_effect(R"({"teacher": {}, "surgery": {"kind": "remove",
                               "solve": {"steps": 9}}})"),
            Lines{"surgery.solve has no effect: surgery.edit is cut"});
  EXPECT_EQ(without_effect(R"({"network": {"family": "residual_block", "depth": 32,
                               "stride_on": "1x1", "shortcut": "pad", "width": 32}})"),
            (Lines{"network.depth has no effect: the family residual_block has one depth",
                   "network.stride_on has no effect: only the bottlenecks of resnet_imagenet 50 "
                   "and 101 have a choice",
                   "network.shortcut has no effect: the shape does not change in the family "
                   "residual_block"}));
  EXPECT_EQ(without_effect(R"({"network": {"family": "file", "file": "x.json", "join":
                               "after_activation"}})"),
            Lines{"network.join has no effect: the description in network.file says it "
                  "(network.family is file)"});
  EXPECT_EQ(without_effect(R"({"train": {"schedule": {"kind": "cosine", "step_epochs": 5,
                               "gamma": 0.2, "hold_epochs": 3}}})"),
            (Lines{"train.schedule.step_epochs has no effect: it is of train.schedule.kind step",
                   "train.schedule.gamma has no effect: it is of train.schedule.kind step",
                   "train.schedule.hold_epochs has no effect: it is of train.schedule.kind "
                   "hold_then_cosine"}));
  EXPECT_EQ(without_effect(R"({"train": {"schedule": {"kind": "constant", "end": 0.5,
                              "warmup_start": 0.1}}})"),
            (Lines{"train.schedule.end has no effect: it is of train.schedule.kind cosine and "
                   "hold_then_cosine",
                   "train.schedule.warmup_start has no effect: train.schedule.warmup_steps is 0"}));
  EXPECT_EQ(without_effect(R"({"train": {"schedule": {"kind": "cosine", "end": 0.5,
                              "warmup_steps": 9, "warmup_start": 0.1}}})"),
            Lines{});
  EXPECT_EQ(without_effect(R"({"export": {"target": "kernel", "layout": "stock",
                               "skips": "window"}})"),
            Lines{"export.skips has no effect: export.layout is stock, which clones every skip"});
  EXPECT_EQ(without_effect(R"({"export": {"skips": "cloned"}})"), Lines{});
  EXPECT_EQ(without_effect(R"({"ctc": {"beam": 1, "beam_threshold": 0.1, "lm_weight": 1}})"),
            (Lines{"ctc.beam_threshold has no effect: ctc.beam is 1",
                   "ctc.lm_weight has no effect: there is no ctc.language_model"}));
  EXPECT_EQ(without_effect(R"({"teacher": {"schedule": {"kind": "step", "hold_epochs": 3}}})"),
            Lines{"teacher.schedule.hold_epochs has no effect: it is of teacher.schedule.kind "
                  "hold_then_cosine"});
  EXPECT_EQ(without_effect(R"({"teacher": {"checkpoint": "x", "epochs": 3, "optimizer": {"lr": 1}},
                               "surgery": {"kind": "remove"}})"),
            (Lines{"teacher.epochs has no effect: teacher.checkpoint names a teacher that is "
                   "trained already",
                   "teacher.optimizer has no effect: teacher.checkpoint names a teacher that is "
                   "trained already"}));
  EXPECT_EQ(without_effect(R"({"teacher": {"checkpoint": "x", "statistics_images": 64},
                               "train": {"statistics_images": 64}, "quantization": {}})"),
            (Lines{"teacher.statistics_images has no effect: teacher.checkpoint names a teacher "
                   "that is trained already",
                   "train.statistics_images has no effect: the network is trained quantised"}));
  EXPECT_EQ(without_effect(R"({"train": {"statistics_images": 64}, "quantization": {},
                               "phases": [{}, {}]})"),
            Lines{});
  EXPECT_EQ(without_effect(R"({"surgery": {"alpha": 2, "order": "output_first", "at_once": 3,
                               "first_epoch": 0, "statistics_images": 64,
                               "allow_partial": true}})")
                .size(),
            6U);
  EXPECT_EQ(without_effect(R"({"data": {"name": "synthetic", "root": "x", "unreadable": "error",
      "augment": ["flip"], "random_resized_crop": {"min_area": 0.5, "max_aspect": 2},
      "color_jitter": {"brightness": 0.1, "contrast": 0.1, "saturation": 0.1},
      "cutout": {"side": 4}, "mixup": {"alpha": 0.5}}})")
                .size(),
            9U);
  EXPECT_EQ(
      without_effect(R"({"data": {"name": "svhn", "validation": 0, "seed": 2}})"),
      Lines{"data.seed has no effect: nothing is drawn from svhn without a validation split"});
}

TEST(KeysWithoutEffect, AreThoseOfAPhaseAndThoseThatNoPhaseReads) {
  EXPECT_EQ(without_effect(R"({"teacher": {}, "phases": [
      {"surgery": {"alpha": 2}}, {"distill": {"temperature": 3}, "train": {"optimizer":
       {"kind": "muon", "momentum": 0.5}}}]})"),
            (Lines{"phases.0.surgery.alpha has no effect: surgery.kind is none",
                   "phases.1.train.optimizer.momentum has no effect: it is of "
                   "train.optimizer.kind sgd",
                   "phases.1.distill.temperature has no effect: distill.distance is not kl"}));
  EXPECT_EQ(
      without_effect(R"({"phases": [{"distill": {"beta": 0.5}}, {"distill": {"beta": 0.5}}]})"),
      Lines{"phases.0.distill.beta has no effect: there is no teacher"});
  EXPECT_EQ(without_effect(R"({"quantization": {}, "phases": [
      {"train": {"statistics_images": 64}}, {"train": {"statistics_images": 64}}]})"),
            Lines{"phases.1.train.statistics_images has no effect: the network is trained "
                  "quantised"});
  // From the second training on a phase that is repeated follows itself.
  EXPECT_EQ(without_effect(R"({"phases": [{"repeat": 3, "distill": {"beta": 0.5, "distance": "kl",
                               "temperature": 2}}]})"),
            Lines{});
  // Read by neither phase, for different reasons; each key has that of the first.
  EXPECT_EQ(
      without_effect(R"({"teacher": {}, "surgery": {"kind": "remove", "solve": {"images": 99}},
                               "phases": [{"surgery": {"kind": "none"}}, {}]})"),
      Lines{"surgery.solve has no effect: surgery.kind is none"});
  EXPECT_EQ(without_effect(R"({"distill": {"distance": "kl"},
                               "phases": [{}, {"distill": {"beta": 0}}]})"),
            Lines{"distill.distance has no effect: there is no teacher"});
  // Said by each of them, or unread by one and said by the other.
  EXPECT_EQ(without_effect(R"({"teacher": {}, "train": {"epochs": 7, "batch_size": 9},
      "distill": {"beta": 0.5}, "phases": [{"train": {"epochs": 1}, "distill": {"beta": 0}},
                                           {"train": {"epochs": 2}, "distill": {"beta": 0}}]})"),
            (Lines{"train.epochs has no effect: no phase reads it (it has its own, or another "
                   "key decides)",
                   "distill.beta has no effect: no phase reads it (it has its own, or another "
                   "key decides)"}));
  EXPECT_EQ(
      without_effect(R"({"teacher": {}, "distill": {"temperature": 2}, "phases": [
      {"distill": {"distance": "kl", "temperature": 3}}, {}]})"),
      Lines{"distill.temperature has no effect: no phase reads it (it has its own, or another "
            "key decides)"});
  // Augmentation: of the run's keys a teacher that is trained reads them, too.
  EXPECT_EQ(without_effect(R"({"data": {"cutout": {"side": 4}}, "phases": [
      {"data": {"augment": ["cutout"]}}, {"data": {"mixup": {"alpha": 1}}}]})"),
            Lines{"phases.1.data.mixup.alpha has no effect: data.augment does not name mixup"});
  const std::string own = R"("data": {"augment": ["flip", "mixup"], "mixup": {"alpha": 1}},
      "phases": [{"data": {"augment": ["flip"]}}]})";
  EXPECT_EQ(without_effect(R"({"teacher": {}, )" + own), Lines{});
  EXPECT_EQ(without_effect(R"({"teacher": {"checkpoint": "x"}, )" + own),
            (Lines{"data.augment has no effect: no phase reads it (it has its own, or another key "
                   "decides)",
                   "data.mixup.alpha has no effect: data.augment does not name mixup"}));
  const std::string alpha = R"({"teacher": {}, "surgery": {"alpha": 2}, "phases": [{}, )";
  EXPECT_EQ(without_effect(alpha + R"({"surgery": {"kind": "remove"}}]})"), Lines{});
  EXPECT_EQ(without_effect(alpha + "{}]}"),
            Lines{"surgery.alpha has no effect: surgery.kind is none"});
}

TEST(KeysWithoutEffect, AreNoneWhereEachSaysSomething) {
  EXPECT_EQ(without_effect(R"({"teacher": {"epochs": 3, "schedule": {"kind": "step", "gamma": 0.2}},
      "distill": {"beta": 0.5, "distance": "kl", "temperature": 2},
      "surgery": {"kind": "remove", "alpha": 2, "first_epoch": null, "edit": "solve",
                  "solve": {"steps": 9}},
      "network": {"family": "resnet_imagenet", "depth": 50, "stride_on": "1x1"},
      "data": {"name": "folder", "root": "x", "image_size": 32, "unreadable": "error",
               "augment": ["cutout"], "cutout": {"side": 4}}})"),
            Lines{});
  // What says "none" is true without what it is of.
  EXPECT_EQ(without_effect(R"({"teacher": null, "distill": {"beta": 0}, "network": {"file": ""},
      "surgery": {"kind": "none", "first_epoch": null, "allow_partial": false, "plan": []},
      "train": {"schedule": {"kind": "cosine", "hold_epochs": null}}})"),
            Lines{});
  // A run's config.json has every key, and what nobody has changed says nothing.
  for (const char* mine :
       {R"({})", R"({"teacher": {}, "data": {"name": "synthetic"}})",
        R"({"teacher": {"checkpoint": "x"}, "surgery": {"kind": "remove"}})",
        R"({"network": {"family": "residual_block"}, "train": {"schedule": {"kind": "step"}}})",
        R"({"network": {"family": "file", "file": "x.json"}})",
        R"({"network": {"family": "resnet_imagenet", "depth": 18}, "data": {"name": "svhn"}})"}) {
    const RunConfig config = read_run_config(Json::parse(mine, ""), mine);
    EXPECT_EQ(keys_without_effect(config, write_run_config(config)), Lines{}) << mine;
  }
  for (const EmbeddedFile& file : embedded_configs()) {
    const Json json = Json::parse(file.text, file.name);
    std::vector<MatrixMember> members = {{file.name, json}};
    if (is_matrix(json)) members = matrix_members(json, file.name);
    for (const auto& [name, config] : members)
      EXPECT_EQ(keys_without_effect(read_run_config(config, name), config), Lines{}) << name;
  }
}

TEST(KeysWithoutEffect, AreTheUsersOwnKeysOnly) {
  // The embedded configuration's distill.beta is not his.
  EXPECT_EQ(
      load_run_config("resnet20_remove", {"teacher=null", "surgery.kind=none"}).without_effect,
      Lines{});
  EXPECT_EQ(
      load_run_config("resnet20_remove", {"teacher=null", "surgery.kind=none", "distill.beta=0.5"})
          .without_effect,
      Lines{"distill.beta has no effect: there is no teacher"});
  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "mine.json");
  write_file(path, R"({"distill": {"beta": 0.3}})");
  EXPECT_EQ(load_run_config(path, {}).without_effect,
            Lines{"distill.beta has no effect: there is no teacher"});
  EXPECT_EQ(load_run_config(path, {"teacher.epochs=2"}).without_effect, Lines{});
}

}  // namespace
}  // namespace tailor::test::load_test

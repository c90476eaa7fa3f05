// Messages are asserted whole: they are what a user has when a run does not start.
#include "tailor/run/run_config.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <set>

#include "support/expect_error.h"
#include "support/networks.h"

namespace tailor::test::run_config_test {
namespace {

using testing::expect_error;
using testing::message_of;

RunConfig read(const std::string& text) {
  return read_run_config(Json::parse(text, "r20.json"), "r20.json");
}
std::string refusal(const std::string& text) {
  return message_of(ErrorKind::Config, [&] { read(text); });
}

TEST(RunConfig, TheCommonestMistakesHaveTheseMessages) {
  EXPECT_EQ(
      refusal(R"({"train": {"batch_size": "64"}})"),
      R"(config: /train/batch_size: expected an integer 1..65536, got "64" (string) in r20.json)");
  EXPECT_EQ(refusal(R"({"train": {"batch_size": 0}})"),
            "config: /train/batch_size: expected an integer 1..65536, got 0 (integer) in r20.json");
  EXPECT_EQ(refusal(R"({"train": {"batchsize": 64}})"),
            "config: /train/batchsize: unknown key (did you mean 'batch_size'?) in r20.json");
  EXPECT_EQ(refusal(R"({"trian": {}})"),
            "config: /trian: unknown key (did you mean 'train'?) in r20.json");
  EXPECT_EQ(refusal(R"({"train": {"optimizer": {"lr": -1}}})"),
            "config: /train/optimizer/lr: expected a number 0..1000, got -1 (integer) in r20.json");
  EXPECT_EQ(
      refusal(R"({"data": {"name": "cifar"}})"),
      R"(config: /data/name: expected one of "cifar10", "cifar100", "svhn", "folder", "packed", "npy", "mlperf_tiny", "synthetic", "librispeech", "manifest", "flite", "bonito", "taiyaki", "squiggle", got "cifar" (string) in r20.json)");
  EXPECT_EQ(
      refusal(R"({"surgery": {"kind": "removal"}})"),
      R"(config: /surgery/kind: expected one of "none", "remove", "shorten", got "removal" (string) in r20.json)");
  EXPECT_EQ(
      refusal(R"({"network": {"join": "before"}})"),
      R"(config: /network/join: expected one of "before_activation", "after_activation", got "before" (string) in r20.json)");
  EXPECT_EQ(refusal("[]"), "config: /: expected an object, got [] (array) in r20.json");
}

TEST(RunConfig, SetTakesANumberWhereATextIsMeant) {
  const LoadedConfig loaded =
      load_run_config("resnet20_quantised",
                      {"quantization.precision=4", "quantization.first=8", "train.epochs=90"});
  EXPECT_EQ(loaded.config.quantization->precision, "4");
  EXPECT_EQ(loaded.config.quantization->first, "8");
  EXPECT_EQ(loaded.config.train.epochs, 90);
}

TEST(RunConfig, QuantizationIsThereOrNot) {
  const RunConfig none = read("{}");
  EXPECT_FALSE(none.quantization.has_value());
  EXPECT_EQ(write_run_config(none).find("quantization"), nullptr);
  const RunConfig some = read(R"({"quantization": {"weights": "4,1", "from": "after"}})");
  ASSERT_TRUE(some.quantization.has_value());
  EXPECT_EQ(some.quantization->precision, "8,3");
  EXPECT_EQ(some.quantization->from, QuantizeFrom::After);
  EXPECT_EQ(write_run_config(read_run_config(write_run_config(some), "again")),
            write_run_config(some));
  EXPECT_EQ(refusal(R"({"quantization": {}, "distill": {"features": "blocks"}})"),
            "config: /distill/features: expected none with /quantization: maps in fixed point are "
            "not compared, got \"blocks\" in r20.json");
  EXPECT_EQ(refusal(R"({"quantization": {}, "distill": {"through_weight": 0.5}})"),
            "config: /distill/through_weight: expected 0 with /quantization: the teacher's blocks "
            "read no maps in fixed point, got 0.5 in r20.json");
  EXPECT_EQ(refusal(R"({"quantization": {"stages": [{"stage": "fc", "weights": "8"}]}})"),
            "config: /quantization/stages/0/weights: expected W,I with 2 <= W <= 32 bits in all "
            "and -32 <= I <= W before the point (as in 16,6), got '8' in r20.json");
  EXPECT_EQ(refusal(R"({"quantization": {"stages": [{"stage": "fc", "weights": "8,1"},
                                                  {"stage": "fc", "weights": "8,2"}]}})"),
            "config: /quantization/stages/1/stage: expected every stage once, got \"fc\" again in "
            "r20.json");
  EXPECT_EQ(refusal(R"({"quantization": {"stages": [{"stage": "input",
                                                     "activations": "u8,3"}]}})"),
            "config: /quantization/stages/0/activations: expected a type with a sign, as inputs "
            "may be negative, got \"u8,3\" in r20.json");
  const std::string own = R"({"quantization": {"stages": [{"stage": "stage1.block0.conv1",
                                                           "activations": "u8,3"}]})";
  EXPECT_EQ(refusal(own + R"(, "export": {"layout": "stock"}})"),
            "config: /quantization/stages/0/activations: expected a type with a sign, as a "
            "convolution of export.layout stock ends in front of its ReLU, got \"u8,3\" in "
            "r20.json");
  EXPECT_EQ(read(own + "}").quantization->stages.size(), 1U);
  EXPECT_EQ(
      refusal(R"({"quantization": {"points": "learned", "last": "eight"}})"),
      "config: /quantization/last: expected 2 to 16 bits (as in \"8\"; /quantization/points is "
      "learned), got \"eight\" in r20.json");
  EXPECT_EQ(read(R"({"quantization": {"precision": "4", "points": "learned", "first": "8"}})")
                .quantization->points,
            Points::Learned);
  EXPECT_EQ(refusal(R"({"quantization": {"scale_bits": 8}})"),
            "config: /quantization/scale_bits: expected points that are calibrated or learned "
            "(/quantization/points), got 8 and fixed points in r20.json");
  EXPECT_EQ(refusal(R"({"quantization": {"stages": [{"stage": "fc", "steps": [0.5, 0.25]}]}})"),
            "config: /quantization/stages/0/steps: expected nothing: they come with the weights of "
            "an imported model, got 2 numbers in r20.json");
  EXPECT_EQ(refusal(R"({"quantization": {"points": "calibrated", "mean_bits": 4}})"),
            "config: /quantization/mean_bits: expected points that are learned "
            "(/quantization/points), got 4 and calibrated points in r20.json");
  EXPECT_EQ(refusal(R"({"quantization": {"points": "learned", "scale_bits": 8,
                                         "precision": "1"}})"),
            "config: /quantization/activations: expected 2 to 16 bits: only weights can be "
            "binary, got \"1\" in r20.json");
  EXPECT_EQ(*read(R"({"quantization": {"points": "learned", "scale_bits": 8, "weights": "1"}})")
                 .quantization->scale_bits,
            8);
  EXPECT_EQ(refusal(R"({"quantization": {}, "export": {"overflow": "wrap_sm"}})"),
            "config: /export/overflow: expected another one with /quantization: no gradient is "
            "known for it, got \"wrap_sm\" in r20.json");
  const Json given = Json::parse(R"({"quantization": {"first_epoch": 1, "from": "after"},
                                     "export": {"precision": "12,5"}})",
                                 "r20.json");
  EXPECT_EQ(keys_without_effect(read_run_config(given, "r20.json"), given),
            (std::vector<std::string>{
                "export.precision has no effect: the network is trained with the types of "
                "quantization",
                "quantization.from has no effect: quantization.first_epoch says it"}));
  const Json points = Json::parse(R"({"quantization": {"precision": "8,3", "points": "learned",
      "first": "6", "stages": [{"stage": "fc", "weights": "4,1"}]}})",
                                  "r20.json");
  EXPECT_EQ(
      keys_without_effect(read_run_config(points, "r20.json"), points),
      (std::vector<std::string>{
          "quantization.precision: of 8,3 only the 8 bits are read, because quantization.points is "
          "learned and finds where the point stands",
          "quantization.stages.0.weights: of 4,1 only the 4 bits are read, because "
          "quantization.points is learned and finds where the point stands"}));
  EXPECT_EQ(refusal(R"({"quantization": {"points": "learned", "weights": "1"}})"),
            "config: /quantization/weights: expected 2 to 16 bits (as in \"8\"; "
            "/quantization/points is learned), or /quantization/scale_bits with weights of 1 bit, "
            "got \"1\" in r20.json");
}

TEST(RunConfig, WhatQuantisationSaysInVainIsRefusedBeforeARunBegins) {
  const Network network = testing::small_network();
  auto refused = [&](const char* json, std::initializer_list<std::string> words) {
    const QuantizationConfig q = *read(json).quantization;
    testing::expect_error(ErrorKind::Config, words,
                          [&] { refuse_vain_types(q, network, 4, "r20.json"); });
  };
  refused(R"({"quantization": {"stages": [{"stage": "fc", "activations": "6,2"}]}})",
          {"/quantization/stages/0/activations: expected weights only", "are the logits"});
  refused(R"({"quantization": {"stages": [{"stage": "input", "weights": "6,2"}]}})",
          {"/quantization/stages/0/weights: expected activations only"});
  refused(R"({"quantization": {"stages": [{"stage": "fc"}]}})",
          {"/quantization/stages/0: expected weights, beside the stage, got \"fc\" alone"});
  refused(
      R"({"quantization": {"freeze_statistics": 4}})",
      {"/quantization/freeze_statistics: expected an epoch before the end, of 4 epochs", "got 4"});
  const char* good = R"({"quantization": {"freeze_statistics": 3, "stages": [
      {"stage": "fc", "weights": "6,2"}, {"stage": "input", "activations": "8,3"}]}})";
  refuse_vain_types(*read(good).quantization, network, 4, "r20.json");
}

TEST(RunConfig, CrossChecks) {
  EXPECT_EQ(
      refusal(R"({"network": {"depth": 21}})"),
      "config: /network/depth: expected 6n + 2 (8, 20, 32, 44, 56, 110, …), got 21 in r20.json");
  EXPECT_EQ(refusal(R"({"surgery": {"kind": "remove"}})"),
            "config: /teacher: expected a teacher, because /surgery alters skips and a student "
            "starts from its "
            "teacher, got no teacher in r20.json");
  EXPECT_EQ(refusal(R"({"teacher": {}, "surgery": {"plan": [{"skip": "s", "kind": "remove"}]}})"),
            "config: /surgery/kind: expected \"remove\" or \"shorten\" with a /surgery/plan (which "
            "lists the "
            "exceptions), got \"none\" in r20.json");
  EXPECT_EQ(
      refusal(R"({"export": {"precision": "16"}})").find("config: /export/precision: expected W,I"),
      0U);
  testing::expect_words(refusal(R"({"export": {"precision": "40,6"}})"),
                        {"'40,6'", " in r20.json"});
  EXPECT_EQ(refusal(R"({"data": {"mean": [0.5, 0.5], "deviation": [1, 1]}})"),
            "config: /data/mean: expected three numbers, and three in /data/deviation (or both "
            "empty), got 2 and 2 "
            "in r20.json");
  EXPECT_EQ(refusal(R"({"data": {"mean": [0.5, 0.5, 0.5]}})").substr(0, 19), "config: /data/mean:");
  EXPECT_NO_THROW(read(R"({"data": {"name": "npy", "mean": [0.5], "deviation": [1]}})"));
  EXPECT_NE(refusal(R"({"data": {"name": "svhn", "mean": [0.5], "deviation": [1]}})"), "");
  testing::expect_words(
      refusal(R"({"data": {"name": "npy", "mean": [0.5, 0.5], "deviation": [1]}})"),
      {"/data/mean: expected one number a channel, and as many in /data/deviation", "got 2 and 1"});
  // Floats of an array are what they are; pixels are in 0..1.
  EXPECT_NO_THROW(read(R"({"data": {"name": "npy", "mean": [-7, 900], "deviation": [12, 1]}})"));
  testing::expect_words(refusal(R"({"data": {"mean": [0.5, 125, 0.5], "deviation": [1, 1, 1]}})"),
                        {"/data/mean/1: expected 0 to 1, because pixels are, got 125"});
  const std::string grey = R"("name": "folder", "image_size": 8, "channels": )";
  EXPECT_NO_THROW(read("{\"data\": {" + grey + R"(1, "mean": [0.5], "deviation": [1]}})"));
  testing::expect_words(refusal("{\"data\": {" + grey + "2}}"),
                        {"/data/channels: expected 3 (RGB) or 1 (grey), got 2"});
  testing::expect_words(
      refusal("{\"data\": {" + grey + R"(1, "mean": [0, 0, 0], "deviation": [1, 1, 1]}})"),
      {"/data/mean: expected one number", "got 3 and 3"});
  testing::expect_words(refusal(R"({"data": {"name": "npy", "channels": 1}})"),
                        {"/data/channels: expected 0, because npy's images have their own, got 1"});
  EXPECT_EQ(
      refusal(R"({"train": {"epochs": 5, "schedule": {"warmup_epochs": 5}}})"),
      "config: /train/schedule/warmup_epochs: expected less than the 5 epochs, got 5 in r20.json");
  EXPECT_EQ(refusal(R"({"ctc": {"beam": 1, "language_model": "x.arpa"}})"),
            "config: /ctc/beam: expected 2 or more with a /ctc/language_model, which one path does "
            "not ask, got 1 in r20.json");
  EXPECT_EQ(refusal(R"({"teacher": {}, "data": {"name": "flite"},
                        "distill": {"distance": "kl"}})"),
            "config: /distill/distance: expected mse, because sequences have a distance of their "
            "own, got \"kl\" in r20.json");
  EXPECT_EQ(refusal(R"({"teacher": {}, "data": {"name": "flite"},
                        "distill": {"through_weight": 0.5}})"),
            "config: /distill/through_weight: expected 0, because sequences have maps of different "
            "lengths, got 0.5 in r20.json");
  EXPECT_EQ(refusal(R"({"train": {"schedule": {"warmup_epochs": 1, "warmup_steps": 9}}})"),
            "config: /train/schedule/warmup_steps: expected 0 with warmup_epochs, which say it "
            "too, got 9 in r20.json");
  EXPECT_EQ(
      refusal(R"({"teacher": {"epochs": 5, "schedule": {"hold_epochs": 6}}})"),
      "config: /teacher/schedule/hold_epochs: expected at most the 5 epochs, got 6 in r20.json");
  EXPECT_EQ(
      refusal(R"({"train": {"optimizer": {"momentum": 0}}})"),
      "config: /train/optimizer/momentum: expected more than 0 with nesterov, got 0 in r20.json");
  EXPECT_NO_THROW(read(R"({"train": {"optimizer": {"momentum": 0, "nesterov": false}}})"));
  EXPECT_NO_THROW(
      read(R"({"teacher": {}, "surgery": {"kind": "shorten", "plan": [{"skip": "s"}]}})"));
}

TEST(RunConfig, DefaultsAreThePapers) {
  const RunConfig c = read("{}");
  EXPECT_EQ(c.network.depth, 20);
  EXPECT_EQ(c.network.width, 16);
  EXPECT_EQ(c.network.join, Join::BeforeActivation);
  EXPECT_EQ(c.network.shortcut, Shortcut::Projection);
  EXPECT_FALSE(c.teacher.has_value());
  EXPECT_EQ(c.surgery.kind, SurgeryKind::None);
  EXPECT_EQ(c.surgery.alpha, 3);
  EXPECT_FALSE(c.surgery.first_epoch.has_value());
  EXPECT_EQ(c.distill.beta, 0.35);
  EXPECT_EQ(c.train.optimizer.lr, 0.1);
  EXPECT_EQ(c.train.optimizer.momentum, 0.9);
  EXPECT_TRUE(c.train.optimizer.nesterov);
  EXPECT_EQ(c.train.optimizer.weight_decay, 1e-4);
  EXPECT_EQ(c.data.augment, (std::vector<std::string>{"pad_crop", "flip"}));
  EXPECT_EQ(c.exporting.type(), (FixedType{16, 6, true, Rounding::Rnd, Overflow::Sat}));
}

TEST(RunConfig, ReadsEveryPart) {
  const RunConfig c = read(R"({
    "comment": "x", "$schema": "y",
    "network": {"depth": 8, "width": 4, "shortcut": "pad", "join": "after_activation",
                "comment": 3},
    "data": {"name": "synthetic", "validation": 7, "augment": [], "train_size": 100, "seed": 5,
             "mean": [0.1, 0.2, 0.3], "deviation": [1, 2, 3]},
    "teacher": {"checkpoint": "t.ckpt", "epochs": 9,
                "schedule": {"kind": "step", "step_epochs": 4}},
    "surgery": {"kind": "shorten", "alpha": 2, "order": "output_first", "at_once": 3,
                "first_epoch": 0, "allow_partial": true,
                "plan": [{"skip": "stage1.block0.skip", "kind": "remove"}, {"skip": "s"}]},
    "distill": {"beta": 0}, "runtime": {"threads": 2, "checkpoint_minutes": 0.5},
    "export": {"precision": "8,3", "rounding": "trn", "overflow": "wrap",
               "backend": "vivado", "layout": "stock", "reuse_factor": 72, "vectors": 1,
               "clock_ns": 10}})");
  EXPECT_EQ(c.network.shortcut, Shortcut::Pad);
  EXPECT_EQ(c.network.join, Join::AfterActivation);
  EXPECT_EQ(c.data.name, "synthetic");
  EXPECT_EQ(c.data.deviation, (std::vector<double>{1, 2, 3}));
  EXPECT_TRUE(c.data.augment.empty());
  EXPECT_EQ(c.teacher->checkpoint, "t.ckpt");
  EXPECT_EQ(c.teacher->train.epochs, 9);
  EXPECT_EQ(c.teacher->train.schedule.kind, "step");
  EXPECT_EQ(c.train.epochs, 60);
  EXPECT_EQ(c.surgery.order, EditOrder::OutputFirst);
  EXPECT_EQ(c.surgery.first_epoch, 0);
  EXPECT_EQ(c.surgery.plan.at(0).kind, AlterationKind::Remove);
  EXPECT_EQ(c.surgery.plan.at(1).kind, AlterationKind::Keep);
  EXPECT_EQ(c.exporting.type(), (FixedType{8, 3, true, Rounding::Trn, Overflow::Wrap}));
  EXPECT_EQ(c.exporting.backend, HlsBackend::Vivado);
  EXPECT_EQ(c.exporting.layout, Layout::Stock);
  EXPECT_EQ(c.exporting.reuse_factor, 72);

  const Json resolved = write_run_config(c);
  EXPECT_EQ(write_run_config(read_run_config(resolved, "resolved")), resolved);
  EXPECT_EQ(resolved.at("network").dump(), write_network_config(c.network).dump());
}

TEST(RunConfig, ResolvedDefaultsReadBackTheSame) {
  const Json resolved = write_run_config(read("{}"));
  EXPECT_TRUE(resolved.at("teacher").is_null());
  EXPECT_EQ(write_run_config(read_run_config(resolved, "resolved")).dump(2), resolved.dump(2));
}

/// Every leaf of a resolved configuration, as "/a/b".
void collect(const Json& json, const std::string& at, std::set<std::string>& paths) {
  for (const auto& [key, value] : json.as_object()) {
    if (value.is_object()) {
      collect(value, at + "/" + key, paths);
    } else {
      paths.insert(at + "/" + key);
    }
  }
}
void collect_schema(const Json& schema, const std::string& at, std::set<std::string>& paths) {
  for (const auto& [key, field] : schema.at("properties").as_object()) {
    if (key == "comment" || key == "$schema") continue;
    if (field.find("properties")) {
      collect_schema(field, at + "/" + key, paths);
    } else {
      paths.insert(at + "/" + key);
      EXPECT_FALSE(field.at("description").as_string().empty()) << at << "/" << key;
    }
  }
}

TEST(RunConfig, SchemaAndReferenceKnowExactlyTheKeysThatAreWritten) {
  std::set<std::string> written, documented;
  for (const char* family : {"resnet_cifar", "quartznet"}) {  // each writes the keys that it reads
    const std::string config = fmt::format(
        R"({{"network": {{"family": "{}"}}, "teacher": {{}}, "quantization": {{}}, "phases": [{{}}], "export": {{"target": "kernel", "skips": "cloned", "frames": 8, "token_bits": 64, "dsp_packing": true, "card_share": 0.5}}}})",
        family);
    collect(write_run_config(read(config)), "", written);
  }
  const Json schema = run_config_schema();
  collect_schema(schema, "", documented);
  EXPECT_EQ(documented, written);
  EXPECT_GT(written.size(), 50U);
  EXPECT_EQ(
      schema.at("properties").at("train").at("properties").at("batch_size").dump(),
      R"({"type":"integer","minimum":1,"maximum":65536,"default":128,"description":"Examples a step; the last batch of an epoch may be smaller."})");
  const std::string reference = run_config_reference();
  testing::expect_words(
      reference, {"\n## `surgery.plan[]`\n", "\n## `train.optimizer`\n",
                  "| `batch_size` | integer 1 to 65536 | `128` | Examples a step",
                  "| `first_epoch` | integer 0 to 1000000, or null | `null` |",
                  "| `augment` | array of `pad_crop`, `random_crop`, `random_resized_crop`, "
                  "`flip`, `color_jitter`, `cutout`, `mixup`, `dither`, `speed`, `spec_cutout`, "
                  "`spec_augment` | `[\"pad_crop\",\"flip\"]` |"});
}

TEST(RunConfig, DataOptionsThatDoNotGoTogetherAreRefused) {
  auto data = [](const std::string& members) { return refusal("{\"data\": {" + members + "}}"); };
  EXPECT_EQ(data(R"("name": "folder")"),
            "config: /data/image_size: expected the side of the network's input, because this "
            "data set's images have sizes of their own, got 0 in r20.json");
  EXPECT_EQ(data(R"("name": "folder", "image_size": 64, "resize": 63)"),
            "config: /data/resize: expected at least /data/image_size, 64, got 63 in r20.json");
  EXPECT_EQ(data(R"("image_size": 64)"),
            "config: /data/image_size: expected 0, cifar10's own size, got 64 in r20.json");
  EXPECT_EQ(data(R"("resize": 36)"),
            "config: /data/resize: expected 0, because all images of cifar10 have one size, got 36 "
            "in r20.json");
  EXPECT_EQ(data(R"("augment": ["random_crop"])"),
            "config: /data/augment: expected pad_crop or random_resized_crop, because all images "
            "of cifar10 have the network's size, got \"random_crop\" in r20.json");
  EXPECT_EQ(data(R"("augment": ["random_resized_crop", "pad_crop"])"),
            "config: /data/augment: expected one kind of crop, got pad_crop and "
            "random_resized_crop in r20.json");
  EXPECT_EQ(data(R"("extra": true)"),
            "config: /data/extra: expected false, because only svhn has extra images, got true in "
            "r20.json");
  EXPECT_EQ(data(R"("augment": ["cutout"], "cutout": {"side": 65})"),
            "config: /data/cutout/side: expected at most twice the image's 32 pixels, got 65 in "
            "r20.json");
}

TEST(ConfigKeys, AreEveryKeyThatSetTakesWithItsNames) {
  std::set<std::string> names;
  for (const ConfigKey& key : config_keys()) {
    EXPECT_TRUE(names.insert(key.name).second) << key.name;
    EXPECT_FALSE(key.about.empty()) << key.name;
    // Each is settable: a key of the configuration, which an object's value is not.
    for (const std::string& value : key.values) {
      Json json = Json::object();
      apply_override(json, key.name + "=" + value);
      if (key.name.compare(0, 7, "network") != 0 && key.name.compare(0, 8, "surgery.") != 0 &&
          key.name.compare(0, 5, "data.") != 0) {
        EXPECT_NO_THROW(read_run_config(json, "test")) << key.name << "=" << value;
      }
    }
  }
  for (const char* name : {"train.epochs", "train.optimizer.lr", "teacher.epochs", "network.family",
                           "data.cutout.side", "export.reuse_factor"})
    EXPECT_EQ(names.count(name), 1u) << name;
  for (const char* name : {"train", "train.comment", "comment", "train.optimizer"})
    EXPECT_EQ(names.count(name), 0u) << name;
  for (const ConfigKey& key : config_keys()) {
    if (key.name == "network.join") {
      EXPECT_EQ(key.values, (std::vector<std::string>{"before_activation", "after_activation"}));
    }
    if (key.name == "data.extra") {
      EXPECT_EQ(key.values, (std::vector<std::string>{"true", "false"}));
    }
  }
}

}  // namespace
}  // namespace tailor::test::run_config_test

// A checkpoint is read back as it was written; anything else is refused, and never a crash.
#include "tailor/run/checkpoint.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <limits>

#include "support/expect_error.h"
#include "support/networks.h"
#include "tailor/core/files.h"
#include "tailor/tensors/safetensors.h"

namespace tailor::test {
namespace {

Checkpoint small_checkpoint() {
  Checkpoint c;
  c.network = testing::small_network(Join::AfterActivation, Shortcut::Projection, 2);
  c.preprocessing = {{0.1, 0.2, 0.3}, {0.4, 0.5, 0.6}};
  c.position.epoch = 7;
  c.position.step = 3;
  c.position.edits_applied = 2;
  c.position.meter = Json::object({{"images", 96}, {"correct", 40}, {"loss_sum", 1.25}});
  c.position.best = 0.5;
  c.position.best_epoch = 6;
  c.position.seconds = 12.5;
  c.config = Json::object({{"train", Json::object({{"epochs", 9}})}});
  c.run = "test-run";
  c.metrics = Json::object({{"validation_accuracy", 50.0}});
  c.tensors = testing::random_tensors(c.network, 4);
  for (const TensorSpec& spec : tensor_specs(c.network)) {
    if (is_parameter(spec.role))
      c.slots["momentum"].emplace(spec.name, Tensor(DType::F32, spec.shape));
  }
  c.witness =
      CheckpointWitness{"1 image", Tensor(DType::F32, {1, 10, 13, 3}), Tensor(DType::F32, {1, 7})};
  return c;
}

struct Written {
  TemporaryDirectory folder{"tailor-checkpoint"};
  std::string path = folder.path() + "/x.ckpt";
  Written() { save_checkpoint(path, small_checkpoint()); }
};

TEST(Checkpoint, RoundTrips) {
  Written w;
  const Checkpoint a = small_checkpoint(), b = load_checkpoint(w.path);
  EXPECT_EQ(write_network(a.network), write_network(b.network));
  EXPECT_EQ(a.preprocessing, b.preprocessing);
  EXPECT_EQ(a.tensors, b.tensors);
  EXPECT_EQ(a.slots, b.slots);
  EXPECT_EQ(a.config, b.config);
  EXPECT_EQ(a.metrics, b.metrics);
  EXPECT_EQ(b.run, "test-run");
  EXPECT_EQ(b.position.epoch, 7);
  EXPECT_EQ(b.position.step, 3);
  EXPECT_EQ(b.position.edits_applied, 2);
  EXPECT_EQ(b.position.meter, a.position.meter);
  EXPECT_EQ(b.position.figure, "accuracy");
  EXPECT_EQ(b.position.best, 0.5);
  EXPECT_EQ(b.position.best_epoch, 6);
  EXPECT_EQ(b.position.seconds, 12.5);
  ASSERT_TRUE(b.witness.has_value());
  EXPECT_EQ(b.witness->source, "1 image");
}

TEST(Checkpoint, SlotsAndMeterAreThoseOfWhateverTrains) {
  Written w;
  Checkpoint a = small_checkpoint();
  const TensorMap moments = a.slots.at("momentum");
  a.slots = {{"exp_avg", moments}, {"steps", {{"fc.bias", Tensor(DType::F32, {1})}}}};
  a.position.meter = Json::object({{"words", 31}, {"errors", 4}});
  a.position.figure = "word_error";
  a.position.best = 0.125;
  save_checkpoint(w.path, a);
  const Checkpoint b = load_checkpoint(w.path);
  EXPECT_EQ(b.slots, a.slots);
  EXPECT_EQ(b.position.meter, a.position.meter);
  EXPECT_EQ(b.position.figure, "word_error");
  EXPECT_EQ(b.position.best, 0.125);
  EXPECT_EQ(b.tensors, a.tensors);
}

TEST(Checkpoint, AFileThatListsNoSlotsHasMomentum) {
  // All files of before there was a choice of optimisers; and those of sgd are as they were.
  Written w;
  const TensorFile file = load_safetensors(w.path);
  EXPECT_EQ(file.metadata.at("document").find("slots"), std::string::npos);
  EXPECT_EQ(file.tensors.count("momentum.fc.bias"), 1U);
  EXPECT_EQ(load_checkpoint(w.path).slots.count("momentum"), 1U);
}

TEST(Checkpoint, WhatIsNoFiniteNumberIsNotWritten) {
  Written w;
  const std::string before = read_file(w.path);
  const float kNone = std::numeric_limits<float>::quiet_NaN(),
              kInfinite = std::numeric_limits<float>::infinity();
  Checkpoint c = small_checkpoint();
  c.tensors.at("stage2.block0.bn1.running_var").as<float>()[1] = kNone;
  testing::expect_error(
      ErrorKind::Data,
      {w.path, "got nan as value 1 of stage2.block0.bn1.running_var", "nothing was written"},
      [&] { save_checkpoint(w.path, c); });
  c = small_checkpoint();
  c.slots.at("momentum").at("fc.bias").as<float>()[0] = -kInfinite;
  testing::expect_error(ErrorKind::Data, {"got -inf as value 0 of fc.bias"},
                        [&] { save_checkpoint(w.path, c); });
  c = small_checkpoint();
  c.witness->outputs.as<float>()[3] = kInfinite;
  testing::expect_error(ErrorKind::Data, {"got inf as value 3 of the logits"},
                        [&] { save_checkpoint(w.path, c); });
  EXPECT_EQ(read_file(w.path), before);
}

TEST(Checkpoint, WeightsOfADivergedRunAreRefused) {
  // As older versions could write them.
  Written w;
  TensorFile file = load_safetensors(w.path);
  file.tensors.at("model.stem.bn1.running_var").as<float>()[0] =
      std::numeric_limits<float>::quiet_NaN();
  save_safetensors(w.path, file);
  testing::expect_error(ErrorKind::Data, {w.path, "stem.bn1.running_var", "train again"},
                        [&] { load_checkpoint(w.path); });
}

TEST(Checkpoint, TruncatedAnywhereIsRefused) {
  Written w;
  const std::string bytes = read_file(w.path);
  for (size_t size = 0; size < bytes.size(); size += 1 + size / 7) {
    write_file(w.path, std::string_view(bytes).substr(0, size));
    testing::expect_error(ErrorKind::Data, {"checkpoint", w.path},
                          [&] { load_checkpoint(w.path); });
  }
}

TEST(Checkpoint, ImagesOfVersion1AreTurned) {
  Written w;
  TensorFile file = load_safetensors(w.path);
  const Tensor planes = Tensor::from<float>({1, 3, 1, 2}, {1, 2, 3, 4, 5, 6});
  file.tensors["witness.inputs"] = planes;
  save_safetensors(w.path, file);
  EXPECT_EQ(load_checkpoint(w.path).witness->inputs, planes);
  file.metadata["version"] = "1";
  save_safetensors(w.path, file);
  EXPECT_EQ(load_checkpoint(w.path).witness->inputs, channels_last(planes));
}

TEST(Checkpoint, ForeignFilesAreRefused) {
  Written w;
  TensorFile file = load_safetensors(w.path);
  file.metadata["format"] = "pt";
  save_safetensors(w.path, file);
  testing::expect_error(ErrorKind::Data,
                        {"expected the format tailor.checkpoint, got 'pt'; weights from elsewhere "
                         "become one with tailor import"},
                        [&] { load_checkpoint(w.path); });
  file.metadata["format"] = "tailor.checkpoint";
  file.metadata["version"] = "99";
  save_safetensors(w.path, file);
  testing::expect_error(ErrorKind::Unsupported, {"expected version 1..2, got 99"},
                        [&] { load_checkpoint(w.path); });
  write_file(w.path, "PK\x03\x04 a PyTorch zip");
  testing::expect_error(
      ErrorKind::Data, {"got a PyTorch file; weights from elsewhere become one with tailor import"},
      [&] { load_checkpoint(w.path); });
  write_file(w.path, "a letter to nobody, a letter");
  testing::expect_error(ErrorKind::Data, {"damaged or not a safetensors file"},
                        [&] { load_checkpoint(w.path); });
}

TEST(Checkpoint, ADamagedDocumentIsAnErrorAndNotACrash) {
  Written w;
  const TensorFile whole = load_safetensors(w.path);
  const std::string document = whole.metadata.at("document");
  for (const char* key : {"run", "network", "preprocessing", "position", "metrics", "config"}) {
    Json json = Json::parse(document, "document");
    json.erase(key);
    TensorFile file = whole;
    file.metadata["document"] = json.dump();
    save_safetensors(w.path, file);
    testing::expect_error(ErrorKind::Data, {key}, [&] { load_checkpoint(w.path); });
  }
  TensorFile file = whole;
  file.tensors.erase("model.fc.weight");
  save_safetensors(w.path, file);
  testing::expect_error(ErrorKind::Data, {"fc.weight is missing"},
                        [&] { load_checkpoint(w.path); });
}

TEST(Checkpoint, APositionIsReadStrictly) {
  Written w;
  const TensorFile whole = load_safetensors(w.path);
  const Json document = Json::parse(whole.metadata.at("document"), "document");
  EXPECT_EQ(document.at("position").dump(),
            R"({"epoch":7,"step":3,"edits_applied":2,"finished":false,"images":96,"correct":40,)"
            R"("loss_sum":1.25,"best_accuracy":0.5,"best_epoch":6,"seconds":12.5})");
  auto expect_refused = [&](const Json& position, std::initializer_list<std::string> words) {
    Json json = document;
    json.set("position", position);
    TensorFile file = whole;
    file.metadata["document"] = json.dump();
    save_safetensors(w.path, file);
    testing::expect_error(ErrorKind::Data, words, [&] { load_checkpoint(w.path); });
  };
  for (const char* key :
       {"epoch", "step", "edits_applied", "finished", "best_accuracy", "best_epoch", "seconds"}) {
    Json position = document.at("position");
    position.erase(key);
    expect_refused(position, {w.path, key});
    position.set(key, "seven");
    expect_refused(position, {w.path, std::string("/position/") + key, "\"seven\""});
  }
  Json position = document.at("position");
  position.set("step", -1);
  expect_refused(position, {"/position/step", "at least 0", "-1"});
}

TEST(WeightsDigest, DependsOnEveryByteAndName) {
  TensorMap a = small_checkpoint().tensors, b = a;
  EXPECT_EQ(weights_digest(a), weights_digest(b));
  b.begin()->second.as<float>()[0] += 1;
  EXPECT_NE(weights_digest(a), weights_digest(b));
  b = a;
  b["renamed"] = b.begin()->second;
  b.erase(b.begin());
  EXPECT_NE(weights_digest(a), weights_digest(b));
}

}  // namespace
}  // namespace tailor::test

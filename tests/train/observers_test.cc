// Each observer alone: what the loop says, and what becomes of it.
#include "tailor/train/observers.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include "support/events.h"
#include "tailor/core/files.h"
#include "tailor/task/classification.h"

namespace tailor::test {
namespace {

EpochEnd small_epoch() {
  EpochEnd e;
  e.title = "epoch 3 (4 of 9)";
  e.unit = "image";
  e.epoch = 3;
  e.skips = 2;
  e.lr = 0.05;
  e.train = {{"loss", 1.25}, {"accuracy", 0.5, true, true}};
  e.seconds = 2;
  e.examples_per_s = 60;
  return e;
}

TEST(MetricsFile, HasALineAnEpochWithNullWhereNothingWasValidated) {
  TemporaryDirectory folder("tailor-observers");
  RunFolder run(folder.path() + "/run", false);
  MetricsFile file(run);
  EpochEnd e = small_epoch();
  file.epoch_ends(e);
  e.epoch = 4;
  e.validation = {{"loss", 1.5}, {"accuracy", 0.25, true, true}};
  file.epoch_ends(e);
  EXPECT_EQ(read_file(run.file("metrics.jsonl")),
            "{\"epoch\":3,\"lr\":0.05,\"train_loss\":1.25,\"train_accuracy\":50.0,"
            "\"validation_loss\":null,\"validation_accuracy\":null,\"skips\":2,\"seconds\":2.0,"
            "\"images_per_s\":60.0}\n"
            "{\"epoch\":4,\"lr\":0.05,\"train_loss\":1.25,\"train_accuracy\":50.0,"
            "\"validation_loss\":1.5,\"validation_accuracy\":25.0,\"skips\":2,\"seconds\":2.0,"
            "\"images_per_s\":60.0}\n");
}

TEST(TensorBoardFile, HasARecordAnEpochWithTheAlterationsThatItBeganWith) {
  TemporaryDirectory folder("tailor-observers");
  RunFolder run(folder.path() + "/run", false);
  auto alteration = [&](int64_t epoch, const char* text, const Json& before, const Json& after) {
    run.append("alterations.jsonl", Json::object({{"epoch", epoch},
                                                  {"text", text},
                                                  {"validation_wer_before", before},
                                                  {"validation_wer_stale", 1.5},
                                                  {"validation_wer_after", after}}));
  };
  EpochEnd e = small_epoch();
  {
    TensorBoardFile file(run, 3);
    file.epoch_ends(e);
    alteration(4, "removed a (2 of 3 left)", 50.0, 40.0);
    alteration(4, "removed b (1 of 3 left)", 40.0, 30.0);
    e.epoch = 4, e.parts = {0.5, 0.25};
    e.validation = {{"loss", 1.5}, {"accuracy", 0.25, true, true}};
    file.epoch_ends(e);
  }
  // Another process goes on within epoch 4, and alters one more before 5.
  TensorBoardFile file(run, 4);
  e.lr = 0.125;
  file.epoch_ends(e);
  alteration(5, "removed c (0 of 3 left)", Json(), Json());
  e.epoch = 5, e.skips = 0, e.validation.reset(), e.parts.reset();
  file.epoch_ends(e);
  const auto events = testing::read_events(run.path());
  ASSERT_EQ(events.size(), 3U);
  using Scalars = std::map<std::string, float>;
  EXPECT_EQ(events[0].step, 3);
  EXPECT_EQ(
      events[0].scalars,
      (Scalars{
          {"loss/train", 1.25F}, {"accuracy/train", 50}, {"learning_rate", 0.05F}, {"skips", 2}}));
  EXPECT_TRUE(events[0].texts.empty());
  EXPECT_EQ(events[1].step, 4);
  EXPECT_EQ(events[1].scalars, (Scalars{{"loss/train", 1.25F},
                                        {"accuracy/train", 50},
                                        {"loss/validation", 1.5F},
                                        {"accuracy/validation", 25},
                                        {"loss/objective", 0.5F},
                                        {"loss/distance", 0.25F},
                                        {"learning_rate", 0.125F},
                                        {"skips", 2},
                                        {"alteration/before", 50},
                                        {"alteration/after", 30}}));
  EXPECT_EQ(events[1].texts.at("alteration"), "removed a (2 of 3 left)  \nremoved b (1 of 3 left)");
  EXPECT_EQ(events[2].step, 5);
  EXPECT_EQ(events[2].scalars.count("alteration/before"), 0U);
  EXPECT_EQ(events[2].texts.at("alteration"), "removed c (0 of 3 left)");
}

class Recorder : public Progress {
 public:
  std::string text;
  void begin(const std::string& label, int64_t total, const std::string& unit) override {
    text += fmt::format("begin {} {} {};", label, total, unit);
  }
  void advance(int64_t items) override { text += fmt::format("advance {};", items); }
  void place(int64_t done, int64_t after) override {
    text += fmt::format("place {} {};", done, after);
  }
  void note(const std::string& note) override { text += note + ";"; }
  void end() override { text += "end;"; }
};

TEST(ProgressBar, ShowsTheRunningFigures) {
  Recorder recorder;
  ProgressBar bar(recorder);
  bar.epoch_begins({"epoch 3 (4 of 9)", "image", 120, 40, 600});
  ClassificationMeter meter;
  bar.stepped(40, meter);  // nothing was read yet
  meter.add(80, 1.2345, std::vector<double>{60});
  bar.stepped(40, meter);
  bar.steps_end();
  EXPECT_EQ(recorder.text,
            "begin epoch 3 (4 of 9) 120 image;place 40 600;advance 40;"
            "loss 1.234, accuracy 75.0 %;advance 40;end;");
}

}  // namespace
}  // namespace tailor::test

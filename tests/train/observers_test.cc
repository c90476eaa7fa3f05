// Each observer alone: what the loop says, and what becomes of it.
#include "tailor/train/observers.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

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

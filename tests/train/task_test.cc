// Another task: an answer that is a number, judged by how far it is off. It has its own examples,
// loss and meter, and no file of another room knows it; the loop trains it like any other.
#include "tailor/task/task.h"
#include "support/rooms.h"

#include <ATen/ops/mse_loss.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/records.h"
#include "tailor/core/files.h"
#include "tailor/core/random.h"
#include "tailor/train/objective.h"
#include "tailor/train/trainer.h"

namespace tailor::test {
namespace {

/// The mean distance of answers, over everything seen.
class DistanceMeter : public Meter {
 public:
  void add(int64_t examples, double loss, Span<const double> tally) override {
    count_ += examples;
    squares_ += loss * static_cast<double>(examples);
    distance_ += tally[0];
  }
  int64_t examples() const override { return count_; }
  std::vector<Figure> summary() const override {
    const double count = static_cast<double>(std::max<int64_t>(count_, 1));
    return {{"loss", squares_ / count}, {"distance", distance_ / count}};
  }
  Json state() const override {
    return Json::object({{"pictures", count_}, {"squares", squares_}, {"distance", distance_}});
  }
  void restore(const Json& state) override {
    *this = {};
    if (state.as_object().empty()) return;
    count_ = state.at("pictures").as_int();
    squares_ = state.at("squares").as_number();
    distance_ = state.at("distance").as_number();
  }

 private:
  int64_t count_ = 0;
  double squares_ = 0, distance_ = 0;
};

/// How bright is a noisy picture of 8 by 8?
class Brightness : public Task {
 public:
  const char* unit() const override { return "picture"; }
  int64_t size(Split split) const override { return split == Split::Train ? 96 : 24; }
  void collate(Split split, Span<const int64_t> indices, std::optional<int64_t> /*epoch*/,
               Batch& batch) const override {
    batch.count = static_cast<int64_t>(indices.size());
    prepare_buffer(batch.inputs, DType::F32, {batch.count, 8, 8, 3});
    prepare_buffer(batch.targets, DType::F32, {batch.count, 1});
    for (size_t n = 0; n < indices.size(); ++n) {
      CounterRandom random(static_cast<uint64_t>(split) + 7, RandomStream::Witness,
                           static_cast<uint64_t>(indices[n]));
      const double level = random.uniform(-1, 1);
      batch.targets.as<float>()[n] = static_cast<float>(level);
      for (size_t i = 0; i < 192; ++i) {
        batch.inputs.as<float>()[n * 192 + i] =
            static_cast<float>(level + random.uniform(-0.3, 0.3));
      }
    }
  }
  ObjectiveSpec objective() const override { return "squared_distance"; }
  std::vector<double> tally(const Answers& answers, const Batch& batch) const override {
    const Span<const float> outputs = answers.outputs;
    double sum = 0;
    for (size_t i = 0; i < outputs.size(); ++i)
      sum += std::abs(outputs[i] - batch.targets.as<float>()[i]);
    return {sum};
  }
  std::unique_ptr<Meter> meter() const override { return std::make_unique<DistanceMeter>(); }
};

RunSpec brightness_run() {
  register_objective("squared_distance", {[](const at::Tensor& outputs, const DeviceBatch& batch,
                                             const ObjectiveSpec& /*spec*/) {
                                            return at::mse_loss(outputs, batch.targets);
                                          },
                                          nullptr});
  RunSpec spec;
  spec.name = "run";
  spec.source = "test";
  spec.config.network.depth = 8;
  spec.config.network.width = 4;
  spec.config.train.epochs = 6;
  spec.config.train.batch_size = 16;
  spec.config.train.optimizer.kind = "adamw";
  spec.config.train.optimizer.lr = 0.01;
  spec.config.runtime.threads = 1;
  spec.data.name = "noise";
  spec.data.shape = {3, 8, 8};
  spec.data.classes = 1;
  spec.data.preprocessing = {{0, 0, 0}, {1, 1, 1}};
  spec.task = std::make_shared<Brightness>();
  return spec;
}

TEST(AnotherTask, IsTrainedByTheSameLoopAndJudgedByItsOwnFigure) {
  TemporaryDirectory folder("tailor-task");
  set_torch_threads(1);
  RunFolder run(path_join(folder.path(), "run"), false);
  const RunResult r = train_run(brightness_run(), run, null_progress());
  EXPECT_EQ(r.test.name, "distance");
  EXPECT_LT(r.test.value, 0.25);  // the mean of the targets is 0.5 off
  double best = INFINITY;
  int64_t best_epoch = -1;
  for (const std::string& line : testing::read_records(run.file("metrics.jsonl"))) {
    const Json json = Json::parse(line, "line");
    EXPECT_GT(json.at("train_distance").as_number(), 0);
    if (json.at("validation_distance").as_number() < best) {
      best = json.at("validation_distance").as_number();
      best_epoch = json.at("epoch").as_int();
    }
  }
  const Json summary = Json::parse(read_file(run.file("summary.json")), "summary");
  EXPECT_EQ(summary.at("best").at("epoch").as_int(), best_epoch);  // the least, not the most
  EXPECT_DOUBLE_EQ(summary.at("best").at("validation_distance").as_number(), best);
  EXPECT_DOUBLE_EQ(summary.at("last").at("test_distance").as_number(), r.test.value);
  EXPECT_EQ(r.last.position.figure, "distance");
  EXPECT_EQ(r.last.witness->source, "4 validation pictures of noise");
}

}  // namespace
}  // namespace tailor::test

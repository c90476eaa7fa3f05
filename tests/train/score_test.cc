// Results that wait on a device and are read together say what they would have said one by one.
#include "train/score.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/scalar_tensor.h>
#include <gtest/gtest.h>

#include <limits>

#include "support/rooms.h"
#include "tailor/task/classification.h"

namespace tailor::test {
namespace {

DataSplits no_data() {
  DataSplits data;
  data.preprocessing = {{0, 0, 0}, {1, 1, 1}};
  return data;
}
const Classification& task() {
  static const DataSplits data = no_data();
  static const Classification task(data, data.preprocessing, {});
  return task;
}

StepResult result(double loss, double correct) {
  StepResult r;
  r.loss = at::scalar_tensor(loss, at::kFloat);
  r.tally = at::full({1}, correct, at::kDouble);
  return r;
}
Batch batch_of(int64_t count) {
  Batch batch;
  batch.count = count;
  return batch;
}

TEST(Score, OnTheCpuEveryResultIsReadAtOnce) {
  ClassificationMeter meter;
  Score score(task(), Split::Train, meter, at::kCPU);
  EXPECT_FALSE(score.add(result(0.5, 3), batch_of(4)));
  EXPECT_EQ(meter.state(), Json::object({{"images", 4}, {"correct", 3}, {"loss_sum", 2.0}}));
}

TEST(Score, OnADeviceSeveralAreReadTogetherWithTheSameSums) {
  // The device is only named: nothing of these results is on it.
  ClassificationMeter waiting, at_once;
  Score device(task(), Split::Train, waiting, at::Device(at::kCUDA, 0), 3),
      cpu(task(), Split::Train, at_once, at::kCPU);
  const double losses[] = {0.1, 0.7, 0.3, 1.9, 2.7};
  for (int i = 0; i < 5; ++i) {
    device.add(result(losses[i], i), batch_of(5 + i));
    cpu.add(result(losses[i], i), batch_of(5 + i));
    EXPECT_EQ(waiting.examples(), i < 2 ? 0 : 18) << i;
  }
  device.read();
  EXPECT_EQ(waiting.state(), at_once.state());
  EXPECT_EQ(waiting.examples(), 35);
}

TEST(Score, SaysWhichLossWasNoNumberHoweverLateItIsRead) {
  ClassificationMeter meter;
  Score score(task(), Split::Train, meter, at::Device(at::kCUDA, 0), 4);
  score.add(result(0.5, 1), batch_of(2));
  score.add(result(std::numeric_limits<double>::infinity(), 1), batch_of(2));
  score.add(result(std::numeric_limits<double>::quiet_NaN(), 1), batch_of(2));
  const auto bad = score.add(result(0.5, 1), batch_of(2));
  ASSERT_TRUE(bad.has_value());
  EXPECT_EQ(bad->value, std::numeric_limits<double>::infinity());
  EXPECT_EQ(bad->steps_back, 2);
  EXPECT_FALSE(score.read().has_value());
}

TEST(Score, TheObjectiveCountsAsTheTaskDoes) {
  const std::vector<float> logits = {1, 3, 2, 4, 4, 0, 0, 1, 2, 5, 5, 5};
  for (const std::vector<int64_t>& labels :
       {std::vector<int64_t>{1, 0, 2, 0}, {1, 1, 2, 2}, {0, 1, 1, 1}}) {
    Batch batch = batch_of(4);
    batch.targets = Tensor::from<int64_t>({4}, labels);
    batch.inputs = Tensor(DType::F32, {4, 1, 1, 3});
    const at::Tensor counted = find_objective("cross_entropy")
                                   .tally(at::from_blob(const_cast<float*>(logits.data()), {4, 3}),
                                          to_device(batch, at::kCPU));
    EXPECT_EQ(counted.item<double>(), task().tally({logits, {}, Split::Train}, batch)[0]);
  }
}

}  // namespace
}  // namespace tailor::test

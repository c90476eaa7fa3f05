#include "tailor/task/classification.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/expect_error.h"

namespace tailor::test {
namespace {

TEST(PredictedClass, IsTheLargestAndTheFirstOnTies) {
  EXPECT_EQ(predicted_class(std::vector<float>{-3, -1, -2}), 1);
  EXPECT_EQ(predicted_class(std::vector<float>{1, 5, 5, 2, 5}), 1);
  EXPECT_EQ(predicted_class(std::vector<float>{0, 0, 0}), 0);
  EXPECT_EQ(predicted_class(std::vector<float>{1, 2, 3, 3.0000002F}), 3);
  EXPECT_EQ(predicted_class(std::vector<float>{7}), 0);
}

/// Two channels on one row of three pixels, and a label each.
DataSplits small_data() {
  DataSplits data;
  data.shape = {2, 1, 3};
  data.classes = 3;
  data.preprocessing = {{0, 0}, {1.0 / 255, 1.0 / 255}};
  std::vector<uint8_t> pixels;
  for (uint8_t i = 0; i < 24; ++i) pixels.push_back(i);
  auto owned = std::make_shared<std::vector<uint8_t>>(pixels);
  data.train = make_memory_images(data.shape, {owned, owned->data()}, {2, 0, 1, 1});
  return data;
}
Batch labelled(const std::vector<int64_t>& labels) {
  Batch batch;
  batch.count = static_cast<int64_t>(labels.size());
  batch.targets = Tensor::from<int64_t>({batch.count}, labels);
  return batch;
}

TEST(Classification, ABatchIsRowsColumnsChannels) {
  const DataSplits data = small_data();
  const Classification task(data, data.preprocessing, {});
  EXPECT_EQ(task.size(Split::Train), 4);
  EXPECT_EQ(task.size(Split::Validation), 0);
  Batch batch;
  task.collate(Split::Train, std::vector<int64_t>{3, 0}, std::nullopt, batch);
  EXPECT_EQ(batch.inputs.shape(), (Shape{2, 1, 3, 2}));
  for (int i = 0; i < 6; ++i) {
    EXPECT_NEAR(batch.inputs.as<float>()[static_cast<size_t>(i)], 18 + i, 1e-4);
    EXPECT_NEAR(batch.inputs.as<float>()[static_cast<size_t>(6 + i)], i, 1e-4);
  }
  EXPECT_EQ(batch.targets, Tensor::from<int64_t>({2}, {1, 2}));
  EXPECT_EQ(batch.share, 1);
  const std::byte* memory = batch.inputs.bytes().data();
  task.collate(Split::Train, std::vector<int64_t>{1, 2}, 5, batch);
  EXPECT_EQ(batch.inputs.bytes().data(), memory);  // filled again where it was
}

TEST(Classification, AWorkersShareIsMixedAsTheWholeBatch) {
  const DataSplits data = small_data();
  Augmentation mixed;
  mixed.mixup = MixupConfig();
  const Classification task(data, data.preprocessing, mixed);
  const std::vector<int64_t> indices = {3, 1, 0, 2};
  Batch whole, own;
  task.collate(Split::Train, indices, 1, whole);
  ASSERT_LT(whole.share, 1);
  for (int64_t rank = 0; rank < 2; ++rank) {
    const BatchShare share{rank, 2};
    task.collate_share(indices, 1, share, own);
    EXPECT_EQ(own.share, whole.share);
    EXPECT_EQ(own.weight, 0.5);
    const std::vector<int64_t> places = share.places(4);
    for (size_t n = 0; n < places.size(); ++n) {
      const auto at = static_cast<size_t>(places[n]);
      EXPECT_EQ(own.targets.as<int64_t>()[n], whole.targets.as<int64_t>()[at]);
      for (size_t i = 0; i < 6; ++i)
        EXPECT_EQ(own.inputs.as<float>()[6 * n + i], whole.inputs.as<float>()[6 * at + i]);
    }
  }
}

TEST(Classification, CountsRightAnswersTheFirstOnTies) {
  const DataSplits data = small_data();
  const Classification task(data, data.preprocessing, {});
  const std::vector<float> logits = {1, 3, 2,   // 1
                                     4, 4, 0,   // 0: the first on ties
                                     0, 1, 2};  // 2
  EXPECT_EQ(task.tally({logits, {}, Split::Train}, labelled({1, 1, 2})), std::vector<double>{2});
  EXPECT_EQ(task.tally({logits, {}, Split::Train}, labelled({1, 0, 2})), std::vector<double>{3});
  testing::expect_error(ErrorKind::Internal, {"7 logits for 2 labels"}, [&] {
    task.tally({std::vector<float>(7), {}, Split::Train}, labelled({0, 1}));
  });
  testing::expect_error(ErrorKind::Internal, {"7 logits for 0 labels"}, [&] {
    task.tally({std::vector<float>(7), {}, Split::Train}, labelled({}));
  });
}

TEST(ClassificationMeter, ItsFiguresAreMeansOverImagesAndItsStateComesBack) {
  ClassificationMeter meter;
  EXPECT_EQ(find_figure(meter.summary(), "loss").value, 0);
  EXPECT_EQ(judged_by(meter.summary()).value, 0);
  meter.add(3, 0.5, std::vector<double>{2});
  meter.add(1, 2.5, std::vector<double>{1});
  EXPECT_EQ(meter.examples(), 4);
  EXPECT_DOUBLE_EQ(find_figure(meter.summary(), "loss").value, 1);
  const Figure accuracy = judged_by(meter.summary());
  EXPECT_EQ(accuracy.name, "accuracy");
  EXPECT_DOUBLE_EQ(accuracy.value, 0.75);
  EXPECT_DOUBLE_EQ(accuracy.recorded(), 75);
  EXPECT_EQ(accuracy.text(2), "75.00 %");
  EXPECT_EQ(find_figure(meter.summary(), "loss").text(2), "1.0000");
  EXPECT_EQ(meter.state(),
            Json::object({{"images", 4}, {"correct", 3}, {"loss_sum", 3 * 0.5 + 1 * 2.5}}));
  ClassificationMeter other;
  other.restore(meter.state());
  EXPECT_EQ(other.state(), meter.state());
  other.restore(Json::object({}));
  EXPECT_EQ(other.examples(), 0);
}

TEST(TopClasses, AreInOrderTheFirstOnTiesWithSoftmaxProbabilities) {
  const double ln2 = std::log(2.0);
  // Weights 1, 4, 2, 4, 1, 4: probabilities of sixteenths.
  const std::vector<double> logits = {0, 2 * ln2, ln2, 2 * ln2, 0, 2 * ln2};
  const std::vector<RankedClass> top = top_classes(logits, 5);
  ASSERT_EQ(top.size(), 5U);
  const int64_t order[] = {1, 3, 5, 2, 0};
  const double sixteenths[] = {4, 4, 4, 2, 1};
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(top[i].index, order[i]);
    EXPECT_EQ(top[i].logit, logits[static_cast<size_t>(order[i])]);
    EXPECT_NEAR(top[i].probability, sixteenths[i] / 16, 1e-15);
  }
  EXPECT_EQ(top_classes(std::vector<double>{3, 4}, 5).size(), 2U);
  // Logits whose exponentials are beyond a double's.
  const std::vector<RankedClass> wild = top_classes(std::vector<double>{2000, -3000, 1999}, 2);
  EXPECT_NEAR(wild[0].probability, 1 / (1 + std::exp(-1.0)), 1e-15);
  EXPECT_NEAR(wild[1].probability, 1 / (1 + std::exp(1.0)), 1e-15);
}

TEST(EvaluationMeter, CountsByHand) {
  EvaluationMeter meter(7);
  EXPECT_EQ(meter.accuracy_frac(), 0);
  EXPECT_EQ(meter.mean_loss(), 0);
  const std::vector<double> rising = {0, 1, 2, 3, 4, 5, 6};
  meter.add(rising, 6);  // right
  meter.add(rising, 2);  // fifth
  meter.add(rising, 1);  // sixth
  // All equal: the prediction is class 0, and the earlier ones of equals stand before a label.
  const std::vector<double> flat(7, 0.25);
  meter.add(flat, 0);  // right
  meter.add(flat, 4);  // fifth
  meter.add(flat, 5);  // sixth
  EXPECT_EQ(meter.images(), 6);
  EXPECT_EQ(meter.correct(), 2);
  EXPECT_EQ(meter.top_correct(), 4);
  EXPECT_DOUBLE_EQ(meter.accuracy_frac(), 2.0 / 6);
  EXPECT_DOUBLE_EQ(meter.top_accuracy_frac(), 4.0 / 6);
  const std::map<std::pair<int64_t, int64_t>, int64_t> cells = {
      {{0, 0}, 1}, {{1, 6}, 1}, {{2, 6}, 1}, {{4, 0}, 1}, {{5, 0}, 1}, {{6, 6}, 1}};
  EXPECT_EQ(meter.confusion().cells(), cells);
  double log_sum = 0;
  for (double v : rising) log_sum += std::exp(v);
  log_sum = std::log(log_sum);
  const double loss = (log_sum - 6) + (log_sum - 2) + (log_sum - 1) + 3 * std::log(7.0);
  EXPECT_NEAR(meter.mean_loss(), loss / 6, 1e-14);
}

TEST(EvaluationMeter, ALossBeyondADoublesExponentIsFinite) {
  EvaluationMeter meter(2);
  meter.add(std::vector<double>{-5000, 5000}, 0);
  EXPECT_DOUBLE_EQ(meter.mean_loss(), 10000);
}

TEST(EvaluationMeter, AnOutputThatIsNotFiniteIsAnErrorAndNoClass) {
  EvaluationMeter meter(3);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  testing::expect_error(ErrorKind::Data, {"the network's output 1 of 3 is nan, expected a finite"},
                        [&] {
                          meter.add(std::vector<double>{0, nan, 5}, 2);
                        });
  testing::expect_error(ErrorKind::Data, {"output 2 of 3 is inf"}, [&] {
    meter.add(std::vector<double>{0, 1, infinity}, 2);
  });
  testing::expect_error(ErrorKind::Data, {"output 0 of 3 is -inf"}, [&] {
    top_classes(std::vector<double>{-infinity, 1, 2}, 1);
  });
  EXPECT_EQ(meter.images(), 0);
  EXPECT_TRUE(meter.confusion().cells().empty());
  testing::expect_error(ErrorKind::Internal, {"2 logits and label 0 for 3 classes"}, [&] {
    meter.add(std::vector<double>{0, 1}, 0);
  });
  testing::expect_error(ErrorKind::Internal, {"3 logits and label 3 for 3 classes"}, [&] {
    meter.add(std::vector<double>{0, 1, 2}, 3);
  });
}

}  // namespace
}  // namespace tailor::test

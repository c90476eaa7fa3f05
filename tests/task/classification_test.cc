#include "tailor/task/classification.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace tailor {
namespace {

TEST(PredictedClass, IsTheLargestAndTheFirstOnTies) {
  EXPECT_EQ(predicted_class(std::vector<float>{-3, -1, -2}), 1);
  EXPECT_EQ(predicted_class(std::vector<double>{1, 5, 5, 2, 5}), 1);
  EXPECT_EQ(predicted_class(std::vector<float>{0, 0, 0}), 0);
  EXPECT_EQ(predicted_class(std::vector<double>{1, 2, 3, 3.0000000000000004}), 3);
  EXPECT_EQ(predicted_class(std::vector<double>{7}), 0);
}

TEST(ClassificationMeter, CountsRightAnswersOverBatches) {
  ClassificationMeter meter;
  const std::vector<float> logits = {1, 3, 2,   // 1
                                     4, 4, 0,   // 0: the first on ties
                                     0, 1, 2};  // 2
  const std::vector<int64_t> labels = {1, 1, 2};
  meter.add(logits, labels);
  EXPECT_EQ(meter.images, 3);
  EXPECT_EQ(meter.correct, 2);
  meter.add(Span<const float>(logits.data(), 3), Span<const int64_t>(labels.data(), 1));
  meter.add_one(5, 4);
  EXPECT_EQ(meter.images, 5);
  EXPECT_EQ(meter.correct, 3);
  EXPECT_DOUBLE_EQ(meter.accuracy_frac(), 0.6);
}

TEST(ClassificationMeter, MeanLossIsOverImages) {
  ClassificationMeter meter;
  EXPECT_EQ(meter.accuracy_frac(), 0);
  EXPECT_EQ(meter.mean_loss(), 0);
  meter.images = 4;
  meter.loss_sum = 3 * 0.5 + 1 * 2.5;
  EXPECT_DOUBLE_EQ(meter.mean_loss(), 1);
}

TEST(ClassificationMeter, RefusesRowsOfUnequalLength) {
  ClassificationMeter meter;
  const std::vector<float> logits(7);
  const std::vector<int64_t> labels(2);
  testing::expect_error(ErrorKind::Internal, {"7 logits for 2 labels"},
                        [&] { meter.add(logits, labels); });
  testing::expect_error(ErrorKind::Internal, {"7 logits for 0 labels"},
                        [&] { meter.add(logits, {}); });
  EXPECT_EQ(meter.images, 0);
}

}  // namespace
}  // namespace tailor

#include "tailor/train/schedule.h"

#include <gtest/gtest.h>

namespace tailor {
namespace {

ScheduleConfig schedule(ScheduleKind kind) {
  ScheduleConfig s;
  s.kind = kind;
  return s;
}

TEST(LearningRate, HoldsThenFallsAsACosine) {
  const ScheduleConfig s = schedule(ScheduleKind::HoldThenCosine);
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.1, 0, 60, 30), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.1, 29.99, 60, 30), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.1, 45, 60, 30), 0.05);
  EXPECT_NEAR(learning_rate(s, 0.1, 60, 60, 30), 0, 1e-12);
}

TEST(LearningRate, StepsAndStaysConstant) {
  ScheduleConfig s = schedule(ScheduleKind::Step);
  s.step_epochs = 30;
  s.gamma = 0.1;
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.1, 29.5, 120, 0), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.1, 30, 120, 0), 0.1 * 0.1);
  EXPECT_NEAR(learning_rate(s, 0.1, 119, 120, 0), 1e-4, 1e-12);
  EXPECT_DOUBLE_EQ(learning_rate(schedule(ScheduleKind::Constant), 0.1, 119, 120, 0), 0.1);
}

TEST(LearningRate, CosineAndWarmUp) {
  ScheduleConfig s = schedule(ScheduleKind::Cosine);
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.2, 0, 10, 0), 0.2);
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.2, 5, 10, 0), 0.1);
  s = schedule(ScheduleKind::Constant);
  s.warmup_epochs = 4;
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.2, 0, 10, 0), 0);
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.2, 1, 10, 0), 0.05);
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.2, 4, 10, 0), 0.2);
}

TEST(HoldEpochs, EndAlphaEpochsAfterTheLastEdit) {
  ScheduleConfig s;
  EXPECT_EQ(resolve_hold_epochs(s, 60, 30, true), 30);
  EXPECT_EQ(resolve_hold_epochs(s, 20, 30, true), 19);  // a partial run still falls at the end
  EXPECT_EQ(resolve_hold_epochs(s, 60, 0, false), 30);
  s.hold_epochs = 7;
  EXPECT_EQ(resolve_hold_epochs(s, 60, 30, true), 7);
}

}  // namespace
}  // namespace tailor

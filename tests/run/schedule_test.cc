#include "tailor/run/schedule.h"

#include <gtest/gtest.h>

namespace tailor {
namespace {

constexpr double kStep = 0.25;  // four steps an epoch

ScheduleConfig schedule(ScheduleKind kind) {
  ScheduleConfig s;
  s.kind = kind;
  return s;
}

TEST(LearningRate, HoldsThenFallsAsACosine) {
  const ScheduleConfig s = schedule(ScheduleKind::HoldThenCosine);
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.1, 0, kStep, 60, 30), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.1, 29.99, kStep, 60, 30), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.1, 45, kStep, 60, 30), 0.05);
  EXPECT_NEAR(learning_rate(s, 0.1, 60, kStep, 60, 30), 0, 1e-12);
}

TEST(LearningRate, StepsAndStaysConstant) {
  ScheduleConfig s = schedule(ScheduleKind::Step);
  s.step_epochs = 30;
  s.gamma = 0.1;
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.1, 29.5, kStep, 120, 0), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.1, 30, kStep, 120, 0), 0.1 * 0.1);
  EXPECT_NEAR(learning_rate(s, 0.1, 119, kStep, 120, 0), 1e-4, 1e-12);
  EXPECT_DOUBLE_EQ(learning_rate(schedule(ScheduleKind::Constant), 0.1, 119, kStep, 120, 0), 0.1);
}

TEST(LearningRate, CosineAndWarmUp) {
  ScheduleConfig s = schedule(ScheduleKind::Cosine);
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.2, 0, kStep, 10, 0), 0.2);
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.2, 5, kStep, 10, 0), 0.1);
  s = schedule(ScheduleKind::Constant);
  s.warmup_epochs = 2;
  // Eight steps: no step is lost at rate 0, and the last has the whole rate.
  for (int n = 0; n < 8; ++n)
    EXPECT_DOUBLE_EQ(learning_rate(s, 0.2, n * kStep, kStep, 10, 0), 0.2 * (n + 1) / 8);
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.2, 2, kStep, 10, 0), 0.2);
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

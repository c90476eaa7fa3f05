#include "tailor/run/schedule.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/expect_error.h"

namespace tailor::test {
namespace {

constexpr double kStep = 0.25;  // four steps an epoch

ScheduleConfig schedule(const char* kind) {
  ScheduleConfig s;
  s.kind = kind;
  return s;
}

TEST(LearningRate, HoldsThenFallsAsACosine) {
  const ScheduleConfig s = schedule("hold_then_cosine");
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.1, 0, kStep, 60, 30), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.1, 29.99, kStep, 60, 30), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.1, 45, kStep, 60, 30), 0.05);
  EXPECT_NEAR(learning_rate(s, 0.1, 60, kStep, 60, 30), 0, 1e-12);
}

TEST(LearningRate, StepsAndStaysConstant) {
  ScheduleConfig s = schedule("step");
  s.step_epochs = 30;
  s.gamma = 0.1;
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.1, 29.5, kStep, 120, 0), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.1, 30, kStep, 120, 0), 0.1 * 0.1);
  EXPECT_NEAR(learning_rate(s, 0.1, 119, kStep, 120, 0), 1e-4, 1e-12);
  EXPECT_DOUBLE_EQ(learning_rate(schedule("constant"), 0.1, 119, kStep, 120, 0), 0.1);
}

TEST(LearningRate, CosineAndWarmUp) {
  ScheduleConfig s = schedule("cosine");
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.2, 0, kStep, 10, 0), 0.2);
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.2, 5, kStep, 10, 0), 0.1);
  s = schedule("constant");
  s.warmup_epochs = 2;
  // Eight steps: no step is lost at rate 0, and the last has the whole rate.
  for (int n = 0; n < 8; ++n)
    EXPECT_DOUBLE_EQ(learning_rate(s, 0.2, n * kStep, kStep, 10, 0), 0.2 * (n + 1) / 8);
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.2, 2, kStep, 10, 0), 0.2);
}

/// The rate of a step of 10000, in ten epochs.
double rate_at(const ScheduleConfig& s, double base, int64_t step) {
  const double epochs = 1.0 / 1000;
  const auto epoch = static_cast<double>(step / 1000);
  return learning_rate(s, base, epoch + static_cast<double>(step % 1000) * epochs, epochs, 10, 0);
}

TEST(LearningRate, WarmUpOfStepsAndACosineToAShareIsBonitos) {
  ScheduleConfig s = schedule("cosine");
  s.warmup_steps = 500;
  s.warmup_start = 0.1;
  s.end = 0.01;
  EXPECT_NEAR(rate_at(s, 2e-3, 0), 2.0e-4, 1e-12);
  EXPECT_NEAR(rate_at(s, 2e-3, 250), 1.1e-3, 1e-12);
  EXPECT_NEAR(rate_at(s, 2e-3, 500), 2.0e-3, 1e-12);
  EXPECT_NEAR(rate_at(s, 2e-3, 5000), 1.091754e-3, 5e-10);
  EXPECT_NEAR(rate_at(s, 2e-3, 10000), 2.0e-5, 1e-12);
}

TEST(LearningRate, WarmUpFromItsOwnStepIsNeMos) {
  ScheduleConfig s = schedule("cosine");
  s.warmup_steps = 1000;
  EXPECT_NEAR(rate_at(s, .01, 0), 9.990e-6, 5e-10);
  EXPECT_NEAR(rate_at(s, .01, 500), 5.004995e-3, 5e-10);
  EXPECT_NEAR(rate_at(s, .01, 999), .01 * 1000 / 1001, 1e-12);
  EXPECT_NEAR(rate_at(s, .01, 1000), .01, 1e-12);
  EXPECT_NEAR(rate_at(s, .01, 5500), .005, 1e-12);
  EXPECT_NEAR(rate_at(s, .01, 10000), 0, 1e-12);
}

TEST(LearningRate, HoldingBeginsBehindAWarmUpOfSteps) {
  ScheduleConfig s = schedule("hold_then_cosine");
  s.warmup_steps = 2000;
  s.warmup_start = 0;
  s.end = 0.5;
  EXPECT_DOUBLE_EQ(rate_at(s, 1, 0), 0);
  EXPECT_DOUBLE_EQ(rate_at(s, 1, 1000), 0.5);
  EXPECT_DOUBLE_EQ(rate_at(s, 1, 2000), 1);
  EXPECT_DOUBLE_EQ(rate_at(s, 1, 6000), 0.75);  // no hold: the cosine falls from there
  s = schedule("constant");
  s.warmup_steps = 4000;
  s.warmup_start = 0.2;
  EXPECT_DOUBLE_EQ(rate_at(s, 1, 2000), 0.6);
  EXPECT_DOUBLE_EQ(rate_at(s, 1, 4000), 1);
}

TEST(LearningRate, AnotherKindIsOneFunction) {
  register_schedule("halves", [](const ScheduleConfig&, const SchedulePoint& at) {
    return std::pow(0.5, std::floor(at.position));
  });
  const RunConfig c = read_run_config(
      Json::parse(R"({"train": {"schedule": {"kind": "halves", "warmup_epochs": 1}}})", ""), "");
  const ScheduleConfig& s = c.train.schedule;
  EXPECT_EQ(s.kind, "halves");
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.4, 2.5, kStep, 10, 0), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(s, 0.4, 0, kStep, 10, 0), 0.1);  // the warm-up is everyone's
  EXPECT_EQ(write_run_config(c).at("train").at("schedule").at("kind").as_string(), "halves");
}

TEST(LearningRate, EveryKindOfTheConfigurationHasAFunction) {
  for (const char* kind : schedule_kinds())
    EXPECT_GE(learning_rate(schedule(kind), 0.1, 1, kStep, 10, 5), 0) << kind;
  testing::expect_error(ErrorKind::Config, {"schedule.kind", "hold_then_cosine", "got none"},
                        [] { learning_rate(schedule("none"), 0.1, 1, kStep, 10, 5); });
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
}  // namespace tailor::test

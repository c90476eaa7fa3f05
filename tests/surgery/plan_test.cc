// Which edits are due: the tables are the paper's, the authors' release and their Bonito fork.
#include "support/rooms.h"
#include "tailor/surgery/surgery.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "tailor/core/strings.h"

namespace tailor::test {
namespace {

using testing::expect_error;
using testing::message_of;

Network plan_resnet(int64_t depth) {
  NetworkConfig config;
  config.depth = depth;
  return make_network(config, {3, 32, 32}, 10);
}

/// A network with the skips a, b, c, d, e.
Network five_skips() {
  Network network = plan_resnet(20);
  char id = 'a';
  for (Block& block : network.blocks) {
    if (block.skips.empty()) continue;
    if (id > 'e')
      block.skips.clear();
    else
      block.skips[0].id = std::string(1, id++);
  }
  return network;
}

SurgeryConfig policy(int64_t alpha, std::optional<int64_t> first_epoch = std::nullopt) {
  SurgeryConfig config;
  config.kind = SurgeryKind::Remove;
  config.alpha = alpha;
  config.first_epoch = first_epoch;
  return config;
}

std::string plan(const SurgeryConfig& config, int64_t epochs = 1000) {
  std::string text;
  for (const PlannedEdit& edit : plan_edits(config, five_skips(), epochs, "r20.json"))
    text += fmt::format("{}{}{} ", edit.epoch,
                        edit.part == EditPart::Begin          ? "("
                        : edit.part == EditPart::End          ? ")"
                        : edit.kind == AlterationKind::Remove ? "-"
                                                              : "~",
                        edit.skip_id);
  return text;
}

TEST(PlanEdits, PaperReleaseAndBonito) {
  EXPECT_EQ(plan(policy(3)), "3-a 6-b 9-c 12-d 15-e ");
  EXPECT_EQ(plan(policy(1)), "1-a 2-b 3-c 4-d 5-e ");
  EXPECT_EQ(plan(policy(3, 4)), "4-a 7-b 10-c 13-d 16-e ");
  EXPECT_EQ(plan(policy(1, 2)), "2-a 3-b 4-c 5-d 6-e ");
  EXPECT_EQ(plan(policy(3, 0)), "0-a 3-b 6-c 9-d 12-e ");
  EXPECT_EQ(plan(policy(1, 0)), "0-a 1-b 2-c 3-d 4-e ");
  EXPECT_EQ(plan(policy(2, 0)), "0-a 2-b 4-c 6-d 8-e ");
}

TEST(PlanEdits, OrderAndHowManyAtOnce) {
  SurgeryConfig config = policy(3);
  config.at_once = 2;
  EXPECT_EQ(plan(config), "3-a 3-b 6-c 6-d 9-e ");
  config.order = EditOrder::OutputFirst;
  EXPECT_EQ(plan(config), "3-e 3-d 6-c 6-b 9-a ");
  config.at_once = 100;
  config.first_epoch = 7;
  EXPECT_EQ(plan(config), "7-e 7-d 7-c 7-b 7-a ");
}

TEST(PlanEdits, SkipsGoAsThePlanListsThem) {
  SurgeryConfig config = policy(3);
  config.order = EditOrder::Plan;
  config.plan = {{"d", AlterationKind::Shorten},
                 {"b", AlterationKind::Keep},
                 {"e", AlterationKind::Remove},
                 {"a", AlterationKind::Remove},
                 {"c", AlterationKind::Remove}};
  EXPECT_EQ(plan(config), "3~d 6-e 9-a 12-c ");
  config.at_once = 2;
  config.kind = SurgeryKind::Shorten;
  EXPECT_EQ(plan(config), "3~d 3-e 6-a 6-c ");
  config.plan.resize(3);
  EXPECT_EQ(message_of(ErrorKind::Config, [&] { plan(config); }),
            "config: /surgery/plan: expected every skip that is altered, because /surgery/order is "
            "\"plan\" (of kind \"keep\" those that stay), got none of a, c in r20.json");
  config.kind = SurgeryKind::None;
  EXPECT_EQ(plan(config), "");
}

TEST(PlanEdits, ThePlanSaysWhatHappensToSingleSkips) {
  SurgeryConfig config = policy(2);
  config.plan = {
      {"d", AlterationKind::Shorten}, {"b", AlterationKind::Keep}, {"a", AlterationKind::Remove}};
  EXPECT_EQ(plan(config), "2-a 4-c 6~d 8-e ");  // what is kept takes no turn
  config.kind = SurgeryKind::Shorten;
  EXPECT_EQ(plan(config), "2-a 4~c 6~d 8~e ");
  config.plan = {{"a"}, {"b"}, {"c"}, {"d"}, {"e"}};
  EXPECT_EQ(plan(config, 1), "");
  EXPECT_EQ(plan(SurgeryConfig(), 1), "");
}

TEST(PlanEdits, TooFewEpochsAreAnErrorThatSaysHowMany) {
  EXPECT_EQ(plan(policy(3), 16), "3-a 6-b 9-c 12-d 15-e ");
  EXPECT_EQ(message_of(ErrorKind::Config, [] { plan(policy(3), 15); }),
            "config: /train/epochs: expected at least 16 (the last of 5 alterations is due before "
            "epoch 15), or "
            "allow_partial, got 15 in r20.json");
  SurgeryConfig config = policy(3);
  config.allow_partial = true;
  EXPECT_EQ(plan(config, 15), "3-a 6-b 9-c 12-d ");
  EXPECT_EQ(plan(config, 3), "");
  EXPECT_EQ(plan(config, 4), "3-a ");
}

TEST(PlanEdits, UnknownAndRepeatedSkipsAreErrors) {
  SurgeryConfig config = policy(3);
  config.plan = {{"a"}, {"stage1"}};
  EXPECT_EQ(message_of(ErrorKind::Config, [&] { plan(config); }),
            "config: /surgery/plan/1/skip: expected the id of a skip (there are a, b, c, d, e), "
            "got \"stage1\" in "
            "r20.json");
  config.plan = {{"a"}, {"b"}, {"a"}};
  EXPECT_EQ(message_of(ErrorKind::Config, [&] { plan(config); }),
            "config: /surgery/plan/2/skip: expected each skip once, got \"a\" again in r20.json");
  config.plan = {{"stage1.blok0.skip"}};
  expect_error(ErrorKind::Config,
               {"got \"stage1.blok0.skip\" (did you mean 'stage1.block0.skip'?)"},
               [&] { plan_edits(config, plan_resnet(8), 99, "x"); });
}

TEST(PlanEdits, AnEditThatCannotBeMadeIsSaidBeforeTraining) {
  Network network = plan_resnet(8);
  apply_alteration(network, "stage2.block0.skip", AlterationKind::Shorten);
  SurgeryConfig config = policy(1);
  config.kind = SurgeryKind::Shorten;
  std::vector<std::string> shortened;  // what spans one stage already is left alone
  for (const PlannedEdit& edit : plan_edits(config, network, 99, "r8.json"))
    shortened.push_back(edit.skip_id);
  EXPECT_EQ(shortened, (std::vector<std::string>{"stage1.block0.skip", "stage3.block0.skip"}));
  config.plan = {{"stage2.block0.skip.0", AlterationKind::Shorten}};
  expect_error(ErrorKind::Config,
               {"r8.json: /surgery: the alteration due before epoch 2",
                "cannot shorten the skip 'stage2.block0.skip.0': it spans one stage only", "keep"},
               [&] { plan_edits(config, network, 99, "r8.json"); });
  config.kind = SurgeryKind::Remove;
  config.plan.clear();
  EXPECT_EQ(plan_edits(config, network, 99, "r8.json").size(), 4u);
}

TEST(PlanEdits, SettledIsAlphaAfterTheLastEdit) {
  for (int64_t alpha : {1, 3})
    EXPECT_EQ(settled_epoch(policy(alpha), plan_edits(policy(alpha), five_skips(), 99, "")),
              6 * alpha);
  EXPECT_EQ(settled_epoch(policy(3, 0), plan_edits(policy(3, 0), five_skips(), 99, "")), 15);
  EXPECT_EQ(settled_epoch(policy(3), {}), 0);
}

TEST(PlanEdits, WhatFadesBeginsAndIsGoneAlphaEpochsLater) {
  SurgeryConfig config = policy(2, 0);
  config.edit = EditKind::Fade;
  EXPECT_EQ(plan(config, 11), "0(a 2)a 2(b 4)b 4(c 6)c 6(d 8)d 8(e 10)e ");
  EXPECT_EQ(settled_epoch(config, plan_edits(config, five_skips(), 11, "")), 10);
  config.at_once = 5;
  EXPECT_EQ(plan(config, 3), "0(a 0(b 0(c 0(d 0(e 2)a 2)b 2)c 2)d 2)e ");
  EXPECT_EQ(message_of(ErrorKind::Config, [&] { plan(config, 2); }),
            "config: /train/epochs: expected at least 3 (the last of 5 alterations is over before "
            "epoch 2), or allow_partial, got 2 in r20.json");
  config.at_once = 1;
  config.allow_partial = true;
  EXPECT_EQ(plan(config, 6), "0(a 2)a 2(b 4)b ");  // what would not be over does not begin
}

TEST(FadingWeights, FallEvenlyAndTheirStepsRise) {
  Network network = plan_resnet(8);
  SurgeryConfig config = policy(2, 1);
  config.kind = SurgeryKind::Shorten;
  config.edit = EditKind::Fade;
  config.at_once = 3;
  const auto edits = plan_edits(config, network, 9, "");
  const std::string id = "stage2.block0.skip";
  apply_alteration(network, id, AlterationKind::Shorten, EditPart::Begin);
  EXPECT_TRUE(fading_weights(config, edits, network, 0, 3, 4).empty());
  for (int64_t step = 0; step < 8; ++step) {
    const SkipWeights weights = fading_weights(config, edits, network, 1 + step / 4, step % 4, 4);
    const double gone = static_cast<double>(step + 1) / 8;
    EXPECT_EQ(weights.at(id), 1 - gone);
    EXPECT_EQ(weights.at(id + ".0"), gone);
    EXPECT_EQ(weights.at(id + ".1"), gone);
    EXPECT_EQ(weights.at("stage1.block0.skip"), 1 - gone);  // of the plan, begun here or not
  }
  EXPECT_TRUE(fading_weights(config, edits, network, 3, 0, 4).empty());
}

TEST(Schedule, TheRateRisesAgainBehindEachEdit) {
  SurgeryConfig config = policy(2, 1);  // before epochs 1, 3, 5, …
  config.warmup_steps = 4;
  const auto edits = plan_edits(config, five_skips(), 1000, "r20.json");
  std::vector<double> factors;
  for (int64_t step = 0; step < 18; ++step)  // of three an epoch
    factors.push_back(warmup_factor(config, edits, step / 3, step % 3, 3));
  EXPECT_EQ(factors, (std::vector<double>{1, 1, 1, 0.25, 0.5, 0.75, 1, 1, 1, 0.25, 0.5, 0.75, 1, 1,
                                          1, 0.25, 0.5, 0.75}));
  config.alpha = 1;  // the next one comes before the first one's steps are over
  const auto close = plan_edits(config, five_skips(), 1000, "r20.json");
  EXPECT_EQ(warmup_factor(config, close, 2, 0, 2), 0.25);
  EXPECT_EQ(warmup_factor(config, close, 2, 1, 2), 0.5);
  config.warmup_steps = 0;
  EXPECT_EQ(warmup_factor(config, edits, 1, 0, 3), 1);
}

TEST(Solve, IsRefusedBeforeARunBegins) {
  NetworkConfig bottlenecks;
  bottlenecks.family = "resnet_imagenet";
  bottlenecks.depth = 50;
  const Network network = make_network(bottlenecks, {3, 64, 64}, 10);
  SurgeryConfig config = policy(1);
  EXPECT_EQ(plan_edits(config, network, 1000, "r50.json").size(), 16U);
  config.edit = EditKind::Solve;
  expect_error(ErrorKind::Config, {"r50.json: /surgery", "cannot solve a block", "keep"},
               [&] { plan_edits(config, network, 1000, "r50.json"); });
  config.kind = SurgeryKind::Shorten;  // the same with both
  config.edit = EditKind::Cut;
  const size_t edits = plan_edits(config, network, 1000, "r50.json").size();
  config.edit = EditKind::Solve;
  EXPECT_EQ(plan_edits(config, network, 1000, "r50.json").size(), edits);
}

}  // namespace
}  // namespace tailor::test

// What balanced factors may take of a card, and factors of single stages.
#include <gtest/gtest.h>

#include "support/designs.h"
#include "support/expect_error.h"
#include "support/networks.h"
#include "support/rooms.h"
#include "tailor/design/export.h"
#include "tailor/design/reuse_factors.h"

namespace tailor::test {
namespace {

Plan plan_of(const char* name, FixedType type, bool packed = false) {
  testing::DesignOptions options;
  options.type = type;
  options.input_magnitude = 2.1;
  options.dsp_packing = packed;
  const Network network = network_by_name(name).network;
  return testing::make_plan(lower(network, initial_tensors(network, 1), "test"), options);
}

TEST(Budget, KeepsDspsAndLutsWithinOneShare) {
  const Plan narrow = plan_of("resnet20", {8, 3}), packed = plan_of("resnet20", {8, 3}, true);
  int64_t before = INT64_MAX;
  for (double share : {0.1, 0.3, 0.7}) {
    Budget budget{find_device("u200"), {}, share};
    const Cost luts = cost(narrow, size(narrow, budget), budget.device);
    EXPECT_LE(luts.lut_share, share);
    EXPECT_EQ(luts.dsp, 0);
    EXPECT_EQ(luts.lut_multipliers, luts.multipliers);
    EXPECT_GT(luts.lut_share, 0.5 * share) << "what is there is used";
    EXPECT_LE(luts.interval_cycles, before);
    before = luts.interval_cycles;
    const Cost dsps = cost(packed, size(packed, budget), budget.device);
    EXPECT_LE(dsps.dsp_share, share);
    EXPECT_LE(dsps.lut_share, share);
    EXPECT_LT(dsps.interval_cycles, luts.interval_cycles) << "the card's DSPs come on top";
    EXPECT_GT(dsps.packed_multipliers, 0);
    EXPECT_GT(dsps.lut_multipliers, dsps.multipliers / 4);
    EXPECT_EQ(dsps.packed_multipliers + dsps.lut_multipliers, dsps.multipliers);
  }
  Device small = find_device("u200");
  small.lut = 50000;
  const Budget tight{small, {}, 0.7};
  const Cost few = cost(narrow, size(narrow, tight), small);
  EXPECT_LE(few.luts_model, 35000);
  EXPECT_GT(few.interval_cycles, before);
  small.lut = 100;
  testing::expect_error(ErrorKind::Unsupported, {"6840 DSPs or 100 LUTs"}, [&] {
    size(narrow, {small, {}, 0.7});
  });
}

TEST(Budget, AimOfResNet20PackedIsReached) {
  const Plan packed = plan_of("resnet20", {8, 3}, true);
  const Budget budget{find_device("u200"), {}, 0.75};
  const Cost c = cost(packed, size(packed, budget), budget.device);
  EXPECT_EQ(c.interval_cycles, 2529) << "4,096 are the aim";
  EXPECT_LE(c.dsp, 5130);
  EXPECT_GT(c.multipliers, 10000);
}

TEST(Budget, WithoutLutsAllProductsShareDsps) {
  const Plan packed = plan_of("resnet20", {8, 3}, true);
  Device device = find_device("u200");
  const Sizing mixed = size(packed, {device, {}, 0.7});
  device.lut /= 3;
  const Sizing sizing = size(packed, {device, {}, 0.7});
  const Cost c = cost(packed, sizing, device);
  EXPECT_LE(c.lut_share, 0.7);
  EXPECT_LE(c.dsp_share, 0.7);
  EXPECT_LT(c.lut_multipliers, cost(packed, mixed, device).lut_multipliers / 2);
  const Design design = realise(packed, mixed, device);
  for (size_t i = 0; i < mixed.products.size(); ++i) {
    const Node& node = design.graph().node(packed.products()[i].node);
    EXPECT_EQ(node.hardware.packed, mixed.products[i].packed) << node.name;
  }
}

TEST(StageFactors, AreTakenAndTheOthersAreNoFasterThanTheSlowest) {
  const Plan plan = plan_of("resnet8", {16, 6});
  const Device device = find_device("u200");
  const Sizing free = size(plan, {device, {}, 0.7});
  Budget budget{device, {}, 0.7, {{"stage2.block0.conv1", 288}, {"fc", 3}}};
  const Sizing own = size(plan, budget);
  int64_t found = 0, slowest = 0, multipliers = 0, before = 0;
  for (size_t i = 0; i < own.products.size(); ++i) {
    multipliers += own.products[i].multipliers, before += free.products[i].multipliers;
    const ProductStage& p = plan.products()[i];
    const std::string& name = plan.graph().node(plan.products()[i].node).name;
    if (name == "stage2.block0.conv1") {
      EXPECT_EQ(own.products[i].reuse_factor, 288) << "valid as it is";
      slowest = p.cycles(288);
      ++found;
    } else if (name == "fc") {
      EXPECT_EQ(own.products[i].reuse_factor, 2) << "nearest valid";
      EXPECT_EQ(own.products[i].wanted, 3);
      ++found;
    } else {
      EXPECT_FALSE(own.products[i].wanted.has_value()) << name;
      EXPECT_GE(own.products[i].reuse_factor, free.products[i].reuse_factor) << name;
    }
  }
  EXPECT_EQ(found, 2);
  EXPECT_GT(own.interval_cycles, free.interval_cycles);
  EXPECT_EQ(own.interval_cycles, slowest);
  EXPECT_LT(2 * multipliers, before) << "what the slow stage leaves nobody needs";
  for (size_t i = 0; i < own.products.size(); ++i) {
    const ProductStage& p = plan.products()[i];
    if (own.products[i].wanted) continue;
    EXPECT_EQ(own.products[i].reuse_factor, p.factor_within(slowest)) << i;
  }
  budget.reuse_factor = 9;
  const Sizing fixed = size(plan, budget);
  for (size_t i = 0; i < fixed.products.size(); ++i) {
    if (plan.graph().node(plan.products()[i].node).name == "stage2.block0.conv1") {
      EXPECT_EQ(fixed.products[i].reuse_factor, 288);
    }
  }
  budget.stages = {{"stage2.block0.conv7", 4}};
  testing::expect_error(
      ErrorKind::Usage,
      {"--reuse-factor", "no stage 'stage2.block0.conv7' that multiplies", "stage2.block0.conv"},
      [&] { size(plan, budget); });
  const Design design = realise(plan, own, device);
  EXPECT_EQ(design.graph().provenance.at("design").at("own_reuse_factors").as_array().size(), 2U);
}

TEST(StageFactors, ReadAsARecord) {
  const ReuseFactors f = read_reuse_factors(
      Json::parse(R"({"reuse_factor": null, "stages": [{"stage": "a", "reuse_factor": 4}]})", "f"),
      "f");
  EXPECT_FALSE(f.reuse_factor.has_value());
  EXPECT_EQ(f.by_stage(), (std::map<std::string, int64_t>{{"a", 4}}));
  auto refused = [](const char* text, std::initializer_list<std::string> words) {
    testing::expect_error(ErrorKind::Config, words,
                          [&] { read_reuse_factors(Json::parse(text, "f"), "f"); });
  };
  refused(R"({"stages": [{"stage": "a", "reuse_factor": 0}]})", {"/reuse_factor/stages/0", "f"});
  refused(R"({"stages": [{"stage": "a"}]})", {"f: /stages/0", "no reuse_factor"});
  refused(R"({"stages": [{"reuse_factor": 4}]})", {"f: /stages/0", "no stage"});
  refused(R"({"stage": []})", {"stage", "stages"});
  refused(R"({"stages": [{"stage": "a", "reuse_factor": 4}, {"stage": "a", "reuse_factor": 8}]})",
          {"/reuse_factor/stages/1/stage", "every stage once", "\"a\" again"});
}

}  // namespace
}  // namespace tailor::test

// Scales of output channels: which they are, what a stage is with them, and what they cost.
#include "tailor/design/channel_scales.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "support/designs.h"
#include "support/expect_error.h"
#include "support/graphs.h"
#include "support/networks.h"
#include "tailor/design/trained_precision.h"
#include "tailor/ir/weights.h"

namespace tailor::test::channel_scales_test {
namespace {

Precision scaled(const FixedType& weights, const FixedType& scales) {
  Precision p(FixedType{8, 3});
  p.weights = weights, p.scales = scales;
  return p;
}

Plan plan_of(const Precision& precision, testing::Surgery surgery = testing::Surgery::Shortened) {
  testing::DesignOptions options;
  options.type = precision;
  return testing::make_plan(
      testing::lowered_variant({surgery, Join::BeforeActivation, Shortcut::Pad}), options);
}

TEST(ChannelScales, AreRootMeanSquaresOrMeanMagnitudes) {
  const std::vector<double> weights = {3, -4, 0, 0, 1, 7};
  EXPECT_EQ(channel_magnitudes(weights, 3, /*binary=*/false),
            (std::vector<double>{std::sqrt(12.5), 0, 5}));
  EXPECT_EQ(channel_magnitudes(weights, 3, /*binary=*/true), (std::vector<double>{3.5, 0, 4}));
  // In quarters, at most 3.75.
  EXPECT_EQ(channel_scales(weights, 3, false, FixedType{4, 2, false}),
            (std::vector<double>{3.5, 0, 3.75}));
}

TEST(ChannelScales, TheirTypeHoldsTheLargest) {
  for (double largest : {0.01, 0.24, 0.25, 0.9999, 1.0, 5.0}) {
    const FixedType type = scale_type(8, largest);
    EXPECT_GE(type.max_value(), largest);
    EXPECT_LT(type.max_value(), 2.1 * largest);
    EXPECT_FALSE(type.is_signed);
  }
  EXPECT_EQ(scale_type(8, 0).width, 8);
}

TEST(ChannelScales, WeightsAreStepsOfThem) {
  const Plan plan = plan_of(scaled({5, 3}, {8, 0, false}));
  const Graph& graph = plan.graph();
  int64_t stages = 0;
  for (const Node& node : graph.nodes) {
    if (!node.traits().has_weights) continue;
    ++stages;
    const auto weights = graph.tensor(node, "weight").to_doubles(),
               scales = graph.tensor(node, "scale").to_doubles();
    const auto by_scale = weights_by_scale(graph, node);
    const size_t each = weights.size() / scales.size();
    double largest = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      EXPECT_DOUBLE_EQ(by_scale[i] * scales[i / each], weights[i]);
      largest = std::max(largest, std::abs(by_scale[i]));
    }
    EXPECT_GT(largest, 1) << node.name;
    const auto exact = scaled_weights(graph, node), steps = quantised_weights(graph, node),
               raw = quantised_scales(graph, node);
    for (size_t i = 0; i < exact.size(); ++i) EXPECT_EQ(exact[i], steps[i] * raw[i / each]);
    EXPECT_EQ(scaled_weight_fraction(node), 2 + 8);
  }
  EXPECT_GE(stages, 5);
}

TEST(ChannelScales, LoseLessAtFewBitsThanOneStepForAll) {
  auto error_of = [](const Precision& precision) {
    double sum = 0;
    const Plan plan = plan_of(precision);
    const Graph& graph = plan.graph();
    for (const Node& node : graph.nodes) {
      if (!node.traits().has_weights) continue;
      const auto weights = weights_by_scale(graph, node);
      std::vector<double> scales(1, 1);
      if (node.hardware.scale) scales = graph.tensor(node, "scale").to_doubles();
      const size_t each = (weights.size() + scales.size() - 1) / scales.size();
      for (size_t i = 0; i < weights.size(); ++i) {
        const FixedType& t = *node.hardware.weight;
        const double e =
            (t.to_double(quantise_weight(weights[i], t)) - weights[i]) * scales[i / each];
        sum += e * e;
      }
    }
    return sum;
  };
  double best = HUGE_VAL;
  for (int integer : {-1, 0, 1, 2}) {
    Precision plain(FixedType{8, 3});
    plain.weights = FixedType{4, integer};
    best = std::min(best, error_of(plain));
  }
  EXPECT_LT(error_of(scaled({4, 2}, {10, 1, false})), best);
}

TEST(ChannelScales, BinaryWeightsAreSigns) {
  const Plan plan = plan_of(scaled(binary_weights(), {8, 0, false}));
  const Graph& graph = plan.graph();
  for (const Node& node : graph.nodes) {
    if (!node.traits().has_weights) continue;
    for (int64_t raw : quantised_weights(graph, node)) EXPECT_EQ(std::abs(raw), 1);
    EXPECT_EQ(stored_weight(node).width, 2);
  }
}

TEST(ChannelScales, AStageWithThemReadsItsSkipFromTheWindow) {
  auto folded = [](const Precision& precision) {
    size_t skips = 0;
    const Plan plan = plan_of(precision);
    for (const Node& node : plan.graph().nodes) {
      if (const auto* conv = node.op.get_if<ops::Conv2d>()) skips += conv->folded_skips.size();
    }
    return skips;
  };
  Precision plain(FixedType{8, 3});
  EXPECT_GT(folded(plain), 0U);
  EXPECT_EQ(folded(scaled({8, 3}, {8, 0, false})), 0U);
}

/// A power of two is wiring, any other constant a few adders, a shared one a multiplier.
TEST(ChannelScales, CostAddersOrMultipliers) {
  Precision plain(FixedType{8, 3});
  plain.weights = FixedType{4, 2};
  const Plan without = plan_of(plain, testing::Surgery::Removed),
             with = plan_of(scaled({4, 2}, {8, 0, false}), testing::Surgery::Removed),
             shifts = plan_of(scaled({4, 2}, {1, 0, false}), testing::Surgery::Removed);
  ASSERT_EQ(without.products().size(), with.products().size());
  for (size_t i = 0; i < with.products().size(); ++i) {
    const ProductStage &p = with.products()[i], &q = without.products()[i];
    if (p.weights == 0) continue;
    EXPECT_EQ(q.scale_multipliers(1), 0);
    EXPECT_EQ(p.scale_multipliers(1), p.n_out);
    EXPECT_GT(p.luts(1), q.luts(1));
    EXPECT_EQ(shifts.products()[i].constant_scale_luts, 0);
    const int64_t most = p.factors.back();
    if (most > p.n_in) {
      EXPECT_EQ(p.scale_multipliers(most), p.multipliers(most));
      EXPECT_GT(p.luts(most), q.luts(most));
    }
  }
}

TEST(ChannelScales, AreRefusedWhereTheyCannotBe) {
  TrainedPrecision p;
  p.weights = kBinary;
  testing::expect_error(ErrorKind::Config, {"binary weights need scales"},
                        [&] { p.precision("test"); });
  p.scales = "8,1";
  testing::expect_error(ErrorKind::Config, {"without a sign"}, [&] { p.precision("test"); });
  p.scales = "u8,1";
  EXPECT_EQ(p.precision("test").weight("any").width, 1);
  p.stages = {{"a", "4,1", "", "u6,0"}};
  EXPECT_EQ(p.precision("test").scale("a")->width, 6);
  const TrainedPrecision read = read_trained_precision(write_trained_precision(p), "test");
  EXPECT_EQ(read.scales, "u8,1");
  EXPECT_EQ(read.stages.at(0).scales, "u6,0");
}

/// Whatever the network's rounding, weights in steps that came with them are the nearest integers.
TEST(ChannelScales, StepsThatAreGivenAreTheirs) {
  const Lowered lowered(
      testing::lowered_variant({testing::Surgery::Removed, Join::BeforeActivation, Shortcut::Pad}),
      "test");
  TrainedPrecision p;
  p.weights = p.activations = "8,3";
  p.rounding = Rounding::Trn;
  StageTypes s{"stem.conv1", "8,4", "", "u10,1"};
  Graph graph = lowered.graph();
  const int64_t outputs = graph.tensor(testing::node_of(graph, s.stage), "weight").shape()[0];
  for (int64_t o = 0; o < outputs; ++o) s.steps.push_back(0.011 + 0.002 * static_cast<double>(o));
  p.stages = {s};
  const TrainedPrecision read = read_trained_precision(write_trained_precision(p), "test");
  EXPECT_EQ(read.stages.at(0).steps, s.steps);
  EXPECT_EQ(read.text(), "8,3, 1 stage with types of its own, 1 of them with given scales");
  graph = plan_trained(lowered, read).graph();
  const Node& node = testing::node_of(graph, s.stage);
  const auto weight = graph.tensor(node, "weight").to_doubles(),
             step = graph.tensor(node, "step").to_doubles(),
             by_scale = weights_by_scale(graph, node);
  const auto scales = quantised_scales(graph, node);
  const size_t each = weight.size() / step.size();
  for (size_t i = 0; i < weight.size(); ++i)
    EXPECT_DOUBLE_EQ(by_scale[i] * 16, weight[i] / step[i / each]);  // 8,4: sixteenths
  for (size_t o = 0; o < step.size(); ++o)
    EXPECT_EQ(scales[o], std::llround(step[o] * 16 * 512));  // u10,1
  EXPECT_EQ(node.hardware.weight->rounding, Rounding::RndConv);
}

TEST(ChannelScales, StepsThatCannotBeAreRefused) {
  TrainedPrecision p;
  p.stages = {{"stem.conv1", "8,4", "", "", {1, 2}}};
  testing::expect_error(ErrorKind::Config, {"steps of stem.conv1 need a type of scales"},
                        [&] { p.precision("test"); });
  p.stages[0].scales = "u8,0";
  testing::expect_error(ErrorKind::Data, {"2 steps of the channels of stem.conv1, which has"}, [&] {
    plan_trained(Lowered(testing::lowered_variant(
                             {testing::Surgery::Removed, Join::BeforeActivation, Shortcut::Pad}),
                         "test"),
                 p);
  });
  p.stages[0].steps[1] = 0;
  testing::expect_error(ErrorKind::Config, {"a step of 0", "expected a positive number"},
                        [&] { p.precision("test"); });
}

}  // namespace
}  // namespace tailor::test::channel_scales_test

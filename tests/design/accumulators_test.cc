// Accumulators hold the worst input of their own weights, and one bit less would not.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/designs.h"
#include "support/networks.h"
#include "tailor/ir/weights.h"

namespace tailor::test::accumulators_test {
namespace {

using testing::Surgery;

struct Extremes {
  double low = 0, high = 0;  // exact: far below 2^53 steps
};

/// The sums of the inputs that drive an output furthest, by the values themselves: every input at
/// whichever end has the product's sign, or 0.
Extremes furthest(const Graph& graph, const Node& node) {
  const FixedType& x = *graph.value(node.inputs[0]).type;
  const auto weights = quantised_weights(graph, node), bias = quantised_bias(graph, node);
  const size_t each = weights.size() / bias.size();
  Extremes all;
  for (size_t o = 0; o < bias.size(); ++o) {
    Extremes sum;
    auto add = [&](double v) { (v < 0 ? sum.low : sum.high) += v; };
    for (size_t i = o * each; i < (o + 1) * each; ++i) {
      const double w = node.hardware.weight->to_double(weights[i]);
      const double a = w * x.min_value(), b = w * x.max_value();
      if (std::min(a, b) < 0) add(std::min(a, b));
      if (std::max(a, b) > 0) add(std::max(a, b));
    }
    add(node.hardware.bias->to_double(bias[o]));
    all.low = std::min(all.low, sum.low), all.high = std::max(all.high, sum.high);
  }
  auto add_skip = [&](const FixedType& t) {
    all.low += std::min(t.min_value(), 0.0), all.high += t.max_value();
  };
  for (size_t s = 1; s < node.inputs.size(); ++s) add_skip(*graph.value(node.inputs[s]).type);
  if (const auto* conv = node.op.get_if<ops::Conv2d>()) {
    for (size_t s = 0; s < conv->window_skips.size(); ++s) add_skip(x);
  }
  return all;
}

TEST(Accumulators, HoldTheWorstInputOfTheirWeightsAndNoMore) {
  int64_t seen = 0, with_skips = 0;
  for (const char* types : {"8,3", "16,6", "5,-1"}) {
    for (Surgery surgery : {Surgery::Traditional, Surgery::Shortened, Surgery::Mixed}) {
      Network network = testing::small_network();
      testing::alter(network, surgery);
      Precision precision(parse_precision(types, "test"));
      precision.type.is_signed = surgery == Surgery::Traditional;
      precision.weights = parse_precision(types, "test");
      precision.trained = true;
      const Plan plan = design::plan(lower(network, testing::random_tensors(network, 3), "test"),
                                     Layout::Fused, precision, 2.1);
      for (const Node& node : plan.graph().nodes) {
        if (!node.traits().has_weights || node.outputs[0] == plan.graph().output()) continue;
        SCOPED_TRACE(fmt::format("{} {} {}", types, to_string(surgery), node.name));
        const Extremes e = furthest(plan.graph(), node);
        FixedType type = *node.hardware.accumulator;
        EXPECT_LE(e.high, type.max_value());
        EXPECT_GE(e.low, type.min_value());
        --type.width, --type.integer;
        EXPECT_TRUE(e.high > type.max_value() || e.low < type.min_value());
        ++seen, with_skips += node.inputs.size() > 1 ? 1 : 0;
      }
    }
  }
  EXPECT_GE(seen, 60);
  EXPECT_GE(with_skips, 10);
}

}  // namespace
}  // namespace tailor::test::accumulators_test

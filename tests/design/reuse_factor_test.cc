// hls4ml's rule, its tables (hls.md section 6), and the balance of stages.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "support/designs.h"
#include "support/expect_error.h"
#include "support/networks.h"
#include "support/rooms.h"
#include "tailor/design/passes.h"

namespace tailor::test {
namespace {

TEST(ReuseFactors, AreTheTablesOfHls4ml) {
  EXPECT_EQ(valid_reuse_factors(27, 16), (std::vector<int64_t>{1, 3, 9, 27, 54, 108, 216, 432}));
  EXPECT_EQ(valid_reuse_factors(144, 16),
            (std::vector<int64_t>{1, 2, 3, 4, 6, 8, 9, 12, 16, 18, 24, 36, 48, 72, 144, 288, 576,
                                  1152, 2304}));
  EXPECT_EQ(
      valid_reuse_factors(576, 64),
      (std::vector<int64_t>{1,  2,  3,  4,   6,   8,   9,   12,   16,   18,   24,   32,    36,   48,
                            64, 72, 96, 144, 192, 288, 576, 1152, 2304, 4608, 9216, 18432, 36864}));
  EXPECT_EQ(valid_reuse_factors(64, 10),
            (std::vector<int64_t>{1, 2, 4, 8, 16, 32, 64, 128, 320, 640}));
}

TEST(ReuseFactors, NearestIsTheSmallerOnTies) {
  EXPECT_EQ(nearest_reuse_factor(16, 32, 72), 64);
  EXPECT_EQ(nearest_reuse_factor(27, 16, 72), 54);
  EXPECT_EQ(nearest_reuse_factor(144, 16, 5), 4);  // 4 and 6 are as near
  EXPECT_EQ(nearest_reuse_factor(144, 16, 1000000), 2304);
}

TEST(ReuseFactors, OfResNet8At72AreThePapers) {
  // 1,082 multipliers, and 40 less without the two projections (Table 9 has these + 1).
  testing::DesignOptions options;
  options.input_magnitude = 2.1;
  options.reuse_factor = 72;
  NetworkConfig config;
  config.depth = 8;
  Network network = make_network(config, {3, 32, 32}, 10);
  EXPECT_EQ(testing::cost_of(lower(network, initial_tensors(network, 1), "t"), options).multipliers,
            1082);
  testing::alter(network, testing::Surgery::Removed);
  Cost removed = testing::cost_of(lower(network, initial_tensors(network, 1), "t"), options);
  EXPECT_EQ(removed.multipliers, 1042);
  EXPECT_EQ(removed.dsp, 1042);
  options.type = FixedType{8, 3};  // below 10 bits a multiplier is made of LUTs
  EXPECT_EQ(testing::cost_of(lower(network, initial_tensors(network, 1), "t"), options).dsp, 0);
}

TEST(ReuseFactors, BalancedStaysWithin70PercentAndNoStageIsNeedlesslySlow) {
  testing::DesignOptions options;
  options.input_magnitude = 2.1;
  NetworkConfig config;
  config.depth = 20;
  Network network = make_network(config, {3, 32, 32}, 10);
  const Graph design =
      testing::make_design(lower(network, initial_tensors(network, 1), "t"), options);
  Cost s = testing::cost_of(lower(network, initial_tensors(network, 1), "t"), options);
  EXPECT_LE(s.multipliers, 4788);  // 0.7 · 6,840
  EXPECT_GT(s.multipliers, 4000);
  auto cycles = [&](const Node& n) {
    const MapShape in = design.value(n.inputs[0]).shape, out = design.value(n.outputs[0]).shape;
    return (in.height + 1) * (in.width + 1) + out.pixels() * (n.hardware.cycles_per_output - 1);
  };
  int64_t slowest = 0;
  for (const Node& n : design.nodes) {
    if (n.is<ops::Conv2d>()) slowest = std::max(slowest, cycles(n));
  }
  // Each convolution's next larger valid factor would make it the slowest: none has more
  // multipliers than it needs.
  for (const Node& n : design.nodes) {
    if (!n.is<ops::Conv2d>() || n.as<ops::Conv2d>().window.taps() == 1) continue;
    const Shape& shape = design.tensor(n, "weight").shape();
    auto factors = valid_reuse_factors(shape[1] * 9, shape[0]);
    auto next = std::upper_bound(factors.begin(), factors.end(), n.hardware.reuse_factor);
    if (next == factors.end()) continue;
    Node slower = n;
    slower.hardware.cycles_per_output += *next - n.hardware.reuse_factor;
    EXPECT_GT(cycles(slower), slowest) << n.name;
  }
}

TEST(ReuseFactors, DspOfAMultiplier) {
  EXPECT_EQ(dsp_of_multiplier(8, 9), 0);
  EXPECT_EQ(dsp_of_multiplier(16, 16), 1);
  EXPECT_EQ(dsp_of_multiplier(18, 27), 1);
  EXPECT_EQ(dsp_of_multiplier(19, 19), 2);
  EXPECT_EQ(dsp_of_multiplier(28, 12), 2);
  EXPECT_EQ(dsp_of_multiplier(32, 32), 4);
}

TEST(Identifiers, AreLegalAndUnique) {
  Graph g =
      testing::make_design(testing::lowered_variant({testing::Surgery::Traditional,
                                                     Join::BeforeActivation, Shortcut::Projection}),
                           {FixedType{16, 6}, 2.1, Layout::Stock, std::nullopt});
  g.nodes[1].name = "3rd__double-name";
  g.nodes[2].name = "int";
  g.nodes[3].name = "_x";
  g.values[0].name = "int";
  assign_identifiers(g);
  EXPECT_EQ(g.nodes[1].identifier, "n3rd_double_name");
  EXPECT_EQ(g.nodes[2].identifier, "int_0");
  EXPECT_EQ(g.nodes[3].identifier, "n_x");
  std::set<std::string> all;
  for (const Node& n : g.nodes) EXPECT_TRUE(all.insert(n.identifier).second) << n.identifier;
  for (const Value& v : g.values) EXPECT_TRUE(all.insert(v.identifier).second) << v.identifier;
}

}  // namespace
}  // namespace tailor::test

// The contract of the whole room: a design computes in float64 what the lowered graph computes, whatever the layout, join, shortcut and surgery;
// and what a pass claims to remove is gone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "support/networks.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/integer.h"
#include "tailor/emulate/streams.h"
#include "tailor/passes/passes.h"

namespace tailor {
namespace {

using testing::Surgery;
using testing::Variant;

DesignOptions options(Layout layout) {
  DesignOptions o;
  o.type = FixedType{16, 6};
  o.input_magnitude = 2.1;
  o.layout = layout;
  return o;
}

int count(const Graph& graph, Op op) {
  return static_cast<int>(std::count_if(graph.nodes.begin(), graph.nodes.end(), [&](const Node& n) { return n.op == op; }));
}

class EveryVariant : public ::testing::TestWithParam<std::tuple<Variant, Layout>> {};

TEST_P(EveryVariant, DesignComputesTheLoweredGraph) {
  const auto& [variant, layout] = GetParam();
  Graph lowered = testing::lowered_variant(variant);
  Graph design = make_design(lowered, options(layout));
  Float64Emulator reference(lowered), laid_out(design);
  IntegerEmulator integers(design);
  for (int64_t seed = 0; seed < 3; ++seed) {
    auto image = testing::random_image(lowered.input_shape(), seed);
    auto expected = reference.run(image), got = laid_out.run(image);
    auto fixed = integers.run(image);
    for (size_t k = 0; k < expected.size(); ++k) {
      EXPECT_NEAR(got[k], expected[k], 1e-9);
      EXPECT_NEAR(fixed.logits[k], expected[k], 0.05);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Passes, EveryVariant,
                         ::testing::Combine(::testing::ValuesIn(testing::all_variants()), ::testing::Values(Layout::Fused, Layout::Stock)), [](const auto& p) {
                           return std::get<0>(p.param).name() + (std::get<1>(p.param) == Layout::Fused ? "Fused" : "Stock");
                         });

TEST(FoldIdentitySkips, ShortenedBeforeActivationIsAPlainChain) {
  for (Shortcut shortcut : {Shortcut::Projection, Shortcut::Pad}) {
    Graph shortened = make_design(testing::lowered_variant({Surgery::Shortened, Join::BeforeActivation, shortcut}), options(Layout::Fused));
    Graph removed = make_design(testing::lowered_variant({Surgery::Removed, Join::BeforeActivation, shortcut}), options(Layout::Fused));
    ASSERT_EQ(shortened.nodes.size(), removed.nodes.size());
    for (size_t n = 0; n < shortened.nodes.size(); ++n) {
      EXPECT_EQ(shortened.nodes[n].op, removed.nodes[n].op);
      EXPECT_EQ(shortened.nodes[n].hardware.multipliers, removed.nodes[n].hardware.multipliers);
    }
    EXPECT_EQ(count(shortened, Op::Clone), 0);
    EXPECT_EQ(count(shortened, Op::Conv2d), 7);
  }
}

TEST(FoldIdentitySkips, AfterActivationIsReadFromTheWindow) {
  Graph g = make_design(testing::lowered_variant({Surgery::Shortened, Join::AfterActivation, Shortcut::Projection}), options(Layout::Fused));
  int windows = 0, streams = 0;
  for (const Node& node : g.nodes) {
    if (node.op != Op::Conv2d) continue;
    windows += static_cast<int>(node.conv().window_skips.size());
    streams += static_cast<int>(node.conv().stream_skips.size());
    EXPECT_TRUE(node.conv().folded_skips.empty());
  }
  EXPECT_EQ(windows, 4);  // two in stage 1, the second of each strided block
  EXPECT_EQ(streams, 2);  // the two projections
}

TEST(FoldIdentitySkips, KeepsASkipWhoseSumWouldSaturate) {
  Graph lowered = testing::lowered_variant({Surgery::Shortened, Join::BeforeActivation, Shortcut::Pad});
  DesignOptions o = options(Layout::Fused);
  o.type = FixedType{8, 1};  // weights below 1: none can take a 1 more, unless it is negative
  Graph design = make_design(lowered, o);
  size_t kept = 0;
  for (const Node& node : design.nodes) {
    if (node.op == Op::Conv2d) kept += node.conv().window_skips.size() + node.conv().stream_skips.size();
  }
  EXPECT_GT(kept, 0U);
  Float64Emulator reference(lowered), laid_out(design);
  auto image = testing::random_image(lowered.input_shape(), 5);
  auto expected = reference.run(image), got = laid_out.run(image);
  for (size_t k = 0; k < expected.size(); ++k) EXPECT_NEAR(got[k], expected[k], 1e-9);
}

TEST(FoldIdentitySkips, FoldedAndWindowedAreBitExact) {
  // The same design with the fold undone by hand: the skip read from the window instead.
  Graph lowered = testing::lowered_variant({Surgery::Shortened, Join::BeforeActivation, Shortcut::Projection});
  Graph folded = make_design(lowered, options(Layout::Fused));
  Graph windowed = folded;
  int undone = 0;
  for (Node& node : windowed.nodes) {
    if (node.op != Op::Conv2d) continue;
    const MapShape &in = windowed.value(node.inputs[0]).shape, &out = windowed.value(node.outputs[0]).shape;
    if (in != out || node.conv().folded_skips.empty()) continue;
    auto weight = windowed.tensors.at(node.name + ".weight").as<double>();
    for (int64_t o = 0; o < out.channels; ++o) weight[static_cast<size_t>((o * in.channels + o) * 9 + 4)] -= 1;
    node.conv().window_skips = node.conv().folded_skips;
    ++undone;
  }
  ASSERT_EQ(undone, 4);
  IntegerEmulator a(folded), b(windowed);
  for (int64_t seed = 0; seed < 4; ++seed) {
    auto image = testing::random_image(lowered.input_shape(), seed);
    EXPECT_EQ(a.run(image).logits_raw, b.run(image).logits_raw);
  }
}

}  // namespace
}  // namespace tailor

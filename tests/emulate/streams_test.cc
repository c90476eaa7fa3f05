// The numbers are the paper's and hls.md's: 69 for a skip over two 3×3 convolutions at width 32
// (Table 6), 35 for one, 67 and 34 to be free of deadlock (compiled RTL says so), 32 and 16 behind
// strided projections. The rest is what must hold of any design: as fast as unbounded, never
// deadlocked.
#include "tailor/emulate/streams.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include "support/designs.h"
#include "support/graphs.h"
#include "support/networks.h"
#include "tailor/design/passes.h"

namespace tailor::test {
namespace {

using testing::Surgery;

/// One residual block of two 3×3 convolutions behind a stem, as a design with one reuse factor.
Graph block_design(int64_t width, Layout layout, int64_t kernel = 3, int64_t stride = 1,
                   SkipForm skips = SkipForm::Cloned, Surgery surgery = Surgery::Traditional,
                   Join join = Join::BeforeActivation) {
  Network n;
  n.name = "block";
  n.input = {2, width, width};
  n.head = linear_head(3);
  n.join = join;
  n.blocks.push_back({"stem", {conv_stage(2, 2, kernel, 1)}, {}});
  Skip skip;
  skip.id = "b.skip";
  skip.to = 2;
  if (stride > 1) {
    skip.layers = projection(2, 2, {stride, stride});
    skip.tensors = "b.skip";
  }
  n.blocks.push_back(
      {"b", {conv_stage(2, 2, kernel, stride), conv_stage(2, 2, kernel, 1)}, {skip}});
  testing::alter(n, surgery);
  testing::DesignOptions options;
  options.input_magnitude = 2;
  options.layout = layout;
  options.skips = skips;
  options.reuse_factor = 36;
  return testing::make_design(lower(n, testing::random_tensors(n, 1), "test"), options);
}

/// Every skip at its closed form and all other FIFOs 1 deep, but this one: a deeper FIFO before a
/// projection could hold what this one lacks.
bool deadlocks(const Graph& g, ValueId value, int64_t depth) {
  ByValue<int64_t> depths(g.values.size(), 1);
  for (const SkipDepth& d : skip_depths(g)) depths[d.value] = d.full_speed;
  depths[value] = depth;
  return simulate_streams(g, depths).deadlock;
}

/// Tokens that can wait in front of a skip's FIFO where every other one is 1 deep: in the stages on
/// a skip that is handed on, and before each. (What a clone writes comes faster than they take it.)
int64_t held_on_skip(const Graph& g, ValueId skip) {
  const ByValue<NodeId> writer = producers(g);
  int64_t stages = 0;
  while (g.node(writer[skip]).outputs.size() == 1) {
    skip = g.node(writer[skip]).inputs[0];
    ++stages;
  }
  return g.node(writer[skip]).is<ops::Clone>() ? 0 : 2 * stages;
}

int64_t latency(const Graph& g, ValueId value, int64_t depth) {
  ByValue<int64_t> depths(g.values.size(), 0);
  depths[value] = depth;
  return simulate_streams(g, depths).latency_cycles;
}

TEST(SkipDepths, IdentityOverTwoConvolutionsIs69AtWidth32) {
  for (Layout layout : {Layout::Fused, Layout::Stock}) {
    Graph g = block_design(32, layout);
    auto depths = skip_depths(g);
    ASSERT_EQ(depths.size(), 1U);
    EXPECT_EQ(depths[0].deadlock_free, 67) << to_string(layout);
    EXPECT_EQ(depths[0].full_speed, 69) << to_string(layout);
  }
}

TEST(SkipDepths, HandedOnAnIdentityOverTwoConvolutionsIs35AtWidth32) {
  const Graph g = block_design(32, Layout::Fused, 3, 1, SkipForm::Window);
  const auto depths = skip_depths(g);
  ASSERT_EQ(depths.size(), 1U);
  EXPECT_EQ(depths[0].deadlock_free, 34);
  EXPECT_EQ(depths[0].full_speed, 35);
  EXPECT_EQ(g.value(depths[0].value).name, "b.skip");
  EXPECT_EQ(g.value(depths[0].value).fifo_depth, 35);
  EXPECT_EQ(g.value(depths[0].value).fifo_storage, FifoStorage::Srl);
}

TEST(SkipDepths, IdentityOverOneConvolutionIs35AtWidth32) {
  // A shortened skip behind a ReLU does not fold; in the stock layout it is a FIFO.
  Graph g = block_design(32, Layout::Stock, 3, 1, SkipForm::Cloned, Surgery::Shortened,
                         Join::AfterActivation);
  auto depths = skip_depths(g);
  ASSERT_EQ(depths.size(), 2U);
  for (const SkipDepth& d : depths) {
    EXPECT_EQ(d.deadlock_free, 34);
    EXPECT_EQ(d.full_speed, 35);
  }
}

TEST(SkipDepths, FollowTheClosedFormForOtherKernelsAndWidths) {
  for (int64_t kernel : {3, 5}) {
    for (int64_t width : {9, 14, 20}) {
      const int64_t swallowed = kernel / 2 * (width + 1);
      Graph g = block_design(width, Layout::Fused, kernel);
      auto depths = skip_depths(g);
      ASSERT_EQ(depths.size(), 1U);
      EXPECT_EQ(depths[0].deadlock_free, 2 * swallowed + 1) << kernel << " " << width;
      EXPECT_EQ(depths[0].full_speed, 2 * swallowed + 3) << kernel << " " << width;
      g = block_design(width, Layout::Fused, kernel, 1, SkipForm::Folded);
      depths = skip_depths(g);
      ASSERT_EQ(depths.size(), 1U);
      EXPECT_EQ(depths[0].deadlock_free, swallowed + 1) << kernel << " " << width;
      EXPECT_EQ(depths[0].full_speed, swallowed + 2) << kernel << " " << width;
    }
  }
}

/// A skip of its own over one convolution with these pads, behind the activation and with a ReLU on
/// it, so that nothing folds.
Graph one_sided_design(int64_t width, int64_t kernel, int64_t top, int64_t left) {
  testing::GraphBuilder b("one_sided", {2, 7, width});
  b.conv("stem", b.at, ops::Conv2d{}, 2);
  const ValueId from = b.at;
  ops::Conv2d a;
  a.window = {{kernel, kernel}, {}, {}, {top, left, kernel - 1 - top, kernel - 1 - left}};
  b.conv("conv", from, a, 2);
  b.relu("relu");
  b.skip("skip", from);
  testing::DesignOptions options;
  options.input_magnitude = 2;
  options.layout = Layout::Stock;
  options.reuse_factor = 36;
  return testing::make_design(b.finish(3), options);
}

TEST(SkipDepths, OneSidedPadsSwallowWhatLiesBehindTheSkipsPixel) {
  for (int64_t width : {8, 11}) {
    for (int64_t kernel : {2, 3, 4}) {
      for (int64_t top = 0; top < kernel; ++top) {
        const int64_t left = (top + 1) % kernel;
        const Graph g = one_sided_design(width, kernel, top, left);
        const auto depths = skip_depths(g);
        ASSERT_EQ(depths.size(), 1U);
        EXPECT_EQ(depths[0].deadlock_free,
                  (kernel - 1 - top) * width + std::max<int64_t>(kernel - 1 - left, 0) + 1)
            << width << " " << kernel << " " << top;
        EXPECT_TRUE(deadlocks(g, depths[0].value, depths[0].deadlock_free - 1));
        EXPECT_FALSE(deadlocks(g, depths[0].value, depths[0].deadlock_free));
        EXPECT_EQ(latency(g, depths[0].value, depths[0].full_speed),
                  latency(g, depths[0].value, 0));
      }
    }
  }
}

TEST(SizedDesigns, OfPoolsGroupsAndOneSidedPadsRunAsFastAsWithUnboundedFifos) {
  for (bool shortened : {false, true}) {
    for (Layout layout : {Layout::Fused, Layout::Stock}) {
      for (int64_t reuse : {1, 12, 54}) {
        testing::DesignOptions options;
        options.input_magnitude = 2;
        options.layout = layout;
        options.reuse_factor = reuse;
        const Graph g = make_design(testing::windows_graph(12, 15, shortened), options);
        const StreamResult ideal = simulate_streams(g, ByValue<int64_t>(g.values.size(), 0), 3);
        const StreamResult sized = simulate_streams(g, fifo_depths(g), 3);
        ASSERT_FALSE(sized.deadlock) << sized.deadlock_text;
        EXPECT_EQ(sized.latency_cycles, ideal.latency_cycles);
        EXPECT_EQ(sized.interval_cycles, ideal.interval_cycles);
        const ByValue<NodeId> writer = producers(g);
        for (const SkipDepth& d : skip_depths(g)) {
          EXPECT_FALSE(deadlocks(g, d.value, d.deadlock_free)) << g.value(d.value).name;
          // A stage on the skip and the FIFO before it hold tokens back; an identity has none.
          const Node& last = g.node(writer[d.value]);
          if (!last.is<ops::Clone>() && d.value == last.outputs[0]) continue;
          EXPECT_TRUE(deadlocks(g, d.value, d.deadlock_free - 1)) << g.value(d.value).name;
        }
      }
    }
  }
}

TEST(SkipDepths, StridedSkipsNeedTwoRowsOfTheirOutput) {
  for (int64_t width : {32, 16}) {
    Graph g = block_design(width, Layout::Fused, 3, 2);
    auto depths = skip_depths(g);
    ASSERT_EQ(depths.size(), 1U);
    EXPECT_EQ(g.value(depths[0].value).name, "b.skip.conv");
    EXPECT_EQ(depths[0].deadlock_free, width);  // 2 · width / 2
    // Handed on, it waits for the second convolution alone.
    g = block_design(width, Layout::Fused, 3, 2, SkipForm::Folded);
    depths = skip_depths(g);
    ASSERT_EQ(depths.size(), 1U);
    EXPECT_EQ(depths[0].deadlock_free, width / 2 + 2);
    EXPECT_EQ(depths[0].full_speed, width / 2 + 3);
  }
}

TEST(SkipDepths, OneLessDeadlocksAndTheBoundRuns) {
  for (const auto& [layout, skips] :
       {std::pair(Layout::Fused, SkipForm::Cloned), std::pair(Layout::Fused, SkipForm::Folded),
        std::pair(Layout::Stock, SkipForm::Cloned)}) {
    for (int64_t stride : {1, 2}) {
      Graph g = block_design(16, layout, 3, stride, skips);
      for (const SkipDepth& d : skip_depths(g)) {
        const int64_t held = held_on_skip(g, d.value);
        EXPECT_TRUE(deadlocks(g, d.value, d.deadlock_free - 1 - held))
            << to_string(layout) << " " << to_string(skips) << " stride " << stride;
        EXPECT_FALSE(deadlocks(g, d.value, d.deadlock_free - held))
            << to_string(layout) << " " << to_string(skips) << " stride " << stride;
      }
    }
  }
}

TEST(SkipDepths, FullSpeedIsFullSpeedAndTheDeadlockBoundIsNot) {
  for (SkipForm skips : {SkipForm::Cloned, SkipForm::Window}) {
    Graph g = block_design(32, Layout::Fused, 3, 1, skips);
    const SkipDepth d = skip_depths(g)[0];
    const int64_t ideal = latency(g, d.value, 0);
    EXPECT_EQ(latency(g, d.value, d.full_speed), ideal) << to_string(skips);
    // Who hands on writes the skip's token with its answer, a clone at once: it runs ahead by one.
    if (skips == SkipForm::Cloned) {
      EXPECT_GT(latency(g, d.value, d.deadlock_free), ideal);
    }
  }
}

TEST(SkipDepths, NameTheFullFifoOfADeadlock) {
  Graph g = block_design(16, Layout::Fused);
  const SkipDepth d = skip_depths(g)[0];
  ByValue<int64_t> depths(g.values.size(), 0);
  depths[d.value] = 5;
  StreamResult r = simulate_streams(g, depths);
  ASSERT_TRUE(r.deadlock);
  EXPECT_EQ(r.deadlock_text, "stem.conv1.clone waits for space in the FIFO b.skip of depth 5");
  g = block_design(16, Layout::Fused, 3, 1, SkipForm::Window);
  depths = ByValue<int64_t>(g.values.size(), 0);
  depths[skip_depths(g)[0].value] = 5;
  r = simulate_streams(g, depths);
  ASSERT_TRUE(r.deadlock);
  EXPECT_EQ(r.deadlock_text, "b.conv1 waits for space in the FIFO b.skip of depth 5");
}

/// Of a skip's FIFO, and of the one before its projection.
int64_t depth_on_skip(const Graph& g, ValueId skip) {
  const Node& last = g.node(producers(g)[skip]);
  const int64_t before =
      last.is<ops::Conv2d>() && last.outputs.size() == 1 ? g.value(last.inputs[0]).fifo_depth : 0;
  return g.value(skip).fifo_depth + before;
}

class SizedDesigns : public ::testing::TestWithParam<std::tuple<testing::Variant, Layout>> {};

TEST_P(SizedDesigns, RunAsFastAsWithUnboundedFifos) {
  const auto& [variant, layout] = GetParam();
  for (std::optional<int64_t> reuse : {std::optional<int64_t>(), std::optional<int64_t>(72)}) {
    testing::DesignOptions options;
    options.input_magnitude = 2;
    options.layout = layout;
    options.reuse_factor = reuse;
    Graph g = make_design(testing::lowered_variant(variant), options);
    const StreamResult ideal = simulate_streams(g, ByValue<int64_t>(g.values.size(), 0), 3);
    const StreamResult sized = simulate_streams(g, fifo_depths(g), 3);
    ASSERT_FALSE(sized.deadlock) << sized.deadlock_text;
    EXPECT_EQ(sized.latency_cycles, ideal.latency_cycles);
    EXPECT_EQ(sized.interval_cycles, ideal.interval_cycles);
    for (ValueId v : g.value_ids())
      EXPECT_LE(sized.high_water[v], g.value(v).fifo_depth) << g.value(v).name;
    for (const SkipDepth& d : skip_depths(g)) {
      EXPECT_GE(depth_on_skip(g, d.value), d.full_speed) << g.value(d.value).name;
      EXPECT_TRUE(deadlocks(g, d.value, d.deadlock_free - 1 - held_on_skip(g, d.value)))
          << g.value(d.value).name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Streams, SizedDesigns,
    ::testing::Combine(
        ::testing::Values(
            testing::Variant{Surgery::Traditional, Join::BeforeActivation, Shortcut::Projection},
            testing::Variant{Surgery::Traditional, Join::AfterActivation, Shortcut::Pad},
            testing::Variant{Surgery::Shortened, Join::AfterActivation, Shortcut::Projection},
            testing::Variant{Surgery::Mixed, Join::BeforeActivation, Shortcut::Projection}),
        ::testing::Values(Layout::Fused, Layout::Stock)),
    [](const auto& p) {
      return std::get<0>(p.param).name() +
             (std::get<1>(p.param) == Layout::Fused ? "Fused" : "Stock");
    });

}  // namespace
}  // namespace tailor::test

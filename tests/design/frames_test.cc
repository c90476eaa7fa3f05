// Designs of frames: what a long skip, a short one and none cost, how frames are folded, and
// whether the published networks fit a card.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "support/designs.h"
#include "support/expect_error.h"
#include "support/frames.h"
#include "support/networks.h"
#include "support/rooms.h"
#include "tailor/design/lower.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/integer.h"
#include "tailor/ir/line_buffer.h"

namespace tailor::test {
namespace {

using testing::FrameSkips;

/// 12 channels of 16 bits in 3 tokens; five convolutions of 11 frames under the skip, as the paper
/// has them.
Graph five_graph(FrameSkips skips, Join join = Join::AfterActivation) {
  testing::FrameBuilder b("five", 12, 90, skips, join);
  b.block("b0", {12, 11, 5});
  return b.finish_frames(5);
}
testing::DesignOptions folded() {
  testing::DesignOptions options;
  options.token_bits = 64;
  return options;
}
int64_t count_nodes(const Graph& graph, const Operation& operation) {
  return std::count_if(graph.nodes.begin(), graph.nodes.end(),
                       [&](const Node& node) { return &node.op.rules() == &operation; });
}

TEST(FrameSkips, ALongOneWaitsForHalfTheKernelsOfItsConvolutions) {
  const Plan plan = testing::make_plan(five_graph(FrameSkips::Long), folded());
  ASSERT_EQ(plan.skips().size(), 1U);
  const SkipDepth& skip = plan.skips()[0];
  EXPECT_EQ(plan.graph().value(skip.value).fold, 3);
  const int64_t frames = 5 * (11 - 1) / 2;
  EXPECT_GE(skip.deadlock_free, 3 * frames);
  EXPECT_LE(skip.deadlock_free, 3 * (frames + 1));
  EXPECT_LE(skip.full_speed, 3 * (frames + 1 + 5) + 5);
  const Graph design = testing::make_design(five_graph(FrameSkips::Long), folded()).graph();
  ByValue<int64_t> depths = fifo_depths(design);
  for (ValueId v : design.value_ids()) depths[v] = v == skip.value ? depths[v] : 2;
  depths[skip.value] = 3 * frames - 4;  // two tokens may wait before the projection, two in it
  EXPECT_TRUE(simulate_streams(design, depths).deadlock);
}

TEST(FrameSkips, ALongOneWaitsWhereItsFramesAreNarrower) {
  testing::FrameBuilder b("wider", 6, 90, FrameSkips::Long, Join::BeforeActivation);
  b.block("b0", {12, 11, 5});
  Graph graph = testing::make_design(b.finish_frames(5), folded()).graph();
  const Node& projection = testing::node_of(graph, "b0.s4.skip.projection");
  const Value &in = graph.value(projection.inputs[0]), &out = graph.value(projection.outputs[0]);
  EXPECT_GE(in.fifo_depth, in.fold * 5 * (11 - 1) / 2);
  EXPECT_EQ(out.fifo_depth, 2 * out.fold);
}

TEST(FrameSkips, AShortOneIsTheCentreTapAndAFrame) {
  const Design design = testing::make_design(five_graph(FrameSkips::Short), folded());
  const Graph& graph = design.graph();
  EXPECT_EQ(count_nodes(graph, ops::Clone::operation()), 0);
  for (int64_t i = 0; i < 5; ++i) {
    Graph copy = graph;
    const Node& dw = testing::node_of(copy, fmt::format("b0.s{}.dw", i));
    ASSERT_EQ(dw.outputs.size(), 2U);
    EXPECT_LE(graph.value(dw.outputs[1]).fifo_depth, 2 * 3);
    EXPECT_EQ(*graph.value(dw.outputs[1]).type, *graph.value(dw.inputs[0]).type);
  }
  const Graph stock = [] {
    testing::DesignOptions options = folded();
    options.layout = Layout::Stock;
    return testing::make_design(five_graph(FrameSkips::Short), options).graph();
  }();
  EXPECT_EQ(count_nodes(stock, ops::Clone::operation()), 5) << "hls4ml's stages hand nothing on";
}

TEST(FrameSkips, AProjectionIsFedByTheCentreTapToo) {
  testing::FrameBuilder b("wider", 6, 40, FrameSkips::Short, Join::AfterActivation);
  b.block("b0", {12, 11, 2});
  Graph graph = testing::make_design(b.finish_frames(5), folded()).graph();
  const Node& dw = testing::node_of(graph, "b0.s0.dw");
  ASSERT_EQ(dw.outputs.size(), 2U);
  EXPECT_EQ(testing::node_of(graph, "b0.s0.skip.projection").inputs[0].value, dw.outputs[1]);
}

TEST(FrameSkips, RemovedTheyLeaveNothing) {
  const Graph graph = five_graph(FrameSkips::Removed);
  const Cost removed = testing::cost_of(graph, folded()),
             kept = testing::cost_of(five_graph(FrameSkips::Long), folded()),
             shortened = testing::cost_of(five_graph(FrameSkips::Short), folded());
  EXPECT_EQ(removed.skip_fifo_tokens, 0);
  EXPECT_LT(removed.fifo_bits, shortened.fifo_bits);
  EXPECT_LT(shortened.fifo_bits, kept.fifo_bits);
  EXPECT_EQ(removed.line_buffer_bits, kept.line_buffer_bits - 12 * 16) << "the projection's frame";
}

TEST(FrameScales, SmallKernelsAreEnlargedAndWhatFollowsUndoesIt) {
  Graph graph = five_graph(FrameSkips::Removed);
  for (float& v : graph.tensors.at("b0.s1.dw.weight").as<float>()) v *= 0.001F;
  testing::DesignOptions options = folded();
  options.type = FixedType{8, 3};
  const Graph design = testing::make_design(graph, options).graph();
  const std::vector<double> weight = design.tensors.at("b0.s1.dw.weight").to_doubles();
  for (size_t c = 0; c < 12; ++c) {
    double squares = 0;
    for (size_t k = c * 11; k < (c + 1) * 11; ++k) squares += weight[k] * weight[k];
    EXPECT_GT(squares, 0.25);
    EXPECT_LE(squares, 1);
  }
  const std::vector<double> image = testing::random_image(graph.input_shape(), 3);
  const std::vector<double> got = Float64Emulator(design).run(image),
                            expected = Float64Emulator(graph).run(image);
  for (size_t i = 0; i < got.size(); ++i)
    EXPECT_NEAR(got[i], expected[i], 1e-12 * (1 + std::abs(expected[i])));
}

TEST(FrameEmulation, TheCentreTapIsTheInput) {
  const Graph design = testing::make_design(five_graph(FrameSkips::Short), folded()).graph();
  const std::vector<double> image = testing::random_image(design.input_shape(), 1);
  ByValue<std::vector<int64_t>> raw(design.values.size());
  IntegerEmulator(design).run(
      image, [&](ValueId id, Span<const int64_t> hwc) { raw[id].assign(hwc.begin(), hwc.end()); });
  ByValue<std::vector<double>> exact(design.values.size());
  Float64Emulator(design).run(
      image, [&](ValueId id, Span<const double> hwc) { exact[id].assign(hwc.begin(), hwc.end()); });
  int64_t handed_on = 0;
  for (const Node& node : design.nodes) {
    if (!has_line_buffer(node) || node.outputs.size() < 2) continue;
    EXPECT_EQ(raw[node.outputs[1]], raw[node.inputs[0]]);
    EXPECT_EQ(exact[node.outputs[1]], exact[node.inputs[0]]);
    EXPECT_NE(raw[node.outputs[0]], raw[node.inputs[0]]);
    ++handed_on;
  }
  EXPECT_EQ(handed_on, 5);
}

TEST(Folds, TokensHaveAtMostTheBitsAskedForUnlessChannelsArePrime) {
  testing::FrameBuilder b("folds", 64, 30, FrameSkips::Removed, Join::BeforeActivation);
  b.block("b0", {58, 5});
  const Graph graph = b.finish_frames(29);
  testing::DesignOptions options;
  const Graph usual = testing::make_design(graph, options).graph();
  EXPECT_EQ(usual.value(usual.input()).fold, 2);   // 64 · 16 = 1,024 bits
  EXPECT_EQ(usual.value(usual.output()).fold, 1);  // of one label each there would be 29
  Graph copy = usual;
  EXPECT_EQ(usual.value(testing::node_of(copy, "b0.s0.pw").outputs[0]).token_channels(), 29);
  options.token_bits = 4096;
  const Graph whole = testing::make_design(graph, options).graph();
  for (const Value& v : whole.values) EXPECT_EQ(v.fold, 1);
}

TEST(QuartzNet, OfFullWidthFitsTheCardInEightBitsAndSaysSoInSixteen) {
  const Graph graph =
      testing::dna_graph(FrameSkips::Long, Join::BeforeActivation, 1200, 256, 5, true);
  testing::DesignOptions options;
  options.type = FixedType{8, 3};
  EXPECT_TRUE(testing::limits_of(graph, options, HlsBackend::Vitis).empty());
  const Cost eight = testing::cost_of(graph, options);
  EXPECT_EQ(eight.weights, 6650368);
  EXPECT_GT(eight.uram, 0);
  options.type = FixedType{16, 6};
  const std::vector<Limit> limits = testing::limits_of(graph, options, HlsBackend::Vitis);
  ASSERT_EQ(limits.size(), 1U);
  EXPECT_EQ(limits[0].what, "memory");
  testing::expect_words(limits[0].text, {"the u200 has 80", "weights of 10 bits fit"});
}

TEST(OnFrames, ThereAreFewerOfThemAndNoWitness) {
  Graph graph = five_graph(FrameSkips::Long);
  const Lowered few = on_frames(Lowered(graph, "test"), 33);
  EXPECT_EQ(few.graph().input_shape().width, 33);
  EXPECT_EQ(few.graph().output_shape().width, 33);
  EXPECT_EQ(few.graph().provenance.at("frames").at("of").as_int(), 90);
  const std::vector<double> whole = testing::random_image(graph.input_shape(), 2);
  const std::vector<double> part(whole.begin(), whole.begin() + 33 * 12);
  const std::vector<double> all = Float64Emulator(graph).run(whole),
                            some = Float64Emulator(few.graph()).run(part);
  for (size_t i = 0; i < 5 * 5; ++i)  // beyond the reach of the cut
    EXPECT_DOUBLE_EQ(some[i], all[i]);
  testing::expect_words(
      testing::message_of(ErrorKind::Usage, [&] { on_frames(Lowered(graph, "test"), 91); }),
      {"--frames 91", "expected 1 to 90, the frames"});
}

}  // namespace
}  // namespace tailor::test

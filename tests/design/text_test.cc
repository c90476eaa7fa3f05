// Each pass alone: a graph as text goes in, another one comes out (support/graph_text.h), and it
// computes the same.
#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/graph_text.h"
#include "support/networks.h"
#include "support/rooms.h"
#include "tailor/core/strings.h"
#include "tailor/design/passes.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/witness.h"

namespace tailor::test {
namespace {

using testing::graph_text;
using testing::parse_graph;
using Pass = std::function<void(Graph&)>;

/// What a pass makes of a graph, as text; it must be in order and compute the same.
std::string after(const Pass& pass, const std::string& text) {
  Graph graph = parse_graph(text);
  EXPECT_EQ(verify_graph(graph), std::vector<std::string>{});
  const std::vector<double> image = testing::random_image(graph.input_shape(), 3);
  const std::vector<double> expected = Float64Emulator(graph).run(image);
  pass(graph);
  EXPECT_EQ(verify_graph(graph), std::vector<std::string>{}) << graph_text(graph);
  EXPECT_LT(relative_difference(Float64Emulator(graph).run(image), expected), 1e-12);
  return "\n" + graph_text(graph);
}

/// The head that every graph here ends in.
std::string with_head(const std::string& body, const std::string& last) {
  return body + fmt::format("fc = dense({}) out=3\noutput = output(fc)\n", last);
}

TEST(GraphText, IsReadAndPrintedAlike) {
  const std::string text = R"(input = input() 3x8x9
conv1 = conv2d(input) out=4 kernel=3 stride=1x2 pads=1,1,1,1
bn = batch_norm(conv1) epsilon=0.001
two.clone = clone(bn) -> a, b
sum = add(a, skip "s.1": b)
last = max_pool2d(sum) kernel=2 stride=2
)";
  EXPECT_EQ(graph_text(parse_graph(with_head(text, "last"))), with_head(text, "last"));
  EXPECT_THROW(parse_graph("input = input() 3x8x9\nx = relu(input) kernel=3\n"), Error);
}

TEST(FoldBatchNorm, LeavesTheConvolutionAlone) {
  EXPECT_EQ(after(fold_batch_norm, with_head(R"(
input = input() 3x5x6
conv = conv2d(input) out=4 kernel=3 pads=1,1,1,1
conv.bn = batch_norm(conv)
relu = relu(conv.bn)
)",
                                             "relu")),
            R"(
input = input() 3x5x6
conv = conv2d(input) out=4 kernel=3 pads=1,1,1,1
relu = relu(conv)
fc = dense(relu) out=3
output = output(fc)
)");
}

TEST(FoldBatchNorm, IsRefusedBehindAnythingElse) {
  Graph graph = parse_graph("input = input() 3x5x6\nbn = batch_norm(input)\n");
  graph.add_node(ops::Output{}, "output", {graph.nodes[1].outputs[0]});
  testing::expect_error(ErrorKind::Unsupported, {"bn: a batch norm that does not follow"},
                        [&] { fold_batch_norm(graph); });
}

const std::string kTwoConvolutions = with_head(R"(
input = input() 2x6x7
conv1 = conv2d(input) kernel=3 pads=1,1,1,1
relu1 = relu(conv1)
conv2 = conv2d(relu1) kernel=3 pads=1,1,1,1
add2 = add(conv2, skip "b.skip": input)
relu2 = relu(add2)
)",
                                               "relu2");

TEST(FuseStages, PutsAddAndReluIntoTheConvolution) {
  EXPECT_EQ(after(fuse_stages, kTwoConvolutions), R"(
input = input() 2x6x7
conv1 = conv2d(input) kernel=3 pads=1,1,1,1 relu=true
conv2 = conv2d(conv1, skip "b.skip": input) kernel=3 pads=1,1,1,1 relu=true
fc = dense(conv2) out=3
output = output(fc)
)");
}

TEST(TakeWindowSkips, ReadsASkipOverOneConvolutionFromItsWindow) {
  EXPECT_EQ(after(take_window_skips, with_head(R"(
input = input() 2x6x7
conv = conv2d(input, skip "s": input) kernel=3 pads=1,1,1,1 skips_after_activation=true
)",
                                               "conv")),
            R"(
input = input() 2x6x7
conv = conv2d(input) kernel=3 pads=1,1,1,1 skips_after_activation=true window_skips=s
fc = dense(conv) out=3
output = output(fc)
)");
}

TEST(ForwardSkips, HandTheInputOnToTheJoinOrToTheStageOnTheSkip) {
  EXPECT_EQ(after(forward_skips, with_head(R"(
input = input() 2x6x7
one = conv2d(input) kernel=3 pads=1,1,1,1 relu=true
two = conv2d(one, skip "a.skip": input) kernel=3 pads=1,1,1,1 relu=true
projection = conv2d(two) out=4 stride=2
three = conv2d(two) out=4 kernel=3 stride=2 pads=1,1,1,1
four = conv2d(three, skip "b.skip": projection) kernel=3 pads=1,1,1,1 relu=true
)",
                                           "four")),
            R"(
input = input() 2x6x7
one = conv2d(input) kernel=3 pads=1,1,1,1 relu=true -> one, a.skip
two = conv2d(one, skip "a.skip": a.skip) kernel=3 pads=1,1,1,1 relu=true
three = conv2d(two) out=4 kernel=3 stride=2 pads=1,1,1,1 -> three, projection.in
projection = conv2d(projection.in) out=4
four = conv2d(three, skip "b.skip": projection) kernel=3 pads=1,1,1,1 relu=true
fc = dense(four) out=3
output = output(fc)
)");
}

TEST(SplitStages, PutsAPadBeforeConvolutionsAndMaxPools) {
  EXPECT_EQ(after(split_stages, with_head(R"(
input = input() 2x6x7
conv = conv2d(input) out=3 kernel=3 pads=1,1,1,1
pool = max_pool2d(conv) kernel=3 stride=2 pads=1,0,0,1
one = conv2d(pool) out=2
)",
                                          "one")),
            R"(
input = input() 2x6x7
conv.pad = zero_pad(input) pads=1,1,1,1
conv = conv2d(conv.pad) out=3 kernel=3
pool.pad = zero_pad(conv) pads=1,0,0,1 lowest=true
pool = max_pool2d(pool.pad) kernel=3 stride=2
one = conv2d(pool) out=2
fc = dense(one) out=3
output = output(fc)
)");
}

TEST(InsertClones, NamesACopyForTheSkipOrTheStageThatTakesIt) {
  EXPECT_EQ(after(insert_clones, kTwoConvolutions), R"(
input = input() 2x6x7
input.clone = clone(input) -> conv1.in, b.skip
conv1 = conv2d(conv1.in) kernel=3 pads=1,1,1,1
relu1 = relu(conv1)
conv2 = conv2d(relu1) kernel=3 pads=1,1,1,1
add2 = add(conv2, skip "b.skip": b.skip)
relu2 = relu(add2)
fc = dense(relu2) out=3
output = output(fc)
)");
}

TEST(InsertClones, GivesANodeThatReadsTwiceTwoCopies) {
  EXPECT_EQ(after(insert_clones, with_head(R"(
input = input() 2x3x4
twice = add(input, skip "s": input)
)",
                                           "twice")),
            R"(
input = input() 2x3x4
input.clone = clone(input) -> twice.in, s
twice = add(twice.in, skip "s": s)
fc = dense(twice) out=3
output = output(fc)
)");
}

TEST(FoldIdentitySkips, TakesIdentityPadAndProjectionIntoTheKernel) {
  const Pass fold = [](Graph& graph) { fold_identity_skips(graph, FixedType{16, 6}); };
  EXPECT_EQ(after(fold, with_head(R"(
input = input() 2x6x7
one = conv2d(input) kernel=3 pads=1,1,1,1 relu=true window_skips=a.skip
pad = shortcut_pad(one) out=4 stride=2 channel_offset=1
two = conv2d(one, skip "b.skip": pad) out=4 kernel=3 stride=2 pads=1,1,1,1
projection = conv2d(two)
three = conv2d(two, skip "c.skip": projection) kernel=3 pads=1,1,1,1 relu=true
)",
                                  "three")),
            R"(
input = input() 2x6x7
one = conv2d(input) kernel=3 pads=1,1,1,1 relu=true folded_skips=a.skip
two = conv2d(one) out=4 kernel=3 stride=2 pads=1,1,1,1 folded_skips=b.skip
three = conv2d(two) kernel=3 pads=1,1,1,1 relu=true folded_skips=c.skip
fc = dense(three) out=3
output = output(fc)
)");
}

TEST(FoldIdentitySkips, LeavesASkipBehindTheActivationOrOverAnotherStart) {
  const std::string text = "\n" + with_head(R"(input = input() 2x6x7
one = conv2d(input) kernel=3 pads=1,1,1,1 relu=true skips_after_activation=true window_skips=a.skip
two = conv2d(one, skip "b.skip": input) kernel=3 pads=1,1,1,1
)",
                                            "two");
  EXPECT_EQ(after([](Graph& graph) { fold_identity_skips(graph, FixedType{16, 6}); }, text), text);
}

TEST(InferTypes, GivesStreamsTheModelsTypeAndSumsTheirFullWidth) {
  Graph graph = parse_graph(with_head(R"(
input = input() 2x6x7
conv = conv2d(input) out=4 kernel=3 pads=1,1,1,1 relu=true
other = conv2d(conv)
sum = add(other, skip "s": conv)
mean = global_avg_pool(sum)
)",
                                      "mean"));
  infer_types(graph, FixedType{12, 4}, 20);
  EXPECT_EQ("\n" + graph_text(graph, /*types=*/true), R"(
input = input() 2x6x7 : 12,6
conv = conv2d(input) out=4 kernel=3 pads=1,1,1,1 relu=true : 12,4 sums 30,16
other = conv2d(conv) : 12,4 sums 27,11
sum = add(other, skip "s": conv) : 12,4 sums 13,5
mean = global_avg_pool(sum) : 12,4 sums 18,10
fc = dense(mean) out=3 : 27,11 sums 27,11
output = output(fc)
)");
}

}  // namespace
}  // namespace tailor::test

// Projects of every kind of stage and network pass their checks.
#include "tailor/check/check.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "support/checks.h"
#include "support/designs.h"
#include "support/expect_error.h"
#include "support/graphs.h"
#include "support/projects.h"
#include "support/random_graphs.h"
#include "support/random_projects.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/emulate/float64.h"

namespace tailor::test {
namespace {

using testing::quick_options;
using testing::step;
using testing::Surgery;

struct Case {
  const char* name;
  Graph lowered;
  Layout layout;
  FixedType type;
  std::optional<int64_t> reuse;
  HlsBackend backend;
  double scale = 1;     // of the pixels
  bool answers = true;  // the logits depend on the input
};

class Compiled : public ::testing::TestWithParam<int> {};

std::vector<Case> cases() {
  auto block_network = [](auto... arguments) {
    return testing::lowered(testing::block_network(arguments...));
  };
  return {
      {"TraditionalFused",
       block_network(),
       Layout::Fused,
       {16, 6},
       std::nullopt,
       HlsBackend::Vitis},
      {"TraditionalPadStock",
       block_network(Surgery::Traditional, Join::BeforeActivation, Shortcut::Pad),
       Layout::Stock,
       {8, 3},
       12,
       HlsBackend::Vivado},
      {"ShortenedAfterFused",
       block_network(Surgery::Shortened, Join::AfterActivation),
       Layout::Fused,
       {12, 4, true, Rounding::Trn, Overflow::Wrap},
       54,
       HlsBackend::Vivado},
      {"IdentityAfterStock",
       block_network(Surgery::Traditional, Join::AfterActivation, Shortcut::Projection, 1),
       Layout::Stock,
       {20, 7, true, Rounding::RndConv, Overflow::SatSym},
       1,
       HlsBackend::Vitis},
      {"RemovedFused",
       block_network(Surgery::Removed),
       Layout::Fused,
       {16, 6},
       108,
       HlsBackend::Vitis},
      {"TraditionalPadFused",
       block_network(Surgery::Traditional, Join::AfterActivation, Shortcut::Pad),
       Layout::Fused,
       {10, 3, true, Rounding::RndZero, Overflow::WrapSm},
       9,
       HlsBackend::Vitis},
      // 2 channels of 13 bits: the input port's token is rounded up to 32 bits, the pad's behind it
      // is not
      {"PortWiderThanItsPixelStock",
       block_network(),
       Layout::Stock,
       {13, 4},
       std::nullopt,
       HlsBackend::Vitis},
      // Max pools, groups, one-sided pads, projections without batch norm, on odd and even maps,
      // every skip over two convolutions or over one.
      {"WindowsOddFused",
       testing::windows_graph(9, 11, /*shortened=*/false),
       Layout::Fused,
       {16, 6},
       std::nullopt,
       HlsBackend::Vitis},
      {"WindowsEvenStock",
       testing::windows_graph(10, 12, /*shortened=*/false),
       Layout::Stock,
       {9, 4, true, Rounding::RndZero, Overflow::SatSym},
       54,
       HlsBackend::Vivado},
      {"WindowsShortenedFused",
       testing::windows_graph(10, 13, /*shortened=*/true),
       Layout::Fused,
       {11, 5},
       27,
       HlsBackend::Vivado},
      {"BottlenecksFused",
       testing::bottleneck_graph({3, 33, 36}, {2, 1}, 4, 6),
       Layout::Fused,
       {14, 6},
       std::nullopt,
       HlsBackend::Vitis},
      // As large as raw pixels: [-510, 535.5] needs 11 bits, one more than the streams have.
      {"RawPixelsStock",
       testing::windows_graph(8, 9, /*shortened=*/true),
       Layout::Stock,
       {10, 9},
       12,
       HlsBackend::Vitis,
       255,
       /*answers=*/false},  // one bit behind the point is too few: 81 % of the weights become 0
  };
}

TEST_P(Compiled, AgreesBitForBit) {
  const Case c = cases()[static_cast<size_t>(GetParam())];
  TemporaryDirectory folder("tailor-check-test");
  testing::DesignOptions options;
  options.type = c.type;
  options.layout = c.layout;
  options.reuse_factor = c.reuse;
  auto parts = testing::project_parts(c.lowered, options, 5, c.scale);
  parts.backend = c.backend;
  testing::write_parts(parts, folder.path() + "/p");
  CheckReport report = check_project(folder.path() + "/p", quick_options());
  for (const CheckStep& s : report.steps)
    EXPECT_EQ(s.passed, c.answers || s.name != "answers") << s.name << ": " << s.detail;
  EXPECT_EQ(step(report, "compiled").detail,
            "compiled C++ and emulator agree bit for bit on 5 vectors");
}

INSTANTIATE_TEST_SUITE_P(Check, Compiled, ::testing::Range(0, 12),
                         [](const auto& p) { return cases()[static_cast<size_t>(p.param)].name; });

/// Seeds of random graphs: a few, or as many as $TAILOR_RANDOM_GRAPHS asks for.
int random_graphs() {
  const char* asked = std::getenv("TAILOR_RANDOM_GRAPHS");
  return asked ? std::atoi(asked) : 5;
}

class Random : public ::testing::TestWithParam<int> {};

/// Each as it is exported, and in one other layout or form in turn.
TEST_P(Random, GraphsOfEveryKindOfWindowAgreeBitForBitInEveryLayout) {
  const auto all = testing::layouts();
  for (const auto& [layout, skips] : {all[0], all[1 + static_cast<size_t>(GetParam()) % 3]}) {
    TemporaryDirectory folder("tailor-check-test");
    testing::DesignOptions options;
    options.type = GetParam() % 3 == 0 ? FixedType{12, 5} : FixedType{16, 6};
    options.dsp_packing = GetParam() % 3 == 1;  // of weights and inputs of 8 bits
    if (options.dsp_packing) options.type = FixedType{8, 4};
    options.layout = layout;
    options.skips = skips;
    if (GetParam() % 4 != 0) options.reuse_factor = 1 + 5 * (GetParam() % 4);
    const auto parts = testing::project_parts(testing::random_graph(GetParam()), options, 3);
    testing::write_parts(parts, folder.path() + "/p");
    for (const CheckStep& s : check_project(folder.path() + "/p", quick_options()).steps)
      EXPECT_TRUE(s.passed) << to_string(layout) << " " << to_string(skips) << ", " << s.name
                            << ": " << s.detail;
  }
}

INSTANTIATE_TEST_SUITE_P(Check, Random, ::testing::Range(0, random_graphs()));

/// Strides of 3, a reuse factor above the products of a sum in every stage, a mean that is no
/// shift, and groups whose outputs share multipliers across groups.
TEST(Check, StridesOf3AndMultipliersOfSeveralOutputsAgreeAndTakeTheirCycles) {
  testing::GraphBuilder b("odd", {4, 14, 16});
  ops::Conv2d grouped;
  grouped.window = square_window(3, 3, 1);
  grouped.groups = 2;
  b.conv("grouped", b.at, grouped, 6);
  ops::MaxPool2d pool;
  pool.window = square_window(2, 3, 1);
  b.at = b.add(pool, "odd_pool", {b.at});
  const Graph graph = b.finish(5);
  for (int64_t factor : {4, 18, 36, 72, 1000}) {
    for (Layout layout : {Layout::Fused, Layout::Stock}) {
      TemporaryDirectory folder("tailor-check-test");
      testing::DesignOptions options;
      options.layout = layout;
      options.dsp_packing = layout == Layout::Stock;  // pairs within a group, or none
      if (options.dsp_packing) options.type = FixedType{8, 4};
      options.reuse_factor = factor;
      testing::write_parts(testing::project_parts(graph, options, 3), folder.path() + "/p");
      const CheckReport report = check_project(folder.path() + "/p", quick_options());
      EXPECT_TRUE(step(report, "cycles").passed) << step(report, "cycles").detail;
      EXPECT_TRUE(step(report, "compiled").passed) << step(report, "compiled").detail;
    }
  }
}

TEST(Dilation, GivesTheNumbersThatArithmeticGives) {
  //  1  2  3          1   10    The kernel's rows are two apart, and a column of zeros is on the
  //  4  5  6   with   .    .    left: 10 · 1 + 1000 · 7 = 7010,
  //  7  8  9        100 1000    1 · 1 + 10 · 2 + 100 · 7 + 1000 · 8 = 8721, …
  // 10 11 12
  const std::vector<int64_t> sums = {7010, 8721, 9832, 10040, 12054, 13165};
  testing::GraphBuilder b("dilated", {1, 4, 3});
  ops::Conv2d a;
  a.window = {{2, 2}, {1, 1}, {2, 1}, {0, 1, 0, 0}};
  b.conv("conv", b.at, a, 1);
  Graph graph = b.finish(6, /*pooled=*/false);
  auto set = [&](const char* name, const std::vector<float>& values) {
    Span<float> data = graph.tensors.at(name).as<float>();
    std::copy(values.begin(), values.end(), data.data());
  };
  set("conv.weight", {1, 10, 100, 1000});
  set("conv.bias", {0});
  std::vector<float> identity(36, 0.0F);
  for (size_t i = 0; i < 6; ++i) identity[7 * i] = 1;
  set("fc.weight", identity);
  set("fc.bias", {0, 0, 0, 0, 0, 0});
  const std::vector<double> image = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  EXPECT_EQ(Float64Emulator(graph).run(image), std::vector<double>(sums.begin(), sums.end()));

  TemporaryDirectory folder("tailor-check-test");
  testing::DesignOptions options;
  options.type = FixedType{24, 16};
  auto parts = testing::project_parts(graph, options, 1, 6);
  parts.vectors.inputs = {image, image};  // the second finds what the first has left behind
  const Graph& design = parts.design;
  const FixedType& type = *design.value(design.nodes.back().inputs[0]).type;
  std::vector<int64_t> raw;
  for (int64_t sum : sums) raw.push_back(sum << type.fraction());
  parts.vectors.expected = {raw, raw};
  testing::write_parts(parts, folder.path() + "/p");
  for (const CheckStep& s : check_project(folder.path() + "/p", quick_options()).steps)
    EXPECT_TRUE(s.passed) << s.name << ": " << s.detail;
}

TEST(RandomGraphs, AFewSeedsHoldWindowsAndSkipsOfEveryKind) {
  std::map<std::string, int64_t> count;
  for (int64_t seed = 0; seed < 5; ++seed) {
    const Graph design = testing::project_parts(testing::random_graph(seed), {}, 1).design;
    for (const Node& node : design.nodes) {
      const auto* conv = node.op.get_if<ops::Conv2d>();
      const auto* pool = node.op.get_if<ops::MaxPool2d>();
      if (!conv && !pool) continue;
      const Window& w = conv ? conv->window : pool->window;
      const std::string op = pool ? "pool" : "conv";
      count[op + " of one row"] += design.value(node.inputs[0]).shape.height == 1;
      count[op + " dilated"] += w.dilation.size() > 1;
      count[op + " not square"] += w.kernel.height != w.kernel.width && w.kernel.height > 1;
      count[op + " of two strides"] += w.stride.height != w.stride.width;
      count[op + " of two pads"] += w.pads.top != w.pads.bottom || w.pads.left != w.pads.right;
      if (!conv) continue;
      count["grouped"] += conv->groups > 1;
      count["folded"] += !conv->folded_skips.empty() && w.dilation.size() > 1;
      count["in the window"] += !conv->window_skips.empty() && w.dilation.size() > 1;
      count["handed on"] += node.outputs.size() > 1;
      count["as a stream"] += node.inputs.size() > 1 && w.dilation.size() > 1;
      count["a skip's pixel under no tap"] += node.inputs.size() > 1 && !has_centre_tap(w);
    }
  }
  for (const auto& [what, n] : count) EXPECT_GT(n, 0) << what;
  EXPECT_EQ(count.size(), 16U);
}

/// The test bench has the inputs rounded: what an export measures is this and the input's rounding.
TEST(Check, QuantisationIsThatOfRoundedInputs) {
  TemporaryDirectory folder{"tailor-check-test"};
  testing::DesignOptions options;
  options.type = FixedType{8, 3};
  testing::ProjectParts parts = testing::project_parts(testing::block_network(), options);
  testing::write_parts(parts, folder.path() + "/p");
  TestVectors rounded = parts.vectors;
  const FixedType type = *parts.design.graph().value(parts.design.graph().input()).type;
  for (std::vector<double>& input : rounded.inputs) {
    for (double& v : input) v = type.to_double(quantise(v, type));
  }
  const double rms = measure(parts.design, rounded).rms_measured;
  EXPECT_LT(rms, 0.99 * parts.quantisation.rms_measured);
  CheckOptions quick = quick_options();
  quick.compile = false;
  testing::expect_words(
      step(check_project(folder.path() + "/p", quick), "quantisation").detail,
      {fmt::format("whose inputs are rounded already: rms {:.3g}, at most ", rms)});
}

}  // namespace
}  // namespace tailor::test

// The contract of the whole room: a design computes in float64 what the lowered graph computes,
// whatever the layout, join, shortcut and surgery; and what a pass claims to remove is gone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <set>

#include "support/designs.h"
#include "support/expect_error.h"
#include "support/graphs.h"
#include "support/networks.h"
#include "support/random_projects.h"
#include "support/rooms.h"
#include "tailor/design/export.h"
#include "tailor/design/passes.h"
#include "tailor/design/trained_precision.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/integer.h"
#include "tailor/emulate/streams.h"

namespace tailor::test {
namespace {

using testing::Surgery;
using testing::Variant;

testing::DesignOptions options(Layout layout) {
  testing::DesignOptions o;
  o.type = FixedType{16, 6};
  o.input_magnitude = 2.1;
  o.layout = layout;
  return o;
}

template <class A>
int count(const Graph& graph) {
  return static_cast<int>(std::count_if(graph.nodes.begin(), graph.nodes.end(),
                                        [](const Node& node) { return node.is<A>(); }));
}

class EveryVariant
    : public ::testing::TestWithParam<std::tuple<Variant, std::pair<Layout, SkipForm>>> {};

TEST_P(EveryVariant, DesignComputesTheLoweredGraph) {
  const auto& [variant, form] = GetParam();
  Graph lowered = testing::lowered_variant(variant);
  testing::DesignOptions o = options(form.first);
  o.skips = form.second;
  Graph design = testing::make_design(lowered, o);
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

std::string name_of(
    const ::testing::TestParamInfo<std::tuple<Variant, std::pair<Layout, SkipForm>>>& info) {
  const auto& [layout, skips] = std::get<1>(info.param);
  const char* form = layout == Layout::Stock     ? "Stock"
                     : skips == SkipForm::Folded ? "Fused"
                     : skips == SkipForm::Window ? "Window"
                                                 : "Cloned";
  return std::get<0>(info.param).name() + form;
}
INSTANTIATE_TEST_SUITE_P(Passes, EveryVariant,
                         ::testing::Combine(::testing::ValuesIn(testing::all_variants()),
                                            ::testing::ValuesIn(testing::layouts())),
                         name_of);

/// Convolutions that hand their input on.
std::vector<const Node*> handing_on(const Graph& graph) {
  std::vector<const Node*> list;
  for (const Node& node : graph.nodes) {
    if (node.is<ops::Conv2d>() && node.outputs.size() > 1) list.push_back(&node);
  }
  return list;
}

TEST(ForwardSkips, TheFirstConvolutionOfEveryBlockHandsItsInputOn) {
  for (Shortcut shortcut : {Shortcut::Projection, Shortcut::Pad}) {
    for (Join join : {Join::BeforeActivation, Join::AfterActivation}) {
      const Graph lowered = testing::lowered_variant({Surgery::Traditional, join, shortcut});
      testing::DesignOptions o = options(Layout::Fused);
      const Graph design = testing::make_design(lowered, o);
      o.skips = SkipForm::Cloned;
      const Graph cloned = testing::make_design(lowered, o);
      EXPECT_EQ(count<ops::Clone>(design), 0);
      EXPECT_EQ(count<ops::Clone>(cloned), 3);
      EXPECT_EQ(handing_on(cloned).size(), 0U);
      const std::vector<const Node*> list = handing_on(design);
      ASSERT_EQ(list.size(), 3U);
      int64_t strided = 0;
      for (const Node* conv : list) {
        const Value &x = design.value(conv->inputs[0]), &y = design.value(conv->outputs[0]),
                    &centre = design.value(conv->outputs[1]);
        EXPECT_EQ(centre.shape.channels, x.shape.channels);
        EXPECT_EQ(centre.shape.pixels(), y.shape.pixels());
        EXPECT_EQ(*centre.type, *x.type);
        strided += x.shape.pixels() != y.shape.pixels() ? 1 : 0;
      }
      EXPECT_EQ(strided, 2) << "the stage on the skip then reads every pixel";
      EXPECT_LT(testing::cost_of(lowered, options(Layout::Fused)).fifo_bits,
                testing::cost_of(lowered, o).fifo_bits);
    }
  }
}

TEST(ForwardSkips, WhatIsHandedOnIsTheInputAtTheOutputsPlaces) {
  const Graph design =
      testing::make_design(testing::lowered_variant({Surgery::Traditional, Join::BeforeActivation,
                                                     Shortcut::Projection}),
                           options(Layout::Fused));
  ByValue<std::vector<int64_t>> raw(design.values.size());
  IntegerEmulator(design).run(
      testing::random_image(design.input_shape(), 3),
      [&](ValueId id, Span<const int64_t> hwc) { raw[id].assign(hwc.begin(), hwc.end()); });
  for (const Node* conv : handing_on(design)) {
    const MapShape &x = design.value(conv->inputs[0]).shape,
                   &y = design.value(conv->outputs[1]).shape;
    const Size2 stride = conv->as<ops::Conv2d>().window.stride;
    for (int64_t row = 0; row < y.height; ++row) {
      for (int64_t column = 0; column < y.width; ++column) {
        for (int64_t c = 0; c < y.channels; ++c) {
          const int64_t from = (row * stride.height * x.width + column * stride.width) * x.channels;
          const int64_t to = (row * y.width + column) * y.channels;
          ASSERT_EQ(raw[conv->outputs[1]][static_cast<size_t>(to + c)],
                    raw[conv->inputs[0]][static_cast<size_t>(from + c)]);
        }
      }
    }
  }
}

TEST(ForwardSkips, TheIntegersAreThoseOfClonedSkips) {
  for (const Variant& variant : testing::all_variants()) {
    const Graph lowered = testing::lowered_variant(variant);
    testing::DesignOptions o = options(Layout::Fused);
    o.skips = SkipForm::Window;
    const Graph window = testing::make_design(lowered, o);
    o.skips = SkipForm::Cloned;
    const Graph cloned = testing::make_design(lowered, o);
    const auto image = testing::random_image(lowered.input_shape(), 7);
    EXPECT_EQ(IntegerEmulator(window).run(image).logits_raw,
              IntegerEmulator(cloned).run(image).logits_raw)
        << variant.name();
  }
}

/// What a skip needs of the convolution that hands it on, and what each case lacks.
TEST(ForwardSkips, OthersKeepTheirClone) {
  auto design_of = [](const std::function<void(testing::GraphBuilder&)>& body) {
    testing::GraphBuilder b("odd", {4, 9, 8});
    b.conv("stem", b.at, testing::square_window<ops::Conv2d>(3, 1, 1), 4);
    b.relu("stem.relu");
    body(b);
    return testing::make_design(b.finish(3), options(Layout::Fused)).graph();
  };
  using Builder = testing::GraphBuilder;
  const Graph strided = design_of([](Builder& b) {  // the pool's pixels are not the places
    const ValueId from = b.at;
    ops::MaxPool2d pool;
    pool.window = tensors::square_window(3, 2, 1);
    const ValueId skip = b.add(pool, "skip.pool", {from});
    b.conv("conv1", from, testing::square_window<ops::Conv2d>(3, 2, 1), 4);
    b.conv("conv2", b.at, testing::square_window<ops::Conv2d>(3, 1, 1), 4);
    b.skip("skip", skip);
  });
  EXPECT_EQ(handing_on(strided).size(), 0U);
  EXPECT_EQ(count<ops::Clone>(strided), 1);
  const Graph behind_a_pool = design_of([](Builder& b) {  // nothing of a window begins there
    const ValueId from = b.at;
    ops::MaxPool2d pool;
    pool.window = tensors::square_window(3, 1, 1);
    b.at = b.add(pool, "block.pool", {from});
    b.conv("conv", b.at, testing::square_window<ops::Conv2d>(3, 1, 1), 4);
    b.skip("skip", from);
  });
  EXPECT_EQ(handing_on(behind_a_pool).size(), 0U);
  const Graph two = design_of([](Builder& b) {  // two skips from one place: one clone of the centre
    const ValueId from = b.at;
    b.conv("conv1", from, testing::square_window<ops::Conv2d>(3, 1, 1), 4);
    b.conv("conv2", b.at, testing::square_window<ops::Conv2d>(3, 1, 1), 4);
    b.skip("near", from);
    b.relu("relu");
    b.conv("conv3", b.at, testing::square_window<ops::Conv2d>(3, 1, 1), 4);
    b.skip("far", from);
  });
  ASSERT_EQ(handing_on(two).size(), 1U);
  ASSERT_EQ(count<ops::Clone>(two), 1);
  for (const SkipDepth& d : skip_depths(two)) {
    const bool far = two.value(d.value).name == "far";
    EXPECT_EQ(d.full_speed, far ? 2 * 9 + 3 : 9 + 2);
  }
}

TEST(FoldIdentitySkips, ShortenedBeforeActivationIsAPlainChain) {
  for (Shortcut shortcut : {Shortcut::Projection, Shortcut::Pad}) {
    Graph shortened = testing::make_design(
        testing::lowered_variant({Surgery::Shortened, Join::BeforeActivation, shortcut}),
        options(Layout::Fused));
    Graph removed = testing::make_design(
        testing::lowered_variant({Surgery::Removed, Join::BeforeActivation, shortcut}),
        options(Layout::Fused));
    ASSERT_EQ(shortened.nodes.size(), removed.nodes.size());
    for (size_t n = 0; n < shortened.nodes.size(); ++n) {
      EXPECT_EQ(&shortened.nodes[n].op.rules(), &removed.nodes[n].op.rules());
      EXPECT_EQ(shortened.nodes[n].hardware.multipliers, removed.nodes[n].hardware.multipliers);
    }
    EXPECT_EQ(count<ops::Clone>(shortened), 0);
    EXPECT_EQ(count<ops::Conv2d>(shortened), 7);
  }
}

TEST(FoldIdentitySkips, AfterActivationIsReadFromTheWindow) {
  Graph g = testing::make_design(
      testing::lowered_variant({Surgery::Shortened, Join::AfterActivation, Shortcut::Projection}),
      options(Layout::Fused));
  int windows = 0, streams = 0;
  for (const Node& node : g.nodes) {
    if (!node.is<ops::Conv2d>()) continue;
    windows += static_cast<int>(node.as<ops::Conv2d>().window_skips.size());
    streams += static_cast<int>(node.inputs.size()) - 1;
    EXPECT_TRUE(node.as<ops::Conv2d>().folded_skips.empty());
  }
  EXPECT_EQ(windows, 4);  // two in stage 1, the second of each strided block
  EXPECT_EQ(streams, 2);  // the two projections
}

TEST(FoldIdentitySkips, KeepsASkipWhoseSumWouldSaturate) {
  Graph lowered =
      testing::lowered_variant({Surgery::Shortened, Join::BeforeActivation, Shortcut::Pad});
  testing::DesignOptions o = options(Layout::Fused);
  o.type = FixedType{8, 1};  // weights below 1: none can take a 1 more, unless it is negative
  Graph design = testing::make_design(lowered, o);
  size_t kept = 0;
  for (const Node& node : design.nodes) {
    if (node.is<ops::Conv2d>())
      kept += node.as<ops::Conv2d>().window_skips.size() + node.inputs.size() - 1;
  }
  EXPECT_GT(kept, 0U);
  Float64Emulator reference(lowered), laid_out(design);
  auto image = testing::random_image(lowered.input_shape(), 5);
  auto expected = reference.run(image), got = laid_out.run(image);
  for (size_t k = 0; k < expected.size(); ++k) EXPECT_NEAR(got[k], expected[k], 1e-9);
}

TEST(FoldIdentitySkips, FoldedAndWindowedAreBitExact) {
  // The same design with the fold undone by hand: the skip read from the window instead.
  Graph lowered =
      testing::lowered_variant({Surgery::Shortened, Join::BeforeActivation, Shortcut::Projection});
  Graph folded = testing::make_design(lowered, options(Layout::Fused));
  Graph windowed = folded;
  int undone = 0;
  for (Node& node : windowed.nodes) {
    if (!node.is<ops::Conv2d>()) continue;
    const MapShape &in = windowed.value(node.inputs[0]).shape,
                   &out = windowed.value(node.outputs[0]).shape;
    if (in != out || node.as<ops::Conv2d>().folded_skips.empty()) continue;
    auto weight = windowed.tensors.at(node.name + ".weight").as<double>();
    for (int64_t o = 0; o < out.channels; ++o)
      weight[static_cast<size_t>((o * in.channels + o) * 9 + 4)] -= 1;
    node.as<ops::Conv2d>().window_skips = node.as<ops::Conv2d>().folded_skips;
    ++undone;
  }
  ASSERT_EQ(undone, 4);
  IntegerEmulator a(folded), b(windowed);
  for (int64_t seed = 0; seed < 4; ++seed) {
    auto image = testing::random_image(lowered.input_shape(), seed);
    EXPECT_EQ(a.run(image).logits_raw, b.run(image).logits_raw);
  }
}

/// A lowered graph by hand: conv (no bias, no batch norm), a skip over it, ReLU, pool, dense.
Graph one_conv(MapShape input, const ops::Conv2d& attributes) {
  Graph g;
  g.name = "one_conv";
  const ValueId in = g.add_node(ops::Input{}, "input", {});
  g.value(in).shape = input;
  ValueId at = g.add_node(attributes, "conv", {in}, input.channels);
  if (g.value(at).shape == input) at = g.add_node(ops::Add{}, "add", {at, {in, "skip"}});
  at = g.add_node(ops::Relu{}, "relu", {at});
  at = g.add_node(ops::GlobalAvgPool{}, "pool", {at});
  at = g.add_node(ops::Dense{}, "fc", {at}, 3);
  g.add_node(ops::Output{}, "output", {at});
  auto ramp = [](Shape shape) {
    Tensor t(DType::F32, std::move(shape));
    for (size_t i = 0; i < t.as<float>().size(); ++i)
      t.as<float>()[i] = 0.0625F * static_cast<float>(i % 11) - 0.25F;
    return t;
  };
  g.tensors["conv.weight"] = ramp({input.channels, input.channels, attributes.window.kernel.height,
                                   attributes.window.kernel.width});
  g.tensors["fc.weight"] = ramp({3, input.channels});
  g.tensors["fc.bias"] = ramp({3});
  EXPECT_EQ(verify_graph(g), std::vector<std::string>{});
  return g;
}

ops::Conv2d conv_attributes(int64_t kernel, int64_t stride, int64_t pad) {
  ops::Conv2d a;
  a.window = square_window(kernel, stride, pad);
  return a;
}

void expect_same_function(const Graph& lowered, const testing::DesignOptions& o) {
  Graph design = testing::make_design(lowered, o);
  Float64Emulator reference(lowered), laid_out(design);
  IntegerEmulator integers(design);
  auto image = testing::random_image(lowered.input_shape(), 4);
  auto expected = reference.run(image), got = laid_out.run(image);
  auto fixed = integers.run(image);
  for (size_t k = 0; k < expected.size(); ++k) {
    EXPECT_NEAR(got[k], expected[k], 1e-9);
    EXPECT_NEAR(fixed.logits[k], expected[k], 0.05);
  }
}

TEST(HandMadeGraphs, AConvolutionNeedsNeitherBiasNorBatchNorm) {
  for (Layout layout : {Layout::Fused, Layout::Stock})
    expect_same_function(one_conv({2, 5, 6}, conv_attributes(3, 1, 1)), options(layout));
}

TEST(HandMadeGraphs, ABatchNormWhoseFoldIsNoNumberIsRefused) {
  for (const float variance : {-1.0F, 0.0F}) {
    Graph graph = testing::every_op_graph();
    testing::node_of(graph, "bn").as<ops::BatchNorm>().epsilon = 0;
    graph.tensors.at("bn.running_var").as<float>()[1] = variance;
    testing::expect_error(
        ErrorKind::Data,
        {"graph every-op: with its batch norms folded, the tensor conv.bias holds",
         " at element 1, expected finite numbers"},
        [&] { testing::make_plan(graph, options(Layout::Fused)); });
  }
}

TEST(HandMadeGraphs, PoolsGroupsAndOneSidedPadsAreKept) {
  for (Layout layout : {Layout::Fused, Layout::Stock}) {
    for (bool shortened : {false, true}) {
      for (const auto& [height, width] : {std::pair{9, 12}, std::pair{10, 11}}) {
        testing::DesignOptions o = options(layout);
        o.type = FixedType{20, 7};
        expect_same_function(testing::windows_graph(height, width, shortened), o);
      }
    }
    const Graph design =
        testing::make_design(testing::windows_graph(9, 12, false), options(layout));
    EXPECT_EQ(count<ops::MaxPool2d>(design), 2);
    EXPECT_EQ(count<ops::ZeroPad>(design), layout == Layout::Fused ? 0 : 9);
  }
}

TEST(HandMadeGraphs, MultipliersOfAGroupedConvolutionAreItsProducts) {
  testing::DesignOptions o = options(Layout::Fused);
  o.reuse_factor = 1;
  Graph design = testing::make_design(testing::windows_graph(9, 12, false), o);
  auto multipliers = [&](const char* name) {
    return testing::node_of(design, name).hardware.multipliers;
  };
  EXPECT_EQ(multipliers("b0.conv1"), 9 * 2 * 6);
  EXPECT_EQ(multipliers("b0.conv2"), 9 * 6);
  EXPECT_EQ(multipliers("b2.conv1"), 9 * 4 * 10);
}

TEST(FoldIdentitySkips, FoldIntoGroupsAndPastOneSidedPads) {
  Graph design = testing::make_design(testing::windows_graph(10, 12, true), options(Layout::Fused));
  EXPECT_EQ(count<ops::Clone>(design), 0);
  auto folded = [&](const char* name) {
    return testing::node_of(design, name).as<ops::Conv2d>().folded_skips.size();
  };
  for (const char* name : {"b0.conv1", "b0.conv2", "b1.conv1", "b1.conv2", "b2.conv1", "b2.conv2"})
    EXPECT_EQ(folded(name), 1U) << name;
}

TEST(FoldIdentitySkips, KeepASkipWhoseChannelsLieInAnotherGroup) {
  for (int64_t offset : {1, 2}) {  // channel 3 of 8 goes to output 4 or 5 of 10: group 0 or 1
    testing::GraphBuilder b("groups", {8, 5, 6});
    const ValueId x = b.at;
    const ValueId skip = b.add(ops::ShortcutPad{{1, 1}, offset}, "s", {x}, 10);
    ops::Conv2d a = conv_attributes(3, 1, 1);
    a.groups = 2;
    b.conv("conv", x, a, 10);
    b.skip("skip", skip);
    b.relu("relu");
    const Graph lowered = b.finish(3);
    Graph design = testing::make_design(lowered, options(Layout::Fused));
    EXPECT_EQ(testing::node_of(design, "conv").as<ops::Conv2d>().folded_skips.size(),
              offset == 1 ? 1U : 0U);
    expect_same_function(lowered, options(Layout::Fused));
  }
}

TEST(ResidualBlock, HasThePapersMultipliersAndSkipFifo) {  // tables 5 and 6
  int64_t expected = 12;
  for (const char* name : {"residual_block16", "residual_block32", "residual_block64"}) {
    const Network network = network_by_name(name).network;
    const Graph lowered = lower(network, initial_tensors(network, 1), "test");
    testing::DesignOptions o = options(Layout::Fused);
    o.reuse_factor = 576;
    o.skips = SkipForm::Cloned;
    const Graph design = testing::make_design(lowered, o);
    int64_t multipliers = 0;
    for (const Node& node : design.nodes)
      multipliers += node.is<ops::Conv2d>() ? node.hardware.multipliers : 0;
    EXPECT_EQ(multipliers, expected) << name;
    expected *= 4;
    const auto skips = skip_depths(design);
    ASSERT_EQ(skips.size(), 1U);
    EXPECT_EQ(design.value(skips[0].value).fifo_depth, 69) << name;
    EXPECT_EQ(design.value(skips[0].value).fifo_storage, FifoStorage::Bram) << name;
    o.skips = SkipForm::Window;  // half of it, and shift registers
    const Graph handed_on = testing::make_design(lowered, o);
    const Value& skip = handed_on.value(skip_depths(handed_on).at(0).value);
    EXPECT_EQ(skip.fifo_depth, 35) << name;
    EXPECT_EQ(skip.fifo_storage, FifoStorage::Srl) << name;
    EXPECT_EQ(handed_on.nodes.size() + 1, design.nodes.size()) << name;
  }
}

TEST(HandMadeGraphs, RawPixelsGetTheIntegerBitsTheyNeed) {
  testing::GraphBuilder b("raw", {3, 5, 6});
  b.conv("conv", b.at, conv_attributes(3, 1, 1), 4, 1e-4);
  const Graph lowered = b.finish(3);
  for (Layout layout : {Layout::Fused, Layout::Stock}) {
    testing::DesignOptions o = options(layout);
    o.input_magnitude = 255;
    const Graph design = testing::make_design(lowered, o);
    EXPECT_EQ(to_string(*design.values[0].type), "ap_fixed<16,9,AP_RND,AP_SAT>");
    testing::DesignOptions narrow = o;
    narrow.type = FixedType{8, 3};
    EXPECT_EQ(to_string(*testing::make_design(lowered, narrow).graph().values[0].type),
              "ap_fixed<9,9,AP_RND,AP_SAT>");
    std::vector<double> image(90);
    for (size_t i = 0; i < image.size(); ++i) image[i] = static_cast<double>(i % 17 * 15 + i % 2);
    const IntegerResult r = IntegerEmulator(design).run(image);
    EXPECT_EQ(r.overflows[0], 0);
    const std::vector<double> exact = Float64Emulator(lowered).run(image);
    for (size_t k = 0; k < exact.size(); ++k) EXPECT_NEAR(r.logits[k], exact[k], 0.3);
  }
}

TEST(HandMadeGraphs, AStridedConvolutionReadsNoSkipFromItsWindow) {
  // On a map of one pixel a stride of 2 keeps the shape, but the window's centre is then another
  // pixel's business.
  const Graph lowered = one_conv({2, 1, 1}, conv_attributes(3, 2, 1));
  const Graph design = testing::make_design(lowered, options(Layout::Fused));
  for (const Node& node : design.nodes) {
    if (!node.is<ops::Conv2d>()) continue;
    EXPECT_TRUE(node.as<ops::Conv2d>().window_skips.empty() &&
                node.as<ops::Conv2d>().folded_skips.empty());
  }
  expect_same_function(lowered, options(Layout::Fused));
}

/// After training a fold must not saturate; training has seen that it does.
TEST(Trained, ASkipThatTrainingHasSeenInAKernelStaysThere) {
  ExportConfig config;
  TrainedPrecision types;
  types.input_magnitude = 2.1;
  config.trained = std::make_shared<TrainedPrecision>(types);
  auto lowered = [](Surgery surgery) {
    return Lowered(
        testing::lowered_variant({surgery, Join::BeforeActivation, Shortcut::Projection}), "test");
  };
  for (SkipForm skips : {SkipForm::Window, SkipForm::Cloned}) {
    config.skips = skips;
    EXPECT_EQ(plan_export(lowered(Surgery::Traditional), config, 2.1).skip_form(), skips);
    testing::expect_error(
        ErrorKind::Unsupported,
        {fmt::format("--skips {}", to_string(skips)), "trained quantised", "expected folded"},
        [&] { plan_export(lowered(Surgery::Shortened), config, 2.1); });
  }
}

/// The skips that a precision keeps out of kernels, as an export's warning has them.
std::vector<UnfoldedSkip> unfolded(const Precision& precision, Shortcut shortcut,
                                   std::vector<Limit>* limits = nullptr) {
  const Lowered lowered(
      testing::lowered_variant({Surgery::Shortened, Join::BeforeActivation, shortcut}), "test");
  const Plan plan = design::plan(lowered, Layout::Fused, precision, 2.1);
  const Budget budget{find_device("u200"), 64};
  if (limits) *limits = design::limits(plan, size(plan, budget), budget.device, HlsBackend::Vitis);
  return plan.unfolded();
}

TEST(FoldIdentitySkips, SayWhichStayOutAndWhy) {
  EXPECT_TRUE(unfolded(FixedType{16, 6}, Shortcut::Projection).empty());
  Precision narrow(FixedType{8, 3});
  narrow.weights = FixedType{8, -6};
  Precision trained = narrow, scaled = FixedType{8, 3};
  trained.trained = true;
  scaled.scales = FixedType{8, 0, false};
  struct Case {
    Precision precision;
    const char *reason, *cure;
  };
  for (const Case& c : std::initializer_list<Case>{
           {narrow, ", beyond 8,-6", "more integer bits for those weights fold them"},
           {trained, "8,-6, the type of its weights, holds no 1", "quantization.points=fixed"},
           {scaled, "its weights are in steps of scales", "no kernel with scales takes a skip"}}) {
    std::vector<Limit> limits;
    const auto skips = unfolded(c.precision, Shortcut::Projection, &limits);
    ASSERT_FALSE(skips.empty()) << c.reason;
    int64_t stages = 0;
    for (const UnfoldedSkip& s : skips) {
      EXPECT_NE(s.reason.find(c.reason), std::string::npos) << s.reason;
      stages += s.is_stage ? 1 : 0;
    }
    EXPECT_EQ(stages, 2) << "two projections";
    const auto found = std::find_if(limits.begin(), limits.end(),
                                    [](const Limit& limit) { return limit.what == "folds"; });
    ASSERT_NE(found, limits.end()) << c.reason;
    EXPECT_FALSE(found->oversize);
    for (const char* part : {"2 with a stage and a FIFO", "stage2.block0.skip", c.reason, c.cure})
      EXPECT_NE(found->text.find(part), std::string::npos) << found->text;
  }
}

TEST(Trained, WhichSkipsFoldDependsOnNoWeight) {
  Network network = testing::small_network();
  testing::alter(network, Surgery::Shortened);
  TensorMap tensors = testing::random_tensors(network, 3);
  for (float& v : tensors.at("stage1.block0.conv1.weight").as<float>()) v = 20;
  const Lowered lowered = lower(network, tensors, "test");
  auto folded = [&](const Precision& precision) {
    const Plan plan = design::plan(lowered, Layout::Fused, precision, 2.1);
    for (const Node& node : plan.graph().nodes) {
      if (node.name == "stage1.block0.conv1") return node.as<ops::Conv2d>().folded_skips.size();
    }
    return size_t{99};
  };
  EXPECT_EQ(folded(FixedType{8, 3}), 0U);
  TrainedPrecision trained;
  EXPECT_EQ(folded(trained.precision("test")), 1U);
  trained.weights = "8,1";  // holds no 1
  EXPECT_EQ(folded(trained.precision("test")), 0U);
}

TEST(HandMadeGraphs, PadsOfADilatedKernelGoUpToWhatItSpans) {
  ops::Conv2d a;
  a.window = {{1, 3}, {1, 1}, {1, 2}, {0, 4, 0, 0}};
  expect_same_function(one_conv({2, 1, 9}, a), options(Layout::Fused));
  a.window.pads.left = 5;
  const Graph lowered = one_conv({2, 1, 9}, a);
  testing::expect_error(ErrorKind::Unsupported,
                        {"conv: pads of 0 and 5 before a kernel of 1x3 dilated 1x2",
                         "below the kernel, which spans 1x5", "--layout stock"},
                        [&] { testing::make_design(lowered, options(Layout::Fused)); });
  expect_same_function(lowered, options(Layout::Stock));
}

TEST(HandMadeGraphs, PadsBeyondTheKernelAreForTheStockLayout) {
  const Graph lowered = one_conv({2, 4, 4}, conv_attributes(1, 1, 1));
  testing::expect_error(ErrorKind::Unsupported,
                        {"conv: pads of 1 and 1 before a kernel of 1", "--layout stock"},
                        [&] { testing::make_design(lowered, options(Layout::Fused)); });
  expect_same_function(lowered, options(Layout::Stock));
}

TEST(HandMadeGraphs, ADesignsConvolutionIsRefusedInALoweredGraph) {
  Graph lowered = one_conv({2, 4, 4}, conv_attributes(3, 1, 1));
  lowered.nodes[1].as<ops::Conv2d>().relu = true;
  for (Layout layout : {Layout::Fused, Layout::Stock})
    testing::expect_error(ErrorKind::Unsupported, {"conv has a ReLU or skips of its own"},
                          [&] { testing::make_design(lowered, options(layout)); });
}

TEST(HandMadeGraphs, AStageNamedAsTheTopFunctionGetsAnotherName) {
  Graph lowered = one_conv({2, 4, 4}, conv_attributes(3, 1, 1));
  lowered.name = "conv";
  std::set<std::string> names = {"conv"};
  const Graph design = testing::make_design(lowered, options(Layout::Stock));
  for (const Node& node : design.nodes)
    EXPECT_TRUE(names.insert(node.identifier).second) << node.identifier;
}

}  // namespace
}  // namespace tailor::test

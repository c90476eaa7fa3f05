// Two products a DSP: which stages pack, how many slices that takes, and what is said of the rest.
#include <gtest/gtest.h>

#include "support/designs.h"
#include "support/expect_error.h"
#include "support/graphs.h"
#include "support/networks.h"
#include "support/rooms.h"
#include "tailor/core/files.h"
#include "tailor/ir/packing.h"

namespace tailor::test {
namespace {

testing::DesignOptions packed(FixedType type = {8, 3}) {
  testing::DesignOptions o;
  o.type = type;
  o.input_magnitude = 2.1;
  o.dsp_packing = true;
  return o;
}

Graph resnet(const char* name) {
  const Network network = network_by_name(name).network;
  return lower(network, initial_tensors(network, 1), "test");
}

/// 3 x 6 x 7, a convolution of `groups` to `out` channels, and three classes.
Graph one_convolution(int64_t in, int64_t out, int64_t groups) {
  testing::GraphBuilder b("one", {in, 6, 7});
  ops::Conv2d a;
  a.window = square_window(3, 1, 1);
  a.groups = groups;
  b.conv("conv", b.at, a, out);
  return b.finish(3);
}

const ProductStage& conv_of(const Plan& plan) {
  for (const ProductStage& p : plan.products()) {
    if (plan.graph().node(p.node).name == "conv") return p;
  }
  return plan.products().at(0);
}

TEST(Packing, TwoOutputsShareASliceAndAnOddOneHasItsOwn) {
  const Plan plan = testing::make_plan(one_convolution(2, 5, 1), packed());
  const ProductStage& p = conv_of(plan);
  EXPECT_EQ(p.multipliers(1), 90);
  EXPECT_EQ(p.dsps(1), 54) << "18 products of 5 outputs: two pairs and one";
  EXPECT_EQ(p.dsps(6), 9);
  EXPECT_EQ(p.dsps(18), 3);
  EXPECT_EQ(p.lut_multipliers(18), 0);
  EXPECT_EQ(p.multipliers(90), 1);
  EXPECT_FALSE(p.packs(90)) << "a single multiplier shares with nobody";
  EXPECT_EQ(p.dsps(90), 0);
  EXPECT_EQ(p.lut_multipliers(90), 1);
}

TEST(Packing, OfGroupsPairsStayWithinOne) {
  const Plan plan = testing::make_plan(one_convolution(4, 6, 2), packed());
  const ProductStage& p = conv_of(plan);
  ASSERT_EQ(p.n_in, 18);
  EXPECT_EQ(p.dsps(1), 2 * 18 * 2) << "three outputs of a group: a pair and one";
  EXPECT_EQ(p.dsps(18), 4);
  EXPECT_FALSE(p.packs(36)) << "the second multiplier works for outputs of both groups";
  EXPECT_EQ(p.lut_multipliers(36), 3);
  EXPECT_EQ(p.lut_multipliers(54), 2);
}

TEST(Packing, SaysWhatCannot) {
  const Plan plan = testing::make_plan(one_convolution(6, 6, 6), packed());
  ASSERT_EQ(plan.unpacked().size(), 1U);
  EXPECT_EQ(plan.unpacked()[0].first, "conv");
  EXPECT_EQ(plan.unpacked()[0].second, "depthwise: no two outputs share an input");
  const std::vector<Limit> found =
      testing::limits_of(one_convolution(6, 6, 6), packed(), HlsBackend::Vitis);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].what, "packing");
  EXPECT_FALSE(found[0].oversize);
  EXPECT_EQ(found[0].text,
            "--dsp-packing leaves as they are: conv (depthwise: no two outputs share an input)");
  testing::expect_error(
      ErrorKind::Unsupported,
      {"--dsp-packing", "no stage of one", "conv (weights of 16 bits, at most 8 fit)",
       "fc (weights of 16 bits", "--precision"},
      [] {
        testing::make_plan(one_convolution(2, 5, 1), packed(FixedType{16, 6}));
      });
}

TEST(Packing, HoldsWhereTheFieldsDo) {
  Graph g = testing::make_plan(one_convolution(2, 5, 1), packed()).graph();
  Node* conv = nullptr;
  for (Node& n : g.nodes) {
    if (n.name == "conv") conv = &n;
  }
  ASSERT_NE(conv, nullptr);
  auto obstacle = [&](int weight_bits, int in_bits, bool in_signed) {
    conv->hardware.weight->width = weight_bits;
    FixedType& x = *g.value(conv->inputs[0]).type;
    x.width = in_bits, x.is_signed = in_signed;
    return packing_obstacle(g, *conv);
  };
  EXPECT_EQ(obstacle(8, 8, true), "");
  EXPECT_EQ(obstacle(8, 8, false), "") << "nine signed bits";
  EXPECT_EQ(obstacle(8, 10, true), "");
  EXPECT_EQ(obstacle(8, 10, false),
            "products of 19 bits (weights of 8, inputs of 11), at most 18 fit");
  EXPECT_EQ(obstacle(9, 8, true), "weights of 9 bits, at most 8 fit");
  EXPECT_EQ(obstacle(4, 14, true), "");
}

TEST(Packing, StandsInTheDesignAndItsFile) {
  const Design design = testing::make_design(one_convolution(2, 5, 1), packed());
  TemporaryDirectory folder("tailor-packing");
  const std::string path = path_join(folder.path(), "g.safetensors");
  save_graph(path, design);
  const Graph read = load_graph(path);
  EXPECT_EQ(print_graph(read), print_graph(design));
  EXPECT_TRUE(read.provenance.at("design").at("dsp_packing").as_bool());
  bool any = false;
  for (const Node& n : read.nodes) any |= n.hardware.packed;
  EXPECT_TRUE(any);
  Graph wrong = read;
  for (Node& n : wrong.nodes) {
    if (n.hardware.packed) n.hardware.weight->width = 9;
  }
  const auto findings = verify_design(wrong);
  ASSERT_FALSE(findings.empty());
  EXPECT_NE(findings[0].find("packs products that do not fit"), std::string::npos);
}

TEST(Packing, HalvesTheSlicesOfResNet20) {
  const Graph graph = resnet("resnet20");
  testing::DesignOptions o = packed();
  o.reuse_factor = 9;
  const Cost cost = testing::cost_of(graph, o);
  o.dsp_packing = false;
  const Cost plain = testing::cost_of(graph, o);
  EXPECT_EQ(cost.multipliers, plain.multipliers);
  EXPECT_EQ(cost.interval_cycles, plain.interval_cycles);
  EXPECT_EQ(plain.dsp, 0);
  EXPECT_EQ(plain.lut_multipliers, plain.multipliers);
  EXPECT_EQ(2 * cost.dsp, cost.packed_multipliers);
  EXPECT_EQ(cost.packed_multipliers + cost.lut_multipliers, cost.multipliers);
}

}  // namespace
}  // namespace tailor::test

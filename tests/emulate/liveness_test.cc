// Underflows, constant channels and dead inputs are counted by hand on a network of two layers.
#include "tailor/emulate/liveness.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include "support/networks.h"
#include "support/projects.h"

namespace tailor::test {
namespace {

Graph design_with_scale(float gamma) {
  Graph lowered = testing::lowered(testing::block_network());
  for (float& g : lowered.tensors.at("stem.bn1.weight").as<float>()) g *= gamma;
  return testing::project_parts(lowered).design;
}

std::vector<std::vector<double>> images() {
  std::vector<std::vector<double>> list;
  for (int64_t i = 0; i < 3; ++i) list.push_back(testing::random_image({2, 6, 7}, i));
  return list;
}

const Node& stem_of(const Graph& design, size_t* index) {
  for (size_t n = 0; n < design.nodes.size(); ++n) {
    if (design.nodes[n].name == "stem.conv1") return *index = n, design.nodes[n];
  }
  throw std::runtime_error("no stem.conv1");
}

TEST(Underflow, CountsWeightsAndWholeKernelsThatBecomeZero) {
  size_t stem = 0;
  const Graph usual = design_with_scale(1), tiny = design_with_scale(1e-4F);
  stem_of(usual, &stem);
  EXPECT_EQ(count_underflows(usual)[stem].kernels, 0);
  EXPECT_EQ(count_underflows(usual)[stem].nonzero, 2 * 3 * 9);
  stem_of(tiny, &stem);
  EXPECT_EQ(count_underflows(tiny)[stem].weights, 2 * 3 * 9);
  EXPECT_EQ(count_underflows(tiny)[stem].kernels, 3);
}

TEST(Underflow, AWeightThatIsZeroAnywayIsNone) {
  size_t stem = 0;
  Graph design = design_with_scale(1);
  const Node& node = stem_of(design, &stem);
  design.tensors.at("stem.conv1.weight").as<double>()[0] = 0;
  EXPECT_EQ(count_underflows(design)[stem].nonzero, 2 * 3 * 9 - 1);
  for (double& w : design.tensors.at("stem.conv1.weight").as<double>()) w = 0;
  EXPECT_EQ(count_underflows(design)[stem].kernels, 0);
  EXPECT_EQ(node.name, "stem.conv1");
}

TEST(ConstantChannels, AreThoseThatFloat64MovesAndIntegersDoNot) {
  size_t stem = 0;
  const Graph tiny = design_with_scale(1e-4F);
  stem_of(tiny, &stem);
  EXPECT_GT(count_constant_channels(tiny, images())[stem], 0);
  EXPECT_EQ(count_constant_channels(tiny, {images()[0]})[stem], 0);  // one image says nothing
  for (int64_t n : count_constant_channels(design_with_scale(1), images())) EXPECT_EQ(n, 0);
}

TEST(InputDependence, IsKnownFromTwoDifferentImagesOnly) {
  const auto in = images();
  const std::vector<std::vector<double>> same = {in[0], in[0]}, moving = {{1, 2}, {1, 3}},
                                         still = {{1, 2}, {1, 2}};
  EXPECT_FALSE(input_dependence({in[0]}, {{1}}, {{1}}).known);
  EXPECT_FALSE(input_dependence(same, {{1}, {1}}, still).known);
  const InputDependence dead = input_dependence({in[0], in[1]}, {{4}, {4}}, moving);
  EXPECT_TRUE(dead.known && !dead.depends && dead.expected);
  const InputDependence constant = input_dependence({in[0], in[1]}, {{4}, {4}}, still);
  EXPECT_TRUE(constant.known && !constant.depends && !constant.expected);
  EXPECT_TRUE(input_dependence({in[0], in[1]}, {{4}, {5}}, moving).depends);
}

}  // namespace
}  // namespace tailor::test

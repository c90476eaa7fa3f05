// The networks that other rooms draw from a seed: always well-formed, always the same, and every
// feature comes.
#include "support/random_networks.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <map>

#include "support/layers.h"

namespace tailor::test {
namespace {

TEST(RandomNetworks, AreWellFormedAndReadBackAsTheyWereWritten) {
  for (int64_t seed = 0; seed < 500; ++seed) {
    const Network network = testing::random_network(seed);
    EXPECT_EQ(verify_network(network), std::vector<std::string>{}) << seed;
    const Json json = write_network(network);
    EXPECT_EQ(json, write_network(testing::random_network(seed))) << seed;
    const Network back = read_network(Json::parse(json.dump(), "x"), "x");
    EXPECT_EQ(write_network(back), json) << seed;
    EXPECT_EQ(tensor_specs(back).size(), tensor_specs(network).size()) << seed;
    EXPECT_EQ(mac_count(back), mac_count(network)) << seed;
    EXPECT_LE(mac_count(network), 200000) << seed;
  }
}

TEST(RandomNetworks, HaveEveryFeatureOften) {
  std::map<std::string, int> count;
  auto see = [&](const char* what, bool seen) { count[what] += seen ? 1 : 0; };
  for (int64_t seed = 0; seed < 100; ++seed) {
    const Network n = testing::random_network(seed);
    see("1-D", n.input.height == 1);
    see("answers per position", n.answers_per_position());
    see("joins behind the activation", n.join == Join::AfterActivation);
    std::map<std::string, bool> in_network;
    const std::vector<PlacedLayer> layers = placed_layers(n);
    for (size_t i = 0; i < layers.size(); ++i) {
      const auto* conv = layers[i].as<ConvLayer>();
      const auto* pool = layers[i].as<PoolLayer>();
      const auto* next = i + 1 < layers.size() && layers[i + 1].chain == layers[i].chain
                             ? layers[i + 1].as<ConvLayer>()
                             : nullptr;
      if (conv) {
        const Window& w = conv->window;
        in_network["dilated"] |= w.dilation.size() > 1;
        in_network["rectangular"] |= w.kernel.height != w.kernel.width;
        in_network["strided"] |= w.stride.size() > 1;
        in_network["unequal pads"] |= w.pads.left != w.pads.right || w.pads.top != w.pads.bottom;
        in_network["separable"] |= next && conv->groups == conv->in && next->window.taps() == 1;
      }
      in_network["pools"] |= pool && pool->kind != PoolKind::GlobalAverage;
    }
    for (const Block& block : n.blocks) {
      for (const Skip& skip : block.skips) in_network[std::string("skip ") + kind_of(skip)] = true;
    }
    for (const auto& [what, seen] : in_network) count[what] += seen ? 1 : 0;
  }
  for (const char* what : {"1-D", "answers per position", "joins behind the activation", "dilated",
                           "rectangular", "strided", "unequal pads", "separable", "pools",
                           "skip identity", "skip projection", "skip pad", "skip layers"})
    EXPECT_GE(count[what], 4) << what;
}

}  // namespace
}  // namespace tailor::test

#include "tailor/net/dirac.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include "tailor/core/strings.h"
#include "tailor/surgery/surgery.h"

namespace tailor::test {
namespace {

/// Two channels to three filters over 1 x 3 pixels, the middle one the output's.
NamedLayer dirac_conv(Layer& storage) {
  ConvLayer conv{2, 3, {}, 1, false, true};
  conv.window.kernel = {1, 3};
  conv.window.pads = {0, 1, 0, 1};
  storage = conv;
  return {"conv", &storage};
}

TEST(Dirac, KernelIsAlphaTimesTheIdentityAndBetaTimesUnitFilters) {
  Layer layer;
  const NamedLayer conv = dirac_conv(layer);
  TensorMap tensors;
  tensors.emplace("conv.weight", Tensor::from<float>({3, 2, 1, 3}, {3, 0, 0, 0, 4, 0,  // norm 5
                                                                    0, 0, 2, 0, 0, 0,  // norm 2
                                                                    0, 0, 0, 0, 0, 0}));
  tensors.emplace("conv.alpha", Tensor::from<float>({3}, {1, -2, 7}));
  tensors.emplace("conv.beta", Tensor::from<float>({3}, {10, 0.5F, 3}));
  // The third filter has no channel of its own to pass on, and no direction.
  EXPECT_EQ(kernel_of(tensors, conv), Tensor::from<float>({3, 2, 1, 3}, {6, 1, 0, 0, 8, 0,      //
                                                                         0, 0, 0.5F, 0, -2, 0,  //
                                                                         0, 0, 0, 0, 0, 0}));
  std::get<ConvLayer>(layer).dirac = false;
  EXPECT_EQ(kernel_of(tensors, conv), tensors.at("conv.weight"));
}

TEST(Dirac, DescriptionKeepsItAndMergedNetworksHaveNone) {
  NetworkConfig config;
  config.depth = 8;
  const Network network =
      alter_every_skip(make_network(config, {3, 32, 32}, 10), InitialSkips::Dirac);
  EXPECT_TRUE(skip_ids(network).empty());
  const Json description = write_network(network);
  EXPECT_EQ(write_network(read_network(description, "again")), description);
  const TensorMap tensors = initial_tensors(network, 1);
  const auto [merged, weights] = merge_dirac(network, tensors);
  EXPECT_EQ(write_network(merged),
            write_network(
                alter_every_skip(make_network(config, {3, 32, 32}, 10), InitialSkips::Removed)));
  EXPECT_EQ(tensors.size(), weights.size() + 2 * 7);
  EXPECT_EQ(parameter_count(network), parameter_count(merged) + 2 * (3 * 16 + 2 * 32 + 2 * 64));
  verify_tensors(merged, weights, "merged");
  // A filter of norm 0.1 and an identity of 1.
  const auto filter = weights.at("stage1.block0.conv1.weight").as<float>();
  double square = 0;
  for (size_t i = 0; i < filter.size() / 16; ++i) square += i == 4 ? 0 : filter[i] * filter[i];
  EXPECT_LE(square, 0.0101);
  EXPECT_NEAR(filter[4], 1, 0.1);
}

TEST(Dirac, IsRefusedWhereNoTapReadsThePixelOrChannelsAreGrouped) {
  NetworkConfig config;
  config.depth = 8;
  Network network = make_network(config, {3, 32, 32}, 10);
  auto& conv = std::get<ConvLayer>(network.blocks[1].stages[0].layers[0]);
  conv.dirac = true;
  EXPECT_TRUE(verify_network(network).empty());
  auto expect_refusal = [&] {
    EXPECT_NE(join(verify_network(network), "; ").find("is dirac, which needs a stage, one group"),
              std::string::npos);
  };
  conv.groups = 2;
  expect_refusal();
  conv.groups = 1, conv.window.pads = {4, 4, 0, 0};
  expect_refusal();
  conv.window.pads = {1, 1, 1, 1};
  EXPECT_TRUE(verify_network(network).empty());
  auto& skip = network.blocks[2].skips[0];
  std::get<ConvLayer>(skip.layers[0]).dirac = true;
  expect_refusal();
}

}  // namespace
}  // namespace tailor::test

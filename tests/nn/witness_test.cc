// The witness agrees where kernels are right, at any depth, and names the layer where one is not.
#include "tailor/nn/witness.h"
#include "support/rooms.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <limits>

#include "support/expect_error.h"
#include "support/layers.h"
#include "support/networks.h"

namespace tailor::test {
namespace {

/// Random images, channels-last.
at::Tensor image_batch(const MapShape& shape, int64_t n) {
  std::vector<float> hwc;
  for (int64_t i = 0; i < n; ++i) {
    for (double v : testing::random_image(shape, i)) hwc.push_back(static_cast<float>(v));
  }
  return at::from_blob(hwc.data(), {n, shape.height, shape.width, shape.channels}, at::kFloat)
      .permute({0, 3, 1, 2})
      .clone(at::MemoryFormat::ChannelsLast);
}

void expect_agreement_of_kernels(const Network& network, int64_t n) {
  const WitnessErrors errors =
      verify_kernels(network, testing::random_tensors(network, 3), image_batch(network.input, n));
  EXPECT_LT(errors.output, kKernelTolerance / 10);
  EXPECT_LT(errors.gradient, kKernelTolerance / 10);
  EXPECT_GT(errors.gradient, 0);  // two kernels, not one compared with itself
}

TEST(Witness, RightKernelsAgreeFarWithinTheTolerance) {
  for (const testing::Variant& variant : testing::all_variants()) {
    SCOPED_TRACE(variant.name());
    Network network = testing::small_network(variant.join, variant.shortcut);
    testing::alter(network, variant.surgery);
    expect_agreement_of_kernels(network, 8);
  }
}

TEST(Witness, AHundredLayersWithoutSkipsAgreeToo) {
  for (testing::Surgery surgery : {testing::Surgery::Traditional, testing::Surgery::Removed}) {
    Network network = testing::small_network(Join::BeforeActivation, Shortcut::Projection, 4, 110);
    testing::alter(network, surgery);
    expect_agreement_of_kernels(network, 4);
  }
}

TEST(Witness, ANewProjectionWhoseGammaIsZeroAgrees) {
  Network network = testing::small_network();
  TensorMap tensors = testing::random_tensors(network, 3);
  for (float& v : tensors.at("stage2.block0.skip.bn.weight").as<float>()) v = 0;
  EXPECT_NO_THROW(verify_kernels(network, tensors, image_batch(network.input, 4)));
}

LayerPass some_pass() {
  return {at::ones({2, 3, 4, 4}), at::ones({2, 5, 4, 4}), at::ones({3, 5, 1, 1}), at::ones({3})};
}

TEST(Witness, NamesTheLayerAndWhatOfItIsWrong) {
  struct Fault {
    at::Tensor LayerPass::*part;
    const char* text;
  };
  for (const Fault& fault : {Fault{&LayerPass::output, "its output differs"},
                             Fault{&LayerPass::input_gradient, "its input gradient differs"},
                             Fault{&LayerPass::weight_gradient, "its weight gradient differs"},
                             Fault{&LayerPass::bias_gradient, "its bias gradient differs"}}) {
    for (double wrong : {1.01, 47.0, std::numeric_limits<double>::quiet_NaN(),
                         std::numeric_limits<double>::infinity()}) {
      LayerPass fast = some_pass();
      (fast.*fault.part).mul_(wrong);
      testing::expect_error(
          ErrorKind::Mismatch,
          {"LibTorch computes stage2.block0.skip.conv wrongly", fault.text, "expected at most",
           "ONEDNN_MAX_CPU_ISA"},
          [&] { compare_layer("stage2.block0.skip.conv", fast, some_pass(), some_pass()); });
    }
  }
  const WitnessErrors none = compare_layer("x", some_pass(), some_pass(), some_pass());
  EXPECT_EQ(none.output, 0);
  EXPECT_EQ(none.gradient, 0);
}

TEST(Witness, AGradientThatIsNothingButRoundingIsNoFault) {
  // Under a batch norm a convolution of one channel's one tap has no gradient but rounding: the
  // scale of its weight changes nothing.
  Network network = testing::small_network(Join::BeforeActivation, Shortcut::Projection, 1);
  for (int64_t seed = 1; seed <= 12; ++seed) {
    EXPECT_NO_THROW(
        verify_kernels(network, initial_tensors(network, seed), image_batch(network.input, 8)))
        << seed;
  }
  Network grouped = testing::small_network();
  const int64_t channels = testing::conv_of(grouped.blocks[0].stages[0]).out;
  Stage pointwise = conv_stage(channels, channels, 1, 1);
  testing::conv_of(pointwise).groups = channels;
  grouped.blocks[0].stages.push_back(pointwise);
  ASSERT_TRUE(verify_network(grouped).empty());
  for (int64_t seed = 1; seed <= 12; ++seed) {
    EXPECT_NO_THROW(
        verify_kernels(grouped, initial_tensors(grouped, seed), image_batch(grouped.input, 8)))
        << seed;
  }
}

TEST(Witness, LeavesTheNetworkAsItIs) {
  const Network network = testing::small_network();
  const TensorMap tensors = testing::random_tensors(network, 3), copy = tensors;
  verify_kernels(network, tensors, image_batch(network.input, 4));
  EXPECT_EQ(tensors, copy);
}

}  // namespace
}  // namespace tailor::test

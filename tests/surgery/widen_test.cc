// The plain network computes what the residual one did: both are lowered and run in float64, and
// the tensors between them are float32.
#include "tailor/surgery/widen.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/layers.h"
#include "support/networks.h"
#include "tailor/core/strings.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/witness.h"
#include "tailor/net/batch_norm.h"

namespace tailor::test {
namespace {

using testing::expect_error;

constexpr double kExact = 1e-9, kRounded = 1e-6;

/// Batch norms of all kinds: negative factors, tiny ones, and some of 0.
TensorMap odd_tensors(const Network& network, int64_t seed) {
  TensorMap tensors = testing::random_tensors(network, seed);
  for (const TensorSpec& spec : tensor_specs(network)) {
    if (spec.role != TensorRole::BnWeight) continue;
    CounterRandom random(static_cast<uint64_t>(seed), RandomStream::Test,
                         std::hash<std::string>()(spec.name) + 1);
    for (float& v : tensors.at(spec.name).as<float>()) {
      const int64_t kind = random.below(8);
      if (kind < 3) v = -v;
      if (kind == 3) v = 0;
      if (kind == 4) v *= 1e-4F;
    }
  }
  return tensors;
}

/// The largest difference of the outputs on two images, relative to the largest output.
double difference(const Network& network, const TensorMap& tensors, const WidenedNetwork& w) {
  const Float64Emulator before(lower(network, tensors, "before")),
      after(lower(w.network, w.tensors, "after"));
  double worst = 0;
  for (int64_t i = 0; i < 2; ++i) {
    const std::vector<double> image = testing::random_image(network.input, 40 + i);
    worst = std::max(worst, relative_difference(after.run(image), before.run(image)));
  }
  return worst;
}

struct Case {
  int64_t depth;
  Shortcut shortcut;
};
class WidenResNets : public ::testing::TestWithParam<Case> {};

TEST_P(WidenResNets, ComputeTheSame) {
  const Case c = GetParam();
  const Network network = testing::small_network(Join::BeforeActivation, c.shortcut, 3, c.depth);
  for (int64_t seed = 0; seed < 4; ++seed) {
    SCOPED_TRACE(seed);
    const TensorMap tensors = odd_tensors(network, seed);
    const bool rounded = c.shortcut == Shortcut::Projection;
    const WidenedNetwork w = widen(network, tensors, {});
    EXPECT_LE(difference(network, tensors, w), rounded ? kRounded : kExact);
    EXPECT_LE(difference(network, tensors, widen(network, tensors, {}, true)), kExact);
    EXPECT_TRUE(skip_ids(w.network).empty());
    EXPECT_EQ(w.skips.size(), skip_ids(network).size());
    EXPECT_EQ(w.skips[0].channels, 3);
  }
}

INSTANTIATE_TEST_SUITE_P(Depths, WidenResNets,
                         ::testing::Values(Case{8, Shortcut::Pad}, Case{8, Shortcut::PadEnd},
                                           Case{8, Shortcut::Projection}, Case{20, Shortcut::Pad},
                                           Case{20, Shortcut::Projection},
                                           Case{56, Shortcut::PadEnd}));

/// Whatever a description can say is widened and computes the same, or is refused.
TEST(Widen, RandomNetworksComputeTheSame) {
  int64_t exact = 0, rounded = 0, refused = 0;
  for (int64_t seed = 0; seed < 4000; ++seed) {
    const Network network = testing::random_network(seed);
    const TensorMap tensors = odd_tensors(network, seed);
    for (const Block& block : network.blocks) {
      for (const Skip& skip : block.skips) {
        SCOPED_TRACE(fmt::format("seed {}, {} ({})", seed, skip.id, kind_of(skip)));
        WidenedNetwork w;
        try {
          w = widen(network, tensors, {skip.id});
        } catch (const Error& e) {
          EXPECT_EQ(e.kind(), ErrorKind::Config) << e.what();
          ++refused;
          continue;
        }
        EXPECT_EQ(skip_ids(w.network).size() + 1, skip_ids(network).size());
        const bool is_exact = w.skips[0].channels > 0 && kind_of(skip) != std::string("projection");
        EXPECT_LE(difference(network, tensors, w), is_exact ? kExact : kRounded);
        ++(is_exact ? exact : rounded);
      }
    }
  }
  EXPECT_GE(exact, 1);
  EXPECT_GT(rounded, 10);
  EXPECT_GT(refused, 10);
}

TEST(Widen, OtherFamilies) {
  for (const char* name : {"resnet8_mlperf_tiny", "resnet18", "resnet50", "resnet50_v1"}) {
    SCOPED_TRACE(name);
    NetworkConfig config = network_by_name(name).config;
    config.width = 3;
    const bool tiny = config.family == "resnet_mlperf_tiny";
    const Network network = make_network(config, {3, tiny ? 16 : 33, tiny ? 12 : 35}, 5);
    const TensorMap tensors = testing::random_tensors(network, 7);
    EXPECT_LE(difference(network, tensors, widen(network, tensors, {})), kRounded);
    EXPECT_LE(difference(network, tensors, widen(network, tensors, {}, true)), kExact);
  }
}

TEST(Widen, ShortenedSkipsAreMerged) {
  Network network = testing::small_network();
  testing::alter(network, testing::Surgery::Shortened);
  const TensorMap tensors = odd_tensors(network, 5);
  const WidenedNetwork w = widen(network, tensors, {});
  EXPECT_LE(difference(network, tensors, w), kRounded);
  EXPECT_TRUE(skip_ids(w.network).empty());
  Network removed = testing::small_network();
  testing::alter(removed, testing::Surgery::Removed);
  EXPECT_EQ(write_network(w.network), write_network(removed));
}

TEST(Widen, DiracKernelsAreMerged) {
  Network network = testing::small_network();
  std::get<ConvLayer>(network.blocks[1].stages[0].layers[0]).dirac = true;
  const TensorMap tensors = odd_tensors(network, 5);
  const WidenedNetwork w = widen(network, tensors, {});
  EXPECT_LE(difference(network, tensors, w), kRounded);
  EXPECT_TRUE(skip_ids(w.network).empty());
}

TEST(Widen, OnlyWhatIsAskedFor) {
  const Network network = testing::small_network();
  const TensorMap tensors = testing::random_tensors(network, 5);
  const WidenedNetwork w = widen(network, tensors, {"stage3.block0.skip"});
  EXPECT_EQ(skip_ids(w.network),
            (std::vector<std::string>{"stage1.block0.skip", "stage2.block0.skip"}));
  EXPECT_EQ(w.skips[0].channels, 8);
  ASSERT_EQ(w.skips[0].norms.size(), 2);
  EXPECT_EQ(w.skips[0].norms[0].name, "stage3.block0.bn1");
  EXPECT_EQ(w.skips[0].norms[0].first, 16);
  EXPECT_EQ(w.skips[0].norms[1].name, "stage3.block0.bn2");
  EXPECT_EQ(w.skips[0].norms[1].first, 0);
  EXPECT_EQ(w.tensors.at("stage3.block0.conv1.weight").shape(), (Shape{24, 8, 3, 3}));
  EXPECT_EQ(w.tensors.at("stage3.block0.conv2.weight").shape(), (Shape{16, 24, 3, 3}));
  EXPECT_EQ(w.tensors.count("stage3.block0.skip.conv.weight"), 0);
  EXPECT_LE(difference(network, tensors, w), kRounded);
}

/// What a refusal says; nothing where there is none.
std::string refusal(const Network& network, const std::vector<std::string>& skips = {}) {
  return testing::message_of(ErrorKind::Config,
                             [&] { widen(network, initial_tensors(network, 1), skips); });
}

TEST(Widen, RefusesWhatItCannotDo) {
  const Network network = testing::small_network();
  const TensorMap tensors = initial_tensors(network, 1);
  expect_error(ErrorKind::Config, {"stage9", "stage1.block0.skip"},
               [&] { widen(network, tensors, {"stage9.block0.skip"}); });
  EXPECT_NE(refusal(testing::small_network(Join::AfterActivation)).find("behind the ReLU"),
            std::string::npos);

  for (const double weight : {0.0, 0.4}) {
    Network fading = network;
    fading.blocks[1].skips[0].weight = weight;
    EXPECT_NE(refusal(fading).find("it is fading"), std::string::npos);
  }
  Network linear = network;  // the stem's output may be below 0
  linear.blocks[0].stages[0].layers.pop_back();
  EXPECT_NE(refusal(linear).find("may be below 0"), std::string::npos);

  Network crossing = network;
  crossing.blocks[2].skips.push_back({"inner", 0, 1, projection(4, 8, {2, 2}), "inner"});
  EXPECT_NE(refusal(crossing, {"stage2.block0.skip"}).find("inner begins or ends between"),
            std::string::npos);
  EXPECT_EQ(widen(crossing, initial_tensors(crossing, 1), {}).skips[1].skip_id,
            "stage1.block0.skip");

  Network narrow = network;  // rows are lost at the first convolution and come back at the second
  testing::conv_of(narrow.blocks[1].stages[0]).window.pads.bottom = 0;
  testing::conv_of(narrow.blocks[1].stages[1]).window.pads.bottom = 2;
  EXPECT_NE(refusal(narrow).find("no tap of stage1.block0.conv1 reads its pixel"),
            std::string::npos);

  Network quartz = network_by_name("quartznet5x5_dna").network;
  EXPECT_NE(refusal(quartz).find("without groups"), std::string::npos);
}

TEST(Widen, SettledNormsComputeTheSameWithTheirStatistics) {
  const Network network = testing::small_network(Join::BeforeActivation, Shortcut::Pad);
  const TensorMap tensors = odd_tensors(network, 2);
  WidenedNetwork w = widen(network, tensors, {});
  CounterRandom random(3, RandomStream::Test, 1);
  for (const Widening& skip : w.skips) {
    for (const TouchedNorm& norm : skip.norms) {
      std::vector<double> mean, variance;
      const auto channels = w.tensors.at(norm.name + ".bias").size();
      for (int64_t c = 0; c < channels; ++c) {
        mean.push_back(c % 5 == 4 ? 0 : random.uniform(-3, 3));
        variance.push_back(c % 7 == 6 ? 0 : std::exp(random.uniform(-8, 5)));
      }
      settle_norm(w.tensors, norm, mean, variance, network.bn_epsilon);
      const auto is_mean = w.tensors.at(norm.name + ".running_mean").as<float>(),
                 is_variance = w.tensors.at(norm.name + ".running_var").as<float>();
      const ScaleShift now = scale_and_shift(w.tensors, norm.name, network.bn_epsilon);
      for (size_t c = norm.first; c < mean.size(); ++c) {
        if (now.scale[c] == 0) continue;
        EXPECT_NEAR(is_variance[c], variance[c], 5e-3 * (variance[c] + network.bn_epsilon));
        EXPECT_NEAR(is_mean[c], mean[c],
                    5e-3 * (std::abs(mean[c]) + std::abs(now.shift[c] / now.scale[c])));
      }
    }
  }
  EXPECT_LE(difference(network, tensors, w), kExact);
}

}  // namespace
}  // namespace tailor::test

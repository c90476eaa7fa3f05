// The counts are the ones of He et al. 2015 and of the paper's table; the multiply-accumulates are
// counted again from the architecture's text.
#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/layers.h"
#include "support/rooms.h"
#include "tailor/net/network.h"

namespace tailor::test {
namespace {

using testing::conv_of;
using testing::expect_error;
using testing::layer_of;

Network resnet(int64_t depth, Shortcut shortcut = Shortcut::Projection) {
  NetworkConfig config;
  config.depth = depth;
  config.shortcut = shortcut;
  return make_network(config, {3, 32, 32}, 10);
}

TEST(CifarResnet, HasThePapersParameterCounts) {
  const std::pair<int64_t, int64_t> counts[] = {{8, 78042},   {20, 272474}, {32, 466906},
                                                {44, 661338}, {56, 855770}, {110, 1730714}};
  for (const auto& [depth, count] : counts) {
    EXPECT_EQ(parameter_count(resnet(depth)), count) << depth;
    // Without the two projections: 16·32 + 2·32 and 32·64 + 2·64 less.
    EXPECT_EQ(parameter_count(resnet(depth, Shortcut::Pad)), count - 2752) << depth;
  }
  EXPECT_EQ(parameter_count(resnet(20, Shortcut::Pad)), 269722);
}

int64_t macs_by_hand(int64_t n, int64_t classes, bool projections) {
  int64_t macs = 3 * 16 * 9 * 32 * 32, in = 16;
  for (int64_t stage = 0; stage < 3; ++stage) {
    const int64_t filters = 16 << stage, side = 32 >> stage;
    macs += side * side * 9 * filters * (in + (2 * n - 1) * filters);
    if (in != filters && projections) macs += side * side * filters * in;
    in = filters;
  }
  return macs + in * classes;
}

TEST(CifarResnet, HasTheMultiplicationsOfItsArchitecture) {
  EXPECT_EQ(mac_count(resnet(20)), 40813184);
  for (int64_t depth : {8, 20, 110}) {
    EXPECT_EQ(mac_count(resnet(depth)), macs_by_hand((depth - 2) / 6, 10, true));
    EXPECT_EQ(mac_count(resnet(depth, Shortcut::Pad)), macs_by_hand((depth - 2) / 6, 10, false));
  }
}

TEST(CifarResnet, NamesItsSkipsInOrderFromTheInput) {
  EXPECT_EQ(
      skip_ids(resnet(20)),
      (std::vector<std::string>{"stage1.block0.skip", "stage1.block1.skip", "stage1.block2.skip",
                                "stage2.block0.skip", "stage2.block1.skip", "stage2.block2.skip",
                                "stage3.block0.skip", "stage3.block1.skip", "stage3.block2.skip"}));
  for (int64_t depth : {8, 32, 44, 56, 110})
    EXPECT_EQ(static_cast<int64_t>(skip_ids(resnet(depth)).size()), (depth - 2) / 2);
}

TEST(CifarResnet, OnlyTheStridedBlocksHaveProjectionsOrPads) {
  for (Shortcut shortcut : {Shortcut::Projection, Shortcut::Pad, Shortcut::PadEnd}) {
    for (const Block& block : resnet(20, shortcut).blocks) {
      for (const Skip& skip : block.skips) {
        const bool strided = skip.id == "stage2.block0.skip" || skip.id == "stage3.block0.skip";
        const std::string other = shortcut == Shortcut::Projection ? "projection" : "pad",
                          kind = kind_of(skip);
        EXPECT_EQ(kind, strided ? other : "identity") << skip.id;
        EXPECT_EQ(stride_of(skip.layers), (strided ? Size2{2, 2} : Size2{1, 1})) << skip.id;
        EXPECT_EQ(skip.tensors, kind == "projection" ? skip.id : "");
        if (kind == "pad") {  // half of the new channels before, or none
          const int64_t half = skip.id == "stage2.block0.skip" ? 8 : 16;
          EXPECT_EQ(layer_of<PickLayer>(skip.layers).channel_offset,
                    shortcut == Shortcut::Pad ? half : 0);
        }
        EXPECT_EQ(skip.from, 0);
        EXPECT_EQ(skip.to, 2);
      }
    }
  }
}

TEST(CifarResnet, HalvesTheMapTwice) {
  NetworkConfig config;
  config.depth = 14;
  config.width = 4;
  const Network network = make_network(config, {3, 10, 13}, 7);
  const std::vector<MapShape> expected = {{3, 10, 13}, {4, 10, 13}, {4, 10, 13}, {4, 10, 13},
                                          {8, 5, 7},   {8, 5, 7},   {16, 3, 4},  {16, 3, 4}};
  EXPECT_EQ(block_inputs(network), expected);
  EXPECT_EQ(point_shapes(network.blocks[3], expected[3]),
            (std::vector<MapShape>{{4, 10, 13}, {8, 5, 7}, {8, 5, 7}}));
  EXPECT_EQ(network.name, "resnet14");
}

TEST(ImagenetResnet, HasThePublishedParametersAndMacs) {
  // torchvision's counts; ResNet-50 as the reference (2.2) has it, before and after removal.
  struct Row {
    const char* name;
    int64_t parameters, macs, skips, projections;
  };
  for (const Row& row :
       {Row{"resnet18", 11689512, 1814073344, 8, 3}, Row{"resnet34", 21797672, 3663761408, 16, 3},
        Row{"resnet50", 25557032, 4089184256, 16, 4},
        Row{"resnet50_v1", 25557032, 3857973248, 16, 4},
        Row{"resnet101", 44549160, 7801405440, 33, 4}}) {
    const Network network = network_by_name(row.name).network;
    EXPECT_EQ(network.name, row.name);
    EXPECT_EQ(parameter_count(network), row.parameters) << row.name;
    EXPECT_EQ(mac_count(network), row.macs) << row.name;
    EXPECT_EQ(static_cast<int64_t>(skip_ids(network).size()), row.skips) << row.name;
    int64_t projections = 0;
    for (const Block& block : network.blocks) {
      for (const Skip& skip : block.skips)
        projections += kind_of(skip) == std::string("projection") ? 1 : 0;
    }
    EXPECT_EQ(projections, row.projections) << row.name;
  }
}

TEST(ImagenetResnet, StrideSitsWhereTheVersionSays) {
  const auto strides = [](const char* name) {
    std::vector<int64_t> result;
    const Network network = network_by_name(name).network;
    for (const Stage& s : network.blocks[4].stages) result.push_back(stride_of(s.layers).height);
    return result;
  };
  EXPECT_EQ(network_by_name("resnet50").network.blocks[4].id, "stage2.block0");
  EXPECT_EQ(strides("resnet50"), (std::vector<int64_t>{1, 2, 1}));
  EXPECT_EQ(strides("resnet50_v1"), (std::vector<int64_t>{2, 1, 1}));
}

TEST(MlperfTinyResnet, HasKerasPadsAndShortcutsWithoutBatchNorm) {
  const Network network = network_by_name("resnet8_mlperf_tiny").network;
  // Keras counts 78,666: also the statistics of 240 channels, and their convolutions' biases, which
  // batch norm swallows.
  EXPECT_EQ(parameter_count(network), 78666 - 2 * 240 - 240);
  const Block& strided = network.blocks[2];
  EXPECT_EQ(conv_of(strided.stages[0]).window.pads, (Pads{0, 0, 1, 1}));
  EXPECT_STREQ(kind_of(strided.skips[0]), "projection");
  EXPECT_FALSE(testing::has<BatchNormLayer>(strided.skips[0].layers));
  EXPECT_EQ(network.bn_epsilon, 1e-3);
  EXPECT_EQ(block_inputs(network).back(), (MapShape{64, 8, 8}));
}

TEST(ResidualBlock, IsAConvolutionAndASkipOverTwo) {
  for (int64_t width : {16, 32, 64}) {
    const Network network = network_by_name(fmt::format("residual_block{}", width)).network;
    ASSERT_EQ(network.blocks.size(), 2U);
    EXPECT_EQ(network.blocks[0].stages.size(), 1U);
    EXPECT_EQ(network.blocks[1].stages.size(), 2U);
    EXPECT_EQ(skip_ids(network), std::vector<std::string>{"block.skip"});
    EXPECT_EQ(parameter_count(network), 3 * (9 * width * width + 2 * width) + 10 * width + 10);
    EXPECT_EQ(network.input, (MapShape{width, 32, 32}));
  }
}

TEST(NetworkNames, BuildByNameOrListTheNames) {
  EXPECT_EQ(network_names(), (std::vector<std::string>{"resnet8",
                                                       "resnet20",
                                                       "resnet32",
                                                       "resnet44",
                                                       "resnet56",
                                                       "resnet110",
                                                       "resnet8_mlperf_tiny",
                                                       "resnet18",
                                                       "resnet34",
                                                       "resnet50",
                                                       "resnet101",
                                                       "resnet50_v1",
                                                       "resnet101_v1",
                                                       "residual_block16",
                                                       "residual_block32",
                                                       "residual_block64",
                                                       "quartznet5x5_speech",
                                                       "quartznet10x5_speech",
                                                       "quartznet15x5_speech",
                                                       "quartznet5x5_dna"}));
  for (const std::string& name : network_names())
    EXPECT_EQ(network_by_name(name).network.name, name);
  expect_error(
      ErrorKind::Usage,
      {"--network: unknown network 'resnet21' (did you mean 'resnet20'?); the nearest of 20 are "
       "resnet20, ",
       "(tailor config networks prints all), or give a description in a .json file"},
      [] { network_by_name("resnet21"); });
  expect_error(ErrorKind::Usage, {"unknown network 'vgg'; the nearest of 20 are resnet8, "},
               [] { network_by_name("vgg"); });
  expect_error(ErrorKind::Usage, {"--network nowhere.json: there is no such file"},
               [] { network_by_name("nowhere.json"); });
}

TEST(NetworkNames, EveryNetworkIsItsDescriptionReadBack) {
  for (const std::string& name : network_names()) {
    const Json json = write_network(network_by_name(name).network);
    EXPECT_EQ(write_network(read_network(Json::parse(json.dump(), name), name)), json) << name;
  }
}

}  // namespace
}  // namespace tailor::test

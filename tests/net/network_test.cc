#include "tailor/net/network.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "support/expect_error.h"
#include "support/layers.h"
#include "tailor/core/strings.h"

namespace tailor::test {
namespace {

using testing::conv_of;
using testing::expect_error;
using testing::layer_of;
using testing::message_of;

Network small(Join join = Join::BeforeActivation, Shortcut shortcut = Shortcut::Projection) {
  NetworkConfig config;
  config.depth = 8;
  config.width = 4;
  config.join = join;
  config.shortcut = shortcut;
  return make_network(config, {3, 10, 13}, 7);
}

TEST(TensorSpecs, NameEveryTensorInOrderFromTheInput) {
  std::string text;
  for (const TensorSpec& spec : tensor_specs(small()))
    text += spec.name + " " + to_string(spec.shape) + "\n";
  EXPECT_EQ(text.substr(0, text.find("stage1.block0.conv2")),
            "stem.conv1.weight [4, 3, 3, 3]\n"
            "stem.bn1.weight [4]\nstem.bn1.bias [4]\nstem.bn1.running_mean "
            "[4]\nstem.bn1.running_var [4]\n"
            "stage1.block0.conv1.weight [4, 4, 3, 3]\n"
            "stage1.block0.bn1.weight [4]\nstage1.block0.bn1.bias "
            "[4]\nstage1.block0.bn1.running_mean [4]\n"
            "stage1.block0.bn1.running_var [4]\n");
  const size_t projection = text.find("stage2.block0.skip");
  EXPECT_EQ(text.substr(projection, text.find("stage3") - projection),
            "stage2.block0.skip.conv.weight [8, 4, 1, 1]\n"
            "stage2.block0.skip.bn.weight [8]\nstage2.block0.skip.bn.bias [8]\n"
            "stage2.block0.skip.bn.running_mean [8]\nstage2.block0.skip.bn.running_var [8]\n");
  EXPECT_EQ(text.substr(text.find("fc.")), "fc.weight [7, 16]\nfc.bias [7]\n");
  EXPECT_EQ(tensor_specs(small()).size(), 7U * 5 + 2 * 5 + 2);
}

TEST(TensorSpecs, RunningStatisticsAreNoParameters) {
  EXPECT_FALSE(is_parameter(TensorRole::BnMean));
  EXPECT_FALSE(is_parameter(TensorRole::BnVariance));
  for (TensorRole role : {TensorRole::ConvWeight, TensorRole::BnWeight, TensorRole::BnBias,
                          TensorRole::LinearWeight, TensorRole::LinearBias})
    EXPECT_TRUE(is_parameter(role));
}

TEST(Counts, OfACustomBlock) {
  Network network;
  network.name = "custom";
  network.input = {3, 10, 13};
  network.head = linear_head(5);
  // 3x10x13 → 7x4x6 (kernel 3, stride 2, no pad) → 11x4x6 (kernel 1).
  Stage first = conv_stage(3, 7, 3, 2);
  conv_of(first).window.pads = {};
  network.blocks.push_back({"b", {first, conv_stage(7, 11, 1, 1, /*relu=*/false)}, {}});
  EXPECT_EQ(verify_network(network), std::vector<std::string>{});
  EXPECT_EQ(block_inputs(network).back(), (MapShape{11, 4, 6}));
  EXPECT_EQ(parameter_count(network), 3 * 7 * 9 + 2 * 7 + 7 * 11 + 2 * 11 + 11 * 5 + 5);
  EXPECT_EQ(mac_count(network), 24 * 3 * 7 * 9 + 24 * 7 * 11 + 11 * 5);
}

TEST(Counts, OfGroupsPoolingAndConvolutionsWithoutBatchNorm) {
  Network network;
  network.name = "grouped";
  network.input = {6, 10, 13};
  network.head = linear_head(5);
  const Stage grouped{{ConvLayer{6, 4, square_window(3, 1, 1), 2, /*bias=*/true}, ReluLayer{}}};
  network.blocks.push_back({"b", {grouped, max_pool_stage(3, 2, 1)}, {}});
  EXPECT_EQ(verify_network(network), std::vector<std::string>{});
  EXPECT_EQ(block_inputs(network).back(), (MapShape{4, 5, 7}));
  EXPECT_EQ(stage_layers(network.blocks[0], 2)[0].name, "b.pool2");
  EXPECT_EQ(parameter_count(network), 4 * 3 * 9 + 4 + 4 * 5 + 5);
  EXPECT_EQ(mac_count(network), 130 * 4 * 3 * 9 + 4 * 5);
  std::vector<std::string> names;
  for (const TensorSpec& spec : tensor_specs(network)) names.push_back(spec.name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"b.conv1.weight", "b.conv1.bias", "fc.weight", "fc.bias"}));
}

TEST(Counts, OfAHeadOnTheWholeMap) {
  const char* text = R"({"name": "flat", "input": {"channels": 3, "height": 10, "width": 13},
    "classes": 5, "blocks": [{"id": "a", "stages": [{"out_channels": 4, "stride": 2}]}],
    "head": {"pooling": "none"}})";
  const Network n = read_network(Json::parse(text, "x"), "flat.json");
  EXPECT_EQ(block_inputs(n).back(), (MapShape{4, 5, 7}));
  EXPECT_EQ(tensor_specs(n)[5].shape, (Shape{5, 4 * 5 * 7}));
  EXPECT_EQ(parameter_count(n), 4 * 3 * 9 + 2 * 4 + 5 * 140 + 5);
  EXPECT_EQ(mac_count(n), 35 * 4 * 3 * 9 + 5 * 140);
  EXPECT_EQ(write_network(read_network(write_network(n), "x")).dump(), write_network(n).dump());
  expect_error(
      ErrorKind::Config,
      {"config: /head/pooling: expected one of \"average\", \"none\"", "got \"max\"", "flat.json"},
      [&] {
        Json json = Json::parse(text, "x");
        json.find("head")->set("pooling", "max");
        read_network(json, "flat.json");
      });
}

TEST(Description, WhatFollowsFromTheRestMayBeLeftOut) {
  const Network n = read_network(
      Json::parse(R"({"name": "own", "input": {"channels": 3, "height": 10, "width": 13},
        "classes": 5, "blocks": [
          {"id": "a", "stages": [{"out_channels": 4, "kernel": 5},
            {"kind": "max_pool", "kernel": 2, "stride": 2}]},
          {"id": "b", "stages": [{"out_channels": 6, "stride": 2}, {"out_channels": 6},
            {"out_channels": 6}],
           "skips": [{"from": 0, "to": 3, "kind": "projection"}, {"from": 1, "to": 2}]}]})",
                  "own.json"),
      "own.json");
  EXPECT_EQ(conv_of(n.blocks[0].stages[0]).window.pads, (Pads{2, 2, 2, 2}));
  EXPECT_EQ(layer_of<PoolLayer>(n.blocks[0].stages[1].layers).window.pads, Pads{});
  EXPECT_EQ(conv_of(n.blocks[1].stages[1]).in, 6);
  EXPECT_EQ(skip_ids(n), (std::vector<std::string>{"b.skip0", "b.skip1"}));
  EXPECT_EQ(stride_of(n.blocks[1].skips[0].layers), (Size2{2, 2}));
  EXPECT_EQ(n.blocks[1].skips[0].tensors, "b.skip0");
  EXPECT_EQ(n.blocks[1].skips[1].layers.size(), 0U);
  EXPECT_EQ(block_inputs(n).back(), (MapShape{6, 3, 3}));
}

TEST(Description, APoolingSaidToHaveAReluIsRefused) {
  const char* text = R"({"name": "own", "input": {"channels": 3, "height": 8, "width": 8},
    "classes": 5, "blocks": [{"id": "a", "stages": [
      {"kind": "max_pool", "kernel": 2, "stride": 2, "relu": true}]}]})";
  EXPECT_EQ(
      message_of(ErrorKind::Config, [&] { read_network(Json::parse(text, "x"), "own.json"); }),
      "the network in own.json is not well-formed: a.pool1: a pooling keeps its 3 channels "
      "and has no groups, Dirac kernel, batch norm or ReLU");
}

TEST(NetworkJson, RoundTrips) {
  for (Join join : {Join::BeforeActivation, Join::AfterActivation}) {
    for (Shortcut shortcut : {Shortcut::Projection, Shortcut::Pad}) {
      const Network network = small(join, shortcut);
      const Json json = write_network(network);
      const Network back = read_network(Json::parse(json.dump(), "x"), "x");
      EXPECT_EQ(write_network(back).dump(), json.dump());
      EXPECT_EQ(back.join, join);
      EXPECT_EQ(skip_ids(back), skip_ids(network));
      EXPECT_EQ(mac_count(back), mac_count(network));
    }
  }
  const Json json = write_network(small());
  EXPECT_EQ(
      json.at("blocks").as_array()[2].dump(),
      R"({"id":"stage2.block0","stages":[)"
      R"({"kind":"conv","in_channels":4,"out_channels":8,"kernel":3,"stride":2,"pad":1,"pad_end":1,"groups":1,"batch_norm":true,"relu":true},)"
      R"({"kind":"conv","in_channels":8,"out_channels":8,"kernel":3,"stride":1,"pad":1,"pad_end":1,"groups":1,"batch_norm":true,"relu":true}],"skips":[)"
      R"({"id":"stage2.block0.skip","from":0,"to":2,"kind":"projection","stride":2,"channel_offset":0,"tensors":"stage2.block0.skip","batch_norm":true}]})");
}

TEST(NetworkJson, IsReadStrictly) {
  Json json = write_network(small());
  json.find("blocks")->items()[1].find("stages")->items()[0].set("kernel", 0);
  EXPECT_EQ(
      message_of(ErrorKind::Config, [&] { read_network(json, "x.ckpt"); }),
      "config: /blocks/1/stages/0/kernel: expected an integer 1..255, got 0 (integer) in x.ckpt");
  json = write_network(small());
  json.set("claases", 3);
  expect_error(ErrorKind::Config, {"config: /claases: unknown key (did you mean 'classes'?)"},
               [&] { read_network(json, "x.ckpt"); });
  json = write_network(small());
  json.find("blocks")->items()[1].find("stages")->items()[0].set("in_channels", 5);
  EXPECT_EQ(message_of(ErrorKind::Config, [&] { read_network(json, "x.ckpt"); }),
            "the network in x.ckpt is not well-formed: stage1.block0.conv1 takes 5 channels, its "
            "input has 4");
}

TEST(VerifyNetwork, FindsWhatIsBroken) {
  using Break = std::function<void(Network&)>;
  const std::pair<Break, const char*> cases[] = {
      {[](Network& n) { conv_of(n.blocks[1].stages[1]).in = 5; },
       "stage1.block0.conv2 takes 5 channels, its input has 4"},
      {[](Network& n) {
         conv_of(n.blocks[1].stages[0]).window.kernel = {13, 13};
       },
       "stage1.block0.conv1: a kernel of 13 does not fit on 4x10x13"},
      {[](Network& n) {
         conv_of(n.blocks[1].stages[0]).window.stride = {0, 1};
       },
       "stage1.block0.conv1: kernel and stride must be positive"},
      {[](Network& n) { conv_of(n.blocks[1].stages[0]).out = 0; },
       "stage1.block0.conv1 has 0 out_channels, expected at least 1"},
      {[](Network& n) { n.blocks[1].skips[0].from = 2, n.blocks[1].skips[0].to = 0; },
       "stage1.block0.skip runs from point 2 to 0, expected 0 <= from < to <= 2"},
      {[](Network& n) { n.blocks[1].skips[0].from = 2; },
       "stage1.block0.skip runs from point 2 to 2, expected 0 <= from < to <= 2"},
      {[](Network& n) { n.blocks[1].skips[0].to = 3; },
       "stage1.block0.skip runs from point 0 to 3, expected 0 <= from < to <= 2"},
      {[](Network& n) { n.blocks[1].skips[0].from = -1; },
       "stage1.block0.skip runs from point -1 to 2, expected 0 <= from < to <= 2"},
      {[](Network& n) { n.blocks[2].skips[0].layers.clear(); },
       "stage2.block0.skip (identity, stride 1) turns 4x10x13 into 4x10x13, but joins at 8x5x7"},
      {[](Network& n) {
         n.blocks[2].skips[0].layers = projection(4, 8, {1, 1});
       },
       "stage2.block0.skip (projection, stride 1) turns 4x10x13 into 8x10x13, but joins at 8x5x7"},
      {[](Network& n) {
         n.blocks[2].skips[0].layers = {PickLayer{8, {0, 2}, 0}};
       },
       "stage2.block0.skip has the stride 0x2, expected at least 1"},
      {[](Network& n) { n.blocks[2].skips[0].tensors = ""; },
       "stage2.block0.skip is a projection without a name for its tensors"},
      {[](Network& n) {
         n.blocks[2].skips[0].layers = {PickLayer{8, {2, 2}, 5}};
       },
       "stage2.block0.skip sets 4 channels at offset 5, the join has 8"},
      {[](Network& n) {
         n.blocks[2].skips[0].layers = {PickLayer{8, {2, 2}, -1}};
       },
       "stage2.block0.skip sets 4 channels at offset -1, the join has 8"},
      {[](Network& n) { n.blocks[3].id = "stage1.block0"; },
       "the name 'stage1.block0' stands twice"},
      {[](Network& n) { n.blocks[2].skips[0].id = "stage1.block0.skip"; },
       "the name 'stage1.block0.skip' stands twice"},
      {[](Network& n) { n.blocks[3].skips[0].tensors = "stage2.block0.skip"; },
       "the name 'stage2.block0.skip.conv' stands twice"},
      {[](Network& n) { n.blocks[0].stages.clear(); }, "stem has no stages"},
      {[](Network& n) { n.blocks.clear(); }, "there are no blocks"},
      {[](Network& n) { n.head = linear_head(0); }, "0 classes, expected at least 1"},
      {[](Network& n) { n.input.height = 0; }, "the input shape 3x0x13 is empty"},
      {[](Network& n) { n.name = "../up"; },
       "the name '../up' is not a folder's, and folders are named by it"},
      {[](Network& n) { n.name = ""; },
       "the name '' is not a folder's, and folders are named by it"},
  };
  EXPECT_EQ(verify_network(small()), std::vector<std::string>{});
  for (const auto& [damage, finding] : cases) {
    Network network = small();
    damage(network);
    const std::vector<std::string> findings = verify_network(network);
    ASSERT_FALSE(findings.empty()) << "expected: " << finding;
    EXPECT_EQ(findings[0], finding);
  }
}

TEST(VerifyNetwork, RefusesWhatNoIntegerCounts) {
  Network n = small();
  n.blocks = {{"a", {conv_stage(3, 1 << 20, 1, 64), conv_stage(1 << 20, 1 << 20, 255, 1)}, {}}};
  EXPECT_EQ(join(verify_network(n), "; "),
            "a.conv2 has 7.15e+16 weights, expected at most 2.15e+09");
  n.blocks = {{"a", {conv_stage(3, 1000, 9, 1)}, {}}};
  for (int i = 0; i < 200; ++i) n.blocks[0].stages.push_back(conv_stage(1000, 1000, 9, 1));
  EXPECT_EQ(join(verify_network(n), "; "),
            "1.62e+10 weights and 2.11e+12 multiply-accumulates, expected at most 8.59e+09 and "
            "1.15e+18");
}

TEST(VerifyNetwork, ReportsAllFindingsOfABlock) {
  Network network = small();
  network.head = linear_head(0);
  conv_of(network.blocks[0].stages[0]).in = 9;
  EXPECT_EQ(join(verify_network(network), "; "),
            "0 classes, expected at least 1; stem.conv1 takes 9 channels, its input has 3");
}

TEST(InitialTensors, DependOnSeedAndNameAlone) {
  const Network network = small();
  NetworkConfig config;
  config.depth = 14;
  config.width = 4;
  const TensorMap a = initial_tensors(network, 1),
                  b = initial_tensors(make_network(config, {3, 32, 32}, 7), 1),
                  c = initial_tensors(network, 2);
  EXPECT_EQ(a, initial_tensors(network, 1));
  for (const char* name : {"stem.conv1.weight", "stage3.block0.conv2.weight", "fc.weight"}) {
    EXPECT_EQ(a.at(name), b.at(name)) << name;
    EXPECT_FALSE(a.at(name) == c.at(name)) << name;
  }
  EXPECT_FALSE(a.at("stage1.block0.conv1.weight") == a.at("stage1.block0.conv2.weight"));
}

TEST(InitialTensors, AreFixedForASeed) {
  // From an independent program: Philox, Box-Muller, He's deviation.
  const auto conv = initial_tensor({"stem.conv1.weight", {16, 3, 3, 3}, TensorRole::ConvWeight}, 1);
  EXPECT_FLOAT_EQ(conv.as<float>()[0], 0.03811508704754326F);
  EXPECT_FLOAT_EQ(conv.as<float>()[2], -0.04857618000428268F);
  const auto linear = initial_tensor({"fc.weight", {10, 64}, TensorRole::LinearWeight}, 1);
  EXPECT_FLOAT_EQ(linear.as<float>()[1], 0.013986015517730266F);
}

TEST(InitialTensors, HaveTheRightVariance) {
  auto moments = [](const Tensor& tensor) {
    double sum = 0, squares = 0;
    for (double v : tensor.to_doubles()) sum += v, squares += v * v;
    const auto n = static_cast<double>(tensor.size());
    return std::pair(sum / n, squares / n);
  };
  // He et al. 2015 with fan-out: 64 · 9 outputs a weight reaches, whatever the number of inputs.
  const auto [conv_mean, conv_variance] =
      moments(initial_tensor({"c", {64, 32, 3, 3}, TensorRole::ConvWeight}, 1));
  EXPECT_NEAR(conv_mean, 0, 5 * std::sqrt(2.0 / 576 / 18432));
  EXPECT_NEAR(conv_variance * 576 / 2, 1, 5 * std::sqrt(2.0 / 18432));
  const Tensor linear = initial_tensor({"l", {100, 64}, TensorRole::LinearWeight}, 1);
  const auto [linear_mean, linear_variance] = moments(linear);
  EXPECT_NEAR(linear_mean, 0, 5 * 0.125 / std::sqrt(3.0 * 6400));
  EXPECT_NEAR(linear_variance, 0.125 * 0.125 / 3, 5 * 0.125 * 0.125 * std::sqrt(4.0 / 45 / 6400));
  for (float v : linear.as<float>()) EXPECT_LE(std::abs(v), 0.125F);
  // Biases as PyTorch begins them: uniform in ±1/√fan_in, whatever their layer.
  for (TensorRole role : {TensorRole::LinearBias, TensorRole::ConvBias}) {
    const auto [mean, variance] = moments(initial_tensor({"b", {4000}, role, 64}, 1));
    EXPECT_NEAR(mean, 0, 5 * 0.125 / std::sqrt(3.0 * 4000));
    EXPECT_NEAR(variance, 0.125 * 0.125 / 3, 5 * 0.125 * 0.125 * std::sqrt(4.0 / 45 / 4000));
  }
  const std::vector<double> ones(6, 1), zeros(6, 0);
  EXPECT_EQ(initial_tensor({"x", {6}, TensorRole::BnWeight}, 1).to_doubles(), ones);
  EXPECT_EQ(initial_tensor({"x", {6}, TensorRole::BnVariance}, 1).to_doubles(), ones);
  EXPECT_EQ(initial_tensor({"x", {6}, TensorRole::BnBias}, 1).to_doubles(), zeros);
  EXPECT_EQ(initial_tensor({"x", {6}, TensorRole::BnMean}, 1).to_doubles(), zeros);
}

TEST(InitialTensors, FollowTheNetworksInitialisation) {
  // 48 filters over 12 channels and 5 columns: fan-in 60, fan-out 240; depthwise: 5 and 240.
  const TensorSpec conv{"c", {48, 12, 1, 5}, TensorRole::ConvWeight},
      depthwise{"d", {48, 1, 1, 5}, TensorRole::ConvWeight},
      linear{"l", {30, 20}, TensorRole::LinearWeight};
  auto expect_uniform = [](const Tensor& tensor, double bound) {
    double largest = 0, squares = 0;
    for (double v : tensor.to_doubles()) {
      largest = std::max(largest, std::abs(v));
      squares += v * v;
    }
    EXPECT_LE(largest, bound);
    EXPECT_GT(largest, 0.95 * bound);
    const auto n = static_cast<double>(tensor.size());
    EXPECT_NEAR(squares / n, bound * bound / 3, 5 * bound * bound * std::sqrt(4.0 / 45 / n));
  };
  expect_uniform(initial_tensor(conv, 1, Initialisation::XavierUniform), std::sqrt(6.0 / 300));
  expect_uniform(initial_tensor(depthwise, 1, Initialisation::XavierUniform), std::sqrt(6.0 / 245));
  expect_uniform(initial_tensor(linear, 1, Initialisation::XavierUniform), std::sqrt(6.0 / 50));
  expect_uniform(initial_tensor(conv, 1, Initialisation::PyTorch), 1 / std::sqrt(60.0));
  expect_uniform(initial_tensor(depthwise, 1, Initialisation::PyTorch), 1 / std::sqrt(5.0));
  expect_uniform(initial_tensor(linear, 1, Initialisation::PyTorch), 1 / std::sqrt(20.0));
  expect_uniform(
      initial_tensor({"b", {4000}, TensorRole::ConvBias, 64}, 1, Initialisation::XavierUniform),
      0.125);
  Network network = small();
  network.initialisation = Initialisation::PyTorch;
  for (const TensorSpec& spec : tensor_specs(network)) {
    EXPECT_EQ(initial_tensors(network, 3).at(spec.name),
              initial_tensor(spec, 3, Initialisation::PyTorch));
  }
}

TEST(InitialTensors, EveryBiasKnowsItsFanIn) {
  Network network = small();
  network.blocks[1].stages[0] = {{ConvLayer{4, 4, square_window(3, 1, 1), 1, true}}};
  for (const TensorSpec& spec : tensor_specs(network)) {
    if (spec.role != TensorRole::ConvBias && spec.role != TensorRole::LinearBias) continue;
    EXPECT_EQ(spec.bias_fan_in, spec.name == "fc.bias" ? 16 : 4 * 9) << spec.name;
    EXPECT_NO_THROW(initial_tensor(spec, 1)) << spec.name;
  }
}

TEST(Counts, ABatchNormOverOnePixelIsFound) {
  NetworkConfig config;
  config.family = "resnet_imagenet";
  config.depth = 18;
  config.width = 8;
  EXPECT_EQ(single_pixel_batch_norm(make_network(config, {3, 32, 32}, 10)), "stage4.block0.bn1");
  EXPECT_EQ(single_pixel_batch_norm(make_network(config, {3, 64, 64}, 10)), "");
  Network whole = small();  // a convolution over the whole map
  const MapShape last = block_inputs(whole).back();
  Stage stage = conv_stage(last.channels, 6, last.height, 1);
  conv_of(stage).window.pads = {};
  if (last.height == last.width) {
    whole.blocks.push_back({"whole", {stage}, {}});
    EXPECT_EQ(single_pixel_batch_norm(whole), "whole.bn1");
  }
}

TEST(VerifyTensors, NamesEveryTensorThatDoesNotFit) {
  const Network network = small();
  TensorMap tensors = initial_tensors(network, 1);
  EXPECT_NO_THROW(verify_tensors(network, tensors, "x.ckpt"));
  tensors.erase("fc.bias");
  tensors["fc.weight"] = Tensor(DType::F32, {16, 7});
  tensors["stem.bn1.bias"] = Tensor(DType::F64, {4});
  tensors["head.weight"] = Tensor(DType::F32, {1});
  EXPECT_EQ(message_of(ErrorKind::Data, [&] { verify_tensors(network, tensors, "x.ckpt"); }),
            "the tensors in x.ckpt do not fit the network resnet8: stem.bn1.bias is F64, expected "
            "F32; fc.weight has "
            "shape [16, 7], expected [7, 16]; fc.bias is missing; head.weight belongs to no part "
            "of the network");
}

TEST(VerifyTensors, CutsALongList) {
  expect_error(ErrorKind::Data, {"stem.conv1.weight is missing; ", "; and 39 more"},
               [] { verify_tensors(small(), {}, "x.ckpt"); });
}

}  // namespace
}  // namespace tailor::test

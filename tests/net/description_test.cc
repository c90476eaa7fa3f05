// Version 2 of a description: chains of layers, rectangular and dilated windows, heads; and that
// what version 1 can say is written as it always was.
#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/layers.h"
#include "support/rooms.h"
#include "tailor/net/network.h"

namespace tailor::test {
namespace {

using testing::conv_of;
using testing::expect_error;

/// QuartzNet's parts on one row: a separable stage with a dilated depthwise convolution, one of
/// them with a stride, a projection without ReLU, an answer for each position.
constexpr const char* kQuartz = R"({"version": 2, "name": "quartz", "classes": 5,
  "input": {"channels": 3, "height": 1, "width": 40},
  "blocks": [
    {"id": "c1", "stages": [{"layers": [
      {"kind": "depthwise", "kernel": [1, 33], "stride": [1, 2]},
      {"kind": "conv", "kernel": 1, "out_channels": 6},
      {"kind": "batch_norm"}, {"kind": "relu"}]}]},
    {"id": "b1", "stages": [{"layers": [
      {"kind": "depthwise", "kernel": [1, 7], "dilation": [1, 2]},
      {"kind": "conv", "kernel": 1, "out_channels": 8},
      {"kind": "batch_norm"}, {"kind": "relu"}]}],
     "skips": [{"from": 0, "to": 1, "kind": "projection"},
               {"from": 0, "to": 1, "layers": [
                 {"kind": "conv", "kernel": [1, 3], "out_channels": 4}, {"kind": "batch_norm"},
                 {"kind": "relu"},
                 {"kind": "conv", "kernel": 1, "out_channels": 8, "bias": true}]}]}
  ],
  "head": {"layers": [{"kind": "conv", "kernel": 1, "bias": true}]}})";

Network quartz() { return read_network(Json::parse(kQuartz, "quartz.json"), "quartz.json"); }

Json changed(const std::string& from, const std::string& to) {
  std::string text = kQuartz;
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return Json::parse(text.replace(at, from.size(), to), "x");
}

TEST(Version2, FillsInWhatWasLeftOut) {
  const Network n = quartz();
  const auto& c1 = n.blocks[0].stages[0].layers;
  const auto& depthwise = std::get<ConvLayer>(c1[0]);
  EXPECT_EQ(depthwise.in, 3);
  EXPECT_EQ(depthwise.out, 3);
  EXPECT_EQ(depthwise.groups, 3);
  EXPECT_EQ(depthwise.window.pads, (Pads{0, 16, 0, 16}));
  EXPECT_EQ(std::get<ConvLayer>(c1[1]).in, 3);
  // Half of what the dilated kernel spans beside one pixel.
  EXPECT_EQ(conv_of(n.blocks[1].stages[0]).window.pads, (Pads{0, 6, 0, 6}));
  EXPECT_EQ(std::get<ConvLayer>(n.head[0]).out, 5);
  EXPECT_EQ(skip_ids(n), (std::vector<std::string>{"b1.skip0", "b1.skip1"}));
  EXPECT_STREQ(kind_of(n.blocks[1].skips[0]), "projection");
  EXPECT_STREQ(kind_of(n.blocks[1].skips[1]), "layers");
  EXPECT_EQ(block_inputs(n).back(), (MapShape{8, 1, 20}));
  EXPECT_EQ(output_shape(n), (MapShape{5, 1, 20}));
  EXPECT_EQ(n.classes(), 5);
}

TEST(Version2, NamesAndCountsEveryLayer) {
  std::string names;
  for (const TensorSpec& spec : tensor_specs(quartz())) {
    if (spec.role == TensorRole::ConvWeight || spec.role == TensorRole::BnWeight)
      names += spec.name + " " + to_string(spec.shape) + "\n";
  }
  EXPECT_EQ(names,
            "c1.conv1.weight [3, 1, 1, 33]\nc1.conv1b.weight [6, 3, 1, 1]\nc1.bn1.weight [6]\n"
            "b1.conv1.weight [6, 1, 1, 7]\nb1.conv1b.weight [8, 6, 1, 1]\nb1.bn1.weight [8]\n"
            "b1.skip0.conv.weight [8, 6, 1, 1]\nb1.skip0.bn.weight [8]\n"
            "b1.skip1.conv.weight [4, 6, 1, 3]\nb1.skip1.bn.weight [4]\n"
            "b1.skip1.convb.weight [8, 4, 1, 1]\nhead.conv.weight [5, 8, 1, 1]\n");
  EXPECT_EQ(parameter_count(quartz()),
            (3 * 33 + 18 + 12) + (42 + 48 + 16) + (48 + 16) + (72 + 8 + 32 + 8) + (40 + 5));
  EXPECT_EQ(mac_count(quartz()), 20 * (3 * 33 + 18 + 42 + 48 + 48 + 72 + 32 + 40));
}

TEST(Version2, RoundTripsAndSaysItsVersion) {
  const Json json = write_network(quartz());
  EXPECT_EQ(json.at("version").as_int(), 2);
  EXPECT_EQ(write_network(read_network(json, "x")), json);
  const Json& stages = json.at("blocks").as_array()[0].at("stages");
  EXPECT_EQ(stages.as_array()[0].at("layers").as_array()[0].dump(),
            R"({"kind":"depthwise","out_channels":3,"kernel":[1,33],"stride":[1,2],"dilation":1,)"
            R"("pad":[0,16],"pad_end":[0,16],"bias":false})");
}

TEST(Version2, WhatVersion1CanSayIsWrittenAsVersion1) {
  const std::string layers = R"({"name": "n", "input": {"channels": 3, "height": 8, "width": 9},
      "classes": 4, "blocks": [{"id": "a", "stages": [{"layers": [
        {"kind": "conv", "out_channels": 5, "stride": 2}, {"kind": "batch_norm"},
        {"kind": "relu"}]}],
      "skips": [{"from": 0, "to": 1, "layers": [{"kind": "pick", "stride": 2,
        "channel_offset": 1}]}]}],
      "head": {"layers": [{"kind": "global_avg_pool"}, {"kind": "linear"}]}})";
  const std::string in_short = R"({"name": "n", "input": {"channels": 3, "height": 8, "width": 9},
      "classes": 4, "blocks": [{"id": "a", "stages": [{"out_channels": 5, "stride": 2}],
      "skips": [{"from": 0, "to": 1, "kind": "pad", "channel_offset": 1}]}]})";
  const Json json = write_network(read_network(Json::parse(layers, "x"), "x"));
  EXPECT_EQ(json, write_network(read_network(Json::parse(in_short, "x"), "x")));
  EXPECT_EQ(json.find("version"), nullptr);
  EXPECT_EQ(json.find("blocks")->as_array()[0].at("stages").as_array()[0].find("layers"), nullptr);
}

TEST(Version2, SaysHowWeightsBeginAndWhetherPaddingIsMaskedWhereThatIsUnusual) {
  NetworkConfig config;
  Network network = make_network(config, {3, 32, 32}, 10);
  const Json plain = write_network(network);
  EXPECT_EQ(plain.find("version"), nullptr);
  EXPECT_EQ(plain.find("initialisation"), nullptr);
  EXPECT_EQ(plain.find("masks_padding"), nullptr);
  network.initialisation = Initialisation::XavierUniform;
  network.masks_padding = true;
  const Json json = write_network(network);
  EXPECT_EQ(json.at("version").as_int(), 2);
  EXPECT_EQ(json.at("initialisation").as_string(), "xavier_uniform");
  const Network read = read_network(json, "x");
  EXPECT_EQ(read.initialisation, Initialisation::XavierUniform);
  EXPECT_TRUE(read.masks_padding);
  EXPECT_FALSE(quartz().masks_padding);
  EXPECT_EQ(quartz().initialisation, Initialisation::HeNormal);
}

TEST(Version2, ShortFormsTakeRectanglesAndDilations) {
  const Network n =
      read_network(Json::parse(R"({"name": "n", "input": {"channels": 2, "height": 6, "width": 12},
        "classes": 4, "blocks": [{"id": "a", "stages": [
          {"out_channels": 3, "kernel": [1, 5], "dilation": [1, 2], "pad": [0, 3],
           "pad_end": [0, 5]},
          {"kind": "max_pool", "kernel": [1, 2], "stride": [1, 2]}]}]})",
                               "x"),
                   "x");
  EXPECT_EQ(conv_of(n.blocks[0].stages[0]).window, (Window{{1, 5}, {1, 1}, {1, 2}, {0, 3, 0, 5}}));
  EXPECT_EQ(block_inputs(n).back(), (MapShape{3, 6, 6}));
  const Json json = write_network(n);
  EXPECT_EQ(json.at("version").as_int(), 2);
  EXPECT_EQ(write_network(read_network(json, "x")), json);
}

TEST(Version2, IsReadStrictly) {
  auto read = [](const Json& json) { return [json] { read_network(json, "q.json"); }; };
  expect_error(ErrorKind::Config, {"/version: expected an integer 1..2, got 3 (integer) in q.json"},
               read(changed("\"version\": 2", "\"version\": 3")));
  expect_error(ErrorKind::Config,
               {"/blocks/0/stages/0/layers/0/kernel: expected an integer 1..255 or [rows, "
                "columns], got [1,2,3] (array)"},
               read(changed("[1, 33]", "[1, 2, 3]")));
  expect_error(ErrorKind::Config,
               {"/blocks/0/stages/0/layers/0/kernel/1: expected an integer 1..255, got 256"},
               read(changed("[1, 33]", "[1, 256]")));
  expect_error(
      ErrorKind::Config, {"/layers/2/kernel: unknown key"},
      read(changed("{\"kind\": \"batch_norm\"}", "{\"kind\": \"batch_norm\", \"kernel\": 3}")));
  expect_error(ErrorKind::Config, {"/layers/0/kind: expected one of \"conv\", \"depthwise\","},
               read(changed("depthwise", "deepwise")));
  expect_error(ErrorKind::Config, {"/blocks/0/stages/0/stride: unknown key"},
               read(changed("{\"layers\"", "{\"stride\": 2, \"layers\"")));
}

TEST(Version2, FindsChainsThatDoNotFit) {
  auto read = [](const Json& json) { return [json] { read_network(json, "q.json"); }; };
  expect_error(ErrorKind::Config,
               {"the network in q.json is not well-formed: c1.conv1: pads of 0, 40, 0 and 40 on a "
                "kernel of 1x33, expected less"},
               read(changed("\"stride\": [1, 2]", "\"stride\": [1, 2], \"pad\": [0, 40]")));
  expect_error(ErrorKind::Config, {"b1.conv1: a kernel of 1x7 over 1x43 does not fit on 6x1x20"},
               read(changed("\"dilation\": [1, 2]", "\"dilation\": [1, 7], \"pad\": 0")));
  expect_error(ErrorKind::Config,
               {"b1.skip1 (layers, stride 1) turns 6x1x20 into 7x1x20, but joins at 8x1x20"},
               read(changed("\"out_channels\": 8, \"bias\"", "\"out_channels\": 7, \"bias\"")));
  expect_error(ErrorKind::Config, {"the head has 7 outputs, and \"classes\" is 5"},
               read(changed("{\"kind\": \"conv\", \"kernel\": 1, \"bias\": true}]}}",
                            "{\"kind\": \"conv\", \"out_channels\": 7}]}}")));
  expect_error(ErrorKind::Config, {"b1.fc1: linear layers stand in the head only"},
               read(changed("{\"kind\": \"conv\", \"kernel\": 1, \"out_channels\": 8},",
                            "{\"kind\": \"linear\", \"out_channels\": 8},")));
  const char* head = "{\"kind\": \"conv\", \"kernel\": 1, \"bias\": true}]}}";
  expect_error(ErrorKind::Config, {"the head has no conv or linear layer, whose outputs are"},
               read(changed(head, "{\"kind\": \"relu\"}]}}")));
  expect_error(ErrorKind::Config, {"fc has 0 out_channels, expected at least 1"},
               read(changed(head, "{\"kind\": \"linear\"}, {\"kind\": \"linear\"}]}}")));
  expect_error(ErrorKind::Config, {"c1.pool1: a pooling has no dilation"}, [] {
    Network n = quartz();
    n.blocks[0].stages = {{{PoolLayer{PoolKind::Max, {{1, 2}, {1, 1}, {1, 2}, {}}}}}};
    const auto findings = verify_network(n);
    fail(ErrorKind::Config, "{}", findings.at(0));
  });
}

TEST(Version1, SaysOfIdentitiesWhatTheyCannotDo) {
  auto read = [](const char* skip) {
    return [skip] {
      read_network(Json::parse(fmt::format(R"({{"name": "n", "classes": 4,
        "input": {{"channels": 3, "height": 8, "width": 8}},
        "blocks": [{{"id": "a", "stages": [{{"out_channels": 3, "stride": 2}}],
        "skips": [{}]}}]}})",
                                           skip),
                               "x"),
                   "x");
    };
  };
  expect_error(ErrorKind::Config, {"a.skip is an identity with the stride 2, expected 1"},
               read(R"({"from": 0, "to": 1})"));
  expect_error(ErrorKind::Config, {"a.skip is an identity with a channel_offset, which only a pad"},
               read(R"({"from": 0, "to": 1, "stride": 1, "channel_offset": 1})"));
  expect_error(ErrorKind::Config, {"s is a projection with a channel_offset, which only a pad has"},
               read(R"({"id": "s", "from": 0, "to": 1, "kind": "projection",
                        "channel_offset": 1})"));
}

TEST(Layers, ABatchNormFoldsOnlyIntoTheConvolutionOfItsOwnChain) {
  Network n;
  n.name = "n";
  n.input = {2, 4, 5};
  n.head = linear_head(3);
  n.blocks = {{"a",
               {{{ConvLayer{2, 3, square_window(1)}}}, {{BatchNormLayer{}, ReluLayer{}}}},
               {{"a.skip", 0, 1, {ConvLayer{2, 3, square_window(1)}}, "a.skip"}}}};
  ASSERT_EQ(verify_network(n), std::vector<std::string>{});
  const std::vector<PlacedLayer> layers = placed_layers(n);
  EXPECT_EQ(layers[0].name, "a.conv1");
  EXPECT_EQ(layers[1].name, "a.bn2");
  EXPECT_NE(layers[0].chain, layers[1].chain);
  EXPECT_EQ(layers[1].chain, layers[2].chain);
}

}  // namespace
}  // namespace tailor::test

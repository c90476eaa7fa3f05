// Foreign weights to ours: kernels are turned, linear layers and convolutions are read as one
// another, what a layer has not is made neutral, and the values arrive.
#include <gtest/gtest.h>

#include <functional>

#include "net/foreign_weights.h"
#include "support/expect_error.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"

namespace tailor::test {
namespace {

using testing::expect_error;

TEST(WeightValues, KerasKernelsAreTurnedAndBiasesBeforeBatchNormGoIntoItsMean) {
  NetworkConfig config;
  config.family = "resnet_mlperf_tiny";
  const Network network = make_network(config, {3, 32, 32}, 10);
  const WeightRules rules = load_weight_rules("mlperf_tiny");
  EXPECT_EQ(rules.layout, WeightLayout::Keras);
  TensorMap file;
  // Every tensor as Keras has it: kernels (rows, columns, in, out), a bias on every convolution.
  const TensorMap tensors = initial_tensors(network, 3);
  for (const WeightRule& rule : rules.rules) {
    if (rule.to.empty()) continue;
    auto found = tensors.find(rule.to);
    if (found == tensors.end()) {  // a bias that batch norm swallows
      const int64_t channels = tensors.at(replaced(rule.to, ".bias", ".weight")).shape()[0];
      Tensor bias(DType::F32, {channels});
      for (int64_t i = 0; i < channels; ++i)
        bias.as<float>()[static_cast<size_t>(i)] = 0.25F * static_cast<float>(i);
      file.emplace(rule.from, bias);
      continue;
    }
    const Tensor& t = found->second;
    const Shape& s = t.shape();
    if (s.size() == 4) {
      Tensor turned(DType::F32, {s[2], s[3], s[1], s[0]});
      for (int64_t o = 0; o < s[0]; ++o) {
        for (int64_t i = 0; i < s[1]; ++i) {
          for (int64_t y = 0; y < s[2]; ++y) {
            for (int64_t x = 0; x < s[3]; ++x)
              turned.as<float>()[static_cast<size_t>(((y * s[3] + x) * s[1] + i) * s[0] + o)] =
                  t.as<float>()[static_cast<size_t>(((o * s[1] + i) * s[2] + y) * s[3] + x)];
          }
        }
      }
      file.emplace(rule.from, turned);
    } else if (s.size() == 2) {
      Tensor turned(DType::F32, {s[1], s[0]});
      for (int64_t o = 0; o < s[0]; ++o) {
        for (int64_t i = 0; i < s[1]; ++i)
          turned.as<float>()[static_cast<size_t>(i * s[0] + o)] =
              t.as<float>()[static_cast<size_t>(o * s[1] + i)];
      }
      file.emplace(rule.from, turned);
    } else {
      file.emplace(rule.from, t);
    }
  }
  const WeightMatch match = match_weights(file, rules, network);
  ASSERT_TRUE(match.complete()) << describe_match(match, network);
  EXPECT_EQ(match.folded.size(), 7U);
  for (const auto& [name, tensor] : tensors) {
    if (name.find("running_mean") == std::string::npos) {
      EXPECT_EQ(match.tensors.at(name), tensor) << name;
    } else {
      EXPECT_EQ(match.tensors.at(name).as<float>()[3], tensor.as<float>()[3] - 0.75F) << name;
    }
  }
}

/// A head of linear layers, described as convolutions over the whole map and over one pixel.
TEST(WeightValues, LinearLayersOnAFlattenedMapFitInEitherOrder) {
  const Network network = read_network(
      Json::parse(
          R"({"name": "flat", "input": {"channels": 2, "height": 5, "width": 5}, "classes": 4, "blocks": [
        {"id": "b1", "stages": [{"out_channels": 3, "stride": 2}]},
        {"id": "hidden", "stages": [{"out_channels": 5, "kernel": 3, "pad": 0, "batch_norm": false},
          {"out_channels": 6, "kernel": 1, "batch_norm": false}]}]})",
          "flat"),
      "flat");
  Network last = network;  // the same map, read by the last layer itself
  last.blocks.pop_back();
  last.head = linear_head(network.classes(), /*average=*/false);
  WeightRules rules = load_weight_rules("tailor");
  auto linear = [](int64_t out, int64_t in) {
    Tensor t(DType::F32, {out, in});
    for (int64_t i = 0; i < t.size(); ++i)
      t.as<float>()[static_cast<size_t>(i)] = static_cast<float>(i);
    return t;
  };
  TensorMap file = initial_tensors(network, 3);
  file.at("hidden.conv1.weight") = linear(5, 27);
  file.at("hidden.conv2.weight") = linear(6, 5);
  TensorMap file_of_last = initial_tensors(last, 3);
  file_of_last.at("fc.weight") = linear(4, 27);
  // Row 1, channel 2, pixel 4 (of 9) is element 27 + 2·9 + 4 in torch's order, 27 + 4·3 + 2 in
  // Keras'.
  WeightMatch match = match_weights(file, rules, network);
  ASSERT_TRUE(match.complete()) << describe_match(match, network);
  EXPECT_EQ(match.tensors.at("hidden.conv1.weight").as<float>()[27 + 2 * 9 + 4], 27 + 2 * 9 + 4);
  EXPECT_EQ(match.tensors.at("hidden.conv2.weight").shape(), (Shape{6, 5, 1, 1}));
  EXPECT_EQ(match_weights(file_of_last, rules, last).tensors.at("fc.weight"), linear(4, 27));
  rules.layout = WeightLayout::Keras;
  auto turned = [](const Tensor& t) {
    Tensor result(DType::F32, {t.shape()[1], t.shape()[0]});
    for (int64_t o = 0; o < t.shape()[0]; ++o) {
      for (int64_t i = 0; i < t.shape()[1]; ++i)
        result.as<float>()[static_cast<size_t>(i * t.shape()[0] + o)] =
            t.as<float>()[static_cast<size_t>(o * t.shape()[1] + i)];
    }
    return result;
  };
  file = {{"hidden.conv1.weight", turned(linear(5, 27))}};
  file_of_last = {{"fc.weight", turned(linear(4, 27))}};
  EXPECT_EQ(match_weights(file, rules, network)
                .tensors.at("hidden.conv1.weight")
                .as<float>()[27 + 2 * 9 + 4],
            27 + 4 * 3 + 2);
  EXPECT_EQ(
      match_weights(file_of_last, rules, last).tensors.at("fc.weight").as<float>()[27 + 2 * 9 + 4],
      27 + 4 * 3 + 2);
}

/// Only where both are the same function; elsewhere it would be another network without a word.
TEST(WeightValues, ALinearLayerFitsNoConvolutionWithSeveralWindows) {
  const WeightRules rules = load_weight_rules("tailor");
  for (const char* stage : {R"({"out_channels": 5, "kernel": 3})",
                            R"({"out_channels": 5, "kernel": 3, "pad": 0, "pad_end": 1})",
                            R"({"out_channels": 5, "kernel": 1})"}) {
    const std::string text = fmt::format(
        R"({{"name": "n", "input": {{"channels": 2, "height": 3, "width": 3}}, "classes": 4, "blocks": [
          {{"id": "b", "stages": [{}]}}]}})",
        stage);
    const Network network = read_network(Json::parse(text, "x"), "x");
    TensorMap file = initial_tensors(network, 3);
    Tensor& weight = file.at("b.conv1.weight");
    weight = Tensor(DType::F32, {5, weight.size() / 5});
    const WeightMatch match = match_weights(file, rules, network);
    EXPECT_FALSE(match.complete()) << stage;
    testing::expect_words(describe_match(match, network),
                          {"1 of another shape: b.conv1.weight → b.conv1.weight",
                           "a linear layer is a convolution whose kernel is the whole map"});
  }
}

TEST(WeightValues, ALinearLayerIsExportedAsOneWhereTheRuleSaysSo) {
  const Network network = read_network(
      Json::parse(R"({"name": "n", "input": {"channels": 2, "height": 3, "width": 3}, "classes": 4,
        "blocks": [{"id": "b", "stages": [{"out_channels": 5, "kernel": 3, "pad": 0}]}]})",
                  "x"),
      "x");
  TemporaryDirectory folder("tailor-rules-test");
  const std::string path = path_join(folder.path(), "own.json");
  write_file(path, R"({"rules": [{"from": "hidden.weight", "to": "b.conv1.weight", "linear": true},
    {"from": "{*}", "to": "{*}"}], "mean": [0.5], "deviation": [0.5]})");
  const WeightRules rules = load_weight_rules(path);
  const TensorMap tensors = initial_tensors(network, 3);
  TensorMap file;
  for (const auto& [name, tensor] : tensors)
    file.emplace(foreign_name(rules, name), foreign_tensor(rules, name, tensor));
  EXPECT_EQ(file.at("hidden.weight").shape(), (Shape{5, 18}));
  const WeightMatch back = match_weights(file, rules, network);
  ASSERT_TRUE(back.complete()) << describe_match(back, network);
  EXPECT_EQ(back.tensors, tensors);
}

TEST(WeightValues, LayersWithoutBiasOrScaleAreNeutralOnesWhereThatIsAllowed) {
  const Network network = read_network(
      Json::parse(R"({"name": "n", "input": {"channels": 2, "height": 3, "width": 3}, "classes": 4,
        "blocks": [{"id": "b", "stages": [{"out_channels": 5},
          {"out_channels": 5, "batch_norm": false}]}]})",
                  "x"),
      "x");
  const WeightRules rules = load_weight_rules("tailor");
  TensorMap file = initial_tensors(network, 3);
  // The last layer as a convolution of one pixel, without bias.
  file.at("fc.weight") = Tensor(DType::F32, {4, 5, 1, 1});
  for (const char* name : {"fc.bias", "b.conv2.bias", "b.bn1.weight", "b.bn1.bias"})
    file.erase(name);
  EXPECT_EQ(match_weights(file, rules, network).missing.size(), 4U);
  WeightMatch match = match_weights(file, rules, network, std::nullopt, /*may_lack_neutral=*/true);
  EXPECT_TRUE(match.complete()) << describe_match(match, network);
  EXPECT_EQ(match.neutral,
            (std::vector<std::string>{"b.bn1.weight", "b.bn1.bias", "b.conv2.bias", "fc.bias"}));
  EXPECT_EQ(match.tensors.at("b.bn1.weight").as<float>()[4], 1);
  EXPECT_EQ(match.tensors.at("b.bn1.bias").as<float>()[4], 0);
  EXPECT_EQ(match.tensors.at("fc.bias").as<float>()[3], 0);
  verify_tensors(network, match.tensors, "test");
  // Not a batch norm with a scale and no shift, nor a layer that is not there at all.
  TensorMap half = file;
  half.emplace("b.bn1.weight", Tensor(DType::F32, {5}));
  EXPECT_EQ(match_weights(half, rules, network, std::nullopt, /*may_lack_neutral=*/true).missing,
            std::vector<std::string>{"b.bn1.bias [5]"});
  file.erase("b.conv2.weight");
  match = match_weights(file, rules, network, std::nullopt, /*may_lack_neutral=*/true);
  EXPECT_EQ(match.missing.size(), 2U);
}

TEST(WeightValues, KerasDepthwiseKernelsBecomeGroupedOnes) {
  const Network network = read_network(
      Json::parse(R"({"name": "n", "input": {"channels": 3, "height": 5, "width": 5}, "classes": 4,
        "blocks": [{"id": "b", "stages": [
          {"out_channels": 6, "groups": 3, "batch_norm": false}]}]})",
                  "x"),
      "x");
  WeightRules rules = load_weight_rules("tailor");
  rules.layout = WeightLayout::Keras;
  // [rows, columns, channel, multiplier], each element its own index.
  Tensor kernel(DType::F32, {3, 3, 3, 2});
  for (int64_t i = 0; i < kernel.size(); ++i)
    kernel.as<float>()[static_cast<size_t>(i)] = static_cast<float>(i);
  const WeightMatch match = match_weights({{"b.conv1.weight", kernel}}, rules, network);
  ASSERT_TRUE(match.misshapen.empty()) << describe_match(match, network);
  const auto values = match.tensors.at("b.conv1.weight").as<float>();
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t m = 0; m < 2; ++m) {
      for (int64_t p = 0; p < 9; ++p)
        EXPECT_EQ(values[static_cast<size_t>((c * 2 + m) * 9 + p)],
                  static_cast<float>((p * 3 + c) * 2 + m));
    }
  }
}

/// bn(x + b) with mean m is bn(x) with mean m - b.
TEST(WeightValues, BiasesBeforeBatchNormsAreFoldedByEveryBuiltInSet) {
  struct Case {
    const char* rules;
    Network network;
  };
  const Case cases[] = {
      {"cifar_downsample", network_of("resnet_cifar", 8, Shortcut::Projection)},
      {"cifar_projection", network_of("resnet_cifar", 8, Shortcut::Projection)},
      {"cifar_pad", network_of("resnet_cifar", 8, Shortcut::Pad)},
      {"tailor_release", network_of("resnet_cifar", 8, Shortcut::Projection)},
      {"tailor", network_of("resnet_cifar", 8, Shortcut::Projection)},
      {"torchvision", network_of("resnet_imagenet", 18, Shortcut::Projection)},
  };
  for (const Case& c : cases) {
    const WeightRules rules = load_weight_rules(c.rules);
    const TensorMap tensors = initial_tensors(c.network, 3);
    TensorMap file;
    size_t convolutions = 0;
    for (const auto& [name, tensor] : tensors) {
      file.emplace(foreign_name(rules, name), tensor);
      if (tensor.shape().size() != 4) continue;
      Tensor bias(DType::F32, {tensor.shape()[0]});
      for (float& v : bias.as<float>()) v = 0.5F;
      bias.as<float>()[1] = -2;
      file.emplace(foreign_name(rules, replaced(name, ".weight", ".bias")), bias);
      ++convolutions;
    }
    const WeightMatch match = match_weights(file, rules, c.network);
    ASSERT_TRUE(match.complete()) << c.rules << ": " << describe_match(match, c.network);
    EXPECT_EQ(match.folded.size(), convolutions) << c.rules;
    for (const auto& [name, tensor] : tensors) {
      const auto values = match.tensors.at(name).as<float>();
      const bool mean = name.find("running_mean") != std::string::npos;
      EXPECT_EQ(values[0], tensor.as<float>()[0] - (mean ? 0.5F : 0)) << name;
      EXPECT_EQ(values[1], tensor.as<float>()[1] + (mean ? 2 : 0)) << name;
    }
  }
}

/// The paths of weights in Keras' HDF5 files, by .weights.h5 and by whole models of Keras 2 and 3.
TEST(WeightValues, KerasPathsAreReadAsTheDottedNamesOfItsRules) {
  NetworkConfig config;
  config.family = "resnet_mlperf_tiny";
  const Network network = make_network(config, {3, 32, 32}, 10);
  const WeightRules rules = load_weight_rules("mlperf_tiny");
  TensorMap dotted;
  for (const auto& [name, tensor] : initial_tensors(network, 3)) {
    const Shape& s = tensor.shape();
    Shape turned = s;
    if (s.size() == 4) turned = {s[2], s[3], s[1], s[0]};
    if (s.size() == 2) turned = {s[1], s[0]};
    Tensor t(DType::F32, turned);
    for (int64_t i = 0; i < t.size(); ++i)
      t.as<float>()[static_cast<size_t>(i)] = static_cast<float>(i);
    dotted.emplace(foreign_name(rules, name), t);
  }
  const TensorMap expected = match_weights(dotted, rules, network).tensors;
  EXPECT_EQ(expected.size(), 41U);
  const auto layer = [](const std::string& name) { return name.substr(0, name.find('.')); };
  const auto variable = [](const std::string& name) { return name.substr(name.find('.') + 1); };
  const auto number = [&](const std::string& name) {
    const std::string v = variable(name);
    return v == "kernel" || v == "gamma" ? 0
           : v == "bias" || v == "beta"  ? 1
           : v == "moving_mean"          ? 2
                                         : 3;
  };
  const std::function<std::string(const std::string&)> spellings[] = {
      [&](const std::string& n) { return fmt::format("{}/{}:0", layer(n), variable(n)); },
      [&](const std::string& n) {
        return fmt::format("model_weights/{0}/{0}/{1}:0", layer(n), variable(n));
      },
      [&](const std::string& n) {
        return fmt::format("model_weights/{0}/functional_1/{0}/{1}", layer(n), variable(n));
      },
      [&](const std::string& n) { return fmt::format("layers/{}/vars/{}", layer(n), number(n)); },
  };
  for (const auto& spelling : spellings) {
    const TensorMap file = renamed(dotted, spelling);
    const WeightMatch match = match_weights(file, rules, network);
    ASSERT_TRUE(match.complete()) << file.begin()->first << "\n" << describe_match(match, network);
    EXPECT_EQ(match.tensors, expected) << file.begin()->first;
  }
  TensorMap more = dotted;  // what is left over keeps the name that the file has
  more.emplace("conv2d_9/kernel:0", Tensor(DType::F32, {1}));
  EXPECT_EQ(match_weights(more, rules, network).left_over,
            std::vector<std::string>{"conv2d_9/kernel:0 [1]"});
}

}  // namespace
}  // namespace tailor::test

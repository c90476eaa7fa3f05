// Foreign names to ours: every tensor of file and network is accounted for, and its values arrive.
#include "tailor/net/weight_rules.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <functional>

#include "support/expect_error.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"

namespace tailor::test {
namespace {

using testing::expect_error;

Network network_of(const std::string& family, int64_t depth, Shortcut shortcut,
                   const MapShape& input = {3, 32, 32}) {
  NetworkConfig config;
  config.family = family;
  config.depth = depth;
  config.width = 4;
  config.shortcut = shortcut;
  return make_network(config, input, 7);
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

/// What torchvision calls our tensor, written without the rules' templates.
std::string torchvision_name(const std::string& ours) {
  std::string name = replaced(ours, "stem.", "");
  if (name.compare(0, 5, "stage") == 0) name = "layer" + replaced(name.substr(5), ".block", ".");
  name = replaced(name, "skip.conv", "downsample.0");
  return replaced(name, "skip.bn", "downsample.1");
}

std::string release_name(const std::string& ours) {
  std::string name = torchvision_name(ours);
  if (name == "conv1.weight") return "conv1.0.weight";
  if (name.compare(0, 4, "bn1.") == 0) return "conv1.1." + name.substr(4);
  if (name.compare(0, 5, "layer") == 0)
    return fmt::format("layers.{}{}", name[5] - '1', name.substr(6));
  return name;
}

template <class Name>
TensorMap renamed(const TensorMap& tensors, const Name& name, const std::string& prefix = "") {
  TensorMap result;
  for (const auto& [ours, tensor] : tensors) result.emplace(prefix + name(ours), tensor);
  return result;
}

TEST(WeightRules, TheNamesOfOtherProgramsBecomeOurs) {
  struct Case {
    const char* rules;
    Network network;
    std::string (*name)(const std::string&);
  };
  const auto linear = [](const std::string& ours) {
    return replaced(torchvision_name(ours), "fc.", "linear.");
  };
  const auto shortcut = [](const std::string& ours) {
    std::string name = replaced(torchvision_name(ours), "fc.", "linear.");
    return replaced(name, "downsample", "shortcut");
  };
  const auto own = [](const std::string& ours) { return ours; };
  const Case cases[] = {
      {"torchvision", network_of("resnet_imagenet", 18, Shortcut::Projection), torchvision_name},
      {"torchvision", network_of("resnet_imagenet", 50, Shortcut::Projection), torchvision_name},
      {"cifar_downsample", network_of("resnet_cifar", 20, Shortcut::Projection), torchvision_name},
      {"cifar_pad", network_of("resnet_cifar", 20, Shortcut::Pad), linear},
      {"cifar_projection", network_of("resnet_cifar", 20, Shortcut::Projection), shortcut},
      {"tailor_release", network_of("resnet_cifar", 8, Shortcut::Projection), release_name},
      {"tailor", network_of("resnet_cifar", 8, Shortcut::Pad), own},
  };
  for (const Case& c : cases) {
    const TensorMap tensors = initial_tensors(c.network, 3);
    TensorMap file = renamed(tensors, c.name);
    file.emplace("bn1.num_batches_tracked", Tensor::from<int64_t>({}, {5}));
    const WeightMatch match = match_weights(file, load_weight_rules(c.rules), c.network);
    EXPECT_TRUE(match.complete()) << c.rules << ": " << describe_match(match, c.network);
    EXPECT_EQ(match.tensors, tensors) << c.rules;
    for (const auto& [ours, tensor] : tensors)  // and back
      EXPECT_EQ(foreign_name(load_weight_rules(c.rules), ours), c.name(ours)) << c.rules;
    EXPECT_EQ(match.dropped, std::vector<std::string>{"bn1.num_batches_tracked"}) << c.rules;
  }
}

TEST(WeightRules, TheFoldersOfACheckpointAreLookedThrough) {
  const Network network = network_of("resnet_cifar", 8, Shortcut::Projection);
  const TensorMap tensors = initial_tensors(network, 3);
  TensorMap file = renamed(tensors, torchvision_name, "state_dict.module.");
  file.emplace("optimizer.state.0.momentum_buffer", Tensor(DType::F32, {2}));
  const WeightMatch match = match_weights(file, load_weight_rules("cifar_downsample"), network);
  EXPECT_EQ(match.prefix, "state_dict.module.");
  EXPECT_EQ(match.tensors, tensors);
  EXPECT_EQ(match.outside, std::vector<std::string>{"optimizer.state.0.momentum_buffer"});
  EXPECT_TRUE(match.complete());
  EXPECT_EQ(describe_match(match, network),
            "47 of 47 tensors of resnet8 matched under the prefix state_dict.module.\n"
            "  1 outside: optimizer.state.0.momentum_buffer");
}

TEST(WeightRules, KnowTheUsualCifarResnet18AsADescribedNetwork) {
  const Network network =
      network_by_name(TAILOR_TEST_SOURCE "/../configs/networks/resnet18_cifar.json").network;
  EXPECT_EQ(parameter_count(network), 11'173'962);
  const TensorMap tensors = initial_tensors(network, 3);
  const WeightRules rules = load_weight_rules("cifar_projection");
  TensorMap file;
  for (const auto& [name, tensor] : tensors) file.emplace(foreign_name(rules, name), tensor);
  EXPECT_EQ(file.count("layer4.0.shortcut.1.running_var"), 1U);
  EXPECT_EQ(match_weights(file, rules, network).tensors, tensors);
}

TEST(WeightRules, ANetworkThatIsInTheFileTwiceIsAskedFor) {
  const Network network = network_of("resnet_cifar", 8, Shortcut::Projection);
  const TensorMap tensors = initial_tensors(network, 3);
  const WeightRules rules = load_weight_rules("cifar_downsample");
  TensorMap file = renamed(tensors, torchvision_name, "state_dict.");
  const TensorMap other = renamed(initial_tensors(network, 4), torchvision_name, "ema.");
  file.insert(other.begin(), other.end());
  WeightMatch match = match_weights(file, rules, network);
  EXPECT_EQ(match.rivals.size(), 1U);
  match = match_weights(file, rules, network, "state_dict.");
  EXPECT_TRUE(match.rivals.empty());
  EXPECT_EQ(match.tensors, tensors);
  EXPECT_EQ(match.outside.size(), other.size());
  EXPECT_EQ(match_weights(file, rules, network, "state_dict").tensors, tensors);
  EXPECT_EQ(match_weights(file, rules, network, "nothing.").missing.size(), tensors.size());
}

TEST(WeightRules, ATensorThatOthersDoNotHaveKeepsOurName) {
  EXPECT_EQ(foreign_name(load_weight_rules("torchvision"), "stage2.block0.skip.0.conv.weight"), "");
}

TEST(WeightRules, WhatDoesNotFitIsNamedWithShapes) {
  const Network network = network_of("resnet_cifar", 8, Shortcut::Projection);
  TensorMap file = renamed(initial_tensors(network, 3), torchvision_name);
  file.erase("layer2.0.bn1.running_var");
  file.erase("fc.weight");
  file.emplace("fc.weight", Tensor(DType::F32, {100, 16}));
  file.emplace("aux.weight", Tensor(DType::F32, {2, 3}));
  file.emplace("layer9.0.conv1.weight", Tensor(DType::F32, {1}));
  const WeightMatch match = match_weights(file, load_weight_rules("cifar_downsample"), network);
  EXPECT_FALSE(match.complete());
  EXPECT_EQ(match.missing, std::vector<std::string>{"stage2.block0.bn1.running_var [8]"});
  EXPECT_EQ(match.misshapen, std::vector<std::string>{
                                 "fc.weight → fc.weight has shape [100, 16], expected [7, 16]"});
  EXPECT_EQ(
      match.left_over,
      (std::vector<std::string>{
          "aux.weight [2, 3]", "layer9.0.conv1.weight [1] (would be stage9.block0.conv1.weight)"}));
  EXPECT_EQ(describe_match(match, network).substr(0, 38),
            "45 of 47 tensors of resnet8 matched\n  ");
}

TEST(WeightRules, KerasKernelsAreTurnedAndBiasesBeforeBatchNormGoIntoItsMean) {
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
TEST(WeightRules, LinearLayersOnAFlattenedMapFitInEitherOrder) {
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
TEST(WeightRules, ALinearLayerFitsNoConvolutionWithSeveralWindows) {
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

TEST(WeightRules, ALinearLayerIsExportedAsOneWhereTheRuleSaysSo) {
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

TEST(WeightRules, LayersWithoutBiasOrScaleAreNeutralOnesWhereThatIsAllowed) {
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

TEST(WeightRules, KerasDepthwiseKernelsBecomeGroupedOnes) {
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

/// Public CIFAR code calls the head "fc" beside "shortcut", or "linear" beside "downsample".
TEST(WeightRules, NamesOfTwoProgramsInOneFileAreReadByTwoRuleSetsTogether) {
  const Network network = network_of("resnet_cifar", 20, Shortcut::Projection);
  const TensorMap tensors = initial_tensors(network, 3);
  const TensorMap file = renamed(tensors, [](const std::string& ours) {
    return replaced(torchvision_name(ours), "downsample", "shortcut");  // and fc
  });
  const WeightRules shortcut = load_weight_rules("cifar_projection"),
                    fc = load_weight_rules("cifar_downsample");
  EXPECT_FALSE(match_weights(file, shortcut, network).complete());
  EXPECT_FALSE(match_weights(file, fc, network).complete());
  for (const WeightRules& both : {combined(shortcut, fc), combined(fc, shortcut)}) {
    const WeightMatch match = match_weights(file, both, network);
    ASSERT_TRUE(match.complete()) << both.name << ": " << describe_match(match, network);
    EXPECT_EQ(match.tensors, tensors) << both.name;
  }
  EXPECT_EQ(combined(shortcut, fc).name, "cifar_projection+cifar_downsample");
  EXPECT_EQ(combined(shortcut, fc).preprocessing, shortcut.preprocessing);
}

/// bn(x + b) with mean m is bn(x) with mean m - b.
TEST(WeightRules, BiasesBeforeBatchNormsAreFoldedByEveryBuiltInSet) {
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
TEST(WeightRules, KerasPathsAreReadAsTheDottedNamesOfItsRules) {
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

TEST(WeightRules, ANetworkThatIsNotInTheFileIsNotThereSeveralTimes) {
  const Network network = network_of("resnet_cifar", 8, Shortcut::Projection);
  TensorMap file;  // of another network, whose blocks all have something called bn1
  for (const char* block : {"a.0", "a.1", "b.0", "b.1"})
    file.emplace(fmt::format("{}.bn1.weight", block), Tensor(DType::F32, {4}));
  const WeightMatch match = match_weights(file, load_weight_rules("cifar_downsample"), network);
  EXPECT_FALSE(match.complete());
  EXPECT_TRUE(match.rivals.empty());
}

TEST(WeightRules, OfTwoNetworksThatAreNamedAlikeTheOneThatFitsIsTaken) {
  const Network network = network_of("resnet_cifar", 8, Shortcut::Projection);
  Network other = network;
  other.head = linear_head(100);
  const TensorMap tensors = initial_tensors(network, 3);
  TensorMap file = renamed(tensors, torchvision_name, "small.");
  const TensorMap large = renamed(initial_tensors(other, 4), torchvision_name, "large.");
  file.insert(large.begin(), large.end());
  const WeightMatch match = match_weights(file, load_weight_rules("cifar_downsample"), network);
  EXPECT_EQ(match.prefix, "small.");
  EXPECT_EQ(match.tensors, tensors);
  EXPECT_TRUE(match.rivals.empty());
}

TEST(WeightRules, ANewHeadKeepsTheBodyAndBeginsTheLastLayer) {
  const Network network = network_of("resnet_imagenet", 18, Shortcut::Projection);
  Network thousand = network;
  thousand.head = linear_head(1000);
  const TensorMap trained = initial_tensors(thousand, 9);
  const WeightRules rules = load_weight_rules("torchvision");
  TensorMap file = renamed(trained, torchvision_name);
  for (const bool headless : {false, true}) {
    if (headless) file.erase("fc.weight"), file.erase("fc.bias");
    const WeightMatch match =
        match_weights(file, rules, network, std::nullopt, false, /*new_head=*/true);
    ASSERT_TRUE(match.complete()) << describe_match(match, network);
    EXPECT_EQ(match.begun, (std::vector<std::string>{"fc.weight [7, 32]", "fc.bias [7]"}));
    EXPECT_EQ(match.dropped.size(), headless ? 0U : 2U);
    const TensorMap initial = initial_tensors(network, kNewHeadSeed);
    for (const auto& [name, tensor] : match.tensors)
      EXPECT_EQ(tensor, name.compare(0, 3, "fc.") == 0 ? initial.at(name) : trained.at(name))
          << name;
  }
}

TEST(WeightRules, AUsersOwnFileIsReadStrictly) {
  TemporaryDirectory folder("weight-rules");
  const auto written = [&](const std::string& text) {
    const std::string path = path_join(folder.path(), "own.json");
    write_file(path, text);
    return path;
  };
  const WeightRules own = load_weight_rules(written(
      R"({"rules": [{"from": "net.{a}.w", "to": "stage{a+1}.block0.conv1.weight"}],
          "mean": [0.5], "deviation": [0.25]})"));
  EXPECT_EQ(own.rules.size(), 1U);
  expect_error(ErrorKind::Config, {"/rules/0/to", "only words of \"from\"", "{b}"}, [&] {
    load_weight_rules(
        written(R"({"rules": [{"from": "x{a}", "to": "y{b}"}], "mean": [0], "deviation": [1]})"));
  });
  expect_error(ErrorKind::Config, {"/rules/0/from", "{*} as the last"}, [&] {
    load_weight_rules(
        written(R"({"rules": [{"from": "{*}.x{a}", "to": "y"}], "mean": [0], "deviation": [1]})"));
  });
  expect_error(ErrorKind::Config, {"/mean", "as many numbers as in /deviation"},
               [&] { load_weight_rules(written(R"({"mean": [0, 1], "deviation": [1]})")); });
  expect_error(ErrorKind::Config, {"/shortcut", "pad_end"},
               [&] { load_weight_rules(written(R"({"shortcut": "padding"})")); });
  expect_error(ErrorKind::Config, {"/rulez", "unknown key"},
               [&] { load_weight_rules(written(R"({"rulez": []})")); });
  expect_error(ErrorKind::Usage, {"--rules torchvisoin", "did you mean 'torchvision'", "nemo"},
               [] { load_weight_rules("torchvisoin"); });
}

/// A small QuartzNet, of as many kinds of blocks and copies as the paper's.
Network quartznet_of(QuartzKind kind, int64_t copies, Join join = Join::BeforeActivation) {
  NetworkConfig config;
  config.family = "quartznet";
  config.width = 2;
  config.join = join;
  config.quartznet = QuartzNetConfig();
  config.quartznet->kind = kind;
  config.quartznet->copies = copies;
  const bool dna = kind == QuartzKind::Dna;
  return make_network(config, {dna ? 1 : 4, 1, 32}, dna ? 5 : 29);
}

/// The tensors as PyTorch has them, kernels [out, in, columns], under names that `name` gives.
TensorMap one_dimensional(const TensorMap& tensors,
                          const std::function<std::string(const std::string&)>& name) {
  TensorMap file;
  for (const auto& [ours, tensor] : tensors) {
    const Shape& s = tensor.shape();
    const auto values = tensor.as<float>();
    const Shape flat = s.size() == 4 ? Shape{s[0], s[1], s[3]} : s;
    const std::string theirs = name(ours);
    const std::vector<float> copy(values.begin(), values.end());
    EXPECT_TRUE(file.emplace(theirs, Tensor::from<float>(flat, copy)).second)
        << theirs << " of " << ours;
  }
  return file;
}

/// "stage3.block1", "bn2" and "running_mean" of such a name; of a skip "skip.bn".
struct OurName {
  std::string block, layer, rest;
  explicit OurName(const std::string& name) {
    const size_t last = name.rfind('.');
    rest = name.substr(last + 1);
    const size_t skip = name.find(".skip.");
    const size_t dot = skip != std::string::npos ? skip : name.rfind('.', last - 1);
    block = name.substr(0, dot);
    layer = name.substr(dot + 1, last - dot - 1);
  }
};

size_t block_number(const Network& network, const std::string& id) {
  size_t b = 0;
  while (network.blocks[b].id != id) ++b;
  return b;
}

/// As JasperBlock of NeMo 1.x numbers them, written without the rules' templates.
std::string nemo_name(const Network& network, const std::string& ours) {
  if (ours.compare(0, 5, "head.") == 0) return "decoder.decoder_layers.0." + ours.substr(10);
  const OurName n(ours);
  const std::string block = fmt::format("encoder.encoder.{}.", block_number(network, n.block));
  if (n.layer == "skip.conv") return block + "res.0.0.conv." + n.rest;
  if (n.layer == "skip.bn") return block + "res.0.1." + n.rest;
  const bool norm = n.layer[0] == 'b', pointwise = n.layer.back() == 'b';
  const int stage = n.layer[norm ? 2 : 4] - '1', separable = n.block == "top" ? 0 : 1;
  const int at = 5 * stage + (norm ? 1 + separable : (pointwise ? 1 : 0));
  return fmt::format("{}mconv.{}.{}{}", block, at, norm ? "" : "conv.", n.rest);
}

/// As Block of Bonito 0.5.1 has them; `shortenable`: as ShortenableBlock of the paper's fork.
std::string bonito_name(const Network& network, const std::string& ours, bool shortenable) {
  if (ours.compare(0, 5, "head.") == 0) return "decoder.layers.0." + ours.substr(10);
  const OurName n(ours);
  const std::string block = fmt::format("encoder.encoder.{}.", block_number(network, n.block));
  const char* residual = shortenable ? "projected_residual" : "residual";
  if (n.layer == "skip.conv") return fmt::format("{}{}.0.conv.{}", block, residual, n.rest);
  if (n.layer == "skip.bn") return fmt::format("{}{}.1.{}", block, residual, n.rest);
  const bool norm = n.layer[0] == 'b', dense = n.block == "stem" || n.block == "top";
  const int stage = n.layer[norm ? 2 : 4] - '1';
  const char* conv = dense ? "conv" : n.layer.back() == 'b' ? "pointwise" : "depthwise";
  if (shortenable && n.block.compare(0, 5, "stage") == 0)
    return fmt::format("{}conv.{}.{}.{}", block, stage, norm ? "bn1d" : conv, n.rest);
  return norm ? fmt::format("{}conv.{}.{}", block, 4 * stage + 1, n.rest)
              : fmt::format("{}conv.{}.{}.{}", block, 4 * stage, conv, n.rest);
}

/// Theirs become ours by the built-in set, and ours theirs again.
void expect_there_and_back(const char* set, const Network& network,
                           const std::function<std::string(const std::string&)>& name) {
  SCOPED_TRACE(fmt::format("{} {}", set, network.name));
  const TensorMap tensors = initial_tensors(network, 3);
  const WeightRules rules = load_weight_rules(set);
  TensorMap file = one_dimensional(tensors, name);
  const TensorMap theirs = file;
  file.emplace("encoder.encoder.0.conv.1.num_batches_tracked", Tensor(DType::I64, {}));
  const WeightMatch match = match_weights(file, rules, network);
  ASSERT_TRUE(match.complete()) << describe_match(match, network);
  EXPECT_EQ(match.tensors, tensors);
  TensorMap again;
  const WeightRules ours = for_network(rules, network);
  for (const auto& [own, tensor] : tensors)
    again.emplace(foreign_name(ours, own), foreign_tensor(ours, own, tensor));
  EXPECT_EQ(again, theirs);
}

TEST(WeightRules, NemosQuartzNetsAreNumberedThroughWhateverTheirDepth) {
  for (int64_t copies : {1, 2, 3}) {
    const Network network = quartznet_of(QuartzKind::Speech, copies);
    expect_there_and_back("nemo", network,
                          [&](const std::string& ours) { return nemo_name(network, ours); });
    EXPECT_EQ(nemo_name(network, "top.bn1.bias"),
              fmt::format("encoder.encoder.{}.mconv.1.bias", 5 * copies + 2));
  }
}

TEST(WeightRules, BonitosQuartzNetsAndThePapersShortenableOnes) {
  const Network network = quartznet_of(QuartzKind::Dna, 1);
  expect_there_and_back("bonito", network, [&](const std::string& ours) {
    return bonito_name(network, ours, /*shortenable=*/false);
  });
  EXPECT_EQ(load_weight_rules("bonito_shortenable").join, "after_activation");
  expect_there_and_back("bonito_shortenable", network, [&](const std::string& ours) {
    return bonito_name(network, ours, /*shortenable=*/true);
  });
}

TEST(WeightRules, EveryBuiltInSetIsReadAndSaysItsPreprocessing) {
  EXPECT_EQ(weight_rule_names(),
            (std::vector<std::string>{"bonito", "bonito_shortenable", "cifar_downsample",
                                      "cifar_pad", "cifar_projection", "mlperf_tiny", "nemo",
                                      "tailor", "tailor_release", "torchvision"}));
  for (const std::string& name : weight_rule_names()) {
    const WeightRules rules = load_weight_rules(name);
    // One number of pixels' three channels each, or one for every channel.
    const bool pixels = rules.families != std::vector<std::string>{"quartznet"};
    EXPECT_EQ(rules.preprocessing.mean.size(), pixels ? 3U : 1U) << name;
    EXPECT_FALSE(rules.title.empty()) << name;
    EXPECT_FALSE(rules.families.empty()) << name;
  }
}

}  // namespace
}  // namespace tailor::test

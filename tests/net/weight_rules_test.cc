// Foreign names to ours: every tensor of file and network is accounted for.
#include "tailor/net/weight_rules.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <functional>

#include "net/foreign_weights.h"
#include "support/expect_error.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"

namespace tailor::test {
namespace {

using testing::expect_error;

std::string release_name(const std::string& ours) {
  std::string name = torchvision_name(ours);
  if (name == "conv1.weight") return "conv1.0.weight";
  if (name.compare(0, 4, "bn1.") == 0) return "conv1.1." + name.substr(4);
  if (name.compare(0, 5, "layer") == 0)
    return fmt::format("layers.{}{}", name[5] - '1', name.substr(6));
  return name;
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

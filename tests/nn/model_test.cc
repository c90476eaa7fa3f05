// LibTorch against the float64 emulator: two programs that share nothing but the description. Then
// what surgery must keep and what it must lose.
#include "tailor/nn/model.h"
#include "support/rooms.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <cmath>

#include "nn/convolution.h"
#include "support/layers.h"
#include "support/networks.h"
#include "tailor/design/lower.h"
#include "tailor/emulate/float64.h"
#include "tailor/net/dirac.h"
#include "tailor/nn/bfloat16.h"
#include "tailor/nn/host.h"
#include "tailor/nn/kernels.h"
#include "tailor/surgery/surgery.h"

namespace tailor::test {
namespace {

using testing::Surgery;

at::Tensor as_batch(std::vector<float>& hwc, const MapShape& shape, int64_t n) {
  return at::from_blob(hwc.data(), {n, shape.height, shape.width, shape.channels}, at::kFloat)
      .permute({0, 3, 1, 2})
      .contiguous(at::MemoryFormat::ChannelsLast);
}

std::vector<float> images(const MapShape& shape, int64_t n) {
  std::vector<float> all;
  for (int64_t i = 0; i < n; ++i) {
    for (double v : testing::random_image(shape, i)) all.push_back(static_cast<float>(v));
  }
  return all;
}

/// Model, FrozenModel and the float64 emulator, on three random images.
void expect_agreement(const Network& network, double tolerance = 2e-5) {
  const TensorMap tensors = testing::random_tensors(network, 5);
  Model model(network, tensors);
  FrozenModel frozen(network, tensors);
  Float64Emulator emulator(lower(network, tensors, "test"));
  at::NoGradGuard no_grad;
  std::vector<float> hwc = images(network.input, 3);
  at::Tensor logits = model.forward(as_batch(hwc, network.input, 3), false),
             folded = frozen.forward(as_batch(hwc, network.input, 3));
  for (int64_t i = 0; i < 3; ++i) {
    const auto size = static_cast<size_t>(network.input.size());
    std::vector<double> image(
        hwc.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(i) * size),
        hwc.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(i + 1) * size));
    const auto expected = emulator.run(image);
    const at::Tensor given = logits[i].flatten(), given_folded = folded[i].flatten();
    ASSERT_EQ(given.numel(), output_shape(network).size());
    for (int64_t k = 0; k < given.numel(); ++k) {
      const double value = expected[static_cast<size_t>(k)],
                   allowed = tolerance * (1 + std::abs(value));
      EXPECT_NEAR(given[k].item<double>(), value, allowed);
      EXPECT_NEAR(given_folded[k].item<double>(), value, allowed);
    }
  }
}

class EveryVariant : public ::testing::TestWithParam<testing::Variant> {};

TEST_P(EveryVariant, LibTorchAndTheGraphAgree) {
  const testing::Variant variant = GetParam();
  Network network = testing::small_network(variant.join, variant.shortcut);
  testing::alter(network, variant.surgery);
  expect_agreement(network);
}

TEST(OtherNetworks, LibTorchAndTheGraphAgree) {
  NetworkConfig tiny, bottlenecks, basic;
  tiny.family = "resnet_mlperf_tiny";
  tiny.width = 4;
  bottlenecks.family = basic.family = "resnet_imagenet";
  bottlenecks.width = basic.width = 2;
  bottlenecks.depth = 50;
  bottlenecks.stride_on = StrideOn::First1x1;
  basic.depth = 18;
  basic.join = Join::AfterActivation;
  NetworkConfig quartz;
  quartz.family = "quartznet";
  quartz.width = 6;
  quartz.quartznet = QuartzNetConfig();
  quartz.quartznet->blocks = {{5, 1}, {7, 2}};
  quartz.quartznet->repeat = 3;
  const std::string own = TAILOR_TEST_SOURCE "/../configs/networks/unequal.json";
  const Network pools = read_network(
      Json::parse(
          R"({"name": "pools", "input": {"channels": 3, "height": 14, "width": 11}, "classes": 5,
        "blocks": [
          {"id": "stem", "stages": [{"out_channels": 4},
            {"kind": "avg_pool", "stride": 2, "pad": 0, "pad_end": 2},
            {"kind": "avg_pool", "kernel": 2, "pad": 1}]},
          {"id": "b", "stages": [{"out_channels": 4}, {"kind": "avg_pool"}],
           "skips": [{"from": 0, "to": 2}]}],
        "head": {"pooling": "none"}})",
          "pools"),
      "pools");
  for (const Network& given :
       {make_network(tiny, {3, 12, 20}, 7), make_network(bottlenecks, {3, 37, 42}, 5),
        make_network(basic, {3, 50, 37}, 6), make_network(quartz, {5, 1, 41}, 7),
        network_by_name(own).network, pools}) {
    for (Surgery surgery : {Surgery::Traditional, Surgery::Removed, Surgery::Shortened}) {
      SCOPED_TRACE(fmt::format("{} {}", given.name, static_cast<int>(surgery)));
      Network network = given;
      for (const std::string& id : skip_ids(given)) {
        if (surgery == Surgery::Traditional || id == "outer.skip1") continue;
        apply_alteration(
            network, id,
            surgery == Surgery::Removed ? AlterationKind::Remove : AlterationKind::Shorten);
      }
      // Fifty layers without skips amplify what float32 rounds.
      expect_agreement(network, 5e-4);
    }
  }
}

TEST(TrainingForms, LibTorchAndTheGraphAgree) {
  for (const InitialSkips skips : {InitialSkips::Repvgg, InitialSkips::Dirac}) {
    SCOPED_TRACE(to_string(skips));
    expect_agreement(alter_every_skip(testing::small_network(), skips));
  }
}

TEST(TrainingForms, EveryPartOfADiracKernelHasItsGradient) {
  const Network network = alter_every_skip(testing::small_network(), InitialSkips::Dirac);
  const TensorMap tensors = testing::random_tensors(network, 5);
  const auto [plain, weights] = merge_dirac(network, tensors);
  std::vector<float> hwc = images(network.input, 3);
  auto backward = [&](Model& model) {
    model.parameters().zero_gradients();
    model.forward(as_batch(hwc, network.input, 3), true).square().mean().backward();
    model.parameters().gather_gradients();
  };
  Model dirac(network, tensors), merged(plain, weights);
  backward(dirac), backward(merged);
  const at::NoGradGuard no_grad;
  const std::string conv = "stage2.block0.conv1";
  auto gradient = [&](const Model& model, const std::string& of) {
    return model.parameters().master(conv + of).grad().to(at::kDouble).clone();
  };
  auto value = [&](const std::string& of) {
    return host_view(tensors.at(conv + of)).to(at::kDouble);
  };
  // By the chain rule, from the kernel's gradient.
  const at::Tensor of_kernel = gradient(merged, ".weight"), w = value(".weight"),
                   norm = w.flatten(1).norm(2, 1).reshape({-1, 1, 1, 1}), unit = w.div(norm),
                   along = of_kernel.mul(unit).sum({1, 2, 3});
  auto expect_near = [](const at::Tensor& got, const at::Tensor& wanted) {
    EXPECT_GT(wanted.norm().item<double>(), 1e-5);
    EXPECT_LT(got.sub(wanted).norm().item<double>(), 1e-4 * wanted.norm().item<double>());
  };
  expect_near(gradient(dirac, ".beta"), along);
  const at::Tensor centre = of_kernel.select(3, 1).select(2, 1).diagonal();
  expect_near(gradient(dirac, ".alpha").narrow(0, 0, centre.size(0)), centre);
  expect_near(gradient(dirac, ".weight"), of_kernel.sub(unit.mul(along.reshape({-1, 1, 1, 1})))
                                              .div(norm)
                                              .mul(value(".beta").reshape({-1, 1, 1, 1})));
}

TEST(Weights, OfASkipAreItsShareInBothWitnesses) {
  for (const Join join : {Join::BeforeActivation, Join::AfterActivation}) {
    Network network = testing::small_network(join);
    Network removed = network;
    for (Block& block : network.blocks) {
      for (Skip& skip : block.skips) skip.weight = 0.3;
    }
    expect_agreement(network);
    // At 0 they are none.
    for (const std::string& id : skip_ids(network))
      apply_alteration(removed, id, AlterationKind::Remove);
    const TensorMap tensors = testing::random_tensors(network, 4);
    TensorMap left;
    for (const TensorSpec& spec : tensor_specs(removed)) left[spec.name] = tensors.at(spec.name);
    Model faded(network, tensors), without(removed, left);
    SkipWeights none;
    for (const std::string& id : skip_ids(network)) none[id] = 0;
    const at::Tensor x =
        at::randn({2, network.input.channels, network.input.height, network.input.width});
    EXPECT_FALSE(at::equal(faded.forward(x, false), without.forward(x, false)));
    faded.weigh_skips(none);
    EXPECT_TRUE(faded.forward(x, false).allclose(without.forward(x, false), 1e-5, 1e-6));
  }
}

TEST(RandomNetworks, LibTorchAndTheGraphAgreeBeforeAndAfterSurgery) {
  for (int64_t seed = 0; seed < 60; ++seed) {
    const Network given = testing::random_network(seed);
    SCOPED_TRACE(given.name);
    expect_agreement(given, 1e-4);
    Network removed = given;
    for (const std::string& id : skip_ids(given))
      apply_alteration(removed, id, AlterationKind::Remove);
    if (!skip_ids(given).empty()) expect_agreement(removed, 1e-4);
  }
}

TEST(RandomNetworks, AnswerPerPositionInRowsOfClasses) {
  Network network;
  network.name = "positions";
  network.input = {2, 3, 5};
  network.blocks.push_back({"a", {conv_stage(2, 3, 1, 1)}, {}});
  network.head = {ConvLayer{3, 4, square_window(1), 1, true}};
  const TensorMap tensors = testing::random_tensors(network, 1);
  std::vector<float> chw = images(network.input, 2);
  const at::Tensor logits = Model(network, tensors).forward(as_batch(chw, network.input, 2), false);
  EXPECT_EQ(logits.sizes().vec(), (std::vector<int64_t>{2, 15, 4}));
}

INSTANTIATE_TEST_SUITE_P(Model, EveryVariant, ::testing::ValuesIn(testing::all_variants()),
                         [](const auto& p) { return p.param.name(); });

/// One forward and backward pass.
void backward(Model& model, const Network& network) {
  std::vector<float> hwc = images(network.input, 4);
  std::vector<int64_t> labels = {0, 3, 6, 1};
  model.parameters().zero_gradients();
  at::cross_entropy_loss(model.forward(as_batch(hwc, network.input, 4), true),
                         at::from_blob(labels.data(), {4}, at::kLong))
      .backward();
}

/// The values take a step against their gradients.
void descend(Model& model) {
  at::NoGradGuard no_grad;
  model.parameters().values.sub_(model.parameters().gradients, 0.05);
}

/// For as long as it lives.
struct WithKernels {
  explicit WithKernels(Kernels kernels) { use_kernels(kernels); }
  ~WithKernels() { use_kernels(Kernels::Fast); }
  WithKernels(const WithKernels&) = delete;
  WithKernels& operator=(const WithKernels&) = delete;
};

TEST(Model, FastKernelsStepAsTheReferenceDoes) {
  const Network network = testing::small_network(Join::BeforeActivation, Shortcut::Projection, 16);
  const TensorMap tensors = testing::random_tensors(network, 1);
  Model fast(network, tensors), reference(network, tensors);
  backward(fast, network);
  {
    const WithKernels guard(Kernels::Reference);
    backward(reference, network);
  }
  const at::Tensor wanted = reference.parameters().gradients, got = fast.parameters().gradients;
  const double apart = got.sub(wanted).norm().item<double>() / wanted.norm().item<double>();
  EXPECT_GT(apart, 0);  // not the same code
  EXPECT_LT(apart, 1e-5);
  const TensorMap ours = fast.tensors(), theirs = reference.tensors();
  for (const auto& [name, tensor] : ours) {
    if (name.find("running") == std::string::npos) continue;
    const at::Tensor other = host_view(theirs.at(name));
    EXPECT_LT(host_view(tensor).sub(other).norm().item<double>(),
              1e-5 * other.norm().item<double>())
        << name;
  }
}

/// `most`: how far gradients may be apart, relative to their size.
void expect_narrow_steps(const Network& network, double most) {
  const TensorMap tensors = testing::random_tensors(network, 1);
  Model exact(network, tensors), narrow(network, tensors, at::kCPU, at::kBFloat16);
  std::vector<float> hwc = images(network.input, 2);
  {
    at::NoGradGuard no_grad;
    const at::Tensor x = as_batch(hwc, network.input, 2);
    EXPECT_TRUE(at::equal(exact.forward(x, false), narrow.forward(x, false)));
  }
  backward(exact, network);
  backward(narrow, network);
  narrow.parameters().gather_gradients();
  const at::Tensor wanted = exact.parameters().gradients, got = narrow.parameters().gradients;
  const double apart = got.sub(wanted).norm().item<double>() / wanted.norm().item<double>();
  EXPECT_GT(apart, 1e-4);
  EXPECT_LT(apart, most);
  descend(narrow);
  narrow.parameters().spread_values();
  // Kernels of our own round what they read themselves.
  const at::ScalarType read = has_narrow_kernels() ? at::kFloat : at::kBFloat16;
  for (const auto& [name, tensor] : narrow.tensors()) {
    if (name.find("conv") == std::string::npos) continue;
    EXPECT_TRUE(at::equal(narrow.parameters().parameter(name).detach(), host_view(tensor).to(read)))
        << name;
  }
}

TEST(Model, InBfloat16StepsAreNearFloat32AndAllElseIsFloat32) {
  if (!has_bfloat16(at::kCPU)) GTEST_SKIP() << "this CPU has no bfloat16";
  const auto wide = testing::small_network(Join::BeforeActivation, Shortcut::Projection, 16);
  expect_narrow_steps(wide, 0.15);
  expect_narrow_steps(testing::small_network(), 0.1);
  const WithKernels guard(Kernels::Reference);
  expect_narrow_steps(wide, 0.15);
  expect_narrow_steps(testing::small_network(), 0.05);
}

TEST(Model, TrainingUpdatesRunningStatisticsAndEvaluationDoesNot) {
  Network network = testing::small_network();
  Model model(network, testing::random_tensors(network, 1));
  const Tensor before = model.tensors().at("stem.bn1.running_mean");
  std::vector<float> hwc = images(network.input, 2);
  at::NoGradGuard no_grad;
  model.forward(as_batch(hwc, network.input, 2), false);
  EXPECT_EQ(model.tensors().at("stem.bn1.running_mean"), before);
  model.forward(as_batch(hwc, network.input, 2), true);
  EXPECT_FALSE(model.tensors().at("stem.bn1.running_mean") == before);
}

TEST(Model, AbsorbedStatisticsAreMeansOverTheBatchesAndNothingElseMoves) {
  Network network = testing::small_network();
  const TensorMap start = testing::random_tensors(network, 1);
  std::vector<float> hwc = images(network.input, 6);
  const auto half = static_cast<std::ptrdiff_t>(3 * network.input.size());
  std::vector<float> first(hwc.begin(), hwc.begin() + half), second(hwc.begin() + half, hwc.end());
  auto after = [&](std::vector<float>& batch) {
    Model model(network, start);
    model.absorb_statistics(as_batch(batch, network.input, 3), 1);
    return model.tensors();
  };
  const TensorMap a = after(first), b = after(second);
  Model model(network, start);
  model.absorb_statistics(as_batch(first, network.input, 3), 1);
  model.absorb_statistics(as_batch(second, network.input, 3), 0.5);
  const TensorMap both = model.tensors();
  for (const TensorSpec& spec : tensor_specs(network)) {
    if (is_parameter(spec.role)) {
      EXPECT_EQ(both.at(spec.name), start.at(spec.name)) << spec.name;
      continue;
    }
    const auto x = a.at(spec.name).as<float>(), y = b.at(spec.name).as<float>(),
               z = both.at(spec.name).as<float>();
    for (size_t i = 0; i < z.size(); ++i) EXPECT_NEAR(z[i], (x[i] + y[i]) / 2, 1e-5) << spec.name;
  }
}

TEST(Alter, ErasesAProjectionAndKeepsEverythingElse) {
  Network network = testing::small_network();
  Model model(network, testing::random_tensors(network, 2));
  for (int i = 0; i < 3; ++i) {
    backward(model, network);
    descend(model);
  }
  const TensorMap values = model.tensors();
  ASSERT_EQ(values.count("stage2.block0.skip.conv.weight"), 1U);
  const int64_t parameters = model.parameters().count();
  Alteration a = apply_alteration(network, "stage2.block0.skip", AlterationKind::Remove);
  model.alter(network, added_tensors(a, network, model.tensors(), 1));
  EXPECT_EQ(model.parameters().count(), parameters - a.erased_parameters);
  EXPECT_EQ(model.parameters().count(), parameter_count(network));
  const TensorMap after = model.tensors();
  EXPECT_EQ(after.size() + a.erased.size(), values.size());
  for (const std::string& name : a.erased) EXPECT_EQ(after.count(name), 0U);
  for (const auto& [name, tensor] : after) EXPECT_EQ(tensor, values.at(name)) << name;
  backward(model, network);  // and it still trains
  descend(model);
  EXPECT_FALSE(model.tensors().at("stage2.block0.conv1.weight") ==
               after.at("stage2.block0.conv1.weight"));
}

TEST(Alter, ANewProjectionStartsAsNothing) {
  // A bottleneck: 1×1, 3×3, 1×1 with a projection; its short skips need two projections more.
  Network network = testing::small_network();
  Block& block = network.blocks[2];
  const int64_t in = testing::conv_of(block.stages[0]).in,
                out = testing::conv_of(block.stages[1]).out;
  block.stages = {conv_stage(in, 3, 1, 1), conv_stage(3, 5, 3, 2), conv_stage(5, out, 1, 1)};
  block.skips[0].to = 3;
  ASSERT_TRUE(verify_network(network).empty());
  Model model(network, testing::random_tensors(network, 2));
  backward(model, network);
  descend(model);
  Alteration a = apply_alteration(network, block.skips[0].id, AlterationKind::Shorten);
  ASSERT_FALSE(a.added.empty());
  model.alter(network, added_tensors(a, network, model.tensors(), 1));
  const TensorMap values = model.tensors();
  for (const TensorSpec& spec : a.added) {
    if (spec.role == TensorRole::BnWeight) {
      for (float v : values.at(spec.name).as<float>()) EXPECT_EQ(v, 0.0F);
    }
  }
  backward(model, network);
}

}  // namespace
}  // namespace tailor::test

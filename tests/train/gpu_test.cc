// The GPU, where there is one, learns what the CPU learns. Without one every test here is skipped.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/add.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "nn/gpu/fused_norm.h"
#include "support/networks.h"
#include "support/rooms.h"
#include "tailor/nn/host.h"
#include "tailor/surgery/surgery.h"
#include "tailor/train/device.h"
#include "tailor/train/learner.h"

namespace tailor::test {
namespace {

using testing::Surgery;

struct Gpu : public ::testing::Test {
  at::Device gpu = at::kCPU;
  void SetUp() override {
    if (list_devices().size() < 2) GTEST_SKIP() << "there is no GPU";
    gpu = resolve_device("cuda:0", "test");
  }
};

Batch random_batch(const MapShape& s, int64_t count, int64_t seed = 0) {
  Batch batch;
  batch.count = count;
  batch.inputs = Tensor(DType::F32, {count, s.height, s.width, s.channels});
  float* pixels = batch.inputs.as<float>().data();
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < count; ++i) {
    const std::vector<double> image =
        testing::random_image(s, i + 10 * seed);  // row by row, channels last
    pixels = std::copy(image.begin(), image.end(), pixels);
    labels.push_back(i % 7);
  }
  batch.targets = Tensor::from<int64_t>({count}, labels);
  return batch;
}

TrainedPrecision types(const std::string& weights, const std::string& activations) {
  TrainedPrecision p;
  p.weights = weights, p.activations = activations;
  p.input_magnitude = 2.1;
  return p;
}

double largest_difference(const Tensor& a, const Tensor& b) {
  const auto x = a.as<float>(), y = b.as<float>();
  double largest = 0;
  for (size_t i = 0; i < x.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(x[i]) - static_cast<double>(y[i])));
  return largest;
}

/// Steps under a teacher, an alteration in their middle, on both devices.
void expect_alike(const Network& network, at::Device gpu, const OptimizerConfig& config,
                  const TrainedPrecision* trained, double tolerance, double through_weight = 0) {
  const TensorMap tensors = testing::random_tensors(network, 2);
  auto learner_on = [&](at::Device device) {
    Learner learner(Model(network, tensors, device), {"cross_entropy"}, config);
    DistillConfig how{0.35};
    how.through_weight = through_weight;
    learner.follow(
        FrozenModel(network, testing::random_tensors(network, 9), device), how, 0, {},
        through_weight > 0 ? through_blocks(network, network, "test") : ComparedBlocks());
    if (trained) learner.model().quantise(*trained);
    return learner;
  };
  Learner host = learner_on(at::kCPU), device = learner_on(gpu);
  const std::vector<std::string> skips = skip_ids(network);
  for (int64_t i = 0; i < 12; ++i) {  // the fourth step before and after the alteration is captured
    const Batch batch = random_batch(network.input, 6, i);
    if (i == 6 && !skips.empty()) {
      host.alter({0, skips.back(), AlterationKind::Remove}, 1);
      device.alter({0, skips.back(), AlterationKind::Remove}, 1);
    }
    const StepResult here = host.step(batch, 0.002), there = device.step(batch, 0.002);
    const double loss = here.loss.item<double>();
    EXPECT_NEAR(there.loss.item<double>(), loss, tolerance * (1 + std::abs(loss))) << i;
  }
  const TensorMap wanted = host.model().tensors();
  for (const auto& [name, tensor] : device.model().tensors())
    EXPECT_LT(largest_difference(tensor, wanted.at(name)), tolerance) << name;
}

/// Of 8, 16 and 32 channels, which the fused kernels take.
Network wide_network(const testing::Variant& v) {
  NetworkConfig config;
  config.family = "resnet_cifar";
  config.depth = 8;
  config.width = 8;
  config.shortcut = v.shortcut;
  config.join = v.join;
  Network network = make_network(config, {3, 16, 16}, 7);
  testing::alter(network, v.surgery);
  return network;
}

/// Against float32 operations on the same bfloat16 values.
void expect_fused_norm(at::Device gpu, int64_t channels, bool with_skip, bool relu) {
  const auto options = at::TensorOptions(at::kFloat).device(gpu);
  auto map = [&](int64_t seed) {
    const at::Tensor t = at::arange(5 * channels * 9 * 7, options).add(static_cast<double>(seed));
    return at::sin(t.mul(12.9898))
        .mul(437.585)
        .frac()
        .mul(2)
        .reshape({5, channels, 9, 7})
        .contiguous(at::MemoryFormat::ChannelsLast)
        .to(at::kBFloat16);
  };
  const at::Tensor x = map(1).requires_grad_(), skip = map(2).requires_grad_(), dy = map(3);
  const at::Tensor x32 = x.detach().to(at::kFloat).requires_grad_(),
                   skip32 = skip.detach().to(at::kFloat).requires_grad_();
  auto parameters = [&](double at) {
    const at::Tensor t = at::arange(channels, options).mul(0.03).add(at).requires_grad_();
    t.mutable_grad() = at::ones_like(t).detach();
    return t;
  };
  const at::Tensor gamma = parameters(0.5), beta = parameters(-0.1), gamma32 = parameters(0.5),
                   beta32 = parameters(-0.1);
  const at::Tensor mean = at::full({channels}, 0.3, options), mean32 = mean.clone(),
                   variance = at::full({channels}, 0.7, options), variance32 = variance.clone();
  const at::Tensor y = tailor::nn::gpu::fused_norm(x, {gamma, beta, mean, variance, 0.1, 1e-5},
                                                   with_skip ? skip : at::Tensor(), relu);
  at::Tensor y32 = at::batch_norm(x32, gamma32, beta32, mean32, variance32, true, 0.1, 1e-5, false);
  if (with_skip) y32 = at::add(y32, skip32);
  if (relu) y32 = at::relu(y32);
  y.backward(dy);
  y32.backward(dy.to(at::kFloat));
  auto expect_near = [](const at::Tensor& a, const at::Tensor& b, double tolerance,
                        const char* what) {
    const double scale = b.abs().max().item<double>() + 1e-6;
    EXPECT_LT(a.to(at::kFloat).sub(b).abs().max().item<double>(), tolerance * scale) << what;
  };
  expect_near(y, y32, 6e-3, "y");
  expect_near(x.grad(), x32.grad(), 2e-2, "dx");
  if (with_skip) expect_near(skip.grad(), skip32.grad(), 6e-3, "d skip");
  expect_near(gamma.grad(), gamma32.grad(), 6e-3, "d gamma");
  expect_near(beta.grad(), beta32.grad(), 6e-3, "d beta");
  expect_near(mean, mean32, 1e-4, "running mean");
  expect_near(variance, variance32, 1e-4, "running variance");
}

TEST_F(Gpu, LearnsAsTheCpuWhateverTheSkips) {
  for (const testing::Variant& v : testing::all_variants()) {
    SCOPED_TRACE(v.name());
    Network network = testing::small_network(v.join, v.shortcut);
    testing::alter(network, v.surgery);
    expect_alike(network, gpu, {}, nullptr, 2e-4);
  }
}

TEST_F(Gpu, LearnsInEveryTrainingFormAndThroughTheTeacher) {
  for (const InitialSkips skips : {InitialSkips::Repvgg, InitialSkips::Dirac}) {
    SCOPED_TRACE(to_string(skips));
    expect_alike(alter_every_skip(testing::small_network(), skips), gpu, {}, nullptr, 2e-4);
  }
  expect_alike(testing::small_network(), gpu, {}, nullptr, 2e-4, /*through_weight=*/0.5);
}

TEST_F(Gpu, LearnsByEveryOptimiser) {
  for (const char* kind : {"sgd", "adamw", "novograd", "muon"}) {
    SCOPED_TRACE(kind);
    OptimizerConfig config;
    config.kind = kind;
    config.clip_norm = 1;
    expect_alike(testing::small_network(), gpu, config, nullptr, 2e-3);
  }
}

TEST_F(Gpu, QuantisedNetworksAreTheIntegersBitForBit) {
  at::NoGradGuard no_grad;
  for (const testing::Variant& v : testing::all_variants()) {
    SCOPED_TRACE(v.name());
    Network network = testing::small_network(v.join, v.shortcut);
    testing::alter(network, v.surgery);
    const TensorMap tensors = testing::random_tensors(network, 5);
    TrainedPrecision scaled = types("4,2", "8,3");
    scaled.scales = "u8,0";
    for (const TrainedPrecision& p : {types("8,3", "8,3"), types("6,2", "7,3"), scaled}) {
      Model host(network, tensors), device(network, tensors, gpu);
      host.quantise(p);
      device.quantise(p);
      const Batch batch = random_batch(network.input, 3);
      const at::Tensor here = host.forward_exactly(to_device(batch, at::kCPU).inputs),
                       there = device.forward_exactly(to_device(batch, gpu).inputs).cpu();
      EXPECT_TRUE(at::equal(here, there)) << p.text();
    }
  }
}

/// Casts turn a last bit into a step, so losses are compared more loosely.
TEST_F(Gpu, QuantisedTrainingIsThatOfTheCpu) {
  const Network network = testing::small_network();
  TrainedPrecision learned = types("8,2", "8,3");
  learned.learns_points = true;
  TrainedPrecision scaled = learned;
  scaled.scales = "u8,0";
  for (const TrainedPrecision& p : {types("8,3", "8,3"), learned, scaled}) {
    SCOPED_TRACE(p.text());
    expect_alike(network, gpu, {}, &p, 2e-2);
  }
}

/// bfloat16 has 8 bits: what a step computes in it is near what float32 gives.
TEST_F(Gpu, StepsInBfloat16AreNearThoseInFloat32) {
  for (const testing::Variant& v : testing::all_variants()) {
    SCOPED_TRACE(v.name());
    Network network = wide_network(v);
    const TensorMap tensors = testing::random_tensors(network, 2);
    const Batch batch = random_batch(network.input, 16);
    std::vector<double> losses[2];
    TensorMap after[2];
    for (const bool narrow : {false, true}) {
      const at::ScalarType compute = narrow ? at::kBFloat16 : at::kFloat;
      Learner learner(Model(network, tensors, gpu, compute), {"cross_entropy"}, {});
      learner.follow(FrozenModel(network, testing::random_tensors(network, 9), gpu, compute),
                     {0.35});
      for (int i = 0; i < 8; ++i)
        losses[narrow].push_back(learner.step(batch, 0.005).loss.item<double>());
      after[narrow] = learner.model().tensors();
    }
    for (size_t i = 0; i < losses[0].size(); ++i)
      EXPECT_NEAR(losses[1][i], losses[0][i], 0.08 * losses[0][i]) << i;
    double apart = 0, moved = 0;
    for (const auto& [name, tensor] : after[0]) {
      const Span<const float> a = tensor.as<float>(), b = after[1].at(name).as<float>(),
                              first = tensors.at(name).as<float>();
      for (size_t i = 0; i < a.size(); ++i) {
        apart += std::pow(a[i] - b[i], 2.0);
        moved += std::pow(a[i] - first[i], 2.0);
      }
    }
    EXPECT_LT(std::sqrt(apart / moved), 0.25);
  }
}

TEST_F(Gpu, AFusedNormKeepsNumbersThatAreNone) {
  const auto options = at::TensorOptions(at::kFloat).device(gpu);
  const at::Tensor gamma = at::full({8}, 1.0, options).requires_grad_(),
                   beta = at::full({8}, 0.0, options).requires_grad_();
  gamma.mutable_grad() = at::zeros_like(gamma).detach();
  beta.mutable_grad() = at::zeros_like(beta).detach();
  const at::Tensor x = at::full({2, 8, 3, 3}, std::nan(""), options)
                           .contiguous(at::MemoryFormat::ChannelsLast)
                           .to(at::kBFloat16)
                           .requires_grad_();
  const at::Tensor y = tailor::nn::gpu::fused_norm(
      x, {gamma, beta, at::full({8}, 0.0, options), at::full({8}, 1.0, options), 0.1, 1e-5}, {},
      /*relu=*/true);
  EXPECT_TRUE(y.isnan().all().item<bool>());
}

/// Whatever sizes come in whatever order, and with evaluations between.
TEST_F(Gpu, SmallerBatchesAndEvaluationsLeaveCapturedStepsAsTheyAre) {
  const Network network = testing::small_network();
  const TensorMap tensors = testing::random_tensors(network, 2);
  Learner host(Model(network, tensors), {"cross_entropy"}, {}),
      device(Model(network, tensors, gpu), {"cross_entropy"}, {});
  for (int64_t i = 0; i < 14; ++i) {
    const Batch batch = random_batch(network.input, i == 0 || i % 6 == 5 ? 3 : 6, i);
    const double loss = host.step(batch, 0.002).loss.item<double>();
    EXPECT_NEAR(device.step(batch, 0.002).loss.item<double>(), loss, 2e-4 * (1 + loss)) << i;
    if (i % 4 != 3) continue;
    at::NoGradGuard no_grad;
    const at::Tensor here = host.model().forward(to_device(batch, at::kCPU).inputs, false),
                     there = device.model().forward(to_device(batch, gpu).inputs, false).cpu();
    EXPECT_LT(here.sub(there).abs().max().item<double>(), 1e-2) << i;
  }
}

TEST_F(Gpu, AFusedNormIsWhatAtenComputes) {
  for (const int64_t channels : {8, 16, 64, 256}) {
    for (const bool with_skip : {false, true}) {
      for (const bool relu : {false, true}) {
        SCOPED_TRACE(std::to_string(channels) + (with_skip ? " skip" : "") + (relu ? " relu" : ""));
        expect_fused_norm(gpu, channels, with_skip, relu);
      }
    }
  }
}

TEST_F(Gpu, AFrozenNetworkAnswersAsOnTheCpu) {
  for (const testing::Variant& v : testing::all_variants()) {
    SCOPED_TRACE(v.name());
    Network network = testing::small_network(v.join, v.shortcut);
    testing::alter(network, v.surgery);
    const TensorMap tensors = testing::random_tensors(network, 3);
    const Batch batch = random_batch(network.input, 3);
    const at::Tensor
        here = FrozenModel(network, tensors).forward(to_device(batch, at::kCPU).inputs),
        there = FrozenModel(network, tensors, gpu).forward(to_device(batch, gpu).inputs).cpu();
    EXPECT_LT(here.sub(there).abs().max().item<double>(), 1e-3);
  }
}

}  // namespace
}  // namespace tailor::test

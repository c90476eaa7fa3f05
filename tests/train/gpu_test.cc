// The GPU, where there is one, learns what the CPU learns. Without one every test here is skipped.
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "support/networks.h"
#include "support/rooms.h"
#include "tailor/nn/host.h"
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

Batch random_batch(const MapShape& s, int64_t count) {
  Batch batch;
  batch.count = count;
  batch.inputs = Tensor(DType::F32, {count, s.height, s.width, s.channels});
  float* pixels = batch.inputs.as<float>().data();
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < count; ++i) {
    const std::vector<double> image = testing::random_image(s, i);  // row by row, channels last
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
                  const TrainedPrecision* trained, double tolerance) {
  const TensorMap tensors = testing::random_tensors(network, 2);
  auto learner_on = [&](at::Device device) {
    Learner learner(Model(network, tensors, device), {"cross_entropy"}, config);
    learner.follow(FrozenModel(network, testing::random_tensors(network, 9), device), 0.35);
    if (trained) learner.model().quantise(*trained);
    return learner;
  };
  Learner host = learner_on(at::kCPU), device = learner_on(gpu);
  const std::vector<std::string> skips = skip_ids(network);
  for (int64_t i = 0; i < 4; ++i) {
    const Batch batch = random_batch(network.input, 6);
    if (i == 2 && !skips.empty()) {
      host.alter(skips.back(), AlterationKind::Remove, 1);
      device.alter(skips.back(), AlterationKind::Remove, 1);
    }
    const StepResult here = host.step(batch, 0.01), there = device.step(batch, 0.01);
    const double loss = here.loss.item<double>();
    EXPECT_NEAR(there.loss.item<double>(), loss, tolerance * (1 + std::abs(loss))) << i;
  }
  const TensorMap wanted = host.model().tensors();
  for (const auto& [name, tensor] : device.model().tensors())
    EXPECT_LT(largest_difference(tensor, wanted.at(name)), tolerance) << name;
}

TEST_F(Gpu, LearnsAsTheCpuWhateverTheSkips) {
  for (const testing::Variant& v : testing::all_variants()) {
    SCOPED_TRACE(v.name());
    Network network = testing::small_network(v.join, v.shortcut);
    testing::alter(network, v.surgery);
    expect_alike(network, gpu, {}, nullptr, 2e-4);
  }
}

TEST_F(Gpu, LearnsByEveryOptimiser) {
  for (const char* kind : {"sgd", "adamw", "novograd"}) {
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

TEST_F(Gpu, AFrozenNetworkAnswersAsOnTheCpu) {
  for (const testing::Variant& v : testing::all_variants()) {
    SCOPED_TRACE(v.name());
    Network network = testing::small_network(v.join, v.shortcut);
    testing::alter(network, v.surgery);
    const TensorMap tensors = testing::random_tensors(network, 3);
    const Batch batch = random_batch(network.input, 3);
    const at::Tensor here = FrozenModel(network, tensors).forward(to_device(batch, at::kCPU).inputs),
                     there = FrozenModel(network, tensors, gpu)
                                 .forward(to_device(batch, gpu).inputs)
                                 .cpu();
    EXPECT_LT(here.sub(there).abs().max().item<double>(), 1e-3);
  }
}

}  // namespace
}  // namespace tailor::test

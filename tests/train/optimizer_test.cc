// Each optimiser on a small problem, against losses that PyTorch 2.13 and NeMo's rule in float64
// have on it; then what surgery and checkpoints ask of slots.
#include "tailor/train/optimizer.h"
#include "support/rooms.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/add.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/tanh.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/expect_error.h"
#include "tailor/nn/host.h"
#include "train/optimizers.h"

namespace tailor::test {
namespace {

/// a [2, 3] from -1 to 1, b [3] of 0.5.
Parameters small_parameters() {
  return {{{"a", {2, 3}, TensorRole::LinearWeight}, {"b", {3}, TensorRole::LinearBias}},
          {{"a", Tensor::from<float>({2, 3}, {-1, -0.6F, -0.2F, 0.2F, 0.6F, 1})},
           {"b", Tensor::from<float>({3}, {0.5F, 0.5F, 0.5F})}},
          at::kCPU};
}

/// Sum of (tanh(x a + b) - 0.3)^2 for x = 1/8 … 8/8 as [4, 2], with its gradients.
double backward(Parameters& p) {
  p.zero_gradients();
  const at::Tensor x = at::arange(1, 9, at::kFloat).div(8).reshape({4, 2});
  const at::Tensor y = at::tanh(at::add(at::matmul(x, p.parameter("a")), p.parameter("b")));
  const at::Tensor loss = at::sub(y, 0.3).pow(2).sum();
  loss.backward();
  return loss.item<double>();
}

void expect_losses(const OptimizerConfig& config, const std::vector<double>& expected) {
  Parameters p = small_parameters();
  const auto optimizer = make_optimizer(config);
  optimizer->bind(p, {});
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(backward(p), expected[i], 2e-6) << config.kind << ", step " << i;
    at::NoGradGuard no_grad;
    if (config.clip_norm > 0) clip_gradients(p, config.clip_norm);
    optimizer->step(p, config.lr);
  }
}

OptimizerConfig config_of(const char* kind) {
  OptimizerConfig c;
  c.kind = kind;
  c.lr = 0.01;
  return c;
}

TEST(Optimizer, AdamWIsPyTorchs) {
  OptimizerConfig c = config_of("adamw");
  c.betas = {0.8, 0.95};
  c.epsilon = 1e-3;
  c.weight_decay = 0.1;
  expect_losses(c,
                {1.375723068089, 1.279161900401, 1.187434856970, 1.100884774962, 1.019796063471});
}

TEST(Optimizer, NovoGradIsNeMos) {
  OptimizerConfig c = config_of("novograd");
  c.betas = {0.8, 0.5};
  c.weight_decay = 0.001;
  expect_losses(c, {1.375723068, 1.328938464, 1.248463895, 1.146668867, 1.033999395});
}

TEST(Optimizer, NovoGradSeedsAParameterWithItsFirstGradientThatIsNot0) {
  // NeMo asks whether the second moment is 0, not whether the step is the first.
  OptimizerConfig c = config_of("novograd");
  c.betas = {0.8, 0.5};
  c.weight_decay = 0;
  Parameters p = small_parameters();
  const auto optimizer = make_optimizer(c);
  optimizer->bind(p, {});
  for (int step = 0; step < 3; ++step) {
    backward(p);
    at::NoGradGuard no_grad;
    p.parameter("b").grad().zero_();
    optimizer->step(p, c.lr);
  }
  const at::Tensor still = p.parameter("b").detach().clone();
  EXPECT_EQ(at::sub(still, 0.5).abs().max().item<double>(), 0);
  backward(p);
  at::NoGradGuard no_grad;
  const at::Tensor direction = p.parameter("b").grad().div(p.parameter("b").grad().norm());
  optimizer->step(p, c.lr);
  const at::Tensor moved = at::sub(still, p.parameter("b"));  // by lr, not by lr / sqrt(1 - beta2)
  EXPECT_LE(at::sub(moved, direction.mul(c.lr)).abs().max().item<double>(), 1e-7);
}

/// Filters that are wide and tall matrices, a linear layer and a vector: sin(1.7 k + 0.3) / 2, and
/// 0.5 of the vector.
Parameters filters() {
  auto waves = [](const Shape& shape) {
    Tensor result(DType::F32, shape);
    double k = 0;
    for (float& value : result.as<float>())
      value = static_cast<float>(std::sin(1.7 * k++ + 0.3) * 0.5);
    return result;
  };
  return {{{"wide", {4, 2, 3, 3}, TensorRole::ConvWeight},
           {"tall", {6, 2, 1, 1}, TensorRole::ConvWeight},
           {"linear", {3, 4}, TensorRole::LinearWeight},
           {"bias", {4}, TensorRole::ConvBias}},
          {{"wide", waves({4, 2, 3, 3})},
           {"tall", waves({6, 2, 1, 1})},
           {"linear", waves({3, 4})},
           {"bias", Tensor::from<float>({4}, {0.5F, 0.5F, 0.5F, 0.5F})}},
          at::kCPU};
}

/// Squared distances of tanh of each matrix times 1/18 … 18/18 (tall: 1 and -0.5) from a number.
double backward_filters(Parameters& p) {
  p.zero_gradients();
  const at::Tensor x = at::arange(1, 19, at::kFloat).div(18);
  const at::Tensor y = at::arange(0, 2, at::kFloat).mul(-1.5).add(1);
  const at::Tensor wide = p.parameter("wide").reshape({4, 18}).matmul(x).add(p.parameter("bias"));
  const at::Tensor tall = p.parameter("tall").reshape({6, 2}).matmul(y);
  const at::Tensor linear = p.parameter("linear").matmul(x.narrow(0, 0, 4));
  const at::Tensor loss = at::sub(at::tanh(wide), 0.3)
                              .pow(2)
                              .sum()
                              .add(at::sub(at::tanh(tall), 0.1).pow(2).sum())
                              .add(at::sub(at::tanh(linear), 0.2).pow(2).sum());
  loss.backward();
  return loss.item<double>();
}

TEST(Optimizer, MuonIsPyTorchsOfFiltersAndAdamWOfAllElse) {
  // torch.optim.Muon 2.13 (match_rms_adamw, in float64) beside AdamW.
  OptimizerConfig c = config_of("muon");
  c.betas = {0.9, 0.99};
  c.epsilon = 1e-3;
  c.weight_decay = 0.1;
  Parameters p = filters();
  const auto optimizer = make_optimizer(c);
  optimizer->bind(p, {});
  for (const double expected :
       {1.289918221, 1.210362416, 1.133994188, 1.061279817, 0.992667856, 0.928556333}) {
    EXPECT_NEAR(backward_filters(p), expected, 2e-6);
    at::NoGradGuard no_grad;
    optimizer->step(p, 0.02);
  }
}

TEST(Optimizer, MuonsStepOfAFilterDoesNotDependOnTheGradientsSize) {
  auto moved = [](double size) {
    Parameters p = filters();
    const auto optimizer = make_optimizer(config_of("muon"));
    optimizer->bind(p, {});
    backward_filters(p);
    at::NoGradGuard no_grad;
    p.gradients.mul_(size);
    const at::Tensor before = p.values.clone();
    optimizer->step(p, 0.01);
    return at::sub(p.values, before);
  };
  const at::Tensor once = moved(1);
  EXPECT_GT(once.abs().max().item<double>(), 1e-3);
  EXPECT_LE(at::sub(moved(100), once).abs().max().item<double>(), 1e-5);
}

TEST(Optimizer, ClippingIsPyTorchsWhateverTheOptimiser) {
  OptimizerConfig c = config_of("adamw");
  c.betas = {0.8, 0.95};
  c.epsilon = 1e-3;
  c.weight_decay = 0.1;
  c.clip_norm = 0.5;
  expect_losses(c,
                {1.375723068089, 1.279650325434, 1.188156941548, 1.101479764388, 1.019839045088});
  c = config_of("sgd");
  c.lr = 0.1;
  c.weight_decay = 0.01;
  c.clip_norm = 0.5;
  expect_losses(c,
                {1.375723068089, 1.082196753796, 0.754020503814, 0.449170151412, 0.208549430505});
}

TEST(Optimizer, ClippingLeavesSmallGradientsAlone) {
  Parameters p = small_parameters();
  backward(p);
  const at::Tensor before = p.gradients.clone();
  const double norm = before.norm().item<double>();
  clip_gradients(p, 2 * norm);
  EXPECT_TRUE(at::equal(p.gradients, before));
  clip_gradients(p, norm / 4);
  EXPECT_NEAR(p.gradients.norm().item<double>(), norm / 4, 1e-5);
  // Of one direction still.
  EXPECT_NEAR(p.gradients.dot(before).item<double>(), norm * norm / 4, 1e-4);
}

TEST(Optimizer, SgdOnTheHostAndInOperationsAgree) {
  for (bool nesterov : {true, false}) {
    Parameters host = small_parameters(), device = small_parameters();
    at::Tensor m_host = host.values.mul(0.25), m_device = m_host.clone();
    for (int step = 0; step < 6; ++step) {
      backward(host);
      backward(device);
      at::NoGradGuard no_grad;
      const SgdRule rule{0.9F, 0.01F, nesterov};
      sgd_on_host(host, m_host, rule, 0.1F);
      sgd_on_device(device, m_device, rule, at::scalar_tensor(0.1, at::kDouble));
      EXPECT_LE(at::sub(host.values, device.values).abs().max().item<double>(), 1e-6);
      EXPECT_LE(at::sub(m_host, m_device).abs().max().item<double>(), 1e-6);
    }
    EXPECT_GT(at::sub(host.values, small_parameters().values).abs().max().item<double>(), 0.1);
  }
}

TEST(Optimizer, SgdFollowsItsRuleByHand) {
  Parameters p = small_parameters();
  const auto optimizer = make_optimizer(config_of("sgd"));
  OptimizerSlots saved;
  for (const ParameterRange& range : p.ranges) {
    Tensor m(DType::F32, range.shape);
    for (float& v : m.as<float>()) v = 0.25F;
    saved["momentum"].emplace(range.name, m);
  }
  optimizer->bind(p, saved);
  backward(p);
  const at::Tensor before = p.values.clone(), gradients = p.gradients.clone();
  optimizer->step(p, 0.1);
  for (const ParameterRange& range : p.ranges) {
    for (int64_t i = range.offset; i < range.offset + range.size(); ++i) {
      const double p0 = before[i].item<double>(), g = gradients[i].item<double>() + 1e-4 * p0,
                   m = 0.9 * 0.25 + g;
      EXPECT_NEAR(p.values[i].item<double>(), p0 - 0.1 * (g + 0.9 * m), 1e-6);
    }
  }
}

class EveryKind : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Optimizer, EveryKind,
                         ::testing::Values("sgd", "adamw", "novograd", "muon"));

TEST_P(EveryKind, GoesOnBitForBitFromItsSlots) {
  const OptimizerConfig c = config_of(GetParam());
  Parameters whole = small_parameters();
  const auto uncut = make_optimizer(c);
  uncut->bind(whole, {});
  auto steps = [&](Parameters& p, Optimizer& optimizer, int count) {
    for (int i = 0; i < count; ++i) {
      backward(p);
      at::NoGradGuard no_grad;
      optimizer.step(p, 0.03);
    }
  };
  steps(whole, *uncut, 3);
  const OptimizerSlots slots = uncut->slots(whole);
  const TensorMap values = whole.tensors();
  steps(whole, *uncut, 2);
  Parameters again({{"a", {2, 3}, TensorRole::LinearWeight}, {"b", {3}, TensorRole::LinearBias}},
                   values, at::kCPU);
  const auto second = make_optimizer(c);
  second->bind(again, slots);
  steps(again, *second, 2);
  EXPECT_EQ(again.tensors(), whole.tensors());
  EXPECT_EQ(second->slots(again), uncut->slots(whole));
}

TEST_P(EveryKind, AParameterThatComesLaterIsTreatedAsInItsFirstStep) {
  // b comes after four steps of a: it moves as it would have in a run of its own.
  const OptimizerConfig c = config_of(GetParam());
  Parameters p = small_parameters(), fresh = small_parameters();
  const auto old = make_optimizer(c), young = make_optimizer(c);
  old->bind(p, {});
  for (int i = 0; i < 4; ++i) {
    backward(p);
    at::NoGradGuard no_grad;
    old->step(p, 0.03);
  }
  OptimizerSlots slots = old->slots(p);
  for (auto& [name, tensors] : slots) tensors.erase("b");
  at::NoGradGuard no_grad;
  p.values.copy_(fresh.values);
  old->bind(p, slots);
  young->bind(fresh, {});
  for (Parameters* q : {&p, &fresh}) {
    const at::AutoGradMode with_gradients(true);
    backward(*q);
  }
  old->step(p, 0.03);
  young->step(fresh, 0.03);
  EXPECT_EQ(p.tensors().at("b"), fresh.tensors().at("b"));
  EXPECT_FALSE(p.tensors().at("a") == fresh.tensors().at("a"));
}

TEST(Optimizer, SlotsThatDoNotFitAreRefusedByName) {
  const Parameters p = small_parameters();
  testing::expect_error(ErrorKind::Data, {"the momentum of b has shape [2], expected [3]"}, [&] {
    make_optimizer(config_of("sgd"))->bind(p, {{"momentum", {{"b", Tensor(DType::F32, {2})}}}});
  });
  testing::expect_error(ErrorKind::Data, {"the optimiser has no exp_avg"}, [&] {
    make_optimizer(config_of("sgd"))->bind(p, {{"exp_avg", {{"b", Tensor(DType::F32, {3})}}}});
  });
}

TEST(Optimizer, EveryKindOfTheConfigurationHasAMaker) {
  for (const char* kind : optimizer_kinds()) EXPECT_TRUE(make_optimizer(config_of(kind))) << kind;
  testing::expect_error(ErrorKind::Config, {"optimizer.kind", "adamw", "got lion"},
                        [] { make_optimizer(config_of("lion")); });
}

/// Steps of one size whatever the gradient's.
class SignDescent : public Optimizer {
 public:
  SignDescent() : Optimizer({}) {}
  void step(Parameters& parameters, const Rate& lr) override {
    parameters.values.sub_(parameters.gradients.sign(), lr.value);
  }
};

TEST(Optimizer, AnotherKindIsOneClass) {
  register_optimizer("sign_descent",
                     [](const OptimizerConfig&) { return std::make_unique<SignDescent>(); });
  const RunConfig run = read_run_config(
      Json::parse(R"({"train": {"optimizer": {"kind": "sign_descent", "lr": 0.25}}})", ""), "");
  Parameters p = small_parameters();
  backward(p);
  const auto optimizer = make_optimizer(run.train.optimizer);
  optimizer->bind(p, {});
  at::NoGradGuard no_grad;
  optimizer->step(p, run.train.optimizer.lr);
  const Tensor b = p.tensors().at("b");
  for (float v : b.as<float>()) EXPECT_EQ(std::abs(v - 0.5F), 0.25F);
}

}  // namespace
}  // namespace tailor::test

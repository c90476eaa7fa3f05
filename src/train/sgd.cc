// Stochastic gradient descent with momentum; the default, and what every run before there was a
// choice was trained with.
#include <ATen/ops/add.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mul.h>

#include "train/optimizers.h"

namespace tailor::train {

void sgd_on_host(Parameters& parameters, at::Tensor& momentum, const SgdRule& rule, float lr) {
  auto* p = parameters.values.data_ptr<float>();
  const auto* gradient = parameters.gradients.data_ptr<float>();
  auto* m = momentum.data_ptr<float>();
  const int64_t n = parameters.values.numel();
  const float rate = lr, mu = rule.momentum, decay = rule.weight_decay;
  const bool nesterov = rule.nesterov;
  for (int64_t i = 0; i < n; ++i) {
    const float g = gradient[i] + decay * p[i];
    m[i] = mu * m[i] + g;
    p[i] -= rate * (nesterov ? g + mu * m[i] : m[i]);
  }
}

void sgd_on_device(Parameters& parameters, at::Tensor& momentum, const SgdRule& rule,
                   const at::Tensor& lr) {
  const at::Tensor g = at::add(parameters.gradients, parameters.values, rule.weight_decay);
  momentum.mul_(rule.momentum).add_(g);
  parameters.values.sub_(
      at::mul(rule.nesterov ? at::add(g, momentum, rule.momentum) : momentum, lr));
}

namespace {

class Sgd : public Optimizer {
 public:
  explicit Sgd(const OptimizerConfig& config) : Optimizer({{"momentum"}}), config_(config) {}
  void step(Parameters& parameters, const Rate& lr) override {
    const SgdRule rule{static_cast<float>(config_.momentum),
                       static_cast<float>(config_.weight_decay), config_.nesterov};
    if (parameters.device().is_cpu()) {
      sgd_on_host(parameters, slot("momentum"), rule, static_cast<float>(lr.value));
      return;
    }
    const at::Tensor rate =
        lr.on_device.defined()
            ? lr.on_device
            : at::full({}, lr.value, parameters.values.options().dtype(at::kDouble));
    sgd_on_device(parameters, slot("momentum"), rule, rate);
  }
  bool can_be_captured() const override { return true; }

 private:
  OptimizerConfig config_;
};

}  // namespace

std::unique_ptr<Optimizer> make_sgd(const OptimizerConfig& config) {
  return std::make_unique<Sgd>(config);
}

}  // namespace tailor::train

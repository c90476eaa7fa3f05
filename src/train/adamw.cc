// AdamW (Loshchilov and Hutter 2019, algorithm 2), as PyTorch's: the decay is decoupled from the
// moments. Steps are counted for each parameter, so that one that surgery adds begins at its first.
#include <ATen/ops/pow.h>
#include <ATen/ops/sqrt.h>

#include "train/optimizers.h"

namespace tailor::train {
namespace {

class AdamW : public Optimizer {
 public:
  explicit AdamW(const OptimizerConfig& config)
      : Optimizer({{"exp_avg"}, {"exp_avg_sq"}, {"steps", /*of_parameter=*/true}}),
        config_(config) {
    if (config_.betas.empty()) config_.betas = {0.9, 0.999};
  }
  void step(Parameters& parameters, const Rate& rate) override {
    const at::Tensor update = adamw_update(
        parameters, {slot("exp_avg"), slot("exp_avg_sq"), slot("steps")}, config_, rate.value);
    parameters.values.mul_(1 - rate.value * config_.weight_decay).sub_(update);
  }

 private:
  OptimizerConfig config_;
};

}  // namespace

at::Tensor adamw_update(const Parameters& parameters, const Moments& moments,
                        const OptimizerConfig& config, double lr) {
  const double beta1 = config.betas[0], beta2 = config.betas[1];
  const at::Tensor& g = parameters.gradients;
  moments.steps.add_(1);
  moments.first.mul_(beta1).add_(g, 1 - beta1);
  moments.second.mul_(beta2).addcmul_(g, g, 1 - beta2);
  auto correction = [&](double beta) {  // 1 - beta^steps, in float64
    return at::pow(beta, moments.steps.to(at::kDouble)).neg_().add_(1);
  };
  const at::Tensor size = spread(parameters, correction(beta1).reciprocal_().mul_(lr)),
                   scale = spread(parameters, at::sqrt(correction(beta2)).reciprocal_());
  return moments.first.mul(size).div_(at::sqrt(moments.second).mul_(scale).add_(config.epsilon));
}

std::unique_ptr<Optimizer> make_adamw(const OptimizerConfig& config) {
  return std::make_unique<AdamW>(config);
}

}  // namespace tailor::train

// NovoGrad (Ginsburg et al. 2019, algorithm 1) as NeMo has it: the second moment is one number a
// parameter, the squared norm of its gradient, and begins as the first one that is not 0.
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/eq.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>

#include "train/optimizers.h"

namespace tailor::train {
namespace {

class NovoGrad : public Optimizer {
 public:
  explicit NovoGrad(const OptimizerConfig& config)
      : Optimizer({{"momentum"}, {"second_moment", /*of_parameter=*/true}}), config_(config) {
    if (config_.betas.empty()) config_.betas = {0.95, 0.98};
  }
  void step(Parameters& parameters, const Rate& rate) override {
    const double lr = rate.value;
    const double beta1 = config_.betas[0], beta2 = config_.betas[1];
    at::Tensor &momentum = slot("momentum"), &second = slot("second_moment");
    std::vector<at::Tensor> gradients;
    for (const ParameterRange& range : parameters.ranges)
      gradients.push_back(parameters.gradients.narrow(0, range.offset, range.size()));
    at::Tensor squared = at::stack(at::_foreach_norm(gradients, 2));
    squared.mul_(squared);
    second.copy_(at::where(at::eq(second, 0), squared, second.mul(beta2).add_(squared, 1 - beta2)));
    const at::Tensor scale =
        spread(parameters, at::sqrt(second).add_(config_.epsilon).reciprocal_());
    momentum.mul_(beta1).addcmul_(parameters.gradients, scale);
    momentum.add_(parameters.values, config_.weight_decay);
    parameters.values.sub_(momentum, lr);
  }

 private:
  OptimizerConfig config_;
};

}  // namespace

std::unique_ptr<Optimizer> make_novograd(const OptimizerConfig& config) {
  return std::make_unique<NovoGrad>(config);
}

}  // namespace tailor::train

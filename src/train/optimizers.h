// The kinds of optimisers that come with the program, one source file each.
#pragma once

#include "tailor/train/optimizer.h"

namespace tailor::train {

std::unique_ptr<Optimizer> make_sgd(const OptimizerConfig& config);
std::unique_ptr<Optimizer> make_adamw(const OptimizerConfig& config);
std::unique_ptr<Optimizer> make_novograd(const OptimizerConfig& config);
std::unique_ptr<Optimizer> make_muon(const OptimizerConfig& config);

struct SgdRule {
  float momentum = 0, weight_decay = 0;
  bool nesterov = false;
};
/// g += decay · p; m = momentum · m + g; p -= lr · (nesterov ? g + momentum · m : m), as PyTorch's.
/// Two forms: a loop over host memory, whose rounding is that of runs of all versions, and ATen's
/// operations on any device, where lr is a float64 scalar.
void sgd_on_host(Parameters& parameters, at::Tensor& momentum, const SgdRule& rule, float lr);
void sgd_on_device(Parameters& parameters, at::Tensor& momentum, const SgdRule& rule,
                   const at::Tensor& lr);

struct Moments {
  at::Tensor first, second;  // as the flat buffers
  at::Tensor steps;          // one number a parameter
};
/// Moves the moments along the gradients; what AdamW then takes off the values but for their decay,
/// as a flat buffer.
at::Tensor adamw_update(const Parameters& parameters, const Moments& moments,
                        const OptimizerConfig& config, double lr);

/// A number a parameter, spread to one for each place of a flat buffer (0 between the ranges).
at::Tensor spread(const Parameters& parameters, const at::Tensor& of_parameter);

}  // namespace tailor::train

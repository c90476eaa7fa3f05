#include "tailor/train/optimizer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <map>

#include "tailor/core/strings.h"
#include "tailor/nn/host.h"
#include "train/optimizers.h"

namespace tailor::train {
namespace {

/// A parameter's part of a slot, in the shape that it has in a file.
at::Tensor part_of(const at::Tensor& slot, bool of_parameter, const Parameters& parameters,
                   size_t i) {
  return of_parameter ? slot.narrow(0, static_cast<int64_t>(i), 1)
                      : parameters.ranges[i].view(slot);
}

std::map<std::string, MakeOptimizer>& makers() {
  static std::map<std::string, MakeOptimizer> makers = {
      {"sgd", make_sgd}, {"adamw", make_adamw}, {"novograd", make_novograd}, {"muon", make_muon}};
  return makers;
}

}  // namespace

void Optimizer::bind(const Parameters& parameters, const OptimizerSlots& saved) {
  at::NoGradGuard no_grad;
  for (const auto& [name, tensors] : saved) {
    auto has_name = [&, &wanted = name](const SlotSpec& spec) { return spec.name == wanted; };
    if (!tensors.empty() && std::none_of(specs_.begin(), specs_.end(), has_name))
      fail(ErrorKind::Data, "the optimiser has no {}, which the checkpoint brings", name);
  }
  slots_.clear();
  for (const SlotSpec& spec : specs_) {
    const auto count = static_cast<int64_t>(parameters.ranges.size());
    at::Tensor& slot = slots_[spec.name] = at::zeros(
        {spec.of_parameter ? count : parameters.values.numel()}, parameters.values.options());
    const auto found = saved.find(spec.name);
    if (found == saved.end()) continue;
    for (size_t i = 0; i < parameters.ranges.size(); ++i) {
      const std::string& name = parameters.ranges[i].name;
      const auto tensor = found->second.find(name);
      if (tensor == found->second.end()) continue;
      at::Tensor part = part_of(slot, spec.of_parameter, parameters, i);
      const Shape expected(part.sizes().begin(), part.sizes().end());
      if (tensor->second.shape() != expected) {
        fail(ErrorKind::Data, "the {} of {} has shape {}, expected {}", spec.name, name,
             to_string(tensor->second.shape()), to_string(expected));
      }
      part.copy_(host_view(tensor->second));
    }
  }
}

OptimizerSlots Optimizer::slots(const Parameters& parameters) const {
  at::NoGradGuard no_grad;
  OptimizerSlots result;
  for (const SlotSpec& spec : specs_) {
    for (size_t i = 0; i < parameters.ranges.size(); ++i) {
      result[spec.name].emplace(
          parameters.ranges[i].name,
          to_host(part_of(slots_.at(spec.name), spec.of_parameter, parameters, i)));
    }
  }
  return result;
}

at::Tensor spread(const Parameters& parameters, const at::Tensor& of_parameter) {
  return at::repeat_interleave(of_parameter.to(at::kFloat), parameters.places, 0,
                               parameters.values.numel());
}

void register_optimizer(const char* kind, MakeOptimizer make) {
  if (makers().emplace(kind, make).second) {
    optimizer_kinds().push_back(kind);
  } else {
    makers()[kind] = std::move(make);
  }
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config) {
  const auto found = makers().find(config.kind);
  if (found == makers().end()) {
    const auto& kinds = optimizer_kinds();
    fail(ErrorKind::Config, "optimizer.kind: expected one of {}, got {}",
         join(std::vector<std::string>(kinds.begin(), kinds.end()), ", "), config.kind);
  }
  return found->second(config);
}

void clip_gradients(Parameters& parameters, double norm) {
  // PyTorch's clip_grad_norm_, its 1e-6 included.
  const at::Tensor total = at::linalg_vector_norm(parameters.gradients);
  parameters.gradients.mul_(total.add(1e-6).reciprocal_().mul_(norm).clamp_max_(1));
}

}  // namespace tailor::train

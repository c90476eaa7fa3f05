// Optimisers: one step on flat buffers, and slots, what they remember. A slot has one number for
// each number of the parameters, or one for each parameter; it is known by name in the checkpoint,
// and surgery keeps it by the names of the parameters.
#pragma once

#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tailor/nn/parameters.h"
#include "tailor/run/checkpoint.h"
#include "tailor/run/run_config.h"

namespace tailor::train {

struct SlotSpec {
  std::string name;
  bool of_parameter = false;  // one number a parameter, else one for each of its numbers
};

/// A learning rate; where a step is captured, a float64 scalar on the device that others set, and
/// no number.
struct Rate {
  double value = std::numeric_limits<double>::quiet_NaN();
  at::Tensor on_device;
  Rate(double v) : value(v) {}  // NOLINT: a rate is a number
  explicit Rate(at::Tensor scalar) : on_device(std::move(scalar)) {}
};

class Optimizer {
 public:
  explicit Optimizer(std::vector<SlotSpec> specs) : specs_(std::move(specs)) {}
  virtual ~Optimizer() = default;

  /// Moves the values along their gradients; nothing waits for the device.
  virtual void step(Parameters& parameters, const Rate& lr) = 0;
  /// Whether it takes rates on the device.
  virtual bool can_be_captured() const { return false; }

  /// Slots for these parameters: what `saved` has of them by name, else 0. Throws Data for a slot
  /// that this optimiser has not, or a shape that is not the parameter's.
  void bind(const Parameters& parameters, const OptimizerSlots& saved);
  /// Host copies of the slots.
  OptimizerSlots slots(const Parameters& parameters) const;

 protected:
  at::Tensor& slot(const std::string& name) { return slots_.at(name); }

 private:
  std::vector<SlotSpec> specs_;
  std::map<std::string, at::Tensor> slots_;  // flat, on the parameters' device
};

using MakeOptimizer = std::function<std::unique_ptr<Optimizer>(const OptimizerConfig&)>;
/// Makes another kind known, to train and to configurations. `kind` must live on.
void register_optimizer(const char* kind, MakeOptimizer make);
/// Throws Config for a kind that nobody registered.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config);

/// Scales the gradients so that the L2 norm of all of them is at most `norm`, as PyTorch's
/// clip_grad_norm_ does. Nothing waits for the device.
void clip_gradients(Parameters& parameters, double norm);

}  // namespace tailor::train

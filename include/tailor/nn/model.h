// Runs a network description on LibTorch. Parameters, gradients and momenta live in three flat
// buffers; the tensors that autograd sees are views of them, so that an optimiser step is one loop
// and surgery is a copy of what stays. Convolutions run channels-last.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tailor/net/network.h"
#include "tailor/tensors/tensor.h"

namespace tailor {

struct ConvGeometry {
  int64_t stride = 1, pad = 0, pad_end = 0, groups = 1;
};

/// A convolution as a forward pass made it; an undefined bias is none.
struct ConvCall {
  std::string name;  // "stage2.block0.conv1"
  ConvGeometry geometry;
  at::Tensor input, weight, bias, output;
};

class Model {
 public:
  /// Throws Data if the tensors do not fit the network. Momenta start at 0 where `momentum` has
  /// none.
  Model(Network network, const TensorMap& tensors, const TensorMap& momentum = {});

  const Network& network() const { return network_; }

  /// x: float32 [n, channels, height, width], channels-last. Returns logits [n, classes]. In
  /// training, batch norm uses and updates batch statistics.
  at::Tensor forward(const at::Tensor& x, bool training, std::vector<ConvCall>* calls = nullptr);
  /// Moves every running statistic to (1 - momentum) · old + momentum · that of x, and nothing
  /// else: with momenta 1, 1/2, 1/3, … they become the means over the batches.
  void absorb_statistics(const at::Tensor& x, double momentum);

  void zero_gradients();
  /// SGD on the flat buffers: g += wd·p; m = mu·m + g; p -= lr·(nesterov ? g + mu·m : m), as
  /// PyTorch's.
  void sgd_step(double lr, double momentum, double weight_decay, bool nesterov);

  /// Takes an altered description: parameters, gradients and momenta of erased tensors are gone,
  /// those of `added` come with momentum 0; all others keep value and momentum.
  void alter(Network network, const TensorMap& added);

  /// Host copies, by name.
  TensorMap tensors() const;
  TensorMap momentum() const;
  /// Elements in the flat buffers that belong to parameters.
  int64_t parameter_count() const;

 private:
  struct Entry {
    std::string name;
    Shape shape;
    int64_t offset = 0;
    at::Tensor value;  // leaf that autograd sees
  };
  void build(const TensorMap& tensors, const TensorMap& momentum);
  at::Tensor run(const at::Tensor& x, bool training, double bn_momentum,
                 std::vector<ConvCall>* calls);

  Network network_;
  at::Tensor flat_values_, flat_gradients_, flat_momentum_;
  std::vector<Entry> parameters_;
  std::map<std::string, size_t> index_;        // of parameters_
  std::map<std::string, at::Tensor> buffers_;  // running statistics
};

/// Logits [n, classes] of inputs [n, height, width, channels], both F32, in eval mode.
Tensor run_network(const Network& network, const TensorMap& tensors, const Tensor& inputs);

/// A frozen network for inference: eval mode, batch norm folded into the convolutions (in float64),
/// no autograd.
class FrozenModel {
 public:
  FrozenModel(const Network& network, const TensorMap& tensors);
  /// As Model::forward in eval mode, up to rounding. The result may be used in a loss.
  at::Tensor forward(const at::Tensor& x) const;

 private:
  Network network_;
  std::map<std::string, at::Tensor> weights_;
};

}  // namespace tailor

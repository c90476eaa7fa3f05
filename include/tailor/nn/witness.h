// The witness of training (design decision 10): before a run's first step one small batch goes
// through the network as it will be trained, and each of its convolutions again on plain kernels. A
// library's wrong kernel stops the run with its layer named, before a weight has moved.
#pragma once

#include <string>

#include "tailor/nn/model.h"

namespace tailor::nn {

/// What one layer gives forward and backward; an undefined bias gradient is none.
struct LayerPass {
  at::Tensor output, input_gradient, weight_gradient, bias_gradient;
};

/// Largest differences, each as its L2 norm over that of the sums of the summands' magnitudes: a
/// gradient that is 0 but for rounding (a batch norm takes a weight's scale out) has no size.
struct WitnessErrors {
  double output = 0, gradient = 0;
};
/// Float32 rounding stays far below; a wrong kernel is off by its whole result.
constexpr double kKernelTolerance = 1e-4;

/// Throws Mismatch naming the layer and what of it differs.
WitnessErrors compare_layer(const std::string& layer, const LayerPass& fast, const LayerPass& plain,
                            const LayerPass& magnitudes);

/// A pass in training mode on a copy of the network, the logits' gradient a fixed random one. Each
/// convolution is then computed twice from its input and its output's gradient: as training does,
/// and on planes with oneDNN off. (Layer by layer, since a hundred layers without skips amplify
/// rounding beyond every tolerance that would still see a fault.) Throws Mismatch for the first
/// layer that differs. x: float32 [n, channels, height, width], channels-last.
WitnessErrors verify_kernels(const Network& network, const TensorMap& tensors, const at::Tensor& x);

}  // namespace tailor::nn

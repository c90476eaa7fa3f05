// Runs a network description on LibTorch, on the device that its parameters are on. Convolutions
// run channels-last.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tailor/net/network.h"
#include "tailor/nn/parameters.h"
#include "tailor/nn/quantised.h"
#include "tailor/nn/side_stream.h"
#include "tailor/nn/sum_over_workers.h"
#include "tailor/tensors/tensor.h"

namespace tailor::nn {

/// What a forward pass is to hand out besides its answer: the maps behind these blocks, [n,
/// channels, rows, columns] in the type that it computes in, one for each.
struct BlockMaps {
  std::vector<size_t> blocks;
  std::vector<at::Tensor> maps;

  /// Of some of the blocks.
  std::vector<at::Tensor> of(const std::vector<size_t>& some) const;
};

struct ConvGeometry {
  Window window;
  int64_t groups = 1;
};

/// A convolution as a forward pass made it; an undefined bias is none.
struct ConvCall {
  std::string name;  // "stage2.block0.conv1"
  ConvGeometry geometry;
  at::Tensor input, weight, bias, output;
};

/// Of a batch whose examples differ in length: the columns that each has of its own, from the left;
/// none: all have all. Only a network that masks its padding reads them.
using Lengths = std::vector<int64_t>;

/// How a network computes: the type of maps, kFloat or kBFloat16, and of what convolutions and
/// linear layers read. A CPU that multiplies bfloat16 maps by float32 weights has those alone.
struct Arithmetic {
  at::ScalarType maps = at::kFloat, weights = at::kFloat;

  Arithmetic(at::ScalarType maps, at::Device device);
};

class Model {
 public:
  /// Throws Data if the tensors do not fit the network. `compute`: of maps in passes that gradients
  /// are taken of, kFloat or kBFloat16. Parameters and all other passes are float32.
  Model(Network network, const TensorMap& tensors, at::Device device = at::kCPU,
        at::ScalarType compute = at::kFloat);

  const Network& network() const { return network_; }
  Parameters& parameters() { return parameters_; }
  const Parameters& parameters() const { return parameters_; }
  at::Device device() const { return parameters_.device(); }
  at::ScalarType compute() const { return arithmetic_.maps; }

  /// x: float32 [n, channels, height, width], channels-last, of any width that the head takes.
  /// Returns logits [n, classes], or [n, positions, classes] row by row where the head answers per
  /// position: of an example's length the first net::output_length, the others mean nothing. In
  /// training, batch norm uses and updates batch statistics, padding included. A quantised network
  /// has no calls.
  at::Tensor forward(const at::Tensor& x, bool training, const Lengths& lengths = {},
                     std::vector<ConvCall>* calls = nullptr, BlockMaps* maps = nullptr);
  /// Moves every running statistic to (1 - momentum) · old + momentum · that of x, and nothing
  /// else: with momenta 1, 1/2, 1/3, … they become the means over the batches.
  void absorb_statistics(const at::Tensor& x, double momentum, const Lengths& lengths = {});

  /// From now on the network is what its design computes, cast by cast; of one that computes in
  /// float32. Throws as QuantisedForm.
  void quantise(const TrainedPrecision& trained);
  /// The types it computes in, or null: floating point.
  const TrainedPrecision* trained() const { return quantised_ ? &quantised_->trained() : nullptr; }
  /// Of a quantised network: products have so many bits, squared, on average.
  std::optional<double> mean_bits() const {
    return quantised_ ? std::optional(quantised_->mean_bits()) : std::nullopt;
  }
  /// As of QuantisedForm; nothing where no points are learned.
  void step_ranges(double rate) {
    if (quantised_) quantised_->step_ranges(rate);
  }
  /// Of a quantised network: training folds the running statistics, and moves them no more.
  void freeze_statistics(bool frozen) { frozen_ = frozen; }
  /// Of a quantised network, in eval mode: float64 of what the integers give, bit for bit.
  at::Tensor forward_exactly(const at::Tensor& x);
  /// In eval mode, in floating point, quantised or not.
  at::Tensor forward_unquantised(const at::Tensor& x, const Lengths& lengths = {}) {
    return run(x, /*training=*/false, 0, lengths, nullptr, nullptr);
  }

  /// Where weights' gradients are computed in backward passes from now on, or null: with the rest.
  /// Whoever sets it joins it behind them.
  void compute_gradients_on(SideStream* side) { side_ = side; }
  /// From now on batch norm, where gradients are taken, has the statistics of all workers'
  /// examples.
  void share_statistics(SumOverWorkers sum) { sum_ = std::move(sum); }

  /// Those skips of a network in floating point have these weights from now on.
  void weigh_skips(const SkipWeights& weights);
  /// Takes an altered description: the tensors that it has no more are gone, those of `added` have
  /// come, all others keep their values; gradients are 0.
  void alter(Network network, const TensorMap& added);

  /// Host copies of parameters and running statistics, by name.
  TensorMap tensors() const { return parameters_.tensors(); }

 private:
  at::Tensor run(const at::Tensor& x, bool training, double bn_momentum, const Lengths& lengths,
                 std::vector<ConvCall>* calls, BlockMaps* maps);

  Network network_;
  Parameters parameters_;
  Arithmetic arithmetic_;
  std::optional<QuantisedForm> quantised_;
  SideStream* side_ = nullptr;
  SumOverWorkers sum_;
  bool frozen_ = false;
};

/// Logits, as of Model::forward, of inputs [n, height, width, channels], both F32, in eval mode, on
/// the CPU.
Tensor run_network(const Network& network, const TensorMap& tensors, const Tensor& inputs);

/// A frozen network for inference: eval mode, batch norm folded into the convolutions (in float64),
/// no autograd.
class FrozenModel {
 public:
  FrozenModel(const Network& network, const TensorMap& tensors, at::Device device = at::kCPU,
              at::ScalarType compute = at::kFloat);
  /// As Model::forward in eval mode, up to rounding. The results may be used in a loss.
  at::Tensor forward(const at::Tensor& x, const Lengths& lengths = {},
                     BlockMaps* maps = nullptr) const;
  /// Answers to a map that the block of this index, from 0 on, reads; gradients go back to the map.
  at::Tensor forward_from(size_t block, const at::Tensor& map) const;

 private:
  at::Tensor walk(const at::Tensor& x, size_t first_block, const Lengths& lengths,
                  BlockMaps* maps) const;
  at::Tensor normalise(const at::Tensor& in, const std::string& name, const at::Tensor& skip,
                       bool relu) const;

  Network network_;
  Arithmetic arithmetic_;
  std::map<std::string, at::Tensor> weights_;
};

}  // namespace tailor::nn

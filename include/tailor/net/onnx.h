// A residual network in ONNX or QONNX becomes a description with its tensors. Its graph is walked:
// the longest way through it is the chain of stages, what is added to it are skips. What is no such
// network is refused by the node's name.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tailor/net/network.h"
#include "tailor/tensors/onnx.h"

namespace tailor::net {

/// Rows and columns of the input where the model leaves them open; 0: they are said.
struct OnnxInputSize {
  int64_t rows = 0, columns = 0;
};

/// W,I of a convolution or linear layer, of an addition or of "input"; empty where the model does
/// not round it.
struct OnnxStageTypes {
  std::string stage, weights, activations;
  /// uW,I of the scales of its output channels, and the step of each one's weights before its batch
  /// norm, which that scale stands for; empty: their step is that of the weights' type.
  std::string scales = {};
  std::vector<double> steps = {};
};

struct OnnxNetwork {
  Network network;
  TensorMap tensors;
  std::vector<std::string> remarks;  // what was left out or moved
  /// Of QONNX's Quant nodes; empty: it is a network of floats.
  std::vector<OnnxStageTypes> types;
  std::string rounding;  // of all of them, QONNX's word
  bool narrow = false;   // whether their ranges are symmetric
  /// What a skip is added to is rounded before: additions are stages of their own.
  bool rounds_operands = false;
  /// What the network takes is the model's input times this: then its steps are powers of two.
  double input_factor = 1;
};

/// Bits of scales, where nobody says.
constexpr int kOnnxScaleBits = 16;

/// `name` is the network's. Throws Unsupported naming the node and the reason, Data on a damaged
/// model; `where` is the file. Scales of weights that are no powers of two, and those of batch
/// norms behind rounded weights, become numbers of `scale_bits`.
OnnxNetwork network_of_onnx(const OnnxModel& model, const std::string& name,
                            const std::string& where, const OnnxInputSize& size = {},
                            int scale_bits = kOnnxScaleBits);

}  // namespace tailor::net

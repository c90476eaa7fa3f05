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
};

/// `name` is the network's. Throws Unsupported naming the node and the reason, Data on a damaged
/// model; `where` is the file.
OnnxNetwork network_of_onnx(const OnnxModel& model, const std::string& name,
                            const std::string& where, const OnnxInputSize& size = {});

}  // namespace tailor::net

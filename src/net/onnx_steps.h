// The nodes of an ONNX graph as steps on maps: layers of ours with their tensors, and additions. A
// step names the node that it came from.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "net/onnx_constants.h"
#include "tailor/net/network.h"
#include "tailor/net/onnx.h"

namespace tailor::net {

/// An addition of other steps' maps.
struct OnnxSum {};
/// Every channel times a number plus another one.
struct OnnxAffine {
  std::vector<double> scale, shift;
};
struct OnnxInput {};

struct OnnxStep {
  std::string node, op_type;
  std::variant<OnnxInput, OnnxSum, OnnxAffine, Layer> what;
  std::vector<size_t> inputs;
  MapShape out;
  TensorMap parts;     // "weight", "bias", …
  double epsilon = 0;  // of a batch norm
  std::optional<OnnxType> weight_type;
  std::vector<double> weight_steps = {};  // of each output channel, where they are rounded
  /// What its readers take: rounded to these types, or as it is.
  std::vector<std::optional<OnnxType>> read_as = {};
  bool may_be_negative = true;  // what it makes, for all that its operations say

  template <class L>
  const L* layer() const {
    const auto* any = std::get_if<Layer>(&what);
    return any ? std::get_if<L>(any) : nullptr;
  }
  /// Whether its answer may be any multiple of itself, by other weights: all others but make sums,
  /// means and choices of what they read.
  bool scales_freely() const {
    return std::holds_alternative<OnnxInput>(what) || std::holds_alternative<OnnxAffine>(what) ||
           layer<ConvLayer>() || layer<LinearLayer>() || layer<BatchNormLayer>();
  }
};

inline bool is_sum(const OnnxStep& step) { return std::holds_alternative<OnnxSum>(step.what); }

struct OnnxSteps {
  std::vector<OnnxStep> steps;  // the first is the input; inputs come before their readers
  size_t answer = 0;
  std::vector<std::string> remarks;
};

/// Throws Unsupported or Data naming the node.
OnnxSteps steps_of(const OnnxModel& model, const std::string& where, const OnnxInputSize& size);

/// The step that a sum, mean or choice of what is rounded is in; none where anything is not
/// rounded, or it is something else.
std::optional<double> kept_step(const std::vector<OnnxStep>& steps, size_t k);
/// A batch norm of ones.
TensorMap ones_of_norm(int64_t channels);
/// Puts a batch norm that changes nothing between a sum and what it adds, where that is rounded in
/// another scale than the sum is and the rest is not rounded: it is what multiplies.
void part_operands(OnnxSteps& steps);

/// What the input and the answer are multiplied by.
struct OnnxFactors {
  double input = 1, answer = 1;
};
/// Multiplies maps, and weights, biases and batch norms between them, so that every step that a map
/// is rounded to is a power of two. Throws Unsupported naming two nodes whose scales no weight lies
/// between.
OnnxFactors rescale(OnnxSteps& steps, const std::vector<size_t>& readers, const std::string& where);

}  // namespace tailor::net

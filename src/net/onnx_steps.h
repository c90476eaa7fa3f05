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
  /// What its readers take: rounded to these types, or as it is.
  std::vector<std::optional<OnnxType>> read_as = {};
  bool may_be_negative = true;  // what it makes, for all that its operations say

  template <class L>
  const L* layer() const {
    const auto* any = std::get_if<Layer>(&what);
    return any ? std::get_if<L>(any) : nullptr;
  }
};

struct OnnxSteps {
  std::vector<OnnxStep> steps;  // the first is the input; inputs come before their readers
  size_t answer = 0;
  std::vector<std::string> remarks;
};

/// Throws Unsupported or Data naming the node.
OnnxSteps steps_of(const OnnxModel& model, const std::string& where, const OnnxInputSize& size);

}  // namespace tailor::net

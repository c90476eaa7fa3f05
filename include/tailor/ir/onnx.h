// A graph as an ONNX model in NCHW: as trained in ONNX's own operators alone, a design with
// QONNX's `Quant` nodes, which round weights and streams to its types (Pappalardo et al. 2022).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tailor/ir/graph.h"
#include "tailor/tensors/onnx.h"

namespace tailor::ir {

/// Of ONNX's operators; IR version 7 goes with it.
constexpr int64_t kOnnxOpset = 13;
constexpr const char* kQonnxDomain = "qonnx.custom_op.general";

struct OnnxExport {
  OnnxModel model;
  std::vector<std::string> warnings;  // of what the model computes otherwise than the design
};
/// Input [N, channels, rows, columns], output [N, classes] or a map; of a design N is 1. Throws
/// Unsupported, naming the node, for an operation or an overflow that ONNX and QONNX have no form
/// of.
OnnxExport onnx_of(const Graph& graph);

/// Nodes in the making. Operations write themselves with it (Operation::print_onnx); whatever they
/// call a node or a constant begins with the graph's own node's name.
class OnnxPrinter {
 public:
  using Attributes = std::map<std::string, OnnxAttribute>;

  explicit OnnxPrinter(const Graph& graph) : graph_(graph), names_(graph.values.size()) {}

  const Graph& graph() const { return graph_; }
  /// What the node's input is called in the model.
  const std::string& input(const Node& node, size_t i = 0) const;
  /// A node with one output, which has its name; returns the name.
  std::string add(const char* op_type, std::string name, std::vector<std::string> inputs,
                  Attributes attributes = {});
  std::string constant(const std::string& name, Tensor tensor);
  std::string integers(const std::string& name, const std::vector<int64_t>& values);
  /// NODE.part as F32, [out, in, rows, columns]; in a design its values of `type`, and the Quant
  /// node that says so.
  std::string weights(const Node& node, const char* part, Tensor tensor,
                      const std::optional<FixedType>& type);
  std::string tensor(const Node& node, const char* part, const std::optional<FixedType>& type);
  /// The value's rounding to the type; `scale` names the initializer of its steps, if that is not
  /// the type's one.
  std::string quantised(const Node& node, const std::string& value, const std::string& name,
                        const FixedType& type, std::string scale = {});
  std::string padded(const Node& node, const std::string& value, const Pads& pads, double with);
  /// Says what the node's output is called. In a design it is cast to the output's type first,
  /// unless the operation keeps types or that type holds its accumulator.
  void answer(const Node& node, std::string value, size_t output = 0);
  /// Says that the node's second output is a value that is there already.
  void forward(const Node& node, std::string value);
  void warn(std::string text);

  OnnxExport finish();

 private:
  std::string scaled_weights(const Node& node, const std::string& name, const Tensor& tensor,
                             const FixedType& type);
  /// The last node is QONNX's.
  void take_from_qonnx();

  const Graph& graph_;
  OnnxExport out_;
  ByValue<std::string> names_;
};

}  // namespace tailor::ir

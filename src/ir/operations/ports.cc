// The network's two ends.
#include "ir/operations/rules.h"

namespace tailor::ir {
namespace {

constexpr int kMaxInput = 32;  // what a stream may have

Traits input_traits() {
  Traits t{"input"};
  t.min_inputs = t.max_inputs = 0;
  t.port = true;
  return t;
}

Traits output_traits() {
  Traits t{"output"};
  t.min_outputs = t.max_outputs = 0;
  t.port = true;
  return t;
}

class InputRules : public OperationOf<ops::Input> {
 public:
  InputRules() : OperationOf(input_traits()) {}
  /// Given, not inferred.
  MapShape shape(const Graph& graph, const Node& node, int64_t /*out_channels*/) const override {
    return node.outputs.empty() ? MapShape{} : graph.value(node.outputs[0]).shape;
  }
  /// Covers the inputs, if need be with more bits than the streams; not where it is added to one.
  FixedType types(const Graph& /*graph*/, Node& /*node*/,
                  const TypeRequest& request) const override {
    FixedType type = request.model;
    if (request.input_joins) return type;
    type.integer = 1;
    while (request.input_magnitude > type.max_value() && type.integer < kMaxInput) {
      ++type.integer;
      type.width = std::max(type.width, type.integer);  // raw pixels of 8 bits take 9
    }
    return type;
  }
  StageLoop loop(const Graph& graph, const Node& node) const override {
    StageLoop loop = token_loop(graph.value(node.outputs[0]));
    loop.reads = {};
    return loop;
  }
  void print_onnx(OnnxPrinter& printer, const Node& node) const override {
    printer.answer(node, "input");
  }
  std::vector<int> fold_groups(const Graph& /*graph*/, const Node& node) const override {
    return folded_alike(node);
  }
};

class OutputRules : public OperationOf<ops::Output> {
 public:
  OutputRules() : OperationOf(output_traits()) {}
  MapShape shape(const Graph& graph, const Node& node, int64_t /*out_channels*/) const override {
    return input_shape(graph, node);
  }
  StageLoop loop(const Graph& graph, const Node& node) const override {
    StageLoop loop = token_loop(graph.value(node.inputs[0]));
    loop.emits = {};
    return loop;
  }
  void print_onnx(OnnxPrinter& /*printer*/, const Node& /*node*/) const override {}
  std::vector<int> fold_groups(const Graph& /*graph*/, const Node& node) const override {
    return folded_alike(node);
  }
};

const RegisterOperation<ops::Input> kRegisterInput;
const RegisterOperation<ops::Output> kRegisterOutput;

}  // namespace

const Operation& ops::Input::operation() {
  static const InputRules rules;
  return rules;
}

const Operation& ops::Output::operation() {
  static const OutputRules rules;
  return rules;
}

}  // namespace tailor::ir

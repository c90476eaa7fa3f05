// Operations that read and write a pixel a step: ReLU, addition, clone, and batch norm, which no
// design has.
#include <algorithm>

#include "ir/operations/rules.h"

namespace tailor::ir {
namespace {

Traits relu_traits() {
  Traits t{"relu"};
  t.keeps_type = true;
  return t;
}

Traits add_traits() {
  Traits t{"add"};
  t.min_inputs = 2;
  t.max_inputs = Traits::kMany;
  t.takes_skips = t.has_accumulator = true;
  t.first_summand = 0;
  return t;
}

Traits clone_traits() {
  Traits t{"clone"};
  t.min_outputs = 2;
  t.max_outputs = Traits::kMany;
  t.keeps_type = true;
  return t;
}

Traits batch_norm_traits() {
  Traits t{"batch_norm"};
  t.lowered_only = true;
  return t;
}

/// Writes a map like its first input's.
template <class A>
class PixelwiseRules : public OperationOf<A> {
 public:
  using OperationOf<A>::OperationOf;
  MapShape shape(const Graph& graph, const Node& node, int64_t /*out_channels*/) const override {
    return input_shape(graph, node);
  }
  StageLoop loop(const Graph& graph, const Node& node) const override {
    return token_loop(graph.value(node.inputs[0]));
  }
  std::vector<int> fold_groups(const Graph& /*graph*/, const Node& node) const override {
    return folded_alike(node);
  }
};

class ReluRules : public PixelwiseRules<ops::Relu> {
 public:
  ReluRules() : PixelwiseRules(relu_traits()) {}
  void print_onnx(OnnxPrinter& printer, const Node& node) const override {
    printer.answer(node, printer.add("Relu", node.name, {printer.input(node)}));
  }
};

class AddRules : public PixelwiseRules<ops::Add> {
 public:
  AddRules() : PixelwiseRules(add_traits()) {}

  MapShape shape(const Graph& graph, const Node& node, int64_t /*out_channels*/) const override {
    const MapShape& x = input_shape(graph, node);
    for (size_t i = 1; i < node.inputs.size(); ++i) {
      need(input_shape(graph, node, i) == x, node,
           fmt::format("adds {} to {}", to_string(input_shape(graph, node, i)), to_string(x)));
    }
    need(std::none_of(node.inputs.begin() + 1, node.inputs.end(),
                      [](const Operand& operand) { return operand.skip.empty(); }),
         node, "expected one skip id for each input but the first");
    return x;
  }
  FixedType types(const Graph& graph, Node& node, const TypeRequest& request) const override {
    int integer = INT32_MIN, fraction = INT32_MIN;
    for (const Operand& operand : node.inputs) {
      const FixedType& x = *graph.value(operand).type;
      integer = std::max(integer, signed_integer(x));
      fraction = std::max(fraction, x.fraction());
    }
    FixedType sum = request.model;
    sum.is_signed = true;
    sum.integer = integer + ceil_log2(static_cast<int64_t>(node.inputs.size()));
    sum.width = sum.integer + fraction;
    node.hardware.accumulator = exact_accumulator(sum, node, request.model);
    return request.model;
  }
  void print_onnx(OnnxPrinter& printer, const Node& node) const override {
    std::string sum = printer.input(node);
    for (size_t i = 1; i < node.inputs.size(); ++i) {
      const std::string name = i == 1 ? node.name : fmt::format("{}/{}", node.name, i);
      sum = printer.add("Add", name, {sum, printer.input(node, i)});
    }
    printer.answer(node, sum);
  }
};

class CloneRules : public PixelwiseRules<ops::Clone> {
 public:
  CloneRules() : PixelwiseRules(clone_traits()) {}
  StageLoop loop(const Graph& graph, const Node& node) const override {
    StageLoop loop = PixelwiseRules::loop(graph, node);
    loop.forks = true;
    return loop;
  }
  void print_onnx(OnnxPrinter& printer, const Node& node) const override {
    for (size_t i = 0; i < node.outputs.size(); ++i) printer.answer(node, printer.input(node), i);
  }
};

class BatchNormRules : public PixelwiseRules<ops::BatchNorm> {
 public:
  BatchNormRules() : PixelwiseRules(batch_norm_traits()) {}

  std::vector<const char*> parts() const override {
    return {"weight", "bias", "running_mean", "running_var"};
  }
  std::vector<OwnedTensor> tensors(const Graph& graph, const Node& node) const override {
    std::vector<OwnedTensor> owned;
    for (const char* part : parts()) owned.push_back({part, {input_shape(graph, node).channels}});
    return owned;
  }
  FixedType types(const Graph& /*graph*/, Node& node,
                  const TypeRequest& /*request*/) const override {
    fail(ErrorKind::Internal, "{} is a batch norm; fold_batch_norm comes before infer_types",
         node.name);
  }
  StageLoop loop(const Graph& /*graph*/, const Node& node) const override {
    fail(ErrorKind::Internal, "{} is a batch norm, which a design never has", node.name);
  }
  void print_onnx(OnnxPrinter& printer, const Node& node) const override {
    std::vector<std::string> inputs = {printer.input(node)};
    for (const char* part : parts()) inputs.push_back(printer.tensor(node, part, std::nullopt));
    printer.answer(node, printer.add("BatchNormalization", node.name, inputs,
                                     {{"epsilon", node.as<ops::BatchNorm>().epsilon}}));
  }

 protected:
  void fields(ops::BatchNorm& a, AttributeVisitor& visitor) const override {
    visitor.field("epsilon", a.epsilon, "What is added to the variance.");
  }
};

const RegisterOperation<ops::Relu> kRegisterRelu;
const RegisterOperation<ops::Add> kRegisterAdd;
const RegisterOperation<ops::Clone> kRegisterClone;
const RegisterOperation<ops::BatchNorm> kRegisterBatchNorm;

}  // namespace

const Operation& ops::Relu::operation() {
  static const ReluRules rules;
  return rules;
}

const Operation& ops::Add::operation() {
  static const AddRules rules;
  return rules;
}

const Operation& ops::Clone::operation() {
  static const CloneRules rules;
  return rules;
}

const Operation& ops::BatchNorm::operation() {
  static const BatchNormRules rules;
  return rules;
}

}  // namespace tailor::ir

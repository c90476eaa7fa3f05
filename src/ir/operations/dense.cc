#include "ir/operations/rules.h"

namespace tailor::ir {
namespace {

Traits dense_traits() {
  Traits t{"dense"};
  t.has_weights = t.has_accumulator = true;
  return t;
}

class DenseRules : public OperationOf<ops::Dense> {
 public:
  DenseRules() : OperationOf(dense_traits()) {}

  MapShape shape(const Graph& /*graph*/, const Node& /*node*/,
                 int64_t out_channels) const override {
    return {out_channels, 1, 1};
  }
  std::vector<const char*> parts() const override { return {"weight", "bias"}; }
  std::vector<OwnedTensor> tensors(const Graph& graph, const Node& node) const override {
    const int64_t out = graph.value(node.outputs[0]).shape.channels;
    return {{"weight", {out, input_shape(graph, node).size()}}, {"bias", {out}}};
  }
  FixedType types(const Graph& graph, Node& node, const TypeRequest& request) const override {
    return product_sum_types(graph, node, request, input_shape(graph, node).size(), 0);
  }
  /// The products of all pixels, when the last one is there.
  StageLoop loop(const Graph& graph, const Node& node) const override {
    StageLoop loop = pixel_loop(input_shape(graph, node));
    loop.emits = last_step(loop.scan);
    loop.n_in = input_shape(graph, node).size();
    loop.register_elements = loop.n_in;
    loop.n_out = graph.value(node.outputs[0]).shape.channels;
    return loop;
  }
};

const RegisterOperation<ops::Dense> kRegisterDense;

}  // namespace

const Operation& ops::Dense::operation() {
  static const DenseRules rules;
  return rules;
}

}  // namespace tailor::ir

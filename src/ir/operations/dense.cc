#include "ir/operations/rules.h"

namespace tailor::ir {
namespace {

Traits dense_traits() {
  Traits t{"dense"};
  t.has_weights = t.has_accumulator = true;
  return t;
}

/// [out, pixels with all their channels] → [out, channels of all pixels], ONNX's order.
Tensor by_channel(const Tensor& weight, const MapShape& map) {
  const std::vector<double> from = weight.to_doubles();
  std::vector<double> to(from.size());
  const int64_t pixels = map.pixels();
  for (int64_t o = 0; o < weight.shape()[0]; ++o) {
    for (int64_t p = 0; p < pixels; ++p) {
      for (int64_t c = 0; c < map.channels; ++c) {
        to[static_cast<size_t>((o * map.channels + c) * pixels + p)] =
            from[static_cast<size_t>((o * pixels + p) * map.channels + c)];
      }
    }
  }
  return Tensor::from(weight.shape(), to);
}

class DenseRules : public OperationOf<ops::Dense> {
 public:
  DenseRules() : OperationOf(dense_traits()) {}

  MapShape shape(const Graph& /*graph*/, const Node& /*node*/,
                 int64_t out_channels) const override {
    return {out_channels, 1, 1};
  }
  std::vector<const char*> parts() const override { return {"weight", "bias", "scale", "step"}; }
  std::vector<OwnedTensor> tensors(const Graph& graph, const Node& node) const override {
    const int64_t out = graph.value(node.outputs[0]).shape.channels;
    std::vector<OwnedTensor> owned = {{"weight", {out, input_shape(graph, node).size()}},
                                      {"bias", {out}}};
    own_scales(graph, node, out, owned);
    return owned;
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
  void print_onnx(OnnxPrinter& printer, const Node& node) const override {
    const Graph& graph = printer.graph();
    const std::string flat =
        printer.add("Flatten", node.name + "/flat", {printer.input(node)}, {{"axis", int64_t{1}}});
    const std::string weight = printer.weights(
        node, "weight", by_channel(graph.tensor(node, "weight"), input_shape(graph, node)),
        node.hardware.weight);
    const std::string bias = printer.tensor(node, "bias", node.hardware.bias);
    printer.answer(node,
                   printer.add("Gemm", node.name, {flat, weight, bias}, {{"transB", int64_t{1}}}));
  }
};

const RegisterOperation<ops::Dense> kRegisterDense;

}  // namespace

const Operation& ops::Dense::operation() {
  static const DenseRules rules;
  return rules;
}

}  // namespace tailor::ir

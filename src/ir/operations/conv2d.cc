#include <algorithm>

#include "ir/operations/rules.h"

namespace tailor::ir {
namespace {

Traits conv_traits() {
  Traits t{"conv2d"};
  t.max_inputs = Traits::kMany;
  t.takes_skips = t.has_weights = t.has_accumulator = true;
  t.first_summand = 1;
  return t;
}

class Conv2dRules : public OperationOf<ops::Conv2d> {
 public:
  Conv2dRules() : OperationOf(conv_traits()) {}

  MapShape shape(const Graph& graph, const Node& node, int64_t out_channels) const override {
    const auto& a = node.as<ops::Conv2d>();
    need_window(a.window, node);
    const MapShape& x = input_shape(graph, node);
    need(a.groups >= 1 && x.channels % a.groups == 0 && out_channels % a.groups == 0, node,
         fmt::format("{} groups do not divide {} channels in and {} out", a.groups, x.channels,
                     out_channels));
    const MapShape y = window_map(a.window, x, out_channels, node);
    const auto ids = std::count_if(node.inputs.begin(), node.inputs.end(),
                                   [](const Operand& operand) { return !operand.skip.empty(); });
    need(static_cast<size_t>(ids) + 1 == node.inputs.size(), node,
         fmt::format("{} skip inputs, {} skip ids", node.inputs.size() - 1, ids));
    for (size_t i = 1; i < node.inputs.size(); ++i) {
      need(input_shape(graph, node, i) == y, node,
           fmt::format("skip {} has shape {}, expected {}", node.inputs[i].skip,
                       to_string(input_shape(graph, node, i)), to_string(y)));
    }
    need(a.window_skips.empty() ||
             (y == x && a.window.stride.size() == 1 && has_centre_tap(a.window)),
         node, "a skip read from the window needs stride 1 and equal shapes");
    return y;
  }

  std::vector<const char*> parts() const override { return {"weight", "bias"}; }
  std::vector<OwnedTensor> tensors(const Graph& graph, const Node& node) const override {
    const auto& a = node.as<ops::Conv2d>();
    const int64_t out = graph.value(node.outputs[0]).shape.channels;
    return {{"weight",
             {out, input_shape(graph, node).channels / a.groups, a.window.kernel.height,
              a.window.kernel.width}},
            {"bias", {out}, /*required=*/false}};
  }

  FixedType types(const Graph& graph, Node& node, const TypeRequest& request) const override {
    const StageLoop sums = loop(graph, node);
    return product_sum_types(
        graph, node, request, sums.n_in,
        static_cast<int64_t>(node.inputs.size() - 1 + node.as<ops::Conv2d>().window_skips.size()));
  }

  /// src/hls/library/tailor/conv2d.h: zero rows and columns behind the image pad both of their
  /// sides.
  StageLoop loop(const Graph& graph, const Node& node) const override {
    const auto& a = node.as<ops::Conv2d>();
    const MapShape& in = input_shape(graph, node);
    const MapShape& out = graph.value(node.outputs[0]).shape;
    const Pads& pads = a.window.pads;
    StageLoop loop;
    loop.scan = {in.height + std::max(pads.top, pads.bottom),
                 in.width + std::max(pads.left, pads.right)};
    loop.reads.count = {in.height, in.width};
    loop.emits = complete_windows(a.window, out);
    loop.holds_token = a.window.taps() > 1;
    loop.register_elements = std::max(a.window.taps() * in.channels, waiting_tokens(a.window));
    loop.groups = a.groups;
    loop.n_in = a.window.taps() * in.channels / a.groups;
    loop.n_out = out.channels;
    return loop;
  }

 protected:
  void fields(ops::Conv2d& a, AttributeVisitor& visitor) const override {
    describe_window(a.window, visitor);
    visitor.field("relu", a.relu, "whether a ReLU follows");
    visitor.field("skips_after_activation", a.skips_after_activation,
                  "relu(conv) + skips, and not relu(conv + skips)");
    visitor.field("window_skips", a.window_skips,
                  "ids of identity skips read from the window, at tap (pad_top, pad_left)");
    visitor.field("folded_skips", a.folded_skips, "ids of skips that are part of the kernel");
    visitor.optional("groups", a.groups, int64_t{1},
                     "runs that channels are cut into; an output reads its own run of inputs");
  }
};

const RegisterOperation<ops::Conv2d> kRegisterConv2d;

}  // namespace

const Operation& ops::Conv2d::operation() {
  static const Conv2dRules rules;
  return rules;
}

}  // namespace tailor::ir

#include <algorithm>

#include "ir/operations/rules.h"
#include "tailor/ir/line_buffer.h"

namespace tailor::ir {
namespace {

Traits conv_traits() {
  Traits t{"conv2d"};
  t.max_inputs = Traits::kMany;
  t.takes_skips = t.has_weights = t.has_accumulator = true;
  t.first_summand = 1;
  t.max_outputs = 2;
  t.forwards_input = true;
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
    need_line(node, x, y);
    need_centre(graph, node, x, y);
    return y;
  }

  std::vector<const char*> parts() const override { return {"weight", "bias", "scale", "step"}; }
  std::vector<OwnedTensor> tensors(const Graph& graph, const Node& node) const override {
    const auto& a = node.as<ops::Conv2d>();
    const int64_t out = graph.value(node.outputs[0]).shape.channels;
    std::vector<OwnedTensor> owned = {{"weight",
                                       {out, input_shape(graph, node).channels / a.groups,
                                        a.window.kernel.height, a.window.kernel.width}},
                                      {"bias", {out}, /*required=*/false}};
    own_scales(graph, node, out, owned);
    return owned;
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
    if (a.line_buffer) return line_loop(graph, node);
    StageLoop loop;
    loop.scan = {in.height + std::max(pads.top, pads.bottom),
                 in.width + std::max(pads.left, pads.right)};
    loop.reads.count = {in.height, in.width};
    loop.emits = complete_windows(a.window, out);
    loop.holds_tokens = a.window.taps() > 1 ? 1 : 0;
    loop.register_elements = std::max(a.window.taps() * in.channels, waiting_tokens(a.window));
    loop.groups = a.groups;
    loop.n_in = a.window.taps() * in.channels / a.groups;
    loop.n_out = out.channels;
    return loop;
  }

  /// conv, or in a design conv + skips with a ReLU in front of the skips or behind them.
  void print_onnx(OnnxPrinter& printer, const Node& node) const override {
    const auto& a = node.as<ops::Conv2d>();
    const std::string &x = printer.input(node), &name = node.name;
    std::vector<std::string> inputs = {x, printer.tensor(node, "weight", node.hardware.weight)};
    if (printer.graph().has_tensor(node, "bias"))
      inputs.push_back(printer.tensor(node, "bias", node.hardware.bias));
    OnnxPrinter::Attributes attributes = window_attributes(a.window);
    attributes.emplace("group", a.groups);
    std::string at = printer.add("Conv", name, inputs, attributes);
    auto relu = [&] { at = printer.add("Relu", name + "/relu", {at}); };
    if (a.relu && a.skips_after_activation) relu();
    int64_t added = 0;
    auto skip = [&](const std::string& value) {
      at = printer.add("Add", fmt::format("{}/skip{}", name, added++), {at, value});
    };
    for (size_t i = 0; i < a.window_skips.size(); ++i) skip(x);
    for (size_t i = 1; i < node.inputs.size(); ++i) skip(printer.input(node, i));
    if (a.relu && !a.skips_after_activation) relu();
    printer.answer(node, at);
    if (node.outputs.size() > 1) {
      printer.forward(
          node, print_slice(printer, name, x, input_shape(printer.graph(), node), a.window.stride));
    }
  }

  /// Depthwise, a token is made of the tokens of its own channels; otherwise of whole frames.
  std::vector<int> fold_groups(const Graph& graph, const Node& node) const override {
    const auto& a = node.as<ops::Conv2d>();
    if (!a.line_buffer) return Operation::fold_groups(graph, node);
    std::vector<int> groups = folded_alike(node);
    if (!is_depthwise(graph, node) && a.window_skips.empty() && node.outputs.size() == 1)
      groups[0] = 1;
    return groups;
  }

 protected:
  void fields(ops::Conv2d& a, AttributeVisitor& visitor) const override {
    describe_window(a.window, visitor);
    visitor.field("relu", a.relu, "Whether the stage ends in a ReLU.");
    visitor.field("skips_after_activation", a.skips_after_activation,
                  "false: relu(conv + skips). true: relu(conv) + skips.");
    visitor.field(
        "window_skips", a.window_skips,
        "Ids of identity skips read from the window, at tap (top / d, left / e): x at the "
        "output's own place. x and y have one shape, the stride is 1, the tap is one of "
        "the kernel's. Each stands for one addition of x.");
    visitor.field(
        "folded_skips", a.folded_skips,
        "Ids of skips that are part of the kernel already. For the record; they change nothing.");
    visitor.optional(
        "groups", a.groups, int64_t{1},
        "Channels of x and of y are cut into so many runs; a run of y reads its own run "
        "of x only.");
    visitor.optional("line_buffer", a.line_buffer, false,
                     "On a map of one row: its frames wait in a memory and are read tap by tap, "
                     "and tokens may be folded.");
  }

 private:
  static void need_line(const Node& node, const MapShape& x, const MapShape& y) {
    const auto& a = node.as<ops::Conv2d>();
    const Window& w = a.window;
    const bool depthwise = a.groups == x.channels && a.groups == y.channels;
    need(!a.line_buffer ||
             (x.height == 1 && w.kernel.height == 1 && w.stride.height == 1 && w.pads.top == 0 &&
              w.pads.bottom == 0 && w.pads.left < w.extent().width && (a.groups == 1 || depthwise)),
         node, "a line buffer needs a map of one row, pads below the kernel and 1 or all groups");
  }
  /// What it hands on passes the centre tap; through a line buffer, if x is read token by token.
  static void need_centre(const Graph& graph, const Node& node, const MapShape& x,
                          const MapShape& y) {
    if (node.outputs.size() < 2) return;
    const auto& a = node.as<ops::Conv2d>();
    const Size2& stride = a.window.stride;
    need(has_centre_tap(a.window) && y.height == (x.height - 1) / stride.height + 1 &&
             y.width == (x.width - 1) / stride.width + 1,
         node, "handing x on needs a centre tap, and an output at every stride of x");
    need(!a.line_buffer || (y == x && is_depthwise(graph, node)), node,
         "handing x on through a line buffer needs a depthwise convolution and equal shapes");
  }

  /// src/target/hls/library/tailor/conv1d.h: a frame a row. Depthwise, each of its tokens is read
  /// and answered in turn; otherwise all are read, then all are answered.
  static StageLoop line_loop(const Graph& graph, const Node& node) {
    const auto& a = node.as<ops::Conv2d>();
    const Value &in = graph.value(node.inputs[0]), &out = graph.value(node.outputs[0]);
    const bool depthwise = is_depthwise(graph, node);
    const Places windows = complete_windows(a.window, out.shape);
    const int64_t last = windows.first.width + (out.shape.width - 1) * a.window.stride.width;
    StageLoop loop;
    loop.scan = {std::max(in.shape.width, last + 1), in.fold + (depthwise ? 0 : out.fold)};
    loop.reads.count = {in.shape.width, in.fold};
    loop.emits = {{windows.first.width, depthwise ? 0 : in.fold},
                  {a.window.stride.width, 1},
                  {out.shape.width, out.fold}};
    loop.holds_tokens = depthwise ? 1 : in.fold;
    loop.register_elements = std::max(in.token_channels(), out.token_channels());
    loop.groups = a.groups;
    loop.n_in = a.window.taps() * in.shape.channels / a.groups;
    loop.n_out = out.shape.channels;
    loop.out_fold = out.fold;
    return loop;
  }
};

const RegisterOperation<ops::Conv2d> kRegisterConv2d;

}  // namespace

const Operation& ops::Conv2d::operation() {
  static const Conv2dRules rules;
  return rules;
}

}  // namespace tailor::ir

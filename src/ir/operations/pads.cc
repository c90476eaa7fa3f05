// Zeros around a map, and the pad shortcut of option A.
#include <limits>

#include "ir/operations/rules.h"

namespace tailor::ir {
namespace {

Traits pad_traits(const char* name) {
  Traits t{name};
  t.keeps_type = true;
  return t;
}

class ZeroPadRules : public OperationOf<ops::ZeroPad> {
 public:
  ZeroPadRules() : OperationOf(pad_traits("zero_pad")) {}

  MapShape shape(const Graph& graph, const Node& node, int64_t /*out_channels*/) const override {
    const Pads& p = node.as<ops::ZeroPad>().pads;
    need(is_window({{}, {}, {}, p}), node, fmt::format("pads must be 0..{}", kMaxMapSide));
    const MapShape& x = input_shape(graph, node);
    return {x.channels, x.height + p.top + p.bottom, x.width + p.left + p.right};
  }
  StageLoop loop(const Graph& graph, const Node& node) const override {
    const Pads& p = node.as<ops::ZeroPad>().pads;
    const Value& in = graph.value(node.inputs[0]);
    StageLoop loop = token_loop(graph.value(node.outputs[0]));
    loop.reads = {{p.top, p.left * in.fold}, {1, 1}, {in.shape.height, in.shape.width * in.fold}};
    return loop;
  }
  std::vector<int> fold_groups(const Graph& /*graph*/, const Node& node) const override {
    return folded_alike(node);
  }
  void print_onnx(OnnxPrinter& printer, const Node& node) const override {
    const auto& a = node.as<ops::ZeroPad>();
    const double with = a.lowest ? std::numeric_limits<float>::lowest() : 0;
    printer.answer(node, printer.padded(node, printer.input(node), a.pads, with));
  }

 protected:
  void fields(ops::ZeroPad& a, AttributeVisitor& visitor) const override {
    visitor.field("pads", a.pads, "Pixels that stand around x, each 0 to 2^20.");
    visitor.optional("lowest", a.lowest, false,
                     "The pads are −∞ (in integers the type's smallest value) and not 0: for a "
                     "`max_pool2d`, its only reader.");
  }
};

class ShortcutPadRules : public OperationOf<ops::ShortcutPad> {
 public:
  ShortcutPadRules() : OperationOf(pad_traits("shortcut_pad")) {}

  MapShape shape(const Graph& graph, const Node& node, int64_t out_channels) const override {
    const auto& a = node.as<ops::ShortcutPad>();
    const MapShape& x = input_shape(graph, node);
    need(is_map_side(a.stride.height) && is_map_side(a.stride.width) && a.channel_offset >= 0 &&
             a.channel_offset <= kMaxMapSide && a.channel_offset + x.channels <= out_channels,
         node, "channels do not fit");
    return {out_channels, (x.height + a.stride.height - 1) / a.stride.height,
            (x.width + a.stride.width - 1) / a.stride.width};
  }
  StageLoop loop(const Graph& graph, const Node& node) const override {
    const MapShape& out = graph.value(node.outputs[0]).shape;
    StageLoop loop = pixel_loop(input_shape(graph, node));
    loop.emits = {{0, 0}, node.as<ops::ShortcutPad>().stride, {out.height, out.width}};
    return loop;
  }
  /// Every stride-th pixel of a map as a slice, and channels of zeros around it.
  void print_onnx(OnnxPrinter& printer, const Node& node) const override {
    const auto& a = node.as<ops::ShortcutPad>();
    const MapShape &in = input_shape(printer.graph(), node),
                   &out = printer.graph().value(node.outputs[0]).shape;
    std::string at = printer.input(node);
    at = print_slice(printer, node.name, at, in, a.stride);
    const int64_t behind = out.channels - in.channels - a.channel_offset;
    const std::string pads =
        printer.integers(node.name + ".pads", {0, a.channel_offset, 0, 0, 0, behind, 0, 0});
    printer.answer(node, printer.add("Pad", node.name, {at, pads}));
  }

 protected:
  void fields(ops::ShortcutPad& a, AttributeVisitor& visitor) const override {
    visitor.field("stride", a.stride, "Rows and columns from one pixel taken to the next.");
    visitor.field("channel_offset", a.channel_offset, "Channels of zeros before x's own.");
  }
};

const RegisterOperation<ops::ZeroPad> kRegisterZeroPad;
const RegisterOperation<ops::ShortcutPad> kRegisterShortcutPad;

}  // namespace

std::string print_slice(OnnxPrinter& printer, const std::string& name, const std::string& x,
                        const MapShape& map, const Size2& stride) {
  if (stride.size() == 1) return x;
  return printer.add("Slice", name + "/slice",
                     {x, printer.integers(name + ".starts", {0, 0}),
                      printer.integers(name + ".ends", {map.height, map.width}),
                      printer.integers(name + ".axes", {2, 3}),
                      printer.integers(name + ".steps", {stride.height, stride.width})});
}

const Operation& ops::ZeroPad::operation() {
  static const ZeroPadRules rules;
  return rules;
}

const Operation& ops::ShortcutPad::operation() {
  static const ShortcutPadRules rules;
  return rules;
}

}  // namespace tailor::ir

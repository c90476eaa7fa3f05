// Max pool and global average pool.
#include <algorithm>

#include "ir/operations/rules.h"

namespace tailor::ir {
namespace {

Traits max_pool_traits() {
  Traits t{"max_pool2d"};
  t.keeps_type = true;
  return t;
}

Traits average_traits() {
  Traits t{"global_avg_pool"};
  t.has_accumulator = t.has_reciprocal = true;
  return t;
}

class MaxPool2dRules : public OperationOf<ops::MaxPool2d> {
 public:
  MaxPool2dRules() : OperationOf(max_pool_traits()) {}

  MapShape shape(const Graph& graph, const Node& node, int64_t /*out_channels*/) const override {
    const Window& window = node.as<ops::MaxPool2d>().window;
    need_window(window, node);
    const Pads& p = window.pads;
    const Size2 extent = window.extent();
    need(std::max(p.top, p.bottom) < extent.height && std::max(p.left, p.right) < extent.width,
         node,
         fmt::format("pads must be below the kernel of {}, or a window holds nothing",
                     kernel_text(window)));
    const MapShape& x = input_shape(graph, node);
    const Size2 &kernel = window.kernel, &dilation = window.dilation;
    need((kernel.height == 1 || dilation.height <= x.height) &&
             (kernel.width == 1 || dilation.width <= x.width),
         node,
         fmt::format("a window of {} steps over {}, so that one may hold nothing",
                     to_string(window), to_string(x)));
    return window_map(window, x, x.channels, node);
  }
  /// src/hls/library/tailor/pool.h, one token a cycle.
  StageLoop loop(const Graph& graph, const Node& node) const override {
    const Window& window = node.as<ops::MaxPool2d>().window;
    const MapShape& in = input_shape(graph, node);
    StageLoop loop;
    loop.scan = {in.height + window.pads.bottom, in.width + window.pads.right};
    loop.reads.count = {in.height, in.width};
    loop.emits = complete_windows(window, graph.value(node.outputs[0]).shape);
    loop.register_elements = waiting_tokens(window);
    return loop;
  }
  void print_onnx(OnnxPrinter& printer, const Node& node) const override {
    printer.answer(node, printer.add("MaxPool", node.name, {printer.input(node)},
                                     window_attributes(node.as<ops::MaxPool2d>().window)));
  }

 protected:
  void fields(ops::MaxPool2d& a, AttributeVisitor& visitor) const override {
    describe_window(a.window, visitor);
  }
};

class GlobalAvgPoolRules : public OperationOf<ops::GlobalAvgPool> {
 public:
  GlobalAvgPoolRules() : OperationOf(average_traits()) {}

  MapShape shape(const Graph& graph, const Node& node, int64_t /*out_channels*/) const override {
    return {input_shape(graph, node).channels, 1, 1};
  }
  FixedType types(const Graph& graph, Node& node, const TypeRequest& request) const override {
    const int64_t pixels = input_shape(graph, node).pixels();
    const int bits = ceil_log2(pixels);
    FixedType reciprocal;  // exact for powers of two; otherwise 18 significant bits, one DSP port
    reciprocal.is_signed = false;
    reciprocal.width = is_power_of_two(pixels) ? 1 : 18;
    reciprocal.integer = 1 - bits;  // 1 / pixels < 2^(1 - bits)
    FixedType sum = *graph.value(node.inputs[0]).type;
    sum.width += bits;
    sum.integer += bits;
    FixedType product = sum;
    product.width += reciprocal.width;
    need_bits(product, node, request.model);
    node.hardware.reciprocal = reciprocal;
    node.hardware.accumulator = exact_accumulator(sum, node, request.model);
    return request.model;
  }
  /// A product a channel when the last pixel is there, unless it is a shift.
  StageLoop loop(const Graph& graph, const Node& node) const override {
    const MapShape& in = input_shape(graph, node);
    StageLoop loop = pixel_loop(in);
    loop.emits = last_step(loop.scan);
    loop.register_elements = in.channels;
    if (is_power_of_two(in.pixels())) return loop;
    loop.n_in = 1;
    loop.n_out = in.channels;
    return loop;
  }
  void print_onnx(OnnxPrinter& printer, const Node& node) const override {
    const bool rounded = node.hardware.reciprocal && node.hardware.reciprocal->width > 1;
    if (rounded) {
      printer.warn(fmt::format(
          "{}: the model's mean is exact, and the design's is of a reciprocal of {} bits",
          node.name, node.hardware.reciprocal->width));
    }
    printer.answer(node, printer.add("GlobalAveragePool", node.name, {printer.input(node)}));
  }

 private:
  static bool is_power_of_two(int64_t n) { return (int64_t{1} << ceil_log2(n)) == n; }
};

const RegisterOperation<ops::MaxPool2d> kRegisterMaxPool2d;
const RegisterOperation<ops::GlobalAvgPool> kRegisterGlobalAvgPool;

}  // namespace

const Operation& ops::MaxPool2d::operation() {
  static const MaxPool2dRules rules;
  return rules;
}

const Operation& ops::GlobalAvgPool::operation() {
  static const GlobalAvgPoolRules rules;
  return rules;
}

}  // namespace tailor::ir

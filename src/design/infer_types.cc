// Decision 8: every stream W bits, weights W bits, accumulators as wide as the products need, one
// cast a stage, logits uncast.
#include <algorithm>
#include <cmath>

#include "tailor/core/log.h"
#include "tailor/design/passes.h"

namespace tailor {
namespace {

constexpr int kMaxAccumulator = 62;
constexpr int kMaxInput = 32;  // what a stream may have

int ceil_log2(int64_t n) {
  int bits = 0;
  while ((int64_t{1} << bits) < n) ++bits;
  return bits;
}

/// Exact for powers of two; otherwise 18 significant bits, one DSP port.
FixedType reciprocal_type(int64_t pixels) {
  const int bits = ceil_log2(pixels);
  FixedType type;
  type.is_signed = false;
  type.width = (int64_t{1} << bits) == pixels ? 1 : 18;
  type.integer = 1 - bits;  // 1 / pixels < 2^(1 - bits)
  return type;
}

/// Whether the input itself, not through a convolution, is added to a stream of the model's type.
bool input_joins(const Graph& graph) {
  std::vector<bool> raw(graph.values.size(), false);
  for (const Node& node : graph.nodes) {
    const bool joins = node.op == Op::Add || node.op == Op::Conv2d;
    for (size_t i = node.op == Op::Conv2d ? 1 : 0; joins && i < node.inputs.size(); ++i) {
      if (raw[static_cast<size_t>(node.inputs[i])]) return true;
    }
    const bool passes = node.op == Op::Relu || node.op == Op::Clone || node.op == Op::ShortcutPad ||
                        node.op == Op::MaxPool2d || node.op == Op::ZeroPad;
    for (int id : node.outputs) {
      raw[static_cast<size_t>(id)] =
          node.op == Op::Input || (passes && raw[static_cast<size_t>(node.inputs[0])]);
    }
  }
  return false;
}

}  // namespace

void infer_types(Graph& graph, const Precision& precision, double input_magnitude) {
  auto check_width = [&](const FixedType& type, const Node& node) {
    if (type.width > kMaxAccumulator) {
      fail(ErrorKind::Unsupported,
           "--precision {},{}: {} would need an accumulator of {} bits, at most {} are supported; "
           "ask for fewer bits",
           precision.type.width, precision.type.integer, node.name, type.width, kMaxAccumulator);
    }
  };
  int logits = -1;
  for (const Node& node : graph.nodes) {
    if (node.op == Op::Output) logits = node.inputs[0];
  }
  for (Node& node : graph.nodes) {
    const FixedType &model = precision.activation(node.name), &weight = precision.weight(node.name);
    auto in_type = [&](size_t i) { return *graph.value(node.inputs[i]).type; };
    std::optional<FixedType> out;
    switch (node.op) {
      case Op::Input: {
        FixedType type = model;
        if (!input_joins(graph)) {
          type.integer = 1;
          while (input_magnitude > type.max_value() && type.integer < kMaxInput) {
            ++type.integer;
            type.width = std::max(type.width, type.integer);  // raw pixels of 8 bits take 9
          }
        } else if (input_magnitude > type.max_value()) {
          log_warn("passes",
                   "the input reaches {:g} and is itself added to a stream, so that it has the "
                   "streams' type: {} ends at {:g}, larger values overflow; normalise the input or "
                   "ask for more integer bits (--precision)",
                   input_magnitude, to_string(type), type.max_value());
        }
        out = type;
        break;
      }
      case Op::Conv2d:
      case Op::Dense: {
        const FixedType x = in_type(0);
        const Shape& shape = graph.tensor(node, "weight").shape();
        int64_t terms = 2, products = shape[1];  // the product sum, the bias, and each skip
        int fraction = 0;
        if (node.op == Op::Conv2d) {
          products *= shape[2] * shape[3];
          terms += static_cast<int64_t>(node.inputs.size() - 1 + node.conv().window_skips.size());
          for (size_t s = 1; s < node.inputs.size(); ++s)
            fraction = std::max(fraction, in_type(s).fraction());
        }
        FixedType sum = accumulator_type(x, weight, products);
        sum.rounding = model.rounding;
        sum.overflow = model.overflow;
        const int more = std::max(0, fraction - sum.fraction());
        FixedType accumulator = sum;
        accumulator.integer += ceil_log2(terms);
        accumulator.width += ceil_log2(terms) + more;
        for (size_t s = 1; s < node.inputs.size();
             ++s) {  // a skip may be wider than the product sum
          const int needed = in_type(s).integer + ceil_log2(terms) - accumulator.integer;
          if (needed > 0) accumulator.integer += needed, accumulator.width += needed;
        }
        accumulator.rounding =
            Rounding::Trn;  // exact by construction: no rounding or saturation logic in the loop
        accumulator.overflow = Overflow::Wrap;
        check_width(accumulator, node);
        node.hardware.weight = weight;
        node.hardware.bias = sum;
        node.hardware.accumulator = accumulator;
        out = node.op == Op::Dense && node.outputs[0] == logits ? accumulator : model;
        break;
      }
      case Op::Add: {
        FixedType type = in_type(0);
        int integer = type.integer, fraction = type.fraction();
        for (size_t i = 1; i < node.inputs.size(); ++i) {
          integer = std::max(integer, in_type(i).integer);
          fraction = std::max(fraction, in_type(i).fraction());
        }
        type = model;
        type.integer = integer + ceil_log2(static_cast<int64_t>(node.inputs.size()));
        type.width = type.integer + fraction;
        type.rounding = Rounding::Trn;
        type.overflow = Overflow::Wrap;
        check_width(type, node);
        node.hardware.accumulator = type;
        out = model;
        break;
      }
      case Op::GlobalAvgPool: {
        const FixedType x = in_type(0);
        const int64_t pixels = graph.value(node.inputs[0]).shape.pixels();
        FixedType sum = x;
        sum.width += ceil_log2(pixels);
        sum.integer += ceil_log2(pixels);
        sum.rounding = Rounding::Trn;
        sum.overflow = Overflow::Wrap;
        node.hardware.reciprocal = reciprocal_type(pixels);
        node.hardware.accumulator = sum;
        FixedType product = sum;
        product.width += node.hardware.reciprocal->width;
        check_width(product, node);
        out = model;
        break;
      }
      case Op::Relu:
      case Op::ShortcutPad:
      case Op::MaxPool2d:
      case Op::ZeroPad:
      case Op::Clone:
        out = in_type(0);
        break;
      case Op::Output:
        break;
      case Op::BatchNorm:
        fail(ErrorKind::Internal, "{} is a batch norm; fold_batch_norm comes before infer_types",
             node.name);
    }
    for (int id : node.outputs) graph.value(id).type = out;
  }
}

}  // namespace tailor

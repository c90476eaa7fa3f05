// What several operations' rules have in common.
#pragma once

#include "tailor/ir/graph.h"
#include "tailor/ir/onnx.h"

namespace tailor::ir {

/// Throws Data "graph: NODE (OP): what" where `ok` is false.
void need(bool ok, const Node& node, const std::string& what);

inline const MapShape& input_shape(const Graph& graph, const Node& node, size_t input = 0) {
  return graph.value(node.inputs[input]).shape;
}
/// Fold groups of a node whose values are all folded alike.
inline std::vector<int> folded_alike(const Node& node) {
  return std::vector<int>(node.inputs.size() + node.outputs.size(), 0);
}
/// Throws Data unless it is a window that fits on the map.
void need_window(const Window& window, const Node& node);
MapShape window_map(const Window& window, const MapShape& x, int64_t channels, const Node& node);
/// "3", or "1x33" where it is no square.
/// As ONNX has them: kernel_shape, strides, dilations, pads.
OnnxPrinter::Attributes window_attributes(const Window& window);
std::string kernel_text(const Window& window);
/// Elements of the longest array of tokens that a window waits for (window.h of the C++ library).
int64_t waiting_tokens(const Window& window);
/// Steps at which a window is complete, where a stage takes a pixel a step from the top left on.
Places complete_windows(const Window& window, const MapShape& out);
/// The only step at which something leaves: the last one.
Places last_step(const Size2& scan);

/// Of a stage with weights: what its output channels multiply their sums by, and the steps that
/// came with its weights.
void own_scales(const Graph& graph, const Node& node, int64_t outputs,
                std::vector<OwnedTensor>& owned);

int ceil_log2(int64_t n);
/// In ONNX, the pixels of a map that are a stride apart; the map itself where that is all of them.
std::string print_slice(OnnxPrinter& printer, const std::string& name, const std::string& x,
                        const MapShape& map, const Size2& stride);
/// Bits before the point of a type with a sign that holds all its values.
int signed_integer(const FixedType& type);
/// Throws Unsupported where a type is wider than 62 bits.
void need_bits(const FixedType& type, const Node& node, const FixedType& model);
/// An exact accumulator: it neither rounds nor saturates. Throws Unsupported above 62 bits.
FixedType exact_accumulator(FixedType type, const Node& node, const FixedType& model);
/// Sets weight, bias and accumulator of a node that sums so many products, of its first input, and
/// adds `added` terms to the sum and the bias. Returns what it writes.
FixedType product_sum_types(const Graph& graph, Node& node, const TypeRequest& request,
                            int64_t products, int64_t added);

}  // namespace tailor::ir

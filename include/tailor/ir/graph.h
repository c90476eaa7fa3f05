// The inference graph: nodes in topological order, joined by values of one producer each. Passes
// decide everything on it (types, reuse factors, FIFOs, names); emulator, estimator and project
// writer only read it, and so agree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tailor/core/json.h"
#include "tailor/fixed/fixed_type.h"
#include "tailor/ir/operations.h"
#include "tailor/tensors/map_shape.h"
#include "tailor/tensors/tensor.h"

namespace tailor::ir {

/// "lowered": as trained; "design": laid out, typed, ready to print.
enum class GraphState { Lowered, Design };
const char* to_string(GraphState state);

/// Where a FIFO, or a line buffer, lies; UltraRAM is for line buffers and long FIFOs of folded
/// values, LUTs and registers for line buffers.
enum class FifoStorage { Auto, Srl, Bram, Uram, Lutram, Registers };
const char* to_string(FifoStorage storage);

/// What `passes` decided for a node; the emulator, the estimator and the writer read the same
/// record.
struct NodeHardware {
  std::optional<FixedType> weight, bias;  // conv, dense
  /// Of a stage whose output channels have a scale each: of the scales, and of the exact sums of
  /// products that they multiply.
  std::optional<FixedType> scale, product_sum;
  std::optional<FixedType> accumulator;          // conv, dense, add, pool: full width, exact
  std::optional<FixedType> reciprocal;           // pool: type of 1 / pixels
  int64_t reuse_factor = 1;                      // conv, dense, pool
  int64_t multipliers = 0;                       // in × out / reuse factor
  bool packed = false;                           // conv, dense: two products a DSP (packing.h)
  int64_t cycles_per_step = 1;                   // reading one token without computing
  int64_t cycles_per_output = 1;                 // computing one output token
  int64_t pipeline_cycles = 0;                   // from its last cycle to the token
  FifoStorage line_storage = FifoStorage::Auto;  // of a convolution with a line buffer
  // Of weights that share multipliers: lutram or bram. Auto: every weight is a constant.
  FifoStorage weight_storage = FifoStorage::Auto;
};

struct Node {
  Op op = ops::Input{};
  std::string name;        // "stage2.block0.conv1"
  std::string identifier;  // C++ name, frozen by the last pass
  std::vector<Operand> inputs;
  std::vector<ValueId> outputs;
  NodeHardware hardware;

  const Traits& traits() const { return op.rules().traits(); }
  template <class A>
  bool is() const {
    return op.is<A>();
  }
  template <class A>
  const A& as() const {
    return op.as<A>();
  }
  template <class A>
  A& as() {
    return op.as<A>();
  }
};

struct Value {
  std::string name;
  std::string identifier;
  MapShape shape;
  std::optional<FixedType> type;
  /// Tokens of a pixel, each with an equal run of its channels, the first channels first.
  int64_t fold = 1;
  // The FIFO between producer and consumer, once depths are decided.
  int64_t fifo_depth = 0;  // tokens; 0 is not decided
  FifoStorage fifo_storage = FifoStorage::Auto;

  int64_t tokens() const { return shape.pixels() * fold; }
  int64_t token_channels() const { return shape.channels / fold; }
  /// Once its type is known.
  int64_t token_bits() const { return type->width * token_channels(); }
};

/// A few inputs with the outputs that LibTorch gave for them.
struct Witness {
  std::string source;  // what the inputs are: "8 validation images of cifar10"
  Tensor inputs;       // F32 [n, height, width, channels]
  Tensor outputs;      // F32 [n, classes] or [n, positions, classes]
  /// Of a network trained with the types of its design: F64, alike, of LibTorch with its casts in
  /// float64; otherwise of no dimension.
  Tensor quantised = {};
};

struct Graph {
  std::string name;
  GraphState state = GraphState::Lowered;
  std::vector<Node> nodes;
  std::vector<Value> values;
  TensorMap tensors;
  std::optional<Witness> witness;
  Json provenance;  // what it was made from, with which options

  ValueId add_value(std::string name, const MapShape& shape);
  /// Appends a node with one new output value of the inferred shape (none for an output), and
  /// returns that value.
  ValueId add_node(Op op, std::string name, std::vector<Operand> inputs, int64_t out_channels = 0);

  const Value& value(ValueId id) const { return values[id.index()]; }
  Value& value(ValueId id) { return values[id.index()]; }
  const Node& node(NodeId id) const { return nodes[id.index()]; }
  Node& node(NodeId id) { return nodes[id.index()]; }
  FirstIds<ValueId> value_ids() const { return FirstIds<ValueId>(values.size()); }
  FirstIds<NodeId> node_ids() const { return FirstIds<NodeId>(nodes.size()); }
  /// The values that the input writes and the output reads. Throws Data if there is none.
  ValueId input() const;
  ValueId output() const;
  const Tensor& tensor(const Node& node, const char* part) const;
  bool has_tensor(const Node& node, const char* part) const;
  const MapShape& input_shape() const;
  /// classes × 1 × 1, or a map with the answer of each position.
  const MapShape& output_shape() const;
  int64_t classes() const;
};

/// Shape of a node's first output. Throws Data naming the node if its inputs do not fit.
MapShape infer_shape(const Graph& graph, const Node& node, int64_t out_channels);
/// Of output number `output`, where the first is of that shape.
MapShape shape_of_output(const Graph& graph, const Node& node, size_t output,
                         const MapShape& first);
/// Rows and columns between the pixels of its input that a node hands on; {1, 1}: all.
Size2 stride_handed_on(const Node& node);
/// The node's loop for one image.
StageLoop stage_loop(const Graph& graph, const Node& node);

/// Node that writes a value, nodes that read it (a node stands twice if it reads twice).
ByValue<NodeId> producers(const Graph& graph);
ByValue<std::vector<NodeId>> consumers(const Graph& graph);
/// The node whose type a value has: behind it, values only pass.
const Node& typed_by(const Graph& graph, const ByValue<NodeId>& writer, ValueId value);
/// Elements of the largest array that a design's C++ keeps in registers, element by element: a
/// convolution's window, the tokens that a window waits for, the channels of a pixel, or all values
/// that a dense layer takes.
int64_t largest_register_array(const Graph& design);
/// Where Vivado HLS stops unless told otherwise, as its error text says (hls.md section 12).
constexpr int64_t kMostPartitioned = 1024;

/// All findings: order, shapes, missing tensors, values without producer, in a design also values
/// not read exactly once.
std::vector<std::string> verify_graph(const Graph& graph);
/// "the tensor fc.weight holds nan at element 3" of the first that is no finite number; empty: all
/// are.
std::string not_finite(const TensorMap& tensors);
/// What every reader of a design takes for granted of its annotations; a graph in the making does
/// not have them yet.
std::vector<std::string> verify_design(const Graph& graph);

/// The graph file: safetensors whose metadata hold {"format": "tailor.graph", "version": …,
/// "document": JSON} (docs/formats.md).
void save_graph(const std::string& path, const Graph& graph);
std::string print_graph(const Graph& graph);
/// Throws Data on a damaged file, Unsupported on another version.
Graph load_graph(const std::string& path);
/// The same of a file's bytes; errors name `path`.
Graph parse_graph(std::string_view bytes, const std::string& path);

/// Version 1 is still read: its skips' ids are attributes, beside the inputs, and its witness's
/// images are [n, channels, height, width].
constexpr int kGraphVersion = 2;

}  // namespace tailor::ir

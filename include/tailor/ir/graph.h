// The inference graph: nodes in topological order, joined by values of one producer each. Passes
// decide everything on it (types, reuse factors, FIFOs, names); emulator, estimator and project
// writer only read it, and so agree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tailor/core/json.h"
#include "tailor/fixed/fixed_type.h"
#include "tailor/tensors/map_shape.h"
#include "tailor/tensors/tensor.h"
#include "tailor/tensors/window.h"

namespace tailor {

enum class Op {
  Input,   // 0 → 1
  Conv2d,  // x, skip… → y; tensors NAME.weight [out, in / groups, rows, columns] and, once BN
           // is folded, NAME.bias [out]
  BatchNorm,    // x → y; NAME.weight, .bias, .running_mean, .running_var [channels]
  Relu,         // x → y
  Add,          // x, skip… → y
  ShortcutPad,  // x → y: every stride-th pixel, the channels at an offset among zeros (option A)
  MaxPool2d,    // x → y: the largest value of each window, which always holds a real pixel
  GlobalAvgPool,  // x → y of 1×1
  Dense,          // x → y of 1×1; NAME.weight [out, in], in pixel by pixel as x comes; NAME.bias
                  // [out]
  ZeroPad,        // x → y
  Clone,          // x → y, y…: the same tokens to several readers
  Output,         // 1 → 0
};
const char* to_string(Op op);

enum class Activation { None, Relu };

/// Where a fused convolution adds its skips: relu(conv + skips) or relu(conv) + skips.
enum class SkipPosition { BeforeActivation, AfterActivation };

struct ConvAttributes {
  Window window;
  /// Channels are cut into so many runs, inputs and outputs alike; a run of outputs reads its own
  /// run of inputs only.
  int64_t groups = 1;
  Activation activation = Activation::None;
  SkipPosition skip_position = SkipPosition::BeforeActivation;
  /// Ids of the skips that come in as inputs[1…].
  std::vector<std::string> stream_skips;
  /// Ids of identity skips read from the window itself, at tap (pad_top, pad_left): no stream, no
  /// FIFO.
  std::vector<std::string> window_skips;
  /// Ids of skips whose 1 was added to the kernel; for the record, they cost nothing.
  std::vector<std::string> folded_skips;
};
struct BatchNormAttributes {
  double epsilon = 1e-5;
};
struct AddAttributes {
  std::vector<std::string> skips;  // ids of inputs[1…]
};
struct ShortcutPadAttributes {
  int64_t stride = 1, channel_offset = 0;
};
/// Padding never wins: it is -infinity, or what is the same, left out of the window.
struct MaxPoolAttributes {
  Window window;  // pads below its extent
};
struct ZeroPadAttributes {
  Pads pads;
  /// Pads with the lowest value there is (-infinity; in integers the type's) instead of 0: for a
  /// max pool, its only reader.
  bool lowest = false;
};
using Attributes = std::variant<std::monostate, ConvAttributes, BatchNormAttributes, AddAttributes,
                                ShortcutPadAttributes, MaxPoolAttributes, ZeroPadAttributes>;

/// What `passes` decided for a node; the emulator, the estimator and the writer read the same
/// record.
struct NodeHardware {
  std::optional<FixedType> weight, bias;  // conv, dense
  std::optional<FixedType> accumulator;   // conv, dense, add, pool: full width, exact
  std::optional<FixedType> reciprocal;    // pool: type of 1 / pixels
  int64_t reuse_factor = 1;               // conv, dense
  int64_t multipliers = 0;                // in × out / reuse factor
  int64_t cycles_per_step = 1;            // reading one token without computing
  int64_t cycles_per_output = 1;          // computing one output token
};

enum class FifoStorage { Auto, Srl, Bram };
const char* to_string(FifoStorage storage);

struct Node {
  Op op = Op::Input;
  std::string name;                  // "stage2.block0.conv1"
  std::string identifier;            // C++ name, frozen by the last pass
  std::vector<int> inputs, outputs;  // values
  Attributes attributes;
  NodeHardware hardware;

  const ConvAttributes& conv() const { return std::get<ConvAttributes>(attributes); }
  ConvAttributes& conv() { return std::get<ConvAttributes>(attributes); }
};

struct Value {
  std::string name;
  std::string identifier;
  MapShape shape;
  std::optional<FixedType> type;
  // The FIFO between producer and consumer, once depths are decided.
  int64_t fifo_depth = 0;  // tokens; 0 is not decided
  FifoStorage fifo_storage = FifoStorage::Auto;
};

/// A few inputs with the outputs that LibTorch gave for them.
struct Witness {
  std::string source;  // what the inputs are: "8 validation images of cifar10"
  Tensor inputs;       // F32 [n, height, width, channels]
  Tensor outputs;      // F32 [n, classes]
};

struct Graph {
  std::string name;
  std::string state;  // "lowered" (as trained) or "design" (laid out, typed, ready to print)
  std::vector<Node> nodes;
  std::vector<Value> values;
  TensorMap tensors;
  std::optional<Witness> witness;
  Json provenance;  // what it was made from, with which options

  int add_value(std::string name, const MapShape& shape);
  /// Appends a node with one new output value of the inferred shape (none for Output). Returns the
  /// node's index.
  size_t add_node(Op op, std::string name, std::vector<int> inputs, Attributes attributes = {},
                  int64_t out_channels = 0);

  const Value& value(int id) const { return values[static_cast<size_t>(id)]; }
  Value& value(int id) { return values[static_cast<size_t>(id)]; }
  const Tensor& tensor(const Node& node, const char* part) const;
  bool has_tensor(const Node& node, const char* part) const;
  const MapShape& input_shape() const;
  int64_t classes() const;
};

/// Output shape of an operation. Throws Data naming the node if the input does not fit.
MapShape infer_shape(Op op, const std::string& name, const std::vector<MapShape>& inputs,
                     const Attributes& attributes, int64_t out_channels);

/// Node that writes a value, nodes that read it (a node stands twice if it reads twice); by index.
std::vector<int> producers(const Graph& graph);
std::vector<std::vector<int>> consumers(const Graph& graph);
/// Elements of the largest array that a design's C++ keeps in registers, element by element: a
/// convolution's window, the tokens that a window waits for, the channels of a pixel, or all values
/// that a dense layer takes.
int64_t largest_register_array(const Graph& design);
/// Where Vivado HLS stops unless told otherwise, as its error text says (hls.md section 12).
constexpr int64_t kMostPartitioned = 1024;

/// All findings: order, shapes, missing tensors, values without producer, in a design also values
/// not read exactly once.
std::vector<std::string> verify_graph(const Graph& graph);
/// What every reader of a design takes for granted of its annotations; a graph in the making does
/// not have them yet.
std::vector<std::string> verify_design(const Graph& graph);

/// The graph file: safetensors whose metadata hold {"format": "tailor.graph", "version": …,
/// "document": JSON} (docs/formats.md).
void save_graph(const std::string& path, const Graph& graph);
std::string print_graph(const Graph& graph);
/// Throws Data on a damaged file, Unsupported on another version.
Graph load_graph(const std::string& path);

/// Version 1 has the witness's images as [n, channels, height, width].
constexpr int kGraphVersion = 2;

}  // namespace tailor

// What an operation is: its attributes in files, shapes, tensors, types and its stage's loop. The
// set is open: each operation registers one object of the class from a file of its own.
#pragma once

#include <any>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tailor/core/error.h"
#include "tailor/fixed/fixed_type.h"
#include "tailor/ir/ids.h"
#include "tailor/tensors/map_shape.h"
#include "tailor/tensors/tensor.h"
#include "tailor/tensors/window.h"

namespace tailor::ir {

struct Graph;
struct Node;
struct Value;
class Operation;
class OnnxPrinter;

/// An operation with its attributes: a value. `A` is the struct of one operation's attributes, and
/// A::operation() its rules; so the type is the tag.
class Op {
 public:
  template <class A,
            class = std::enable_if_t<std::is_same_v<decltype(A::operation()), const Operation&>>>
  Op(A attributes)  // NOLINT: add_node(ops::Relu{}, …)
      : rules_(&A::operation()), attributes_(std::move(attributes)) {}

  const Operation& rules() const { return *rules_; }
  template <class A>
  bool is() const {
    return rules_ == &A::operation();
  }
  template <class A>
  const A* get_if() const {
    return is<A>() ? std::any_cast<A>(&attributes_) : nullptr;
  }
  template <class A>
  A* get_if() {
    return is<A>() ? std::any_cast<A>(&attributes_) : nullptr;
  }
  /// Throws Internal if it is another operation.
  template <class A>
  const A& as() const {
    if (const A* a = get_if<A>()) return *a;
    fail_as(A::operation());
  }
  template <class A>
  A& as() {
    if (A* a = get_if<A>()) return *a;
    fail_as(A::operation());
  }

 private:
  [[noreturn]] void fail_as(const Operation& wanted) const;
  const Operation* rules_;
  std::any attributes_;
};
/// Its name.
const char* to_string(const Op& op);

/// Attributes describe their fields once, to a visitor; reading and printing are two of them.
class AttributeVisitor {
 public:
  virtual ~AttributeVisitor() = default;

  virtual void field(const char* key, bool& value, const char* doc) = 0;
  virtual void field(const char* key, int64_t& value, const char* doc) = 0;
  virtual void field(const char* key, double& value, const char* doc) = 0;
  virtual void field(const char* key, Size2& value, const char* doc) = 0;  // 3 or [1, 33]
  virtual void field(const char* key, Pads& value, const char* doc) = 0;   // top, left, …
  virtual void field(const char* key, std::vector<std::string>& value, const char* doc) = 0;
  /// A field that is left out where it has its usual value.
  template <class T>
  void optional(const char* key, T& value, const T& usual, const char* doc) {
    if (leaves_out(key, value == usual)) {
      value = usual;
    } else {
      field(key, value, doc);
    }
  }

 protected:
  virtual bool leaves_out(const char* key, bool usual) = 0;
};
void describe_window(Window& window, AttributeVisitor& visitor);

/// A tensor NODE.part.
struct OwnedTensor {
  const char* part;
  Shape shape;
  bool required = true;
};

/// Steps of a scan, in rows and columns: those at first + k · stride, k below count.
struct Places {
  Size2 first{0, 0}, stride, count{0, 0};
  bool holds(int64_t y, int64_t x) const {
    y -= first.height, x -= first.width;
    return y >= 0 && x >= 0 && y % stride.height == 0 && x % stride.width == 0 &&
           y / stride.height < count.height && x / stride.width < count.width;
  }
};

/// Cycles from the iteration that computes an output's last products to the token (model): what the
/// pipeline of a stage that multiplies is deep. It delays an output and takes no stage's time.
constexpr int64_t kPipelineCycles = 8;

/// What a stage does for one image: one flat loop over a scan of rows × columns, as the C++ library
/// runs it, an iteration a cycle. A step may read a token of the first input; a step that emits
/// reads one of every other input too, and writes one of every output. A step that multiplies takes
/// as many iterations as a multiplier has products for it, any other one.
struct StageLoop {
  Size2 scan;
  Places reads, emits;
  /// Input and all outputs move at once: a clone.
  bool forks = false;
  /// Tokens that it still computes on when it takes the next ones: of a convolution of windows one,
  /// of one that reads frames before it answers a frame's.
  int64_t holds_tokens = 0;
  /// Elements of the array that it keeps in registers, element by element.
  int64_t register_elements = 0;
  /// Product sums of an output token: n_out sums of n_in products each, in so many groups. 0: it
  /// multiplies nothing.
  int64_t n_in = 0, n_out = 0, groups = 1;
  /// Output tokens that share the n_out sums of a pixel, an equal part each.
  int64_t out_fold = 1;

  bool multiplies() const { return n_in > 0; }
  /// Iterations of an output token at a reuse factor.
  int64_t output_cycles(int64_t reuse_factor) const { return reuse_factor / out_fold; }
  /// Iterations of an image at a reuse factor; 1 where nothing is multiplied.
  int64_t image_cycles(int64_t reuse_factor) const {
    return scan.size() + emits.count.size() * (output_cycles(reuse_factor) - 1);
  }
};
/// The loop over all pixels of a map that reads and emits at each.
StageLoop pixel_loop(const MapShape& map);
/// Over all tokens of a value, a row of them for each of the map's.
StageLoop token_loop(const Value& value);

/// What types are decided from.
struct TypeRequest {
  FixedType model;             // of what the node writes
  FixedType weight;            // of its weights
  double input_magnitude = 0;  // largest |input|
  bool input_joins = false;    // the input itself is added to a stream
  bool logits = false;         // what the node writes leaves the network
};

/// What is common to all nodes of an operation.
struct Traits {
  const char* name;  // in files and messages: "conv2d"
  int64_t min_inputs = 1, max_inputs = 1, min_outputs = 1, max_outputs = 1;
  /// Inputs behind the first are skips, and have ids.
  bool takes_skips = false;
  /// Input and output: they compute nothing and have no stage.
  bool port = false;
  /// Never in a design: a pass takes it out.
  bool lowered_only = false;
  /// Writes the type it reads: it casts nothing.
  bool keeps_type = false;
  /// Has a weight's and a bias' type, a reuse factor and multipliers.
  bool has_weights = false;
  bool has_accumulator = false, has_reciprocal = false;
  /// Outputs behind the first are the first input's pixels at the first output's places.
  bool forwards_input = false;
  /// Inputs from this one on are added as they are.
  int64_t first_summand = kMany;
  static constexpr int64_t kMany = INT32_MAX;
};

class Operation {
 public:
  explicit Operation(const Traits& traits) : traits_(traits) {}
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  virtual ~Operation() = default;

  const Traits& traits() const { return traits_; }
  const char* name() const { return traits_.name; }

  /// With attributes as they are before any is read.
  virtual Op make() const = 0;
  virtual void describe(Op& op, AttributeVisitor& visitor) const = 0;
  /// Shape of every output. The inputs are there, as many as the traits say; throws Data naming the
  /// node if they do not fit.
  virtual MapShape shape(const Graph& graph, const Node& node, int64_t out_channels) const = 0;
  /// Names of the tensors that its nodes can own.
  virtual std::vector<const char*> parts() const { return {}; }
  /// Their shapes, once the node's fit.
  virtual std::vector<OwnedTensor> tensors(const Graph& graph, const Node& node) const;
  /// Sets the node's own types and returns its outputs'. Throws Unsupported where a sum would need
  /// more bits than there are.
  virtual FixedType types(const Graph& graph, Node& node, const TypeRequest& request) const;
  virtual StageLoop loop(const Graph& graph, const Node& node) const = 0;
  /// Writes a node as nodes of ONNX (tailor/ir/onnx.h). Throws Unsupported where there are none.
  virtual void print_onnx(OnnxPrinter& printer, const Node& node) const;
  /// A number for each input, then for each output: those of one number are folded alike; kWhole
  /// are not.
  static constexpr int kWhole = -1;
  virtual std::vector<int> fold_groups(const Graph& graph, const Node& node) const;

 private:
  Traits traits_;
};

/// Rules of the operation whose attributes are an A.
template <class A>
class OperationOf : public Operation {
 public:
  using Operation::Operation;
  Op make() const override { return A{}; }
  void describe(Op& op, AttributeVisitor& visitor) const override { fields(op.as<A>(), visitor); }

 protected:
  virtual void fields(A& /*attributes*/, AttributeVisitor& /*visitor*/) const {}
};

/// Operations are registered while the program starts; two of one name are Internal.
void register_operation(const Operation& operation);
template <class A>
struct RegisterOperation {
  RegisterOperation() { register_operation(A::operation()); }
};
/// By name; null if there is none.
const Operation* find_operation(const std::string& name);
/// All of them, by name.
std::vector<const Operation*> operations();

}  // namespace tailor::ir

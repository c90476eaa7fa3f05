// How an operation computes: one kernel in float64, one in exact integers. An operation registers
// both from a file of its own; the emulators know no operation but the two ports.
#pragma once

#include <any>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "tailor/emulate/float64.h"
#include "tailor/ir/graph.h"

namespace tailor::emulate {

/// What a node of the float64 emulator keeps between images.
struct Float64Stage {
  std::vector<double> weight, bias;
};

/// One node on its inputs: pixels × channels (HWC).
struct Float64Call {
  const Graph& graph;  // without its tensors
  const Node& node;
  const Float64Stage& stage;
  const std::vector<const std::vector<double>*>& inputs;

  const std::vector<double>& input(size_t i = 0) const { return *inputs[i]; }
  const MapShape& in() const { return graph.value(node.inputs[0]).shape; }
  const MapShape& out() const { return graph.value(node.outputs[0]).shape; }
};

struct Float64Kernel {
  std::vector<double> (*run)(const Float64Call& call) = nullptr;
  /// Reads the node's tensors; none where it has none.
  void (*prepare)(Float64Stage& stage, const Graph& graph, const Node& node,
                  const Float64WeightChange& change) = nullptr;
};

/// Half up, a shift to the right, saturation: what a cast is where 32 bits hold all that it sees.
struct NarrowCast {
  int shift = 0;
  int32_t half = 0, min = 0, max = 0;
};

/// A cast with its common cases (round half up, saturate, a shift inside the word) inlined; the
/// rest goes to cast_raw.
class Caster {
 public:
  Caster(int from_fraction, const FixedType& to);
  int64_t operator()(int64_t raw, int64_t& overflows) const {
    if (fast_ && raw < std::numeric_limits<int64_t>::max() - half_) {
      int64_t q = (raw + half_) >> shift_;
      if (q > max_) {
        ++overflows;
        return max_;
      }
      if (q < min_) {
        ++overflows;
        return min_;
      }
      return q;
    }
    if (shift_ == 0 && raw >= min_ && raw <= max_) return raw;
    bool overflowed = false;
    int64_t q = cast_raw(raw, from_fraction_, to_, &overflowed);
    overflows += overflowed ? 1 : 0;
    return q;
  }

  /// Of values up to `largest` in magnitude; none if another kind of cast, or 32 bits are too few.
  std::optional<NarrowCast> narrow(int64_t largest) const;

 private:
  FixedType to_;
  int from_fraction_, shift_;
  int64_t min_, max_, half_ = 0;
  bool fast_ = false;
};

inline int64_t aligned(int64_t raw, int from_fraction, int to_fraction) {
  return raw * (int64_t{1} << (to_fraction - from_fraction));
}

/// What a node of the integer emulator keeps between images.
struct IntegerStage {
  /// From what the node computes in (its accumulator, times its reciprocal; else its input's type)
  /// to its output's type.
  std::optional<Caster> caster;
  std::any weights;              // the kernel's own
  int64_t weight_overflows = 0;  // weights and biases that did not fit their type
  bool narrow = false;           // maps are int16
};

/// One node on its inputs: raw integers, pixels × channels (HWC). T is int16 or int32.
template <class T>
struct IntegerCall {
  const Graph& graph;  // without its tensors
  const Node& node;
  const IntegerStage& stage;
  const std::vector<const std::vector<T>*>& inputs;
  int64_t& overflows;  // outputs that did not fit their type

  const std::vector<T>& input(size_t i = 0) const { return *inputs[i]; }
  const MapShape& in() const { return graph.value(node.inputs[0]).shape; }
  const MapShape& out() const { return graph.value(node.outputs[0]).shape; }
  const FixedType& type(size_t i = 0) const { return *graph.value(node.inputs[i]).type; }
  /// Output elements from what value_at says of each.
  template <class U, class F>
  std::vector<U> cast_each(F value_at) const {
    std::vector<U> y(static_cast<size_t>(out().size()));
    for (size_t i = 0; i < y.size(); ++i)
      y[i] = static_cast<U>((*stage.caster)(value_at(i), overflows));
    return y;
  }
};

/// Made by integer_kernel. Logits may be wider than the streams, so they leave as int64.
struct IntegerKernel {
  void (*prepare)(IntegerStage& stage, const Graph& graph, const Node& node) = nullptr;
  std::vector<int16_t> (*narrow)(const IntegerCall<int16_t>& call) = nullptr;
  std::vector<int32_t> (*wide)(const IntegerCall<int32_t>& call) = nullptr;
  std::vector<int64_t> (*narrow_logits)(const IntegerCall<int16_t>& call) = nullptr;
  std::vector<int64_t> (*wide_logits)(const IntegerCall<int32_t>& call) = nullptr;
};

/// Of a struct with  template <class U, class T> static std::vector<U> run(const IntegerCall<T>&).
template <class Body>
IntegerKernel integer_kernel(void (*prepare)(IntegerStage&, const Graph&, const Node&) = nullptr) {
  return {prepare, &Body::template run<int16_t, int16_t>, &Body::template run<int32_t, int32_t>,
          &Body::template run<int64_t, int16_t>, &Body::template run<int64_t, int32_t>};
}

/// Registered while the program starts; two of one operation are Internal.
void register_kernels(const Operation& operation, const Float64Kernel& float64,
                      const IntegerKernel& integer);
template <class A>
struct RegisterKernels {
  RegisterKernels(const Float64Kernel& float64, const IntegerKernel& integer) {
    register_kernels(A::operation(), float64, integer);
  }
};

/// Null if the operation has none: a port, and in integers what no design has.
const Float64Kernel* find_float64_kernel(const Operation& operation);
const IntegerKernel* find_integer_kernel(const Operation& operation);

}  // namespace tailor::emulate

// Constants of an ONNX graph as arrays of numbers, and the operators that exporters leave between
// constants: shapes of reshapes, pads, transposed weights.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tailor/tensors/onnx.h"

namespace tailor::net {

/// A grid: so many bits, the sign among them, of a step. Weights may have a step for each channel
/// (OnnxArray::steps), and then none here.
struct OnnxType {
  int bits = 0;
  double step = 0;
  bool is_signed = true, narrow = false;
  std::string rounding;
  std::string node;  // that rounds to it
  /// Of a step that is a power of two.
  bool is_binary_point() const;
  int fraction() const;
  friend bool operator==(const OnnxType& a, const OnnxType& b) {
    return a.bits == b.bits && a.step == b.step && a.is_signed == b.is_signed &&
           a.narrow == b.narrow && a.rounding == b.rounding;
  }
};
/// Whether one step is the other times a power of two.
bool share_mantissa(double step, double other);

struct OnnxArray {
  Shape shape;
  std::vector<double> values;  // integers up to 2^53 are exact; larger ones mean "to the end"
  std::optional<OnnxType> type;
  /// Of a rounded one, in as many dimensions: one number, or several along some axes.
  std::shared_ptr<const OnnxArray> steps = nullptr;
  bool one() const { return values.size() == 1; }
};
using OnnxConstant = std::shared_ptr<const OnnxArray>;

/// Says where, and throws.
class OnnxReason {
 public:
  OnnxReason(const std::string& where, const OnnxNode& node) : where_(where), node_(node) {}
  /// "FILE: node 'NAME' (Op): REASON".
  [[noreturn]] void refuse(const std::string& reason) const;
  [[noreturn]] void damaged(const std::string& reason) const;
  const OnnxNode& node() const { return node_; }
  std::string name() const;

  int64_t integer(const char* attribute, int64_t usual) const;
  double real(const char* attribute, double usual) const;
  std::string text(const char* attribute, const std::string& usual) const;
  std::optional<std::vector<int64_t>> integers(const char* attribute) const;

 private:
  const std::string& where_;
  const OnnxNode& node_;
};

OnnxConstant constant_of(const Tensor& tensor);
std::vector<int64_t> integers_of(const OnnxArray& array);
Tensor floats_of(const OnnxArray& array);

/// The operator's answer where all its inputs are constants; null for an operator that is not done
/// here. A missing input is null.
OnnxConstant evaluate_constant(const OnnxReason& at, const std::vector<OnnxConstant>& inputs);
/// With the axes of an operator, which are an attribute or an input.
std::optional<std::vector<int64_t>> axes_of(const OnnxReason& at,
                                            const std::vector<OnnxConstant>& inputs, size_t input,
                                            const char* attribute = "axes");
/// Element by element by Numpy's rules: sizes of 1 stretch.
OnnxConstant broadcast(const OnnxReason& at, const OnnxArray& a, const OnnxArray& b,
                       const std::function<double(double, double)>& f);
OnnxArray transposed(const OnnxArray& a, const std::vector<int64_t>& permutation);

}  // namespace tailor::net

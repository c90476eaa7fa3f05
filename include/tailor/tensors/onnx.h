// An ONNX model as data: the nodes of its graph, their attributes and constants. The part of ONNX's
// protocol buffers that a network without control flow needs (onnx.ai, "ONNX IR"), read and
// written here; nothing in a file is executed, and what is not read is refused by name.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tailor/tensors/tensor.h"

namespace tailor::tensors {

/// Of kinds that no node of ours has (graphs, sparse tensors): its kind alone.
struct OnnxOther {
  int64_t kind = 0;
  friend bool operator==(const OnnxOther& a, const OnnxOther& b) { return a.kind == b.kind; }
};
using OnnxAttribute = std::variant<int64_t, double, std::string, Tensor, std::vector<int64_t>,
                                   std::vector<double>, std::vector<std::string>, OnnxOther>;

struct OnnxNode {
  std::string op_type, name, domain;         // domain "" is ONNX's own
  std::vector<std::string> inputs, outputs;  // names of values; an input that is left out is ""
  std::map<std::string, OnnxAttribute> attributes;
};

/// A size that is only named, or not said, is -1.
struct OnnxValue {
  std::string name;
  Shape shape;
};

struct OnnxModel {
  int64_t ir_version = 8;
  std::string producer, producer_version, doc;
  std::map<std::string, int64_t> opsets;  // domain → version
  std::string graph;                      // its name
  std::vector<OnnxNode> nodes;
  TensorMap initializers;
  std::vector<OnnxValue> inputs, outputs, values;  // `inputs` perhaps with initialisers among them
  std::vector<std::pair<std::string, std::string>> metadata;
};

/// Throws Data on a damaged file, Unsupported on what is not read (functions, sparse and external
/// tensors); `where` names it.
OnnxModel parse_onnx(std::string_view bytes, const std::string& where);
/// With tensors in files beside it (external data).
OnnxModel load_onnx(const std::string& path);
/// Whether bytes begin as such a model: its first fields are ONNX's.
bool is_onnx(std::string_view bytes);
/// F32 and I64 tensors; float32 values.
std::string print_onnx(const OnnxModel& model);

}  // namespace tailor::tensors

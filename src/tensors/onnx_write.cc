// An ONNX model as bytes, field by field in the order of their numbers' messages; the same model is
// the same bytes.
#include <cstring>

#include "tailor/core/error.h"
#include "tailor/tensors/onnx.h"
#include "tensors/onnx_fields.h"

namespace tailor::tensors {
namespace {

using namespace onnx;

class MessageWriter {
 public:
  void number(uint32_t field, int64_t value) {
    key(field, Wire::Varint);
    varint(static_cast<uint64_t>(value));
  }
  void bytes(uint32_t field, std::string_view value) {
    key(field, Wire::Bytes);
    varint(value.size());
    bytes_.append(value);
  }
  void text(uint32_t field, const std::string& value) {
    if (!value.empty()) bytes(field, value);
  }
  void real(uint32_t field, double value) {
    key(field, Wire::Fixed32);
    const auto single = static_cast<float>(value);
    bytes_.append(reinterpret_cast<const char*>(&single), sizeof single);
  }
  const std::string& str() const { return bytes_; }

 private:
  void key(uint32_t field, Wire wire) { varint(field << 3 | static_cast<uint32_t>(wire)); }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

std::string print_tensor(const std::string& name, const Tensor& t) {
  MessageWriter m;
  for (int64_t n : t.shape()) m.number(tensor::kDims, n);
  TAILOR_CHECK(t.dtype() == DType::F32 || t.dtype() == DType::I64, "ONNX tensor {} is {}", name,
               dtype_name(t.dtype()));
  m.number(tensor::kDataType, t.dtype() == DType::F32 ? tensor::Float : tensor::Int64);
  m.text(tensor::kName, name);
  const auto raw = t.bytes();
  m.bytes(tensor::kRaw, {reinterpret_cast<const char*>(raw.data()), raw.size()});
  return m.str();
}

struct AttributePrinter {
  MessageWriter& m;
  int64_t operator()(int64_t v) const { return m.number(attribute::kInt, v), attribute::Int; }
  int64_t operator()(double v) const { return m.real(attribute::kFloat, v), attribute::Float; }
  int64_t operator()(const std::string& v) const {
    return m.bytes(attribute::kString, v), attribute::String;
  }
  int64_t operator()(const Tensor& v) const {
    return m.bytes(attribute::kTensor, print_tensor("", v)), attribute::TensorType;
  }
  int64_t operator()(const std::vector<int64_t>& v) const {
    for (int64_t x : v) m.number(attribute::kInts, x);
    return attribute::Ints;
  }
  int64_t operator()(const std::vector<double>& v) const {
    for (double x : v) m.real(attribute::kFloats, x);
    return attribute::Floats;
  }
  int64_t operator()(const std::vector<std::string>& v) const {
    for (const std::string& x : v) m.bytes(attribute::kStrings, x);
    return attribute::Strings;
  }
  int64_t operator()(const OnnxOther& v) const {
    fail(ErrorKind::Internal, "an attribute of kind {} is not written", v.kind);
  }
};

std::string print_node(const OnnxNode& n) {
  MessageWriter m;
  for (const std::string& name : n.inputs) m.bytes(node::kInput, name);
  for (const std::string& name : n.outputs) m.bytes(node::kOutput, name);
  m.text(node::kName, n.name);
  m.text(node::kOpType, n.op_type);
  for (const auto& [name, value] : n.attributes) {
    MessageWriter a;
    a.text(attribute::kName, name);
    const int64_t type = std::visit(AttributePrinter{a}, value);
    a.number(attribute::kType, type);
    m.bytes(node::kAttribute, a.str());
  }
  m.text(node::kDomain, n.domain);
  return m.str();
}

std::string print_value(const OnnxValue& v) {
  MessageWriter shape;
  for (int64_t n : v.shape) {
    MessageWriter dim;
    if (n < 0) dim.text(value::kDimParam, "N");
    if (n >= 0) dim.number(value::kDimValue, n);
    shape.bytes(value::kDim, dim.str());
  }
  MessageWriter tensor_type, type, m;
  tensor_type.number(value::kElement, tensor::Float);
  tensor_type.bytes(value::kShape, shape.str());
  type.bytes(value::kTensorType, tensor_type.str());
  m.text(value::kName, v.name);
  m.bytes(value::kType, type.str());
  return m.str();
}

std::string print_graph(const OnnxModel& model) {
  MessageWriter m;
  for (const OnnxNode& n : model.nodes) m.bytes(graph::kNode, print_node(n));
  m.text(graph::kName, model.graph);
  for (const auto& [name, t] : model.initializers)
    m.bytes(graph::kInitializer, print_tensor(name, t));
  for (const OnnxValue& v : model.inputs) m.bytes(graph::kInput, print_value(v));
  for (const OnnxValue& v : model.outputs) m.bytes(graph::kOutput, print_value(v));
  for (const OnnxValue& v : model.values) m.bytes(graph::kValue, print_value(v));
  return m.str();
}

}  // namespace

std::string print_onnx(const OnnxModel& model) {
  MessageWriter m;
  m.number(model::kIrVersion, model.ir_version);
  m.text(model::kProducer, model.producer);
  m.text(model::kProducerVersion, model.producer_version);
  m.text(model::kDoc, model.doc);
  m.bytes(model::kGraph, print_graph(model));
  for (const auto& [domain, version] : model.opsets) {
    MessageWriter o;
    o.text(opset::kDomain, domain);
    o.number(opset::kVersion, version);
    m.bytes(model::kOpset, o.str());
  }
  for (const auto& [key, text] : model.metadata) {
    MessageWriter e;
    e.text(entry::kKey, key);
    e.text(entry::kValue, text);
    m.bytes(model::kMetadata, e.str());
  }
  return m.str();
}

}  // namespace tailor::tensors

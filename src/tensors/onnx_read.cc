// Bytes of a protocol buffer become a model. Every length is checked against what is left before a
// byte is read; unknown fields are skipped, as the format asks; messages nest no deeper than this
// code does.
#include <algorithm>
#include <cstring>
#include <optional>

#include "tailor/core/error.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/tensors/onnx.h"
#include "tensors/elements.h"
#include "tensors/onnx_fields.h"

namespace tailor::tensors {
namespace {

using namespace onnx;

struct Place {
  const std::string& where;                          // the file
  std::string folder;                                // of external tensors; empty: there is none
  mutable std::map<std::string, std::string> files;  // that were read already
};

/// The fields of one message, one after the other.
class MessageReader {
 public:
  MessageReader(std::string_view bytes, const Place& place) : bytes_(bytes), place_(place) {}

  /// To the next field. False at the end.
  bool next() {
    if (at_ == bytes_.size()) return false;
    const uint64_t key = varint();
    field_ = key >> 3;
    wire_ = static_cast<Wire>(key & 7);
    switch (wire_) {
      case Wire::Varint:
        number_ = varint();
        break;
      case Wire::Fixed64:
        content_ = take(8);
        break;
      case Wire::Bytes:
        content_ = take(varint());
        break;
      case Wire::Fixed32:
        content_ = take(4);
        break;
      default:
        damaged(fmt::format("field {} has the wire type {}", field_, key & 7));
    }
    return true;
  }
  uint64_t field() const { return field_; }
  std::string_view bytes() const {
    expect(Wire::Bytes, "bytes");
    return content_;
  }
  std::string text() const { return std::string(bytes()); }
  int64_t number() const {
    expect(Wire::Varint, "a number");
    return static_cast<int64_t>(number_);
  }
  /// A repeated field: one number, or many packed together.
  void numbers(std::vector<int64_t>& out) const {
    if (wire_ == Wire::Varint) return out.push_back(number());
    MessageReader packed(bytes(), place_);
    while (packed.at_ < packed.bytes_.size()) out.push_back(static_cast<int64_t>(packed.varint()));
  }
  template <class Real>
  void reals(std::vector<double>& out) const {
    if (wire_ != Wire::Bytes)
      expect(sizeof(Real) == 4 ? Wire::Fixed32 : Wire::Fixed64, "a real number");
    if (content_.size() % sizeof(Real) != 0) damaged("real numbers are cut off");
    for (size_t i = 0; i < content_.size(); i += sizeof(Real)) {
      Real value;
      std::memcpy(&value, content_.data() + i, sizeof value);
      out.push_back(static_cast<double>(value));
    }
  }
  MessageReader message() const { return {bytes(), place_}; }
  const Place& place() const { return place_; }
  [[noreturn]] void damaged(const std::string& what) const {
    fail(ErrorKind::Data, "{}: {}; the file is damaged or not an ONNX model", place_.where, what);
  }
  [[noreturn]] void unsupported(const std::string& what, const char* advice) const {
    fail(ErrorKind::Unsupported, "{}: {}: {}", place_.where, what, advice);
  }

 private:
  void expect(Wire wire, const char* what) const {
    if (wire_ != wire) damaged(fmt::format("field {} is not {}", field_, what));
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ == bytes_.size()) damaged("a number is cut off");
      const auto byte = static_cast<uint8_t>(bytes_[at_++]);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    damaged("a number has more than 10 bytes");
  }
  std::string_view take(uint64_t size) {
    if (size > bytes_.size() - at_) {
      damaged(
          fmt::format("field {} claims {} bytes, {} are left", field_, size, bytes_.size() - at_));
    }
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }

  std::string_view bytes_;
  const Place& place_;
  size_t at_ = 0;
  uint64_t field_ = 0, number_ = 0;
  Wire wire_ = Wire::Varint;
  std::string_view content_;
};

std::optional<Element> element_of(int64_t type) {
  switch (type) {
    case tensor::Float:
      return Element::F32;
    case tensor::Uint8:
      return Element::U8;
    case tensor::Int8:
      return Element::I8;
    case tensor::Uint16:
      return Element::U16;
    case tensor::Int16:
      return Element::I16;
    case tensor::Int32:
      return Element::I32;
    case tensor::Int64:
      return Element::I64;
    case tensor::Bool:
      return Element::Bool;
    case tensor::Float16:
      return Element::F16;
    case tensor::Double:
      return Element::F64;
    case tensor::Uint32:
      return Element::U32;
    case tensor::Bfloat16:
      return Element::BF16;
    default:
      return std::nullopt;
  }
}

std::pair<std::string, std::string> read_entry(MessageReader m) {
  std::pair<std::string, std::string> e;
  while (m.next()) {
    if (m.field() == entry::kKey) e.first = m.text();
    if (m.field() == entry::kValue) e.second = m.text();
  }
  return e;
}

/// A tensor's fields as they stand in the file.
struct TensorFields {
  std::string name;
  Shape shape;
  int64_t type = 0, location = 0;
  bool segmented = false, has_raw = false;
  std::string_view raw;
  std::vector<int64_t> integers;
  std::vector<double> reals;
  std::map<std::string, std::string> external;
};

TensorFields read_fields(MessageReader m) {
  TensorFields t;
  while (m.next()) {
    switch (m.field()) {
      case tensor::kDims:
        m.numbers(t.shape);
        break;
      case tensor::kDataType:
        t.type = m.number();
        break;
      case tensor::kSegment:
        t.segmented = true;
        break;
      case tensor::kFloats:
        m.reals<float>(t.reals);
        break;
      case tensor::kDoubles:
        m.reals<double>(t.reals);
        break;
      case tensor::kInt32s:
      case tensor::kInt64s:
      case tensor::kUint64s:
        m.numbers(t.integers);
        break;
      case tensor::kName:
        t.name = m.text();
        break;
      case tensor::kRaw:
        t.raw = m.bytes(), t.has_raw = true;
        break;
      case tensor::kExternal:
        t.external.insert(read_entry(m.message()));
        break;
      case tensor::kLocation:
        t.location = m.number();
        break;
      default:
        break;
    }
  }
  return t;
}

/// The bytes of a tensor that lies in a file of its own, which is beside the model or below it.
std::string read_external(const MessageReader& m, const TensorFields& t) {
  auto entry = [&](const char* key) {
    const auto at = t.external.find(key);
    return at == t.external.end() ? std::string() : at->second;
  };
  const std::string name = "tensor '" + printable(t.name) + "'", file = entry("location");
  if (m.place().folder.empty())
    m.unsupported(name + " lies in another file", "give the model by its path");
  const std::vector<std::string> parts = split(file, '/');
  if (file.empty() || file[0] == '/' ||
      std::any_of(file.begin(), file.end(), [](unsigned char c) { return c < 0x20; }) ||
      std::find(parts.begin(), parts.end(), "..") != parts.end()) {
    m.damaged(
        fmt::format("{} lies at '{}', expected a file beside the model", name, printable(file)));
  }
  auto [found, fresh] = m.place().files.try_emplace(file);
  if (fresh) found->second = read_file(path_join(m.place().folder, file), "external tensors");
  const std::string& bytes = found->second;
  const auto whole = static_cast<int64_t>(bytes.size());
  const int64_t offset = parse_int(entry("offset")).value_or(0);
  if (offset < 0 || offset > whole)
    m.damaged(fmt::format("{} begins at byte {} of {} in {}", name, offset, whole, file));
  const int64_t length = parse_int(entry("length")).value_or(whole - offset);
  if (length < 0 || length > whole - offset)
    m.damaged(fmt::format("{} has {} bytes at {} of {} in {}", name, length, offset, whole, file));
  return bytes.substr(static_cast<size_t>(offset), static_cast<size_t>(length));
}

/// Values that stand one by one in fields of their kind: of F16 the bits.
Tensor from_numbers(const MessageReader& m, const TensorFields& t, Element element, int64_t count) {
  const bool real = element == Element::F32 || element == Element::F64;
  const size_t got = real ? t.reals.size() : t.integers.size();
  if (got != static_cast<size_t>(count)) {
    m.damaged(fmt::format("tensor '{}' has {} values, its shape {} needs {}", printable(t.name),
                          got, to_string(t.shape), count));
  }
  std::string raw;
  auto append = [&](auto value) {
    raw.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  for (double v : t.reals) {
    if (element == Element::F32) append(static_cast<float>(v));
    if (element == Element::F64) append(v);
  }
  for (int64_t v : t.integers) {
    if (real) break;
    switch (element_size(element)) {
      case 1:
        append(static_cast<uint8_t>(v));
        break;
      case 2:
        append(static_cast<uint16_t>(v));
        break;
      case 4:
        append(static_cast<uint32_t>(v));
        break;
      default:
        append(v);
        break;
    }
  }
  return read_elements({element, raw, t.shape, dense_strides(t.shape)}, m.place().where);
}

Tensor read_tensor(MessageReader m, std::string& name) {
  const TensorFields t = read_fields(m);
  name = t.name;
  const std::string what = "tensor '" + printable(t.name) + "'";
  const auto element = element_of(t.type);
  if (!element) {
    m.unsupported(fmt::format("{} has elements of ONNX's data type {}", what, t.type),
                  "expected numbers of 8 to 64 bits");
  }
  if (t.segmented) m.unsupported(what + " is in segments", "save the model again with onnx.save");
  const auto count = checked_element_count(t.shape);
  if (!count) m.damaged(fmt::format("{} has the shape {}", what, to_string(t.shape)));
  const bool external = t.location == 1;
  if (!external && !t.has_raw) return from_numbers(m, t, *element, *count);
  const std::string outside = external ? read_external(m, t) : "";
  const std::string_view raw = external ? std::string_view(outside) : t.raw;
  if (raw.size() != static_cast<size_t>(*count) * element_size(*element)) {
    m.damaged(fmt::format("{} has {} bytes, its shape {} needs {}", what, raw.size(),
                          to_string(t.shape),
                          static_cast<size_t>(*count) * element_size(*element)));
  }
  return read_elements({*element, raw, t.shape, dense_strides(t.shape)}, m.place().where);
}

/// Fields of every kind; which of them holds, `type` says, or in old files what is there.
std::pair<std::string, OnnxAttribute> read_attribute(MessageReader m) {
  std::string name, text, unused;
  int64_t type = 0, seen = 0, integer = 0;
  std::vector<int64_t> ints;
  std::vector<double> real, reals;
  std::vector<std::string> strings;
  Tensor tensor_value;
  auto see = [&](int64_t kind) { seen = kind; };
  while (m.next()) {
    switch (m.field()) {
      case attribute::kName:
        name = m.text();
        break;
      case attribute::kFloat:
        m.reals<float>(real), see(attribute::Float);
        break;
      case attribute::kInt:
        integer = m.number(), see(attribute::Int);
        break;
      case attribute::kString:
        text = m.text(), see(attribute::String);
        break;
      case attribute::kTensor:
        tensor_value = read_tensor(m.message(), unused), see(attribute::TensorType);
        break;
      case attribute::kFloats:
        m.reals<float>(reals), see(attribute::Floats);
        break;
      case attribute::kInts:
        m.numbers(ints), see(attribute::Ints);
        break;
      case attribute::kStrings:
        strings.push_back(m.text()), see(attribute::Strings);
        break;
      case attribute::kType:
        type = m.number();
        break;
      default:
        break;
    }
  }
  switch (type == 0 ? seen : type) {
    case attribute::Float:
      return {name, real.empty() ? 0.0 : real.back()};
    case attribute::Int:
      return {name, integer};
    case attribute::String:
      return {name, text};
    case attribute::TensorType:
      return {name, tensor_value};
    case attribute::Floats:
      return {name, reals};
    case attribute::Ints:
      return {name, ints};
    case attribute::Strings:
      return {name, strings};
    default:
      return {name, OnnxOther{type}};
  }
}

OnnxNode read_node(MessageReader m) {
  OnnxNode n;
  while (m.next()) {
    switch (m.field()) {
      case node::kInput:
        n.inputs.push_back(m.text());
        break;
      case node::kOutput:
        n.outputs.push_back(m.text());
        break;
      case node::kName:
        n.name = m.text();
        break;
      case node::kOpType:
        n.op_type = m.text();
        break;
      case node::kDomain:
        n.domain = m.text();
        break;
      case node::kAttribute:
        n.attributes.insert(read_attribute(m.message()));
        break;
      default:
        break;
    }
  }
  if (n.domain == "ai.onnx") n.domain.clear();
  return n;
}

int64_t read_dimension(MessageReader m) {
  int64_t size = -1;
  while (m.next()) {
    if (m.field() == value::kDimValue) size = m.number();
  }
  return size < 0 ? -1 : size;
}

OnnxValue read_value(MessageReader m) {
  OnnxValue v;
  while (m.next()) {
    if (m.field() == value::kName) v.name = m.text();
    if (m.field() != value::kType) continue;
    for (MessageReader type = m.message(); type.next();) {
      if (type.field() != value::kTensorType) continue;
      for (MessageReader t = type.message(); t.next();) {
        if (t.field() != value::kShape) continue;
        for (MessageReader shape = t.message(); shape.next();) {
          if (shape.field() == value::kDim) v.shape.push_back(read_dimension(shape.message()));
        }
      }
    }
  }
  return v;
}

void read_graph(MessageReader m, OnnxModel& model) {
  while (m.next()) {
    switch (m.field()) {
      case graph::kNode:
        model.nodes.push_back(read_node(m.message()));
        break;
      case graph::kName:
        model.graph = m.text();
        break;
      case graph::kInput:
        model.inputs.push_back(read_value(m.message()));
        break;
      case graph::kOutput:
        model.outputs.push_back(read_value(m.message()));
        break;
      case graph::kValue:
        model.values.push_back(read_value(m.message()));
        break;
      case graph::kSparse:
        m.unsupported("the graph has sparse tensors", "write them as dense ones");
      case graph::kInitializer: {
        std::string name;
        Tensor t = read_tensor(m.message(), name);
        if (!model.initializers.emplace(name, std::move(t)).second)
          m.damaged(fmt::format("the tensor '{}' stands twice", printable(name)));
        break;
      }
      default:
        break;
    }
  }
}

void read_opset(MessageReader m, OnnxModel& model) {
  std::string domain;
  int64_t version = 0;
  while (m.next()) {
    if (m.field() == opset::kDomain) domain = m.text();
    if (m.field() == opset::kVersion) version = m.number();
  }
  model.opsets[domain == "ai.onnx" ? "" : domain] = version;
}

OnnxModel read_model(std::string_view bytes, const Place& place) {
  OnnxModel model;
  bool has_graph = false;
  MessageReader m(bytes, place);
  while (m.next()) {
    switch (m.field()) {
      case model::kIrVersion:
        model.ir_version = m.number();
        break;
      case model::kProducer:
        model.producer = m.text();
        break;
      case model::kProducerVersion:
        model.producer_version = m.text();
        break;
      case model::kDoc:
        model.doc = m.text();
        break;
      case model::kGraph:
        read_graph(m.message(), model), has_graph = true;
        break;
      case model::kOpset:
        read_opset(m.message(), model);
        break;
      case model::kMetadata:
        model.metadata.push_back(read_entry(m.message()));
        break;
      case model::kFunctions:
        m.unsupported("the model has functions of its own",
                      "inline them: onnx.inliner.inline_local_functions");
      default:
        break;
    }
  }
  if (!has_graph) m.damaged("it has no graph");
  return model;
}

}  // namespace

OnnxModel parse_onnx(std::string_view bytes, const std::string& where) {
  return read_model(bytes, {where, "", {}});
}

OnnxModel load_onnx(const std::string& path) {
  const std::string parent = parent_path(path), folder = parent.empty() ? "." : parent;
  return read_model(read_file(path, "ONNX model"), {path, folder, {}});
}

bool is_onnx(std::string_view bytes) {
  // ir_version (1), then one of producer_name (2), producer_version, domain, model_version,
  // doc_string, graph (7) and opset_import (8).
  constexpr std::string_view kSecondField = "\x12\x1a\x22\x28\x32\x3a\x42";
  return bytes.size() > 3 && bytes[0] == 0x08 && bytes[1] > 0 && bytes[1] < 0x40 &&
         kSecondField.find(bytes[2]) != kSecondField.npos;
}

}  // namespace tailor::tensors

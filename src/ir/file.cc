// The graph file. Field for field what graph.h declares; docs/formats.md is its normative
// description.
#include <algorithm>
#include <climits>

#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/ir/graph.h"
#include "tailor/tensors/safetensors.h"

namespace tailor::ir {
namespace {

template <class E, size_t N>
E parse_enum(const std::string& text, const E (&values)[N], const char* what) {
  for (E value : values) {
    if (text == to_string(value)) return value;
  }
  fail(ErrorKind::Data, "unknown {} '{}'", what, text);
}

constexpr FifoStorage kStorages[] = {FifoStorage::Auto,   FifoStorage::Srl,
                                     FifoStorage::Bram,   FifoStorage::Uram,
                                     FifoStorage::Lutram, FifoStorage::Registers};
constexpr GraphState kStates[] = {GraphState::Lowered, GraphState::Design};

std::vector<std::string> read_strings(const Json& json) {
  std::vector<std::string> out;
  for (const Json& item : json.as_array()) out.push_back(item.as_string());
  return out;
}

ValueId read_id(const Json& json) {
  if (json.as_int() < 0 || json.as_int() > INT_MAX)
    fail(ErrorKind::Data, "there is no value {}", json.as_int());
  return ValueId(static_cast<size_t>(json.as_int()));
}

class AttributeWriter : public AttributeVisitor {
 public:
  Json json = Json::object();
  void field(const char* key, bool& value, const char* /*doc*/) override { json.set(key, value); }
  void field(const char* key, int64_t& value, const char* /*doc*/) override {
    json.set(key, value);
  }
  void field(const char* key, double& value, const char* /*doc*/) override { json.set(key, value); }
  void field(const char* key, Size2& s, const char* /*doc*/) override {
    json.set(key, s.height == s.width ? Json(s.height) : Json(Json::Array{s.height, s.width}));
  }
  void field(const char* key, Pads& p, const char* /*doc*/) override {
    json.set(key, Json::Array{p.top, p.left, p.bottom, p.right});
  }
  void field(const char* key, std::vector<std::string>& value, const char* /*doc*/) override {
    json.set(key, Json::array(value));
  }

 protected:
  bool leaves_out(const char* /*key*/, bool usual) override { return usual; }
};

class AttributeReader : public AttributeVisitor {
 public:
  explicit AttributeReader(const Json& json) : json_(json) {}
  void field(const char* key, bool& value, const char* /*doc*/) override {
    value = at(key).as_bool();
  }
  void field(const char* key, int64_t& value, const char* /*doc*/) override {
    value = at(key).as_int();
  }
  void field(const char* key, double& value, const char* /*doc*/) override {
    value = at(key).as_number();
  }
  void field(const char* key, Size2& value, const char* /*doc*/) override {
    const Json& size = at(key);
    if (!size.is_array()) {
      value = {size.as_int(), size.as_int()};
      return;
    }
    const auto& sides = size.as_array();
    if (sides.size() != 2) fail(ErrorKind::Data, "expected rows and columns, got {}", sides.size());
    value = {sides[0].as_int(), sides[1].as_int()};
  }
  void field(const char* key, Pads& value, const char* /*doc*/) override {
    const auto& pads = at(key).as_array();
    if (pads.size() != 4) fail(ErrorKind::Data, "expected 4 pads, got {}", pads.size());
    value = {pads[0].as_int(), pads[1].as_int(), pads[2].as_int(), pads[3].as_int()};
  }
  void field(const char* key, std::vector<std::string>& value, const char* /*doc*/) override {
    value = read_strings(at(key));
  }
  /// Refuses what no field has asked for.
  void finish(const Op& op) const {
    for (const auto& [key, value] : json_.as_object()) {
      if (std::find(known_.begin(), known_.end(), key) == known_.end())
        fail(ErrorKind::Data, "a {} has no attribute '{}'", to_string(op), key);
    }
  }

 protected:
  bool leaves_out(const char* key, bool /*usual*/) override {
    known_.emplace_back(key);
    return !json_.find(key);
  }

 private:
  const Json& at(const char* key) {
    known_.emplace_back(key);
    return json_.at(key);
  }
  const Json& json_;
  std::vector<std::string> known_;
};

Json write_attributes(Op op) {
  AttributeWriter writer;
  op.rules().describe(op, writer);
  return std::move(writer.json);
}

Op read_op(const std::string& name, const Json& attributes, bool strict) {
  const Operation* rules = find_operation(name);
  if (!rules) fail(ErrorKind::Unsupported, "the operation '{}' is not supported", name);
  Op op = rules->make();
  AttributeReader reader(attributes);
  rules->describe(op, reader);
  if (strict) reader.finish(op);
  return op;
}

/// 3, or of a skip {"value": 3, "skip": "stage1.block0.skip"}.
Json write_operand(const Operand& operand) {
  if (operand.skip.empty()) return operand.value.number();
  return Json::object({{"value", operand.value.number()}, {"skip", operand.skip}});
}
Operand read_operand(const Json& json) {
  if (!json.is_object()) return read_id(json);
  for (const auto& [key, value] : json.as_object()) {
    if (key != "value" && key != "skip") fail(ErrorKind::Data, "an input has no member '{}'", key);
  }
  return {read_id(json.at("value")), json.at("skip").as_string()};
}

/// Version 1 has the skips' ids among the attributes.
void read_skips_of_version_1(Node& node, const Json& attributes) {
  if (!node.traits().takes_skips) return;
  const auto ids = read_strings(attributes.at(node.is<ops::Add>() ? "skips" : "stream_skips"));
  if (ids.size() + 1 != node.inputs.size()) {
    fail(ErrorKind::Data, "graph: {} ({}): {} skip inputs, {} skip ids", node.name,
         to_string(node.op), static_cast<int64_t>(node.inputs.size()) - 1, ids.size());
  }
  for (size_t i = 0; i < ids.size(); ++i) node.inputs[i + 1].skip = ids[i];
}

Json write_ids(const std::vector<ValueId>& ids) {
  Json::Array array;
  for (ValueId id : ids) array.emplace_back(id.number());
  return array;
}

void set_type(Json& json, const char* key, const std::optional<FixedType>& type) {
  if (type) json.set(key, to_string(*type));
}
std::optional<FixedType> get_type(const Json& json, const char* key) {
  const Json* text = json.find(key);
  return text ? std::optional(parse_fixed_type(text->as_string())) : std::nullopt;
}

Json write_hardware(const NodeHardware& h) {
  Json json = Json::object();
  set_type(json, "weight", h.weight);
  set_type(json, "bias", h.bias);
  set_type(json, "scale", h.scale);
  set_type(json, "product_sum", h.product_sum);
  set_type(json, "accumulator", h.accumulator);
  set_type(json, "reciprocal", h.reciprocal);
  json.set("reuse_factor", h.reuse_factor);
  json.set("multipliers", h.multipliers);
  if (h.packed) json.set("packed", true);
  json.set("cycles_per_step", h.cycles_per_step);
  json.set("cycles_per_output", h.cycles_per_output);
  if (h.pipeline_cycles != 0) json.set("pipeline_cycles", h.pipeline_cycles);
  if (h.line_storage != FifoStorage::Auto) json.set("line_storage", to_string(h.line_storage));
  if (h.weight_storage != FifoStorage::Auto)
    json.set("weight_storage", to_string(h.weight_storage));
  return json;
}

NodeHardware read_hardware(const Json& json) {
  NodeHardware h;
  h.weight = get_type(json, "weight");
  h.bias = get_type(json, "bias");
  h.scale = get_type(json, "scale");
  h.product_sum = get_type(json, "product_sum");
  h.accumulator = get_type(json, "accumulator");
  h.reciprocal = get_type(json, "reciprocal");
  h.reuse_factor = json.at("reuse_factor").as_int();
  h.multipliers = json.at("multipliers").as_int();
  if (const Json* packed = json.find("packed")) h.packed = packed->as_bool();
  h.cycles_per_step = json.at("cycles_per_step").as_int();
  h.cycles_per_output = json.at("cycles_per_output").as_int();
  if (const Json* cycles = json.find("pipeline_cycles")) h.pipeline_cycles = cycles->as_int();
  if (const Json* storage = json.find("line_storage"))
    h.line_storage = parse_enum(storage->as_string(), kStorages, "storage of a line buffer");
  if (const Json* storage = json.find("weight_storage"))
    h.weight_storage = parse_enum(storage->as_string(), kStorages, "storage of weights");
  return h;
}

Json write_value(const Value& v, bool design) {
  Json json = Json::object(
      {{"name", v.name}, {"shape", Json::Array{v.shape.channels, v.shape.height, v.shape.width}}});
  if (v.type) json.set("type", to_string(*v.type));
  if (design) {
    json.set("identifier", v.identifier);
    if (v.fold != 1) json.set("fold", v.fold);
    json.set("fifo_depth", v.fifo_depth);
    json.set("fifo_storage", to_string(v.fifo_storage));
  }
  return json;
}

Value read_value(const Json& json, bool design) {
  Value v;
  v.name = json.at("name").as_string();
  const auto& shape = json.at("shape").as_array();
  if (shape.size() != 3)
    fail(ErrorKind::Data, "value {}: expected 3 sizes, got {}", v.name, shape.size());
  v.shape = {shape[0].as_int(), shape[1].as_int(), shape[2].as_int()};
  v.type = get_type(json, "type");
  if (design) {
    v.identifier = json.at("identifier").as_string();
    v.fold = json.get_int("fold", 1);
    v.fifo_depth = json.at("fifo_depth").as_int();
    v.fifo_storage = parse_enum(json.at("fifo_storage").as_string(), kStorages, "FIFO storage");
  }
  return v;
}

Json write_node(const Node& n, bool design) {
  Json::Array inputs;
  for (const Operand& operand : n.inputs) inputs.push_back(write_operand(operand));
  Json json = Json::object({{"op", to_string(n.op)},
                            {"name", n.name},
                            {"inputs", std::move(inputs)},
                            {"outputs", write_ids(n.outputs)},
                            {"attributes", write_attributes(n.op)}});
  if (design) {
    json.set("identifier", n.identifier);
    json.set("hardware", write_hardware(n.hardware));
  }
  return json;
}

Node read_node(const Json& json, bool design, int version) {
  Node n;
  const Json& attributes = json.at("attributes");
  n.op = read_op(json.at("op").as_string(), attributes, /*strict=*/version > 1);
  n.name = json.at("name").as_string();
  for (const Json& item : json.at("inputs").as_array()) n.inputs.push_back(read_operand(item));
  for (const Json& item : json.at("outputs").as_array()) n.outputs.push_back(read_id(item));
  if (version == 1) read_skips_of_version_1(n, attributes);
  if (design) {
    n.identifier = json.at("identifier").as_string();
    n.hardware = read_hardware(json.at("hardware"));
  }
  return n;
}

/// 1 … kGraphVersion.
int file_version(const TensorFile& file, const std::string& path) {
  const auto found = file.metadata.find("version");
  const std::string version = found == file.metadata.end() ? "" : found->second;
  for (int v = 1; v <= kGraphVersion; ++v) {
    if (version == std::to_string(v)) return v;
  }
  fail(ErrorKind::Unsupported,
       "graph file {}: expected version 1..{}, got {}; export it again with this version of tailor",
       path, kGraphVersion, version);
}

Graph graph_of(TensorFile file, const std::string& path) {
  if (file.metadata["format"] != "tailor.graph") {
    fail(ErrorKind::Data,
         "graph file {}: expected the format tailor.graph, got '{}'; write one with tailor export "
         "(it is graph.safetensors of every project)",
         path, file.metadata["format"]);
  }
  const int version = file_version(file, path);
  Graph graph;
  try {
    Json document = Json::parse(file.metadata["document"], path);
    graph.name = document.at("name").as_string();
    graph.state = parse_enum(document.at("state").as_string(), kStates, "state");
    const bool design = graph.state == GraphState::Design;
    for (const Json& json : document.at("values").as_array())
      graph.values.push_back(read_value(json, design));
    for (const Json& json : document.at("nodes").as_array())
      graph.nodes.push_back(read_node(json, design, version));
    graph.provenance = document.at("provenance");
    if (const Json* source = document.find("witness")) {
      Witness witness;
      witness.source = source->as_string();
      witness.inputs = find_tensor(file.tensors, "witness.inputs", path);
      if (version == 1) witness.inputs = channels_last(witness.inputs);
      witness.outputs = find_tensor(file.tensors, "witness.outputs", path);
      file.tensors.erase("witness.inputs");
      file.tensors.erase("witness.outputs");
      if (const auto found = file.tensors.find("witness.quantised"); found != file.tensors.end()) {
        witness.quantised = std::move(found->second);
        file.tensors.erase(found);
      }
      graph.witness = std::move(witness);
    }
  } catch (const Error& e) {
    fail(e.kind() == ErrorKind::Unsupported ? ErrorKind::Unsupported : ErrorKind::Data,
         "graph file {}: {}", path, e.what());
  }
  graph.tensors = std::move(file.tensors);
  const std::string damaged = not_finite(graph.tensors);
  if (!damaged.empty()) {
    fail(ErrorKind::Data,
         "graph file {}: {}, expected finite numbers; the network was saved after its training had "
         "failed, or the file is damaged",
         path, damaged);
  }
  auto findings = verify_graph(graph);
  if (findings.empty() && graph.state == GraphState::Design) findings = verify_design(graph);
  if (!findings.empty()) fail(ErrorKind::Data, "graph file {}: {}", path, join(findings, "; "));
  return graph;
}

constexpr const char* kNoun = "graph file";

}  // namespace

std::string print_graph(const Graph& graph) {
  const bool design = graph.state == GraphState::Design;
  Json document = Json::object({{"name", graph.name}, {"state", to_string(graph.state)}});
  Json::Array values, nodes;
  for (const Value& v : graph.values) values.push_back(write_value(v, design));
  for (const Node& n : graph.nodes) nodes.push_back(write_node(n, design));
  document.set("values", std::move(values));
  document.set("nodes", std::move(nodes));
  document.set("provenance", graph.provenance);
  std::map<std::string, const Tensor*> tensors;
  for (const auto& [name, tensor] : graph.tensors) tensors[name] = &tensor;
  if (graph.witness) {
    document.set("witness", graph.witness->source);
    tensors["witness.inputs"] = &graph.witness->inputs;
    tensors["witness.outputs"] = &graph.witness->outputs;
    if (graph.witness->quantised.size() > 0)
      tensors["witness.quantised"] = &graph.witness->quantised;
  }
  return print_safetensors({{"format", "tailor.graph"},
                            {"version", std::to_string(kGraphVersion)},
                            {"document", document.dump()}},
                           tensors);
}

void save_graph(const std::string& path, const Graph& graph) {
  write_file(path, print_graph(graph));
}

Graph load_graph(const std::string& path) { return graph_of(load_safetensors(path, kNoun), path); }

Graph parse_graph(std::string_view bytes, const std::string& path) {
  return graph_of(parse_safetensors(bytes, path, kNoun), path);
}

}  // namespace tailor::ir

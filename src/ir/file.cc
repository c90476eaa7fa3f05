// The graph file. Field for field what graph.h declares; docs/formats.md is its normative
// description.
#include <algorithm>
#include <climits>

#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/ir/graph.h"
#include "tailor/tensors/safetensors.h"

namespace tailor {
namespace {

template <class E, size_t N>
E parse_enum(const std::string& text, const E (&values)[N], const char* what) {
  for (E value : values) {
    if (text == to_string(value)) return value;
  }
  fail(ErrorKind::Data, "unknown {} '{}'", what, text);
}

constexpr Op kOps[] = {Op::Input,       Op::Conv2d,    Op::BatchNorm,     Op::Relu,
                       Op::Add,         Op::MaxPool2d, Op::GlobalAvgPool, Op::Dense,
                       Op::ShortcutPad, Op::ZeroPad,   Op::Clone,         Op::Output};
constexpr FifoStorage kStorages[] = {FifoStorage::Auto, FifoStorage::Srl, FifoStorage::Bram};

Op parse_op(const std::string& text) {
  for (Op op : kOps) {
    if (text == to_string(op)) return op;
  }
  fail(ErrorKind::Unsupported, "the operation '{}' is not supported", text);
}

std::vector<std::string> read_strings(const Json& json) {
  std::vector<std::string> out;
  for (const Json& item : json.as_array()) out.push_back(item.as_string());
  return out;
}

std::vector<int> read_ids(const Json& json) {
  std::vector<int> out;
  for (const Json& item : json.as_array()) {
    if (item.as_int() < 0 || item.as_int() > INT_MAX)
      fail(ErrorKind::Data, "there is no value {}", item.as_int());
    out.push_back(static_cast<int>(item.as_int()));
  }
  return out;
}

Json write_pads(const Pads& p) { return Json::Array{p.top, p.left, p.bottom, p.right}; }
Pads read_pads(const Json& json) {
  const auto& pads = json.at("pads").as_array();
  if (pads.size() != 4) fail(ErrorKind::Data, "expected 4 pads, got {}", pads.size());
  return {pads[0].as_int(), pads[1].as_int(), pads[2].as_int(), pads[3].as_int()};
}
/// 3 of a square, [1, 33] otherwise.
Json write_size(const Size2& s) {
  return s.height == s.width ? Json(s.height) : Json(Json::Array{s.height, s.width});
}
Size2 read_size(const Json& json) {
  if (!json.is_array()) return {json.as_int(), json.as_int()};
  const auto& sides = json.as_array();
  if (sides.size() != 2) fail(ErrorKind::Data, "expected rows and columns, got {}", sides.size());
  return {sides[0].as_int(), sides[1].as_int()};
}
Window read_window(const Json& json) {
  const Json* dilation = json.find("dilation");
  return {read_size(json.at("kernel")), read_size(json.at("stride")),
          dilation ? read_size(*dilation) : Size2{}, read_pads(json)};
}
void write_window(Json& json, const Window& w) {
  json.set("kernel", write_size(w.kernel));
  json.set("stride", write_size(w.stride));
  if (w.dilation.size() != 1) json.set("dilation", write_size(w.dilation));
  json.set("pads", write_pads(w.pads));
}

Json write_attributes(const Node& node) {
  if (const auto* a = std::get_if<ConvAttributes>(&node.attributes)) {
    Json json = Json::object();
    write_window(json, a->window);
    json.set("relu", a->activation == Activation::Relu);
    json.set("skips_after_activation", a->skip_position == SkipPosition::AfterActivation);
    json.set("stream_skips", Json::array(a->stream_skips));
    json.set("window_skips", Json::array(a->window_skips));
    json.set("folded_skips", Json::array(a->folded_skips));
    if (a->groups != 1) json.set("groups", a->groups);
    return json;
  }
  if (const auto* a = std::get_if<BatchNormAttributes>(&node.attributes))
    return Json::object({{"epsilon", a->epsilon}});
  if (const auto* a = std::get_if<AddAttributes>(&node.attributes))
    return Json::object({{"skips", Json::array(a->skips)}});
  if (const auto* a = std::get_if<ShortcutPadAttributes>(&node.attributes))
    return Json::object({{"stride", a->stride}, {"channel_offset", a->channel_offset}});
  if (const auto* a = std::get_if<MaxPoolAttributes>(&node.attributes)) {
    Json json = Json::object();
    write_window(json, a->window);
    return json;
  }
  if (const auto* a = std::get_if<ZeroPadAttributes>(&node.attributes)) {
    Json json = Json::object({{"pads", write_pads(a->pads)}});
    if (a->lowest) json.set("lowest", true);
    return json;
  }
  return Json::object();
}

Attributes read_attributes(Op op, const Json& json) {
  switch (op) {
    case Op::Conv2d: {
      ConvAttributes a;
      a.window = read_window(json);
      a.groups = json.get_int("groups", 1);
      a.activation = json.at("relu").as_bool() ? Activation::Relu : Activation::None;
      a.skip_position = json.at("skips_after_activation").as_bool()
                            ? SkipPosition::AfterActivation
                            : SkipPosition::BeforeActivation;
      a.stream_skips = read_strings(json.at("stream_skips"));
      a.window_skips = read_strings(json.at("window_skips"));
      a.folded_skips = read_strings(json.at("folded_skips"));
      return a;
    }
    case Op::BatchNorm:
      return BatchNormAttributes{json.at("epsilon").as_number()};
    case Op::Add:
      return AddAttributes{read_strings(json.at("skips"))};
    case Op::ShortcutPad:
      return ShortcutPadAttributes{json.at("stride").as_int(), json.at("channel_offset").as_int()};
    case Op::ZeroPad: {
      const Json* lowest = json.find("lowest");
      return ZeroPadAttributes{read_pads(json), lowest && lowest->as_bool()};
    }
    case Op::MaxPool2d:
      return MaxPoolAttributes{read_window(json)};
    case Op::Input:
    case Op::Relu:
    case Op::GlobalAvgPool:
    case Op::Dense:
    case Op::Clone:
    case Op::Output:
      return {};
  }
  return {};
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
  set_type(json, "accumulator", h.accumulator);
  set_type(json, "reciprocal", h.reciprocal);
  json.set("reuse_factor", h.reuse_factor);
  json.set("multipliers", h.multipliers);
  json.set("cycles_per_step", h.cycles_per_step);
  json.set("cycles_per_output", h.cycles_per_output);
  return json;
}

NodeHardware read_hardware(const Json& json) {
  NodeHardware h;
  h.weight = get_type(json, "weight");
  h.bias = get_type(json, "bias");
  h.accumulator = get_type(json, "accumulator");
  h.reciprocal = get_type(json, "reciprocal");
  h.reuse_factor = json.at("reuse_factor").as_int();
  h.multipliers = json.at("multipliers").as_int();
  h.cycles_per_step = json.at("cycles_per_step").as_int();
  h.cycles_per_output = json.at("cycles_per_output").as_int();
  return h;
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

}  // namespace

std::string print_graph(const Graph& graph) {
  const bool design = graph.state == "design";
  Json document = Json::object({{"name", graph.name}, {"state", graph.state}});
  Json::Array values, nodes;
  for (const Value& v : graph.values) {
    Json json =
        Json::object({{"name", v.name},
                      {"shape", Json::Array{v.shape.channels, v.shape.height, v.shape.width}}});
    if (v.type) json.set("type", to_string(*v.type));
    if (design) {
      json.set("identifier", v.identifier);
      json.set("fifo_depth", v.fifo_depth);
      json.set("fifo_storage", to_string(v.fifo_storage));
    }
    values.push_back(std::move(json));
  }
  for (const Node& n : graph.nodes) {
    Json json = Json::object({{"op", to_string(n.op)},
                              {"name", n.name},
                              {"inputs", Json::array(n.inputs)},
                              {"outputs", Json::array(n.outputs)},
                              {"attributes", write_attributes(n)}});
    if (design) {
      json.set("identifier", n.identifier);
      json.set("hardware", write_hardware(n.hardware));
    }
    nodes.push_back(std::move(json));
  }
  document.set("values", std::move(values));
  document.set("nodes", std::move(nodes));
  document.set("provenance", graph.provenance);
  std::map<std::string, const Tensor*> tensors;
  for (const auto& [name, tensor] : graph.tensors) tensors[name] = &tensor;
  if (graph.witness) {
    document.set("witness", graph.witness->source);
    tensors["witness.inputs"] = &graph.witness->inputs;
    tensors["witness.outputs"] = &graph.witness->outputs;
  }
  return print_safetensors({{"format", "tailor.graph"},
                            {"version", std::to_string(kGraphVersion)},
                            {"document", document.dump()}},
                           tensors);
}

void save_graph(const std::string& path, const Graph& graph) {
  write_file(path, print_graph(graph));
}

Graph load_graph(const std::string& path) {
  TensorFile file = load_safetensors(path, "graph file");
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
    graph.state = document.at("state").as_string();
    if (graph.state != "lowered" && graph.state != "design")
      fail(ErrorKind::Data, "unknown state '{}'", graph.state);
    const bool design = graph.state == "design";
    for (const Json& json : document.at("values").as_array()) {
      Value v;
      v.name = json.at("name").as_string();
      const auto& shape = json.at("shape").as_array();
      if (shape.size() != 3)
        fail(ErrorKind::Data, "value {}: expected 3 sizes, got {}", v.name, shape.size());
      v.shape = {shape[0].as_int(), shape[1].as_int(), shape[2].as_int()};
      v.type = get_type(json, "type");
      if (design) {
        v.identifier = json.at("identifier").as_string();
        v.fifo_depth = json.at("fifo_depth").as_int();
        v.fifo_storage = parse_enum(json.at("fifo_storage").as_string(), kStorages, "FIFO storage");
      }
      graph.values.push_back(std::move(v));
    }
    for (const Json& json : document.at("nodes").as_array()) {
      Node n;
      n.op = parse_op(json.at("op").as_string());
      n.name = json.at("name").as_string();
      n.inputs = read_ids(json.at("inputs"));
      n.outputs = read_ids(json.at("outputs"));
      n.attributes = read_attributes(n.op, json.at("attributes"));
      if (design) {
        n.identifier = json.at("identifier").as_string();
        n.hardware = read_hardware(json.at("hardware"));
      }
      graph.nodes.push_back(std::move(n));
    }
    graph.provenance = document.at("provenance");
    if (const Json* source = document.find("witness")) {
      Witness witness;
      witness.source = source->as_string();
      witness.inputs = find_tensor(file.tensors, "witness.inputs", path);
      if (version == 1) witness.inputs = channels_last(witness.inputs);
      witness.outputs = find_tensor(file.tensors, "witness.outputs", path);
      file.tensors.erase("witness.inputs");
      file.tensors.erase("witness.outputs");
      graph.witness = std::move(witness);
    }
  } catch (const Error& e) {
    fail(e.kind() == ErrorKind::Unsupported ? ErrorKind::Unsupported : ErrorKind::Data,
         "graph file {}: {}", path, e.what());
  }
  graph.tensors = std::move(file.tensors);
  auto findings = verify_graph(graph);
  if (findings.empty() && graph.state == "design") findings = verify_design(graph);
  if (!findings.empty()) fail(ErrorKind::Data, "graph file {}: {}", path, join(findings, "; "));
  return graph;
}

}  // namespace tailor

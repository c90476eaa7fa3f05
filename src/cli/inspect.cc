// tailor inspect: what a checkpoint, a graph file or a named network is made of.
#include <algorithm>

#include "cli/costs.h"
#include "cli/source.h"
#include "cli/table.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/design/fewest_bits.h"
#include "tailor/design/trained_precision.h"
#include "tailor/ir/weights.h"
#include "tailor/run/origin.h"
#include "tailor/target/manifest.h"
#include "tailor/tensors/safetensors.h"

namespace tailor::cli {
namespace {

std::string size_text(const Size2& s) {
  return s.height == s.width ? std::to_string(s.height) : fmt::format("{}x{}", s.height, s.width);
}

/// "3x3 16 to 32, stride 2", "2x2 max pooling".
std::string window_text(const Window& w, const std::string& what, int64_t groups) {
  std::string text = fmt::format("{}x{} {}", w.kernel.height, w.kernel.width, what);
  if (w.stride.size() > 1) text += ", stride " + size_text(w.stride);
  if (w.dilation.size() > 1) text += ", dilation " + size_text(w.dilation);
  if (groups > 1) text += fmt::format(", {} groups", groups);
  const Size2 begin{w.pads.top, w.pads.left}, end{w.pads.bottom, w.pads.right};
  if (begin != end) text += fmt::format(", pads {} and {}", size_text(begin), size_text(end));
  return text;
}

std::string layer_text(const Layer& layer) {
  if (const auto* conv = std::get_if<ConvLayer>(&layer)) {
    if (conv->groups == conv->in && conv->in == conv->out && conv->in > 1)
      return window_text(conv->window, "depthwise", 1);
    return window_text(conv->window, fmt::format("{} to {}", conv->in, conv->out), conv->groups) +
           (conv->dirac ? ", dirac" : "");
  }
  if (const auto* pool = std::get_if<PoolLayer>(&layer)) {
    if (pool->kind == PoolKind::GlobalAverage) return "average pool";
    return window_text(pool->window,
                       pool->kind == PoolKind::Max ? "max pooling" : "average pooling", 1);
  }
  if (const auto* pick = std::get_if<PickLayer>(&layer))
    return "pad, stride " + size_text(pick->stride);
  return std::holds_alternative<ReluLayer>(layer) ? "ReLU" : "batch norm";
}

/// "separable 87 dilated 2, 512 to 512": a depthwise convolution over one row and the 1x1 behind
/// it.
std::string separable_text(const Layers& layers, size_t at) {
  if (at + 1 >= layers.size()) return "";
  const auto *depthwise = std::get_if<ConvLayer>(&layers[at]),
             *pointwise = std::get_if<ConvLayer>(&layers[at + 1]);
  if (!depthwise || !pointwise || depthwise->bias || pointwise->bias) return "";
  const Window& w = depthwise->window;
  if (depthwise->groups != depthwise->in || depthwise->in != depthwise->out || depthwise->in == 1 ||
      w.kernel.height != 1 || w.pads.left != w.pads.right || pointwise->groups != 1 ||
      pointwise->window != Window())
    return "";
  std::string text = fmt::format("separable {}", w.kernel.width);
  if (w.stride.width > 1) text += fmt::format(" stride {}", w.stride.width);
  if (w.dilation.width > 1) text += fmt::format(" dilated {}", w.dilation.width);
  return text + fmt::format(", {} to {}", pointwise->in, pointwise->out);
}

/// In a stage of convolutions, batch norm and ReLU go without saying where they end it.
std::string stage_text(const Stage& s) {
  std::vector<std::string> parts;
  bool convolves = false, norm = false, relu = false;
  for (size_t i = 0; i < s.layers.size(); ++i) {
    const Layer& layer = s.layers[i];
    if (std::string separable = separable_text(s.layers, i); !separable.empty()) {
      convolves = true;
      parts.push_back(std::move(separable));
      ++i;
      continue;
    }
    const bool is_norm = std::holds_alternative<BatchNormLayer>(layer),
               is_relu = std::holds_alternative<ReluLayer>(layer);
    if (convolves && is_norm && !norm && !relu) {
      norm = true;
    } else if (convolves && is_relu && !relu) {
      relu = true;
    } else {
      convolves |= std::holds_alternative<ConvLayer>(layer);
      parts.push_back(layer_text(layer));
    }
  }
  std::string text = join(parts, "; ");
  if (convolves && !norm) text += ", no batch norm";
  if (convolves && !relu) text += ", no ReLU";
  return text;
}

int64_t parameters_of(const std::vector<NamedLayer>& layers, MapShape at) {
  int64_t count = 0;
  for (const NamedLayer& layer : layers) {
    count += parameter_count(layer_specs(layer, at));
    at = output_of(*layer.layer, at);
  }
  return count;
}

std::string skip_text(const Skip& s) {
  if (s.weight != 1) {
    Skip whole = s;
    whole.weight = 1;
    return fmt::format("{:.3g} x {}, fading", s.weight, skip_text(whole));
  }
  const std::string kind = kind_of(s);
  if (kind == "identity") return kind;
  if (kind == "layers") {
    std::vector<std::string> parts;
    for (const Layer& layer : s.layers) parts.push_back(layer_text(layer));
    return join(parts, "; ");
  }
  const bool bare = kind == "projection" && s.layers.size() == 1;
  return fmt::format("{}, stride {}{}", kind, size_text(stride_of(s.layers)),
                     bare ? ", no batch norm" : "");
}

/// "average pool, linear 64 to 10", "flattened, linear 192 to 10", "1x1 32 to 5".
std::string head_text(const Network& n, MapShape at) {
  std::vector<std::string> parts;
  for (const Layer& layer : n.head) {
    if (const auto* linear = std::get_if<LinearLayer>(&layer)) {
      if (parts.empty()) parts.emplace_back("flattened");
      parts.push_back(fmt::format("linear {} to {}", at.size(), linear->out));
    } else {
      parts.push_back(layer_text(layer));
    }
    at = output_of(layer, at);
  }
  return join(parts, ", ");
}

/// "  key          value" for each pair.
std::string facts_text(const std::vector<std::pair<std::string, std::string>>& facts) {
  std::string out;
  for (const auto& [key, value] : facts) out += fmt::format("  {:14}{}\n", key, value);
  return out;
}

/// One row of columns of which each answer hears some, as speech and signals are.
bool is_sequence(const Network& n) { return n.answers_per_position() && n.input.height == 1; }

/// What the heading says of a network.
std::vector<std::pair<std::string, std::string>> network_facts(const Network& n) {
  const size_t count = skip_ids(n).size();
  std::vector<std::pair<std::string, std::string>> facts = {
      {"input", to_string(n.input)},
      {"classes", std::to_string(n.classes())},
      {"skips", count > 0 ? fmt::format("{}, join {}", count, to_string(n.join)) : "0"},
      {"parameters", with_commas(parameter_count(n))}};
  const int64_t macs = mac_count(n), answers = output_shape(n).width, stride = time_stride(n);
  if (!is_sequence(n)) {
    facts.emplace_back("cost", with_commas(macs) + " multiply-accumulates an image");
    return facts;
  }
  facts.emplace_back("cost", fmt::format("{} multiply-accumulates an answer, {} answers",
                                         with_commas(macs / answers), with_commas(answers)));
  facts.emplace_back("answers", fmt::format("one for every {} columns; each hears {} of them",
                                            stride, with_commas(receptive_field(n))));
  if (n.masks_padding)
    facts.emplace_back("padding", "columns beyond an example's length are masked");
  return facts;
}

/// Fits into 80 columns for every built-in network: parameters stand on the right and add up.
std::string network_text(const Network& n) {
  Table table({"block", "stage", "layer", "output", "parameters"});
  std::vector<MapShape> inputs = block_inputs(n);
  Table skips({"skip", "points", "kind", "parameters"});
  for (size_t b = 0; b < n.blocks.size(); ++b) {
    const Block& block = n.blocks[b];
    auto points = point_shapes(block, inputs[b]);
    for (size_t i = 0; i < block.stages.size(); ++i) {
      table.add({block.id, std::to_string(i + 1), stage_text(block.stages[i]),
                 to_string(points[i + 1]),
                 with_commas(parameters_of(stage_layers(block, i + 1), points[i]))});
    }
    for (const Skip& s : block.skips) {
      const bool named = starts_with(s.id, block.id + ".");
      const auto specs = skip_specs(s, points[static_cast<size_t>(s.from)]);
      skips.add({s.id, fmt::format("{}{} to {}", named ? "" : block.id + " ", s.from, s.to),
                 skip_text(s), with_commas(parameter_count(specs))});
    }
  }
  table.add({"head", "", head_text(n, inputs.back()), to_string(output_shape(n)),
             with_commas(parameters_of(head_layers(n), inputs.back()))});
  const size_t count = skip_ids(n).size();
  return fmt::format("{}\n{}\n{}\n{}", n.name, facts_text(network_facts(n)), table.text(),
                     count > 0 ? skips.text() : std::string("no skip connections\n"));
}

Json network_json(const Network& n) {
  return Json::object({{"network", write_network(n)},
                       {"skips", Json::array(skip_ids(n))},
                       {"parameters", parameter_count(n)},
                       {"macs", mac_count(n)},
                       {"time_stride", time_stride(n)},
                       {"receptive_field", receptive_field(n)}});
}

Json graph_json(const Graph& g) {
  Json::Array nodes;
  for (const Node& n : g.nodes) {
    Json node = Json::object({{"name", n.name}, {"op", to_string(n.op)}});
    if (n.hardware.packed) node.set("packed", true);
    if (!n.outputs.empty()) {
      const Value& v = g.value(n.outputs[0]);
      node.set("output", to_string(v.shape));
      if (v.type) node.set("type", to_string(*v.type));
    }
    if (n.hardware.weight) node.set("weight", ir::weight_text(*n.hardware.weight));
    if (n.hardware.scale) node.set("scale", to_string(*n.hardware.scale));
    nodes.push_back(std::move(node));
  }
  return Json::object({{"graph", g.name},
                       {"state", to_string(g.state)},
                       {"nodes", std::move(nodes)},
                       {"provenance", g.provenance}});
}

/// "16,6" of ap_fixed<16,6,AP_RND,AP_SAT>, "u8,3" of ap_ufixed<8,3,…>; other modes than `usual`
/// are named.
std::string type_text(const FixedType& type, const FixedType& usual) {
  const std::string size = precision_text(type);
  if (type.rounding == usual.rounding && type.overflow == usual.overflow) return size;
  const std::string full = to_string(type);
  const size_t modes = full.find(',', full.find(',') + 1);
  return size + " " + full.substr(modes + 1, full.size() - modes - 2);
}

/// "4,3", or with scales "4,3 x u8,0" and "binary x u8,0".
std::string weights_text(const Node& n, const FixedType& usual) {
  const NodeHardware& h = n.hardware;
  if (!h.weight) return "";
  const std::string text = ir::is_binary(*h.weight) ? "binary" : type_text(*h.weight, usual);
  return h.scale ? text + " x " + precision_text(*h.scale) : text;
}

/// Names of the inputs; nothing where it is the node above, and ".conv1" within the own block.
std::string inputs_text(const Graph& g, size_t index) {
  const Node& n = g.nodes[index];
  const std::string block = n.name.substr(0, n.name.rfind('.') + 1);
  if (n.inputs.size() == 1 && index > 0 && g.nodes[index - 1].outputs.size() == 1 &&
      n.inputs[0].value == g.nodes[index - 1].outputs[0])
    return "";
  std::vector<std::string> names;
  for (ValueId id : n.inputs) {
    const std::string& name = g.value(id).name;
    const bool inside = !block.empty() && starts_with(name, block);
    names.push_back(inside ? name.substr(block.size() - 1) : name);
  }
  return join(names, ", ");
}

std::string graph_text(const Graph& g) {
  int64_t values = 0;
  std::optional<FixedType> usual;
  for (const Node& n : g.nodes) {
    if (!usual && !n.outputs.empty()) usual = g.value(n.outputs[0]).type;
  }
  std::vector<std::string> head = {"node", "op", "inputs", "output"};
  if (usual) head.insert(head.end(), {"type", "weights"});
  Table table(head);
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const Node& n = g.nodes[i];
    const Value* v = n.outputs.empty() ? nullptr : &g.value(n.outputs[0]);
    std::vector<std::string> row = {n.name, to_string(n.op), inputs_text(g, i),
                                    v ? to_string(v->shape) : ""};
    if (usual) {
      row.push_back(v && v->type ? type_text(*v->type, *usual) : "");
      row.push_back(weights_text(n, *usual));
    }
    table.add(row);
  }
  for (const auto& [name, tensor] : g.tensors) values += tensor.size();
  const auto packed = std::count_if(g.nodes.begin(), g.nodes.end(),
                                    [](const Node& n) { return n.hardware.packed; });
  std::vector<std::pair<std::string, std::string>> facts = {
      {"nodes", std::to_string(g.nodes.size())},
      {"values", with_commas(values) + " in tensors"},
      {"witness", g.witness ? g.witness->source : "none"},
      {"inputs", "the node above, or as named; .NAME is of the same block"}};
  if (packed > 0) facts.emplace_back("packed", counted(packed, "stage") + ", two products a DSP");
  if (usual) {
    const std::string full = to_string(*usual);
    const size_t modes = full.find(',', full.find(',') + 1);
    const bool unsigned_too = std::any_of(g.values.begin(), g.values.end(), [](const Value& v) {
      return v.type && !v.type->is_signed;
    });
    facts.emplace_back("types", "ap_fixed<W,I" + full.substr(modes) + " unless named" +
                                    (unsigned_too ? "; u: ap_ufixed" : ""));
  }
  return fmt::format("{}, a {} graph\n{}\n{}", g.name, to_string(g.state), facts_text(facts),
                     table.text());
}

/// {"a": {"b": 1}} as "a.b" and "1", a pair a value.
void append_facts(std::vector<std::pair<std::string, std::string>>& facts, const std::string& name,
                  const Json& value) {
  if (!value.is_object()) {
    facts.emplace_back(name, value.is_string() ? value.as_string() : value.dump());
    return;
  }
  for (const auto& [key, inner] : value.as_object())
    append_facts(facts, name.empty() ? key : name + "." + key, inner);
}

/// A list, or a sentence, as channels_text says it.
std::string listed(const std::vector<double>& values) {
  const std::string text = channels_text(values);
  return text.find(' ') == std::string::npos ? "[" + text + "]" : text;
}

/// b of products of b x b bits on average; nothing where there can be no such design, which is a
/// limit.
std::optional<double> trained_bits(const Checkpoint& c) {
  if (!c.precision) return std::nullopt;
  try {
    const Plan plan = plan_trained(without_weights(c.network), *c.precision);
    return six_digits(mean_product_bits(plan.graph()));
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::Unsupported) throw;
    return std::nullopt;
  }
}

/// The types of training, and those of single stages.
std::string trained_text(const Checkpoint& c) {
  if (!c.precision) return "";
  const TrainedPrecision& p = *c.precision;
  std::vector<std::pair<std::string, std::string>> facts = {
      {"trained", "quantised to " + p.text()}};
  if (const std::optional<double> bits = trained_bits(c)) {
    std::string text = fmt::format("{0:.2f} x {0:.2f} bits on average", *bits);
    if (p.mean_bits > 0) text += fmt::format(" (budget {:g})", p.mean_bits);
    facts.emplace_back("products", text);
  }
  if (p.stages.empty()) return facts_text(facts);
  Table table({"stage", "weights", "scales", "activations"});
  for (const StageTypes& s : p.stages) table.add({s.stage, s.weights, s.scales, s.activations});
  return facts_text(facts) + "\n" + table.text();
}

std::string checkpoint_text(const Checkpoint& c, const std::string& file) {
  Table metrics({"metric", "value"});
  std::vector<std::pair<std::string, std::string>> values;
  append_facts(values, "", c.metrics);
  std::string assumed;
  for (const std::string& sentence : c.assumptions)
    assumed += fmt::format("assumed {}\n", sentence);
  for (const auto& [name, value] : values) metrics.add({name, value});
  return fmt::format(
      "{}\n{}{}\n{}{}", file,
      facts_text({{"run", c.run},
                  {"epochs done",
                   fmt::format("{}{}", c.position.epoch, c.position.finished ? ", finished" : "")},
                  {"weights", "sha256 " + weights_digest(c.tensors).substr(0, 12)},
                  {"witness", c.witness ? c.witness->source : "none"},
                  {"mean", listed(c.preprocessing.mean)},
                  {"deviation", listed(c.preprocessing.deviation)}}),
      trained_text(c) + assumed, values.empty() ? "" : metrics.text() + "\n",
      network_text(c.network));
}

Json checkpoint_json(const Checkpoint& c) {
  Json json = network_json(c.network);
  json.set("run", c.run);
  json.set("epoch", c.position.epoch);
  json.set("finished", c.position.finished);
  json.set("metrics", c.metrics);
  json.set("preprocessing", write_preprocessing(c.preprocessing));
  json.set("class_names", Json::array(c.class_names));
  json.set("assumptions", Json::array(c.assumptions));
  json.set("weights_sha256", weights_digest(c.tensors));
  if (c.precision) json.set("precision", write_trained_precision(*c.precision));
  if (const std::optional<double> bits = trained_bits(c)) json.set("mean_bits", *bits);
  return json;
}

bool asks_for_hardware(const HardwareOptions& h) {
  return h.precision || h.layout || h.skips || h.rounding || h.overflow || h.fpga ||
         h.reuse_factor || h.card_share || h.dsp_packing || h.backend;
}

/// What a design would need, as its export says it.
void add_costs(const SizingEstimate& estimate, double clock_ns, const MapShape& input,
               std::string& text, Json& json) {
  if (!estimate.cost) return;
  Manifest::Needs needs = needs_of(*estimate.cost, estimate.device, clock_ns, estimate.limits);
  Manifest::DesignOptions design = read_design_options(estimate.options);
  text += fmt::format("\n{} on {}, {}, before FIFOs:\n{}", design.layout, design.card,
                      design.types_text(), costs_text(needs, design, clock_ns, input));
  Json options = write_record([&](RecordVisitor& v) { design.describe(v); });
  options.erase("input_magnitude");  // the data's
  json.set("design", std::move(options));
  Json cost = write_record([&](RecordVisitor& v) { needs.describe(v); });
  for (const char* unknown : {"fifo_bits", "skip_fifo_tokens", "latency_cycles_model"})
    cost.erase(unknown);
  json.set("cost", std::move(cost));
}

void add_limits(const std::vector<Limit>& limits, std::string& text, Json& json) {
  Json::Array list;
  for (const Limit& limit : limits) {
    text += wrap(fmt::format("{}: {}", limit.oversize ? "cannot be built" : "warning", limit.text),
                 80) +
            "\n";
    list.push_back(
        Json::object({{"what", limit.what}, {"oversize", limit.oversize}, {"text", limit.text}}));
  }
  json.set("limits", std::move(list));
}

}  // namespace

int run_inspect(const InspectOptions& options) {
  if (options.file.empty() == options.network.empty())
    fail(ErrorKind::Usage, "expected a file, or --network NAME");
  // Costs depend on the weights: they are those of the design that export would write.
  const bool sized = asks_for_hardware(options.hardware);
  std::string text;
  Json json, description;
  std::optional<SizingEstimate> estimate;
  MapShape input;
  ExportConfig config;
  if (!options.network.empty()) {
    Network network = network_by_name(options.network).network;
    text = network_text(network);
    json = network_json(network);
    description = write_network(network);
    input = network.input;
    config = apply_hardware({}, options.hardware);
    estimate =
        sized ? estimate_export(open_graph_source("", "", options.network, true).lowered, config)
              : estimate_network(network, config);
  } else {
    const std::string file = is_project(options.file)
                                 ? path_join(options.file, "design.safetensors")
                                 : resolve_checkpoint(options.file, "inspect");
    const std::string format = load_safetensors(file, "file").metadata["format"];
    if (format == "tailor.graph") {
      Graph graph = load_graph(file);
      text = graph_text(graph);
      json = graph_json(graph);
      if (graph.state == GraphState::Lowered) {
        input = graph.input_shape();
        config = apply_hardware({}, options.hardware);
        estimate = estimate_export(Lowered(std::move(graph), file), config);
      }
    } else {
      Checkpoint c = load_checkpoint(file);
      json = checkpoint_json(c);
      description = write_network(c.network);
      text = checkpoint_text(c, file);
      input = c.network.input;
      config = apply_hardware(export_of(c, file), options.hardware);
      estimate = sized ? estimate_export(open_graph_source(file, "", "", false).lowered, config)
                       : estimate_network(c.network, config);
    }
  }
  if (estimate && sized) add_costs(*estimate, config.clock_ns, input, text, json);
  add_limits(estimate ? estimate->limits : std::vector<Limit>(), text, json);
  if (options.as_json && description.is_null()) {
    fail(ErrorKind::Usage, "--as-json: expected a checkpoint or --network, got the graph file {}",
         options.file);
  }
  if (options.as_json) {
    fmt::print("{}\n", description.dump(2));
  } else {
    fmt::print("{}", options.json ? json.dump(2) + "\n" : text);
  }
  return 0;
}

}  // namespace tailor::cli

// tailor inspect: what a checkpoint, a graph file or a named network is made of.
#include "cli/source.h"
#include "cli/table.h"
#include "tailor/core/strings.h"
#include "tailor/tensors/safetensors.h"

namespace tailor {
namespace {

std::string stage_text(const Stage& s) {
  std::string text = fmt::format("{}x{} ", s.kernel, s.kernel);
  if (is_pool(s)) {
    text += s.kind == StageKind::MaxPool ? "max pooling" : "average pooling";
  } else {
    text += fmt::format("{} to {}", s.in_channels, s.out_channels);
  }
  if (s.stride > 1) text += fmt::format(", stride {}", s.stride);
  if (s.groups > 1) text += fmt::format(", {} groups", s.groups);
  if (s.pad != s.pad_end) text += fmt::format(", pads {} and {}", s.pad, s.pad_end);
  if (s.kind == StageKind::Conv && !s.batch_norm) text += ", no batch norm";
  if (s.kind == StageKind::Conv && !s.relu) text += ", no ReLU";
  return text;
}

int64_t stage_parameters(const Stage& s) {
  if (is_pool(s)) return 0;
  return s.out_channels * (s.in_channels / s.groups * s.kernel * s.kernel + (s.batch_norm ? 2 : 1));
}

std::string network_text(const Network& n) {
  Table table({"block", "stage", "layer", "output", "parameters"});
  std::vector<MapShape> inputs = block_inputs(n);
  Table skips({"skip", "from", "to", "kind"});
  for (size_t b = 0; b < n.blocks.size(); ++b) {
    const Block& block = n.blocks[b];
    auto points = point_shapes(block, inputs[b]);
    for (size_t i = 0; i < block.stages.size(); ++i) {
      table.add({block.id, std::to_string(i + 1), stage_text(block.stages[i]),
                 to_string(points[i + 1]), with_commas(stage_parameters(block.stages[i]))});
    }
    for (const Skip& s : block.skips) {
      skips.add(
          {s.id, fmt::format("{}.{}", block.id, s.from), fmt::format("{}.{}", block.id, s.to),
           s.kind == SkipKind::Identity
               ? "identity"
               : fmt::format(
                     "{}, stride {}{}", to_string(s.kind), s.stride,
                     s.kind == SkipKind::Projection && !s.batch_norm ? ", no batch norm" : "")});
    }
  }
  const int64_t features = head_features(n, inputs.back());
  table.add({"head", "",
             fmt::format("linear {} to {}, {}", with_commas(features), n.classes,
                         n.head_pooling == HeadPooling::Average
                             ? "behind global average pooling"
                             : "on the flattened " + to_string(inputs.back())),
             fmt::format("{}x1x1", n.classes), with_commas((features + 1) * n.classes)});
  const size_t count = skip_ids(n).size();
  return fmt::format(
      "{}: input {}, {} classes, skips join {}\n\n{}\n{}\n{} skips, {} parameters, {} "
      "multiply-accumulates an image\n",
      n.name, to_string(n.input), n.classes, to_string(n.join), table.text(),
      count > 0 ? skips.text() : std::string("no skip connections\n"), count,
      with_commas(parameter_count(n)), with_commas(mac_count(n)));
}

Json network_json(const Network& n) {
  return Json::object({{"network", write_network(n)},
                       {"skips", Json::array(skip_ids(n))},
                       {"parameters", parameter_count(n)},
                       {"macs", mac_count(n)}});
}

Json graph_json(const Graph& g) {
  Json::Array nodes;
  for (const Node& n : g.nodes) {
    Json node = Json::object({{"name", n.name}, {"op", to_string(n.op)}});
    if (!n.outputs.empty()) {
      const Value& v = g.value(n.outputs[0]);
      node.set("output", to_string(v.shape));
      if (v.type) node.set("type", to_string(*v.type));
    }
    nodes.push_back(std::move(node));
  }
  return Json::object({{"graph", g.name},
                       {"state", g.state},
                       {"nodes", std::move(nodes)},
                       {"provenance", g.provenance}});
}

std::string graph_text(const Graph& g) {
  Table table({"node", "op", "inputs", "output", "type"});
  int64_t values = 0;
  for (const Node& n : g.nodes) {
    std::vector<std::string> inputs;
    for (int id : n.inputs) inputs.push_back(g.value(id).name);
    const Value* v = n.outputs.empty() ? nullptr : &g.value(n.outputs[0]);
    table.add({n.name, to_string(n.op), join(inputs, ", "), v ? to_string(v->shape) : "",
               v && v->type ? to_string(*v->type) : ""});
  }
  for (const auto& [name, tensor] : g.tensors) values += tensor.size();
  return fmt::format("{}: a {} graph of {} nodes, {} values in tensors, {}\n\n{}", g.name, g.state,
                     g.nodes.size(), with_commas(values),
                     g.witness ? "witness: " + g.witness->source : std::string("no witness"),
                     table.text());
}

}  // namespace

int run_inspect(const InspectOptions& options) {
  if (options.file.empty() == options.network.empty())
    fail(ErrorKind::Usage, "expected a file, or --network NAME");
  std::string text;
  Json json, description;
  std::vector<Limit> limits;
  if (!options.network.empty()) {
    Network network = network_by_name(options.network).network;
    text = network_text(network);
    json = network_json(network);
    description = write_network(network);
    limits = network_limits(network, apply_hardware({}, options.hardware));
  } else {
    const std::string file = resolve_checkpoint(options.file);
    const std::string format = load_safetensors(file, "file").metadata["format"];
    if (format == "tailor.graph") {
      Graph graph = load_graph(file);
      text = graph_text(graph);
      json = graph_json(graph);
      if (graph.state == "lowered")
        limits = graph_limits(graph, apply_hardware({}, options.hardware));
    } else {
      Checkpoint c = load_checkpoint(file);
      json = network_json(c.network);
      description = write_network(c.network);
      const ExportConfig exporting = read_run_config(c.config, file).exporting;
      limits = network_limits(c.network, apply_hardware(exporting, options.hardware));
      json.set("run", c.run);
      json.set("epoch", c.position.epoch);
      json.set("finished", c.position.finished);
      json.set("metrics", c.metrics);
      json.set("preprocessing", write_preprocessing(c.preprocessing));
      json.set("class_names", Json::array(c.class_names));
      json.set("assumptions", Json::array(c.assumptions));
      json.set("weights_sha256", weights_digest(c.tensors));
      std::string assumed;
      for (const std::string& sentence : c.assumptions)
        assumed += fmt::format("assumed {}\n", sentence);
      text = fmt::format(
          "{}: run {}, {} epochs done{}, metrics {}\nweights {}, {}\npreprocessing {}\n{}\n{}",
          file, c.run, c.position.epoch, c.position.finished ? ", finished" : "", c.metrics.dump(),
          weights_digest(c.tensors).substr(0, 12),
          c.witness ? "witness: " + c.witness->source : "no witness",
          write_preprocessing(c.preprocessing).dump(), assumed, network_text(c.network));
    }
  }
  Json::Array list;
  for (const Limit& limit : limits) {
    text += fmt::format("{}: {}\n", limit.oversize ? "cannot be built" : "warning", limit.text);
    list.push_back(
        Json::object({{"what", limit.what}, {"oversize", limit.oversize}, {"text", limit.text}}));
  }
  json.set("limits", std::move(list));
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

}  // namespace tailor

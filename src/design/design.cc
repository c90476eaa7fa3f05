// The order of the passes, the frozen names, and the summary of what came out.
#include <algorithm>
#include <set>

#include "tailor/core/strings.h"
#include "tailor/design/passes.h"
#include "tailor/emulate/streams.h"
#include "tailor/ir/identifier.h"

namespace tailor {
namespace {

/// A legal name that is not taken, nor any of the names that the generated code makes of it.
std::string unique_identifier(const std::string& name, std::set<std::string>& taken) {
  const std::string base = make_identifier(name);
  auto derived = [](const std::string& n) {
    return std::vector<std::string>{
        n, n + "_t", n + "_token", n + "_config", n + "_weight", n + "_bias"};
  };
  std::string unique = base;
  for (int i = 2;; ++i) {
    const std::vector<std::string> all = derived(unique);
    if (std::none_of(all.begin(), all.end(),
                     [&](const std::string& n) { return taken.count(n) != 0; })) {
      taken.insert(all.begin(), all.end());
      return unique;
    }
    unique = fmt::format("{}_{}", base, i);
  }
}

void verify(const Graph& graph, const char* pass) {
  auto findings = verify_graph(graph);
  TAILOR_CHECK(findings.empty(), "after {}: {}", pass, join(findings, "; "));
}

}  // namespace

void assign_identifiers(Graph& graph) {
  // Stages and streams are names of one scope; a stage's own output is NAME_out.
  std::set<std::string> taken, stages;
  unique_identifier(graph.name, taken);  // the top function
  for (Node& node : graph.nodes) {
    node.identifier = unique_identifier(node.name, taken);
    stages.insert(node.name);
  }
  for (Value& value : graph.values) {
    value.identifier =
        unique_identifier(stages.count(value.name) != 0 ? value.name + "_out" : value.name, taken);
  }
}

Graph plan_design(const Graph& lowered, const DesignOptions& options) {
  if (lowered.state != "lowered") {
    fail(ErrorKind::Usage,
         "graph {}: expected a lowered graph, got a {}; use graph.safetensors of the project",
         lowered.name, lowered.state);
  }
  for (const Node& node : lowered.nodes) {
    const auto* a = std::get_if<ConvAttributes>(&node.attributes);
    if (a && (a->activation != Activation::None || !a->stream_skips.empty() ||
              !a->window_skips.empty() || !a->folded_skips.empty())) {
      fail(ErrorKind::Unsupported,
           "graph {}: {} has a ReLU or skips of its own, which only a design's convolutions have; "
           "write them as nodes",
           lowered.name, node.name);
    }
  }
  Graph graph = lowered;
  fold_batch_norm(graph);
  verify(graph, "fold_batch_norm");
  if (options.layout == Layout::Fused) {
    fuse_stages(graph);
    verify(graph, "fuse_stages");
    fold_identity_skips(graph, options.type);
    verify(graph, "fold_identity_skips");
  } else {
    split_stages(graph);
    verify(graph, "split_stages");
  }
  insert_clones(graph);
  graph.state = "design";
  verify(graph, "insert_clones");
  infer_types(graph, options);
  choose_reuse_factors(graph, options);
  Json design = Json::object(
      {{"layout", to_string(options.layout)},
       {"type", to_string(options.type)},
       {"input_magnitude", options.input_magnitude},
       {"card", options.card},
       {"reuse_factor", options.reuse_factor ? Json(*options.reuse_factor) : Json("balanced")}});
  graph.provenance.set("design", std::move(design));
  return graph;
}

Graph make_design(const Graph& lowered, const DesignOptions& options) {
  Graph graph = plan_design(lowered, options);
  size_fifos(graph);
  assign_identifiers(graph);
  const auto findings = verify_design(graph);
  TAILOR_CHECK(findings.empty(), "{}", join(findings, "; "));
  // Folded weights are float64, and stay so in the file: whoever quantises them must get the same
  // integers.
  for (auto& [name, tensor] : graph.tensors) {
    if (tensor.dtype() != DType::F64) tensor = Tensor::from(tensor.shape(), tensor.to_doubles());
  }
  return graph;
}

DesignSummary summarise_design(const Graph& design) {
  DesignSummary summary;
  for (const Node& node : design.nodes) {
    if (node.op != Op::Input && node.op != Op::Output) ++summary.stages;
    if (node.op == Op::Conv2d || node.op == Op::Dense) {
      summary.multipliers += node.hardware.multipliers;
      const int64_t dsp =
          dsp_of_multiplier(design.value(node.inputs[0]).type->width, node.hardware.weight->width);
      summary.dsp += node.hardware.multipliers * dsp;
      if (dsp == 0) summary.lut_multipliers += node.hardware.multipliers;
      summary.weights += design.tensor(node, "weight").size();
    }
  }
  for (const Node& node : design.nodes) {
    if (node.op == Op::Input) continue;  // the two ports are not FIFOs of the design
    for (int id : node.outputs) {
      const Value& v = design.value(id);
      if (id == design.nodes.back().inputs[0]) continue;
      summary.fifo_bits += v.fifo_depth * v.type->width * v.shape.channels;
    }
  }
  for (const SkipDepth& depth : skip_depths(design))
    summary.skip_fifo_tokens += design.value(depth.value).fifo_depth;
  StreamResult run = simulate_streams(design, fifo_depths(design), 2);
  summary.latency_cycles = run.latency_cycles;
  summary.interval_cycles = run.interval_cycles;
  summary.memory_bits = memory_bits(design);
  return summary;
}

}  // namespace tailor

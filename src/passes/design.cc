// The order of the passes, the frozen names, and the summary of what came out.
#include <algorithm>
#include <set>

#include "tailor/core/strings.h"
#include "tailor/emulate/streams.h"
#include "tailor/passes/passes.h"

namespace tailor {
namespace {

/// Words that cannot name a function, a stream or a struct in the generated C++.
bool is_reserved(const std::string& word) {
  static const std::set<std::string> words = {
      "alignas", "and", "asm", "auto", "bool", "break", "case", "catch", "char", "class", "const", "continue", "default", "delete", "do", "double", "else",
      "enum", "explicit", "export", "extern", "false", "float", "for", "friend", "goto", "if", "inline", "int", "long", "main", "mutable", "namespace", "new",
      "not", "operator", "or", "private", "protected", "public", "register", "return", "short", "signed", "sizeof", "static", "struct", "switch", "template",
      "this", "throw", "true", "try", "typedef", "typename", "union", "unsigned", "using", "virtual", "void", "volatile", "while", "xor",
      // names of the generated file itself
      "in", "out", "hls", "tailor", "std"};
  return words.count(word) != 0;
}

std::string make_identifier(const std::string& name, std::set<std::string>& taken) {
  std::string text;
  for (char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_', digit = c >= '0' && c <= '9';
    if (text.empty() && !letter) text = "n";
    text += letter || digit ? c : '_';
  }
  if (text.empty()) text = "n";
  // "__" and a leading "_" are the implementation's.
  while (text.find("__") != std::string::npos) text.erase(text.find("__"), 1);
  if (text[0] == '_') text.insert(0, "n");
  if (is_reserved(text)) text += "_";
  std::string unique = text;
  for (int i = 2; !taken.insert(unique).second; ++i) unique = fmt::format("{}_{}", text, i);
  return unique;
}

void verify(const Graph& graph, const char* pass) {
  auto findings = verify_graph(graph);
  TAILOR_CHECK(findings.empty(), "after {}: {}", pass, join(findings, "; "));
}

}  // namespace

void assign_identifiers(Graph& graph) {
  // Stages and streams are names of one scope; a stage's own output is NAME_out.
  std::set<std::string> taken, stages;
  for (Node& node : graph.nodes) {
    node.identifier = make_identifier(node.name, taken);
    stages.insert(node.name);
  }
  for (Value& value : graph.values) value.identifier = make_identifier(stages.count(value.name) != 0 ? value.name + "_out" : value.name, taken);
}

Graph make_design(const Graph& lowered, const DesignOptions& options) {
  if (lowered.state != "lowered") fail(ErrorKind::Usage, "graph {}: expected a lowered graph, got a {}; use graph.safetensors of the project", lowered.name, lowered.state);
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
  size_fifos(graph);
  assign_identifiers(graph);
  // Folded weights are float64, and stay so in the file: whoever quantises them must get the same integers.
  for (auto& [name, tensor] : graph.tensors) {
    if (tensor.dtype() != DType::F64) tensor = Tensor::from(tensor.shape(), tensor.to_doubles());
  }
  Json design = Json::object({{"layout", to_string(options.layout)},
                              {"type", to_string(options.type)},
                              {"input_magnitude", options.input_magnitude},
                              {"card", options.card},
                              {"reuse_factor", options.reuse_factor ? Json(*options.reuse_factor) : Json("balanced")}});
  graph.provenance.set("design", std::move(design));
  return graph;
}

DesignSummary summarise_design(const Graph& design) {
  DesignSummary summary;
  for (const Node& node : design.nodes) {
    if (node.op != Op::Input && node.op != Op::Output) ++summary.stages;
    if (node.op == Op::Conv2d || node.op == Op::Dense) {
      summary.multipliers += node.hardware.multipliers;
      summary.dsp += node.hardware.multipliers * dsp_of_multiplier(design.value(node.inputs[0]).type->width, node.hardware.weight->width);
      summary.weights += design.tensor(node, "weight").size();
    }
  }
  for (const Value& v : design.values) summary.fifo_bits += v.fifo_depth * v.type->width * v.shape.channels;
  for (const SkipDepth& depth : skip_depths(design)) summary.skip_fifo_tokens += design.value(depth.value).fifo_depth;
  StreamResult run = simulate_streams(design, fifo_depths(design), 2);
  summary.latency_cycles = run.latency_cycles;
  summary.interval_cycles = run.interval_cycles;
  return summary;
}

}  // namespace tailor

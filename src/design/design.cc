// The order of the passes: a plan from a lowered graph, a design from a sizing; and the frozen
// names.
#include <algorithm>
#include <set>

#include "design/products.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/design/export.h"
#include "tailor/design/passes.h"
#include "tailor/emulate/streams.h"
#include "tailor/ir/identifier.h"

namespace tailor::design {
namespace {

/// A legal name that is not taken, nor any of the names that the generated code makes of it.
std::string unique_identifier(const std::string& name, std::set<std::string>& taken) {
  const std::string base = make_identifier(name);
  auto derived = [](const std::string& n) {
    return std::vector<std::string>{
        n, n + "_t", n + "_token", n + "_config", n + "_weight", n + "_bias", n + "_scale"};
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

/// Each tensor alone may have been: of a variance of 0 or of a weight of 1e300 the fold is not.
void refuse_not_finite(const Graph& graph) {
  const std::string damaged = not_finite(graph.tensors);
  if (damaged.empty()) return;
  fail(ErrorKind::Data,
       "graph {}: with its batch norms folded, {}, expected finite numbers; its weights or "
       "variances are damaged",
       graph.name, damaged);
}

void verify_exceptions(const Graph& graph, const Precision& precision) {
  for (const auto& [stage, exception] : precision.stages) {
    std::vector<std::string> names;
    bool found = false;
    for (const Node& node : graph.nodes) {
      names.push_back(node.name);
      found |= node.name == stage;
    }
    if (!found) {
      fail(ErrorKind::Usage, "precision: {} has no stage '{}'{}", graph.name, stage,
           did_you_mean(stage, names));
    }
  }
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

const FixedType& Precision::weight(const std::string& stage) const {
  const auto found = stages.find(stage);
  if (found != stages.end() && found->second.weight) return *found->second.weight;
  return weights ? *weights : type;
}

const FixedType& Precision::activation(const std::string& stage) const {
  const auto found = stages.find(stage);
  return found != stages.end() && found->second.activation ? *found->second.activation : type;
}

const std::optional<FixedType>& Precision::scale(const std::string& stage) const {
  const auto found = stages.find(stage);
  return found != stages.end() && found->second.scale ? found->second.scale : scales;
}

const std::vector<double>& Precision::steps(const std::string& stage) const {
  static const std::vector<double> none;
  const auto found = stages.find(stage);
  return found == stages.end() ? none : found->second.steps;
}

namespace {

/// Stages, and what becomes of skips. Returns those that types keep out of kernels.
std::vector<UnfoldedSkip> lay_out(Graph& graph, Layout layout, SkipForm skips,
                                  const Precision& precision) {
  std::vector<UnfoldedSkip> unfolded;
  const bool fused = layout == Layout::Fused, window = fused && skips != SkipForm::Cloned;
  if (fused) {
    fuse_stages(graph);
    if (window) take_window_skips(graph);
    verify(graph, "fuse_stages");
    if (skips == SkipForm::Folded) unfolded = fold_identity_skips(graph, precision);
    verify(graph, "fold_identity_skips");
  } else {
    split_stages(graph);
    verify(graph, "split_stages");
  }
  use_line_buffers(graph, /*forward=*/window);
  verify(graph, "use_line_buffers");
  if (window) forward_skips(graph);
  verify(graph, "forward_skips");
  return unfolded;
}

}  // namespace

Plan plan(const Lowered& lowered, Layout layout, const Precision& precision, double input_magnitude,
          const PlanOptions& options) {
  Plan result;
  result.layout_ = layout;
  if (layout == Layout::Fused) result.skip_form_ = options.skips;
  result.precision_ = precision;
  result.input_magnitude_ = input_magnitude;
  Graph& graph = result.graph_ = lowered.graph();
  take_given_steps(graph, precision);
  fold_batch_norm(graph);
  verify(graph, "fold_batch_norm");
  refuse_not_finite(graph);
  result.unfolded_ = lay_out(graph, layout, options.skips, precision);
  if (!precision.trained) balance_scales(graph);
  verify(graph, "balance_scales");
  insert_clones(graph);
  graph.state = GraphState::Design;
  verify(graph, "insert_clones");
  // A trained network's are of all its layers, folded ones too.
  if (!precision.trained) verify_exceptions(graph, precision);
  scale_channels(graph, precision);
  verify(graph, "scale_channels");
  infer_types(graph, precision, input_magnitude);
  bound_accumulators(graph);
  fold_channels(graph, options.token_bits);
  verify(graph, "fold_channels");
  result.packs_ = options.dsp_packing;
  if (options.dsp_packing) result.unpacked_ = pack_products(graph);
  // Folded weights are float64, and stay so in the file: whoever quantises them must get the same
  // integers.
  for (auto& [name, tensor] : graph.tensors) {
    if (tensor.dtype() != DType::F64) tensor = Tensor::from(tensor.shape(), tensor.to_doubles());
  }
  result.products_ = product_stages(graph);
  for (const Node& node : graph.nodes) result.loops_.push_back(stage_loop(graph, node));
  result.skips_ = skip_depths(graph);
  for (const ProductStage& p : result.products_) {
    for (int64_t factor : p.factors) result.targets_.push_back(p.cycles(factor));
  }
  std::sort(result.targets_.begin(), result.targets_.end());
  result.targets_.erase(std::unique(result.targets_.begin(), result.targets_.end()),
                        result.targets_.end());
  return result;
}

Json design_options(const Plan& plan, const Sizing& sizing, const Device& device) {
  Json options =
      Json::object({{"layout", to_string(plan.layout())},
                    {"type", types_text(plan)},
                    {"input_magnitude", plan.input_magnitude()},
                    {"card", device.name},
                    {"reuse_factor", sizing.wanted ? Json(*sizing.wanted) : Json("balanced")}});
  if (plan.skip_form() != SkipForm::Folded) options.set("skips", to_string(plan.skip_form()));
  if (sizing.share != Budget().share && sizing.share != 0) options.set("card_share", sizing.share);
  if (!sizing.own.empty()) options.set("own_reuse_factors", Json::array(sizing.own));
  if (plan.packs()) options.set("dsp_packing", true);
  return options;
}

Design realise(const Plan& plan, const Sizing& sizing, const Device& device) {
  Design design;
  Graph& graph = design.graph_ = plan.graph();
  design.sizing_ = sizing;
  for (Node& node : graph.nodes) {
    node.hardware.cycles_per_step = 1;
    node.hardware.cycles_per_output = 1;
  }
  for (size_t i = 0; i < sizing.products.size(); ++i) {
    const ProductStage& p = plan.products()[i];
    const StageSize& stage = sizing.products[i];
    NodeHardware& h = graph.node(p.node).hardware;
    h.reuse_factor = stage.reuse_factor;
    h.multipliers = stage.multipliers;
    h.packed = stage.packed;
    h.weight_storage = p.rom_storage(stage.reuse_factor, device);
    h.cycles_per_output = stage.cycles_per_output;
    h.pipeline_cycles = kPipelineCycles;
    if (p.line_buffer) h.line_storage = line_storage(p.line(stage.reuse_factor).memory, device);
    if (stage.wanted && stage.reuse_factor != *stage.wanted && p.weights > 0) {
      log_warn("passes", "{}: reuse factor {} is not valid for {} x {} products, using {}",
               graph.node(p.node).name, *stage.wanted, p.n_in, p.n_out, stage.reuse_factor);
    }
  }
  graph.provenance.set("design", design_options(plan, sizing, device));
  const StreamResult run = size_fifos(graph, device);
  design.sizing_.fifo_depths = fifo_depths(graph);
  design.sizing_.latency_cycles = run.latency_cycles;
  design.sizing_.interval_cycles = run.interval_cycles;
  assign_identifiers(graph);
  const auto findings = verify_design(graph);
  TAILOR_CHECK(findings.empty(), "{}", join(findings, "; "));
  return design;
}

}  // namespace tailor::design

#include "tailor/design/export.h"

#include <algorithm>
#include <cmath>

#include "tailor/core/interrupt.h"
#include "tailor/core/strings.h"
#include "tailor/core/threads.h"
#include "tailor/design/trained_precision.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/integer.h"
#include "tailor/emulate/liveness.h"
#include "tailor/emulate/noise.h"

namespace tailor::design {
namespace {

using Counts = RecordVisitor::Named<int64_t>;

/// Answers of `count` images, computed on all cores.
template <class Answer, class Run>
std::vector<Answer> run_all(size_t count, const Run& run) {
  std::vector<Answer> answers(count);
  parallel_for(static_cast<int64_t>(count), 0, [&](int64_t i) {
    if (pending_interrupt() == 0) answers[static_cast<size_t>(i)] = run(static_cast<size_t>(i));
  });
  throw_if_interrupted();
  return answers;
}

double root_mean_square(const std::vector<std::vector<double>>& exact,
                        const std::vector<IntegerResult>& integers) {
  double squares = 0, count = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    for (size_t k = 0; k < exact[i].size(); ++k) {
      const double error = exact[i][k] - integers[i].logits[k];
      squares += error * error;
      ++count;
    }
  }
  return std::sqrt(squares / count);
}

void add_count(Counts& counts, const Node& node, int64_t count) {
  if (count > 0) counts.emplace_back(node.name, count);
}

/// "conv1 (2 of 16), conv2 (1 of 16)".
std::string outputs_text(const Graph& design, const Counts& counts) {
  std::vector<std::string> parts;
  for (const auto& [name, count] : counts) {
    for (const Node& node : design.nodes) {
      if (node.name != name) continue;
      const int64_t outputs =
          node.outputs.empty() ? 0 : design.value(node.outputs[0]).shape.channels;
      parts.push_back(fmt::format("{} ({} of {})", name, count, outputs));
    }
  }
  return join(parts, ", ");
}

/// Whether one of these stages has weights of fewer bits behind the point than float32 has digits
/// to train.
bool has_few_bits(const Graph& design, const Counts& stages) {
  constexpr int kMany = 16;
  return std::any_of(stages.begin(), stages.end(), [&](const auto& stage) {
    return std::any_of(design.nodes.begin(), design.nodes.end(), [&](const Node& node) {
      return node.name == stage.first && node.hardware.weight &&
             node.hardware.weight->fraction() < kMany;
    });
  });
}

/// What became 0 or stands still, and what of it should worry.
void look_for_underflow(Quantisation& q, const Graph& design, const TestVectors& vectors,
                        const std::vector<std::vector<double>>& exact) {
  const std::vector<Underflow> underflows = count_underflows(design);
  const std::vector<int64_t> still = count_constant_channels(design, vectors.inputs);
  for (size_t n = 0; n < design.nodes.size(); ++n) {
    q.weights += underflows[n].nonzero;
    add_count(q.weight_underflows, design.nodes[n], underflows[n].weights);
    add_count(q.lost_kernels, design.nodes[n], underflows[n].kernels);
    add_count(q.constant_channels, design.nodes[n], still[n]);
  }
  const InputDependence d = input_dependence(vectors.inputs, vectors.expected, exact);
  if (d.known) q.depends_on_input = d.depends;
  if (d.known && !d.depends && d.expected) {
    q.warnings.push_back(fmt::format(
        "all {} vectors give the same logits, and in float64 they do not: the design does not "
        "depend on its input; ask for more bits behind the point (--precision)",
        vectors.expected.size()));
  }
  if (!q.lost_kernels.empty()) {
    q.warnings.push_back(
        "outputs whose weights all became 0: " + outputs_text(design, q.lost_kernels) +
        (has_few_bits(design, q.lost_kernels) ? "; ask for more bits behind the point (--precision)"
                                              : "; training has left next to nothing of them"));
  }
  if (!q.constant_channels.empty()) {
    q.warnings.push_back(
        "outputs that are the same for every pixel of every vector, and are not in float64: " +
        outputs_text(design, q.constant_channels));
  }
}

}  // namespace

double six_digits(double value) { return *parse_number(fmt::format("{:.6g}", value)); }

int64_t total(const Counts& counts) {
  int64_t sum = 0;
  for (const auto& [name, count] : counts) sum += count;
  return sum;
}

namespace {

/// Training has seen kernels with skips in them: out of them they are other integers.
void need_no_folded_skip(const Plan& plan, SkipForm skips) {
  for (const Node& node : plan.graph().nodes) {
    const auto* a = node.op.get_if<ops::Conv2d>();
    if (!a || a->folded_skips.empty()) continue;
    fail(ErrorKind::Unsupported,
         "--skips {}: {} was trained quantised with {} in the kernel of {}; expected folded",
         to_string(skips), plan.graph().name, a->folded_skips[0], node.name);
  }
}

}  // namespace

Plan plan_export(const Lowered& lowered, const ExportConfig& config, double input_magnitude) {
  const PlanOptions options{config.token_bits, config.skips, config.dsp_packing};
  if (!config.trained) {
    return plan(lowered, config.layout, config.type("--precision"), input_magnitude, options);
  }
  const TrainedPrecision& trained = *config.trained;
  if (trained.is_trained && trained.is_as_trained && config.skips != SkipForm::Folded)
    need_no_folded_skip(plan_trained(lowered, trained, {config.token_bits}), config.skips);
  Plan result = plan_trained(lowered, trained, options);
  if (trained.is_trained && trained.is_as_trained)
    verify_trained(result, lowered.graph().witness, lowered.graph().name);
  return result;
}

Budget budget_of(const ExportConfig& config) {
  Budget budget;
  budget.device = find_device(config.fpga);
  budget.reuse_factor = config.reuse_factor;
  budget.stages = config.stage_factors;
  budget.share = config.card_share;
  return budget;
}

SizedDesign design_export(const Lowered& lowered, const ExportConfig& config,
                          double input_magnitude) {
  const Budget budget = budget_of(config);
  const Device& device = budget.device;
  const Plan plan = plan_export(lowered, config, input_magnitude);
  Design design = realise(plan, size(plan, budget), device);
  const Cost needed = cost(plan, design.sizing(), device);
  std::vector<Limit> found = limits(plan, design.sizing(), device, config.backend);
  return {std::move(design), device, needed, std::move(found)};
}

SizingEstimate estimate_export(const Lowered& lowered, const ExportConfig& config) {
  const Budget budget = budget_of(config);
  SizingEstimate estimate;
  estimate.device = budget.device;
  try {
    const Plan plan = plan_export(lowered, config, 0);
    const Sizing sizing = size(plan, budget);
    estimate.cost = cost(plan, sizing, budget.device);
    estimate.options = design_options(plan, sizing, budget.device);
    estimate.limits = limits(plan, sizing, budget.device, config.backend);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::Unsupported) throw;
    estimate.limits = {{"unsupported", true, e.what()}};
  }
  return estimate;
}

void TestVectors::keep_frames(const MapShape& whole, int64_t frames) {
  TAILOR_CHECK(whole.height == 1, "{} has several rows", to_string(whole));
  for (std::vector<double>& frame : inputs)
    frame.resize(std::min(frame.size(), static_cast<size_t>(frames * whole.channels)));
  source += fmt::format(", {} of {} frames", frames, whole.width);
}

void Quantisation::describe(RecordVisitor& v) {
  constexpr double kMost = HUGE_VAL;
  v.number("rms_predicted", rms_predicted, 0, kMost,
           "Root mean square of the difference as predicted from types, weights and inputs, over "
           "the first 8 vectors ([how](design/0006-quantisation-bound.md)). **A model.**");
  v.number("rms_measured", rms_measured, 0, kMost,
           "The same, measured with the integer emulator on those vectors. Float64 has the inputs "
           "as they are, so that the rounding of the input counts.");
  v.number("rms_bound", rms_bound, 0, kMost,
           "3 × `rms_predicted`. `tailor check` measures the difference anew, over the same "
           "vectors as the test bench has them, rounded: without the input's own rounding, it is "
           "smaller where the input has few bits. It fails above this. It is a tripwire for a "
           "wrong type or scale, not a "
           "guarantee for other inputs, and loose at few bits.");
  v.counts("overflows", overflows,
           "By stage: outputs that did not fit their type, over all vectors. Stages without any "
           "are left out, here and below.");
  v.counts("weight_overflows", weight_overflows,
           "By stage: weights and biases that did not fit their type.");
  v.counts("weight_underflows", weight_underflows,
           "By stage: weights that are not 0 and became 0.");
  v.counts("lost_kernels", lost_kernels,
           "By stage: outputs whose weights were not all 0 and became 0.");
  v.counts("constant_channels", constant_channels,
           "By stage: outputs that are one number at every pixel of the first 8 vectors, and are "
           "not in float64.");
  v.optional_boolean("depends_on_input", depends_on_input,
                     "Whether two vectors give different logits; null where there are no two "
                     "different vectors.");
  if (v.wants(!warnings.empty())) {
    v.texts("warnings", warnings,
            "Absent if there are none: what of these should worry, in sentences.");
  }
}

Quantisation measure(const Design& design, TestVectors& vectors) {
  const Graph& graph = design.graph();
  const std::vector<std::vector<double>>& images = vectors.inputs;
  const IntegerEmulator emulator(graph);
  const auto integers =
      run_all<IntegerResult>(images.size(), [&](size_t i) { return emulator.run(images[i]); });
  const std::vector<std::vector<double>> few(
      images.begin(),
      images.begin() + static_cast<std::ptrdiff_t>(std::min(kQuantisationImages, images.size())));
  const double predicted = predict_rms_error(graph, few);
  const Float64Emulator float64(graph);
  const auto exact =
      run_all<std::vector<double>>(few.size(), [&](size_t i) { return float64.run(few[i]); });
  std::vector<int64_t> overflows(graph.nodes.size(), 0);
  vectors.expected.clear();
  for (const IntegerResult& r : integers) {
    vectors.expected.push_back(r.logits_raw);
    for (size_t n = 0; n < overflows.size(); ++n) overflows[n] += r.overflows[n];
  }
  Quantisation q;
  q.rms_predicted = six_digits(predicted);
  q.rms_measured = six_digits(root_mean_square(exact, integers));
  q.rms_bound = six_digits(kQuantisationSafety * predicted);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    add_count(q.overflows, graph.nodes[n], overflows[n]);
    add_count(q.weight_overflows, graph.nodes[n], emulator.weight_overflows()[n]);
  }
  look_for_underflow(q, graph, vectors, exact);
  return q;
}

}  // namespace tailor::design

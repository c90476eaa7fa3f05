// tailor export: a network becomes a design, the design a project.
#include <cmath>
#include <set>

#include "cli/source.h"
#include "cli/table.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/core/threads.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/integer.h"
#include "tailor/emulate/liveness.h"
#include "tailor/emulate/noise.h"
#include "tailor/hls/project.h"
#include "tailor/ir/identifier.h"
#include "tailor/passes/design.h"

namespace tailor {
namespace {

std::string skips_text(const ConvAttributes& a) {
  std::vector<std::string> parts;
  for (const std::string& id : a.stream_skips) parts.push_back(id + " (FIFO)");
  for (const std::string& id : a.window_skips) parts.push_back(id + " (window)");
  for (const std::string& id : a.folded_skips) parts.push_back(id + " (folded)");
  return join(parts, ", ");
}

std::string layer_table(const Graph& design, const std::vector<int64_t>& overflows) {
  Table table({"stage", "op", "output", "reuse factor", "multipliers", "overflows", "skips"});
  for (size_t n = 0; n < design.nodes.size(); ++n) {
    const Node& node = design.nodes[n];
    if (node.op == Op::Input || node.op == Op::Output) continue;
    const bool products = node.hardware.weight.has_value();
    std::string skips;
    if (node.op == Op::Conv2d) skips = skips_text(node.conv());
    if (node.op == Op::Add) skips = join(std::get<AddAttributes>(node.attributes).skips, ", ");
    table.add({node.name, to_string(node.op), to_string(design.value(node.outputs[0]).shape),
               products ? with_commas(node.hardware.reuse_factor) : "",
               products ? with_commas(node.hardware.multipliers) : "", with_commas(overflows[n]),
               skips});
  }
  return table.text();
}

std::string fifo_table(const Graph& design) {
  Table table({"FIFO", "tokens", "bits a token", "storage"});
  std::set<int> ports;  // not FIFOs of the design
  int64_t plain = 0;
  for (const Node& node : design.nodes) {
    if (node.op == Op::Input) ports.insert(node.outputs[0]);
    if (node.op == Op::Output) ports.insert(node.inputs[0]);
  }
  for (size_t id = 0; id < design.values.size(); ++id) {
    const Value& v = design.values[id];
    if (ports.count(static_cast<int>(id)) != 0) continue;
    if (v.fifo_depth <= 2) {
      ++plain;
    } else {
      table.add({v.identifier, with_commas(v.fifo_depth),
                 with_commas(v.type->width * v.shape.channels), to_string(v.fifo_storage)});
    }
  }
  return table.text() + fmt::format("and {} FIFOs of 2 tokens\n", plain);
}

/// Whoever wants the project all the same says so.
void refuse_oversize(const std::vector<Limit>& limits, const std::string& name) {
  std::string list;
  for (const Limit& limit : limits) {
    if (limit.oversize) list += "\n  " + limit.text;
  }
  if (list.empty()) return;
  fail(ErrorKind::Unsupported,
       "{} cannot be built so:{}\n  --allow-oversize writes it all the same", name, list);
}

struct Quantisation {
  Json json;  // members of the manifest's `quantisation`
  std::vector<std::string> warnings;
  int64_t underflows = 0, weights = 0;
};

/// What became 0 or stands still, and what of it should worry.
Quantisation look_for_underflow(const Graph& design, const TestVectors& vectors,
                                const std::vector<std::vector<double>>& float64) {
  Quantisation q;
  Json lost = Json::object(), kernels = Json::object(), constant = Json::object();
  const std::vector<Underflow> underflows = count_underflows(design);
  const std::vector<int64_t> still = count_constant_channels(design, vectors.inputs_chw);
  std::vector<std::string> layers, stages;
  for (size_t n = 0; n < design.nodes.size(); ++n) {
    const Node& node = design.nodes[n];
    const Underflow& u = underflows[n];
    q.underflows += u.weights;
    q.weights += u.nonzero;
    if (u.weights > 0) lost.set(node.name, u.weights);
    if (u.kernels > 0) kernels.set(node.name, u.kernels);
    if (still[n] > 0) constant.set(node.name, still[n]);
    const int64_t outputs = node.outputs.empty() ? 0 : design.value(node.outputs[0]).shape.channels;
    if (u.kernels > 0)
      layers.push_back(fmt::format("{} ({} of {})", node.name, u.kernels, outputs));
    if (still[n] > 0) stages.push_back(fmt::format("{} ({} of {})", node.name, still[n], outputs));
  }
  const InputDependence d = input_dependence(vectors.inputs_chw, vectors.expected, float64);
  if (d.known && !d.depends && d.expected) {
    q.warnings.push_back(fmt::format(
        "all {} vectors give the same logits, and in float64 they do not: the design does not "
        "depend on its input; ask for more bits behind the point (--precision)",
        vectors.expected.size()));
  }
  if (!layers.empty()) {
    q.warnings.push_back("outputs whose weights all became 0: " + join(layers, ", ") +
                         "; ask for more bits behind the point (--precision)");
  }
  if (!stages.empty()) {
    q.warnings.push_back(
        "outputs that are the same for every pixel of every vector, and are not in "
        "float64: " +
        join(stages, ", "));
  }
  q.json = Json::object({{"weight_underflows", std::move(lost)},
                         {"lost_kernels", std::move(kernels)},
                         {"constant_channels", std::move(constant)},
                         {"depends_on_input", d.known ? Json(d.depends) : Json()}});
  if (!q.warnings.empty()) q.json.set("warnings", Json::array(q.warnings));
  return q;
}

}  // namespace

int run_export(const ExportOptions& options) {
  if (options.format == "safetensors") return export_weights(options);
  if (!options.rules.empty())
    fail(ErrorKind::Usage, "--rules {}: it goes with --format safetensors", options.rules);
  if (options.zero_biases)
    fail(ErrorKind::Usage, "--zero-biases: it goes with --format safetensors");
  GraphSource source =
      open_graph_source(options.checkpoint, options.graph, options.network, options.untrained);
  if (!options.config.empty())
    source.exporting = load_run_config(options.config, options.set).config.exporting;
  if (options.config.empty() && !options.set.empty()) {
    fail(ErrorKind::Usage,
         "--set: expected --config with it; the export options have flags of their own");
  }
  const ExportConfig config = apply_hardware(source.exporting, options.hardware);

  if (source.data) {
    DataConfig data = *source.data;
    if (!options.data.empty()) data.root = options.data;
    widen_value_range(source, data);
  }
  const Budget budget = budget_of(config);
  const Device& card = budget.device;
  const Plan plan = plan_export(source.lowered, config, source.preprocessing.magnitude());
  const Design realised = realise(plan, size(plan, budget), card);
  const Graph& design = realised.graph();
  const std::vector<Limit> limits = tailor::limits(plan, realised.sizing(), card, config.backend);
  if (!options.allow_oversize) refuse_oversize(limits, design.name);

  SampleImages samples = sample_images(source, options.data, config.vectors);
  TestVectors vectors{samples.source, samples.images_chw, {}};
  std::vector<int64_t> overflows(design.nodes.size(), 0);
  IntegerEmulator emulator(design);
  std::vector<IntegerResult> results(samples.images_chw.size());
  parallel_for(static_cast<int64_t>(results.size()), 0, [&](int64_t i) {
    if (pending_interrupt() == 0)
      results[static_cast<size_t>(i)] = emulator.run(samples.images_chw[static_cast<size_t>(i)]);
  });
  throw_if_interrupted();
  for (const IntegerResult& r : results) {
    vectors.expected.push_back(r.logits_raw);
    for (size_t n = 0; n < overflows.size(); ++n) overflows[n] += r.overflows[n];
  }

  std::vector<std::vector<double>> few(
      samples.images_chw.begin(),
      samples.images_chw.begin() +
          static_cast<std::ptrdiff_t>(std::min(kQuantisationImages, samples.images_chw.size())));
  const double predicted = predict_rms_error(design, few);
  double squares = 0, count = 0;
  Float64Emulator exact(design);
  std::vector<std::vector<double>> float64(few.size());
  parallel_for(static_cast<int64_t>(few.size()), 0, [&](int64_t i) {
    float64[static_cast<size_t>(i)] = exact.run(few[static_cast<size_t>(i)]);
  });
  throw_if_interrupted();
  for (size_t i = 0; i < few.size(); ++i) {
    const std::vector<double>& logits = float64[i];
    for (size_t k = 0; k < logits.size(); ++k) {
      squares += (logits[k] - results[i].logits[k]) * (logits[k] - results[i].logits[k]);
      ++count;
    }
  }
  const double measured = std::sqrt(squares / count);

  const Cost summary = cost(plan, realised.sizing(), card);
  auto digits = [](double v) { return *parse_number(fmt::format("{:.6g}", v)); };
  Json overflow_json = Json::object(), weight_overflow_json = Json::object();
  int64_t overflow_total = 0, weight_overflows = 0;
  for (size_t n = 0; n < overflows.size(); ++n) {
    if (overflows[n] > 0) overflow_json.set(design.nodes[n].name, overflows[n]);
    if (emulator.weight_overflows()[n] > 0)
      weight_overflow_json.set(design.nodes[n].name, emulator.weight_overflows()[n]);
    overflow_total += overflows[n];
    weight_overflows += emulator.weight_overflows()[n];
  }
  const Quantisation q = look_for_underflow(design, vectors, float64);
  std::vector<std::string> limit_texts;
  limit_texts.reserve(limits.size());
  for (const Limit& limit : limits) limit_texts.push_back(limit.text);
  ProjectOptions project;
  project.top = make_identifier(design.name);
  project.part = card.part;
  project.clock_ns = config.clock_ns;
  project.backend = config.backend;
  project.force = options.force;
  const double images_per_s =
      summary.interval_cycles > 0
          ? 1e9 / (config.clock_ns * static_cast<double>(summary.interval_cycles))
          : 0;
  project.manifest_extras = Json::object(
      {{"source", source.lowered.graph().provenance},
       {"preprocessing", write_preprocessing(source.preprocessing)},
       {"quantisation", Json::object({{"rms_predicted", digits(predicted)},
                                      {"rms_measured", digits(measured)},
                                      {"rms_bound", digits(kQuantisationSafety * predicted)},
                                      {"overflows", overflow_json},
                                      {"weight_overflows", weight_overflow_json}})},
       {"cost", Json::object({{"stages", summary.stages},
                              {"multipliers", summary.multipliers},
                              {"dsp", summary.dsp},
                              {"dsp_available", card.dsp},
                              {"lut_multipliers", summary.lut_multipliers},
                              {"weights", summary.weights},
                              {"fifo_bits", summary.fifo_bits},
                              {"skip_fifo_tokens", summary.skip_fifo_tokens},
                              {"latency_cycles_model", summary.latency_cycles},
                              {"interval_cycles_model", summary.interval_cycles},
                              {"images_per_s_model", digits(images_per_s)}})}});
  if (!limit_texts.empty())
    project.manifest_extras.find("cost")->set("warnings", Json::array(limit_texts));
  for (const auto& [key, value] : q.json.as_object())
    project.manifest_extras.find("quantisation")->set(key, value);
  project.manifest_extras.find("source")->erase("config");
  project.manifest_extras.find("source")->erase("preprocessing");

  std::string output = options.output;
  if (output.empty()) {
    output = fmt::format("projects/{}-w{}i{}-{}", source.name, plan.precision().type.width, plan.precision().type.integer,
                         to_string(config.layout));
  }
  write_project(source.lowered, design, vectors, project, output);

  if (options.json) {
    Json answer = Json::object({{"project", output},
                                {"top", project.top},
                                {"source", source.title},
                                {"layout", to_string(config.layout)},
                                {"type", to_string(plan.precision().type)},
                                {"vectors", vectors.source}});
    answer.set("cost", *project.manifest_extras.find("cost"));
    answer.set("quantisation", *project.manifest_extras.find("quantisation"));
    fmt::print("{}\n", answer.dump(2));
    return 0;
  }
  fmt::print("{}: {} of {}, streams of {}\n\n{}\n{}\n", output, to_string(config.layout),
             source.title, to_string(plan.precision().type), layer_table(design, overflows), fifo_table(design));
  const auto dsp_share = 100.0 * static_cast<double>(summary.dsp) / static_cast<double>(card.dsp);
  fmt::print("multipliers {} ({}), DSP {} of {} ({:.0f} %){}, weights {}, FIFOs {} bits\n",
             with_commas(summary.multipliers),
             config.reuse_factor ? fmt::format("reuse factor {}", *config.reuse_factor)
                                 : "reuse factors balanced within 70 % of the DSPs",
             with_commas(summary.dsp), with_commas(card.dsp), dsp_share,
             summary.lut_multipliers > 0
                 ? fmt::format(", {} multipliers of LUTs", with_commas(summary.lut_multipliers))
                 : "",
             with_commas(summary.weights), with_commas(summary.fifo_bits));
  fmt::print(
      "one image every {} cycles, {} cycles from first pixel to logits (model): {:.0f} images/s at "
      "{} ns\n",
      with_commas(summary.interval_cycles), with_commas(summary.latency_cycles), images_per_s,
      config.clock_ns);
  fmt::print(
      "quantisation error of the logits: rms {:.2g} measured, {:.2g} predicted; {} outputs "
      "overflowed, {} weights; {} of {} weights became 0\n",
      measured, predicted, with_commas(overflow_total), with_commas(weight_overflows),
      with_commas(q.underflows), with_commas(q.weights));
  for (const auto& list : {limit_texts, q.warnings}) {
    for (const std::string& text : list) fmt::print("warning: {}\n", text);
  }
  fmt::print("vectors: {}\nnext: tailor check {}\n", vectors.source, shell_quote(output));
  return 0;
}

}  // namespace tailor

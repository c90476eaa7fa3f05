// tailor export: a network becomes a design, the design a project.
#include <cmath>
#include <set>

#include "cli/costs.h"
#include "cli/source.h"
#include "cli/table.h"
#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/design/fewest_bits.h"
#include "tailor/target/target.h"

namespace tailor::cli {
namespace {

std::string skips_text(const Graph& design, const Node& node) {
  const auto* conv = node.op.get_if<ops::Conv2d>();
  std::vector<std::string> parts;
  for (size_t i = 1; i < node.inputs.size(); ++i)
    parts.push_back(node.inputs[i].skip + (conv ? " (FIFO)" : ""));
  if (conv) {
    for (const std::string& id : conv->window_skips) parts.push_back(id + " (window)");
    for (const std::string& id : conv->folded_skips) parts.push_back(id + " (folded)");
    for (size_t i = 1; i < node.outputs.size(); ++i)
      parts.push_back("hands on " + design.value(node.outputs[i]).name);
  }
  return join(parts, ", ");
}

int64_t count_of(const RecordVisitor::Named<int64_t>& counts, const std::string& name) {
  for (const auto& [stage, count] : counts) {
    if (stage == name) return count;
  }
  return 0;
}

std::string layer_table(const Graph& design, const RecordVisitor::Named<int64_t>& overflows) {
  Table table({"stage", "op", "output", "reuse factor", "multipliers", "overflows", "skips"});
  for (const Node& node : design.nodes) {
    if (node.traits().port) continue;
    const bool products = node.hardware.multipliers > 0;
    table.add({node.name, to_string(node.op), to_string(design.value(node.outputs[0]).shape),
               products ? with_commas(node.hardware.reuse_factor) : "",
               products ? with_commas(node.hardware.multipliers) +
                              (node.hardware.packed ? " (packed)" : "")
                        : "",
               with_commas(count_of(overflows, node.name)), skips_text(design, node)});
  }
  return table.text();
}

std::string fifo_table(const Graph& design) {
  Table table({"FIFO", "tokens", "bits a token", "storage"});
  int64_t plain = 0;
  for (ValueId id : design.value_ids()) {
    const Value& v = design.value(id);
    if (id == design.input() || id == design.output()) continue;  // not FIFOs of the design
    if (v.fifo_depth <= 2) {
      ++plain;
    } else {
      table.add({v.identifier, with_commas(v.fifo_depth), with_commas(v.token_bits()),
                 to_string(v.fifo_storage)});
    }
  }
  return table.text() + fmt::format("and {} of 2 tokens\n", counted(plain, "FIFO"));
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

/// What `tailor export --json` prints.
Json answer_of(const std::string& output, const GraphSource& source, const Graph& design,
               const Manifest& manifest) {
  Manifest m = manifest;
  double bits = six_digits(mean_product_bits(design));
  std::string project = output, title = source.title;
  return write_record([&](RecordVisitor& v) {
    v.text("project", project, "The folder.");
    v.text("top", m.top, "Name of the top function.");
    v.text("source", title, "What was exported.");
    v.text("layout", m.design.layout, "`fused` or `stock`.");
    v.text("type", m.design.type, "Type of weights and streams, as in the manifest.");
    v.number("mean_bits", bits, 0, HUGE_VAL,
             "Products of weights and activations have mean_bits x mean_bits bits on average, over "
             "all multiplications of an image.");
    v.text("vectors", m.vectors_source, "What the test vectors are.");
    v.record(
        "cost", [&](RecordVisitor& r) { m.cost.describe(r); }, "As in the manifest.");
    v.record(
        "quantisation", [&](RecordVisitor& r) { m.quantisation.describe(r); },
        "As in the manifest.");
  });
}

std::string quantisation_text(const Quantisation& q) {
  return fmt::format(
      "quantisation error of the logits, the input's rounding included: rms {:.2g} measured, "
      "{:.2g} predicted; {} overflowed, {}; {} of {} weights became 0\n",
      q.rms_measured, q.rms_predicted, counted(total(q.overflows), "output"),
      counted(total(q.weight_overflows), "weight"), with_commas(total(q.weight_underflows)),
      with_commas(q.weights));
}

void print_project(const std::string& output, const GraphSource& source, const Graph& design,
                   const Manifest& m) {
  fmt::print("{}: {} of {}, {}\n\n{}\n{}\n{}products of {:.2f} x {:.2f} bits on average\n{}",
             output, m.design.layout, source.title, m.design.types_text(),
             layer_table(design, m.quantisation.overflows), fifo_table(design),
             costs_text(m.cost, m.design, m.clock_ns, design.input_shape()),
             mean_product_bits(design), mean_product_bits(design),
             quantisation_text(m.quantisation));
  for (const auto& list : {m.cost.warnings, m.quantisation.warnings}) {
    for (const std::string& text : list) fmt::print("warning: {}\n", text);
  }
  fmt::print("vectors: {}\nnext: tailor check {}\n", m.vectors_source, shell_quote(output));
}

/// Flags that what is to be written has no use for.
void refuse_foreign_flags(const ExportOptions& o) {
  struct Flag {
    const char* name;
    bool given, weights, onnx, project;  // and what takes it
  };
  const HardwareOptions& h = o.hardware;
  const bool weights = o.format == "safetensors", onnx = o.format == "onnx";
  for (const Flag& flag : std::initializer_list<Flag>{
           {"--rules", !o.rules.empty(), true, false, false},
           {"--zero-biases", o.zero_biases, true, false, false},
           {"--precision", h.precision.has_value(), false, true, true},
           {"--rounding", h.rounding.has_value(), false, true, true},
           {"--overflow", h.overflow.has_value(), false, true, true},
           {"--layout", h.layout.has_value(), false, true, true},
           {"--skips", h.skips.has_value(), false, true, true},
           {"--data", !o.data.empty(), false, true, true},
           {"--config", !o.config.empty(), false, true, true},
           {"--set", !o.set.empty(), false, true, true},
           {"--fpga", h.fpga.has_value(), false, false, true},
           {"--reuse-factor", h.reuse_factor.has_value(), false, false, true},
           {"--card-share", h.card_share.has_value(), false, false, true},
           {"--dsp-packing", h.dsp_packing, false, false, true},
           {"--backend", h.backend.has_value(), false, false, true},
           {"--target", h.target.has_value(), false, false, true},
           {"--clock-ns", h.clock_ns.has_value(), false, false, true},
           {"--vectors", h.vectors.has_value(), false, false, true},
           {"--frames", h.frames.has_value(), false, false, true},
           {"--token-bits", h.token_bits.has_value(), false, false, true},
           {"--allow-oversize", o.allow_oversize, false, false, true}}) {
    if (!flag.given || (weights ? flag.weights : onnx ? flag.onnx : flag.project)) continue;
    fail(ErrorKind::Usage, "{}: it goes with --format {}, not with {}; leave it out", flag.name,
         flag.weights ? "safetensors"
         : flag.onnx  ? "hls or onnx"
                      : "hls",
         o.format);
  }
}

/// A name that is of another format.
void refuse_foreign_output(const ExportOptions& o) {
  for (const char* format : {"onnx", "safetensors"}) {
    if (o.format == format || !has_extension(o.output, std::string(".") + format)) continue;
    fail(ErrorKind::Usage, "--output {}: it is named as --format {} is, and --format is {}; {}",
         o.output, format, o.format,
         o.format == "onnx" || o.format == "safetensors"
             ? "expected a name that ends in ." + o.format
             : fmt::format("expected --format {} with it, or another name for the folder", format));
  }
}

/// An export of a project's graph begins anew, with the defaults where nothing is said.
void say_other_types(const ExportOptions& options, const Graph& design) {
  if (options.graph.empty() || options.hardware.precision) return;
  const std::string folder = parent_path(absolute_path(options.graph));
  if (!is_project(folder)) return;
  const std::string then = read_manifest(folder).design.type,
                    now = design.provenance.at("design").get_string("type", "");
  if (then == now) return;
  log_warn("cli", "--graph {}: its project has {}; without --precision this one has {}",
           options.graph, then, now);
}

ExportConfig export_config(const ExportOptions& options, const GraphSource& source) {
  ExportConfig config = source.exporting;
  if (!options.config.empty())
    config = load_run_config(options.config, options.set).config.exporting;
  if (source.exporting.trained && !options.config.empty())
    config = with_precision(config, *source.exporting.trained);
  if (options.config.empty() && !options.set.empty()) {
    fail(ErrorKind::Usage,
         "--set: expected --config with it; the export options have flags of their own");
  }
  return apply_hardware(config, options.hardware);
}

}  // namespace

int run_export(const ExportOptions& options) {
  refuse_foreign_flags(options);
  refuse_foreign_output(options);
  if (options.format == "safetensors") return export_weights(options);
  const bool onnx = options.format == "onnx";
  const Target* target = onnx ? nullptr : &find_target(options.format);
  GraphSource source =
      open_graph_source(options.checkpoint, options.graph, options.network, options.untrained);
  const ExportConfig config = export_config(options, source);
  if (onnx) return export_onnx(options, std::move(source), config);
  if (source.data) {
    DataConfig data = *source.data;
    if (!options.data.empty()) data.root = options.data;
    widen_value_range(source, data);
  }
  const MapShape input = source.lowered.graph().input_shape();
  if (options.hardware.token_bits && input.height != 1) {
    fail(ErrorKind::Usage,
         "--token-bits {}: it is of networks on sequences, and {} is one on images ({}); leave it "
         "out",
         *options.hardware.token_bits, source.lowered.graph().name, to_string(input));
  }
  // A short project is made of the whole one's weights and of the beginning of its vectors.
  const GraphSource whole = source;
  if (config.frames > 0) source.lowered = on_frames(std::move(source.lowered), config.frames);
  SizedDesign design = design_export(source.lowered, config, magnitude_of(source));
  if (!options.allow_oversize) refuse_oversize(design.limits, source.lowered.graph().name);
  say_other_types(options, design.design);
  TestVectors vectors = sample_vectors(whole, options.data, config.vectors);
  if (config.frames > 0) vectors.keep_frames(whole.lowered.graph().input_shape(), config.frames);
  Quantisation quantisation = measure(design.design, vectors);
  std::string output = options.output;
  if (output.empty()) {
    const FixedType type = config.type();
    output = fmt::format("projects/{}-w{}i{}-{}", source.name, type.width, type.integer,
                         to_string(config.layout));
    if (config.layout == Layout::Fused && config.skips != SkipForm::Folded)
      output += fmt::format("-{}", to_string(config.skips));
  }
  const ProjectContents contents{std::move(source.lowered),
                                 std::move(design),
                                 std::move(vectors),
                                 std::move(quantisation),
                                 write_preprocessing(source.preprocessing),
                                 config.clock_ns,
                                 config.backend,
                                 config.target};
  const Manifest manifest = write_project(*target, contents, output, options.force);
  if (options.json) {
    fmt::print("{}\n", answer_of(output, source, contents.design.design, manifest).dump(2));
  } else {
    print_project(output, source, contents.design.design, manifest);
  }
  return 0;
}

}  // namespace tailor::cli

#include "tailor/check/check.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>

#include "tailor/core/files.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/strings.h"
#include "tailor/core/threads.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/integer.h"
#include "tailor/emulate/liveness.h"
#include "tailor/emulate/noise.h"
#include "tailor/emulate/streams.h"
#include "tailor/emulate/witness.h"
#include "tailor/target/target.h"
#include "tailor/tensors/input_noun.h"

namespace tailor::check {
namespace {

/// Two float64 runs of the same function differ by the order of their sums only.
constexpr double kFloat64Tolerance = 1e-9;

/// A project with everything it is compared by.
struct Subject {
  std::string folder;
  Manifest manifest;
  std::unique_ptr<Project> project;
  Graph lowered, design;
  std::vector<std::vector<double>> inputs;

  RunOptions run_options(const CheckOptions& options) const {
    return {options.compiler, static_cast<int64_t>(inputs.size()), design.output_shape().size(),
            options.threads};
  }
};

/// The graphs are what everything is compared with: changed, they fail. Of any other file the steps
/// that follow say what it computes now, so that a tuned pragma is a warning.
CheckStep check_files(const Subject& p) {
  std::vector<std::string> changed, failures;
  size_t count = 0;
  for (const auto& [name, hash] : p.manifest.files) {
    ++count;
    const std::string path = path_join(p.folder, name);
    const bool reference = name == "graph.safetensors" || name == "design.safetensors";
    if (!path_exists(path)) {
      failures.push_back(name + " is missing");
    } else if (sha256(read_file(path)) != hash) {
      if (reference) {
        failures.push_back(name + " was changed since the export");
      } else {
        changed.push_back(name);
      }
    }
  }
  std::vector<std::string> findings = failures;
  if (!changed.empty()) {
    findings.push_back(fmt::format(
        "{} of {} files changed since the export: {}; the other steps are of the files as they are",
        changed.size(), count, join(changed, ", ")));
  }
  if (findings.empty()) return {"files", true, fmt::format("{} files as exported", count)};
  return {"files", failures.empty(), join(findings, "; "), !changed.empty()};
}

CheckStep check_witness(const Subject& p) {
  const Graph& g = p.lowered;
  if (!g.witness) {
    if (g.provenance.is_object() && g.provenance.find("untrained"))
      return {"libtorch", true, "no witness: the network is untrained"};
    if (const Json* cut = g.provenance.is_object() ? g.provenance.find("frames") : nullptr) {
      return {"libtorch", true,
              fmt::format("no witness: the project takes {} of the network's {} frames, and "
                          "LibTorch's outputs are of all; the export compared those",
                          cut->at("first").as_int(), cut->at("of").as_int())};
    }
    return {"libtorch", false,
            "graph.safetensors has no stored outputs of LibTorch to compare with; export again "
            "from the checkpoint"};
  }
  const double worst = witness_error(g);
  return {"libtorch", worst <= kWitnessTolerance,
          fmt::format("graph in float64 against LibTorch's stored outputs, {}: largest relative "
                      "difference {:.2g}, allowed {:g}",
                      g.witness->source, worst, kWitnessTolerance)};
}

CheckStep check_fifos(const Subject& p) {
  const Graph& g = p.design;
  const auto stated = p.project->stated_depths();
  ByValue<int64_t> depths = fifo_depths(g);
  for (ValueId v : g.value_ids()) {
    auto found = stated.find(g.value(v).identifier);
    if (found != stated.end()) depths[v] = found->second;
    if (depths[v] < 1) {
      return {"fifos", false,
              fmt::format("the FIFO {} has depth {}", g.value(v).identifier, depths[v])};
    }
  }
  StreamResult unbounded = simulate_streams(g, ByValue<int64_t>(depths.size(), 0));
  StreamResult run = simulate_streams(g, depths);
  const std::string noun = input_noun(g.input_shape()),
                    each = (noun == "image" ? "an " : "a ") + noun;
  if (run.deadlock) return {"fifos", false, "the design deadlocks: " + run.deadlock_text};
  if (run.latency_cycles > unbounded.latency_cycles) {
    std::string culprits;
    for (ValueId v : g.value_ids()) {
      ByValue<int64_t> alone(depths.size(), 0);
      alone[v] = depths[v];
      if (simulate_streams(g, alone).latency_cycles > unbounded.latency_cycles) {
        culprits += fmt::format("{}{} (depth {}, exported with {})", culprits.empty() ? "" : ", ",
                                g.value(v).identifier, depths[v], g.value(v).fifo_depth);
      }
    }
    return {"fifos", false,
            fmt::format("the design stalls: {} cycles {} instead of {}; too shallow: {}",
                        run.latency_cycles, each, unbounded.latency_cycles,
                        culprits.empty() ? "several together" : culprits)};
  }
  return {"fifos", true,
          fmt::format("{} FIFOs run without deadlock or stall, {} cycles {} (model)", stated.size(),
                      run.latency_cycles, each)};
}

/// Logits of a graph in float64, of the vectors that the quantisation bound speaks of.
std::vector<std::vector<double>> float64_logits(const Subject& p, const Graph& graph,
                                                const CheckOptions& options) {
  const Float64Emulator emulator(graph);
  std::vector<std::vector<double>> logits(std::min(p.inputs.size(), kQuantisationImages));
  parallel_for(static_cast<int64_t>(logits.size()), options.threads, [&](int64_t i) {
    if (pending_interrupt() == 0)
      logits[static_cast<size_t>(i)] = emulator.run(p.inputs[static_cast<size_t>(i)]);
  });
  throw_if_interrupted();
  return logits;
}

CheckStep check_layout(const std::vector<std::vector<double>>& lowered,
                       const std::vector<std::vector<double>>& design) {
  double worst = 0;
  for (size_t i = 0; i < design.size(); ++i)
    worst = std::max(worst, relative_difference(design[i], lowered[i]));
  return {"design", worst <= kFloat64Tolerance,
          fmt::format("design (folded, laid out) against graph, both in float64: largest relative "
                      "difference {:.2g}, allowed {:g}",
                      worst, kFloat64Tolerance)};
}

CheckStep check_quantisation(const Subject& p, const std::vector<std::vector<double>>& exact,
                             const std::vector<IntegerResult>& integers) {
  double squares = 0, worst = 0, count = 0;
  int64_t overflows = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    for (size_t k = 0; k < exact[i].size(); ++k) {
      const double e = integers[i].logits[k] - exact[i][k];
      squares += e * e;
      worst = std::max(worst, std::abs(e));
      ++count;
    }
    for (int64_t n : integers[i].overflows) overflows += n;
  }
  const double rms = std::sqrt(squares / count);
  const double bound = p.manifest.quantisation.rms_bound;
  return {"quantisation", rms <= bound,
          fmt::format(
              "integers against float64 on {}, whose inputs are rounded already: rms {:.3g}, at "
              "most {:.3g} allowed; the largest difference is {:.3g}; {}",
              counted(static_cast<int64_t>(exact.size()), "vector"), rms, bound, worst,
              counted(overflows, "overflow"))};
}

/// A network that answers the same to everything agrees with itself at every other step.
CheckStep check_answers(const Subject& p, const std::vector<std::vector<double>>& exact,
                        const std::vector<IntegerResult>& integers) {
  std::vector<std::vector<int64_t>> raw;
  raw.reserve(integers.size());
  for (const IntegerResult& r : integers) raw.push_back(r.logits_raw);
  const InputDependence d = input_dependence(p.inputs, raw, exact);
  int64_t lost = 0, nonzero = 0;
  for (const Underflow& u : count_underflows(p.design)) lost += u.weights, nonzero += u.nonzero;
  const std::string underflows = fmt::format(
      "{} of {} weights became 0 ({:.1f} %)", lost, nonzero,
      nonzero > 0 ? 100.0 * static_cast<double>(lost) / static_cast<double>(nonzero) : 0);
  if (!d.known)
    return {"answers", true, "the vectors do not differ, so nothing is known; " + underflows};
  if (d.depends) {
    const std::set<std::vector<int64_t>> different(raw.begin(), raw.end());
    return {"answers", true,
            fmt::format("{} different logits for {} vectors; {}", different.size(), raw.size(),
                        underflows)};
  }
  if (!d.expected) {
    return {"answers", true,
            fmt::format("all {} vectors give the same logits, in float64 too; {}", raw.size(),
                        underflows)};
  }
  return {"answers", false,
          fmt::format("all {} vectors give the same logits and in float64 they do not: the design "
                      "does not depend on its input; {}. Export with more bits behind the point "
                      "(--precision)",
                      raw.size(), underflows)};
}

/// Where what was written to a value is not what it should be, or "".
std::string difference_at(const Node& node, const Value& v,
                          const std::vector<std::vector<int64_t>>& rows,
                          Span<const int64_t> expected) {
  if (rows.empty()) return fmt::format("the stage {} wrote nothing", node.identifier);
  if (rows.size() != static_cast<size_t>(v.shape.pixels())) {
    return fmt::format("the stage {} wrote {} tokens, expected {}", node.identifier, rows.size(),
                       v.shape.pixels());
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    const size_t channels = static_cast<size_t>(v.shape.channels), pixel = i / channels,
                 c = i % channels, width = static_cast<size_t>(v.shape.width);
    if (rows[pixel][c] == expected[i]) continue;
    return fmt::format(
        "first differing stage: {} ({}), pixel row {} column {}, channel {}: the emulator has "
        "{} ({:g}), the compiled project {} ({:g})",
        node.identifier, to_string(node.op), pixel / width, pixel % width, c, expected[i],
        v.type->to_double(expected[i]), rows[pixel][c], v.type->to_double(rows[pixel][c]));
  }
  return "";
}

/// The first tap, in the order of the design, that differs from the emulator.
std::string first_difference(const Subject& p, const CheckOptions& options, size_t sample) {
  const std::string error = p.project->trace(p.run_options(options), sample);
  if (!error.empty()) return "no trace: " + error;
  const Graph& g = p.design;
  const ByValue<NodeId> writer = producers(g);
  std::string found;
  IntegerEmulator(g).run(p.inputs[sample], [&](ValueId id, Span<const int64_t> expected) {
    const Node& node = g.node(writer[id]);
    if (found.empty() && !node.is<ops::Input>())
      found = difference_at(node, g.value(id), p.project->traced(g.value(id)), expected);
  });
  return found.empty() ? "every stage agrees in a trace build; the test bench itself differs"
                       : found;
}

/// Iterations of each stage's loop as it counted them, against those that every figure of cycles is
/// made of.
CheckStep check_cycles(const Subject& p, const ProjectRun& run) {
  std::string wrong;
  int64_t stages = 0, most = 0;
  for (const Node& node : p.design.nodes) {
    if (node.traits().port) continue;
    ++stages;
    const int64_t expected = stage_loop(p.design, node).image_cycles(node.hardware.reuse_factor);
    most = std::max(most, expected);
    const auto found = run.iterations.find(node.identifier);
    const int64_t counted = found == run.iterations.end() ? 0 : found->second;
    const auto vectors = static_cast<int64_t>(p.inputs.size());
    if (counted == expected * vectors) continue;
    wrong += fmt::format("{}{} ran {:g} times a vector instead of {}", wrong.empty() ? "" : ", ",
                         node.identifier,
                         static_cast<double>(counted) / static_cast<double>(vectors), expected);
  }
  if (!wrong.empty()) {
    return {"cycles", false,
            "the loops of stages are not those that the figures are made of: " + wrong};
  }
  return {"cycles", true,
          fmt::format("{} stages count the iterations that the figures are made of, at most {} a "
                      "vector",
                      stages, most)};
}

/// A compiler that refuses a project which is `as_exported` is at fault itself.
CheckStep check_compiled(const Subject& p, const ProjectRun& run,
                         const std::vector<IntegerResult>& integers, const CheckOptions& options,
                         bool as_exported) {
  if (!run.build_error.empty() && as_exported) fail(ErrorKind::ExternalTool, "{}", run.build_error);
  if (!run.build_error.empty()) return {"compiled", false, run.build_error};
  if (!run.run_error.empty()) return {"compiled", false, run.run_error};
  const std::vector<std::vector<int64_t>>& rows = run.logits;
  const size_t count = p.inputs.size();
  if (rows.size() != count) {
    return {"compiled", false,
            fmt::format("the compiled project gave {} results, expected {}", rows.size(), count)};
  }
  size_t wrong = 0, first_wrong = 0;
  for (size_t i = rows.size(); i-- > 0;) {
    if (rows[i] == integers[i].logits_raw) continue;
    ++wrong;
    first_wrong = i;
  }
  if (wrong > 0) {
    return {"compiled", false,
            fmt::format("{} of {} vectors differ from the emulator; sample {}: {}", wrong, count,
                        first_wrong, first_difference(p, options, first_wrong))};
  }
  if (!run.bench_error.empty()) {
    return {"compiled", false,
            "the project's own test bench fails, but the emulator agrees with the design: " +
                run.bench_error};
  }
  return {"compiled", true,
          fmt::format("{} and emulator agree bit for bit on {} vectors", p.project->what_runs(),
                      count)};
}

/// The graphs and the test vectors, without which nothing can be compared.
void open_reference(Subject& p, const CheckOptions& options) {
  const std::string& folder = p.folder;
  p.lowered = load_graph(path_join(folder, "graph.safetensors"));
  p.design = load_graph(path_join(folder, "design.safetensors"));
  if (p.lowered.state != GraphState::Lowered || p.design.state != GraphState::Design)
    fail(ErrorKind::Data, "{}: graph.safetensors and design.safetensors are exchanged", folder);
  if (p.lowered.input_shape() != p.design.input_shape() ||
      p.lowered.output_shape() != p.design.output_shape()) {
    fail(ErrorKind::Data, "{}: graph.safetensors and design.safetensors are of different networks",
         folder);
  }
  p.inputs = p.project->inputs(p.design.input_shape());
  if (options.vectors > 0 && static_cast<size_t>(options.vectors) < p.inputs.size())
    p.inputs.resize(static_cast<size_t>(options.vectors));
}

}  // namespace

bool CheckReport::passed() const {
  return std::all_of(steps.begin(), steps.end(), [](const CheckStep& s) { return s.passed; });
}

void CheckReport::describe(RecordVisitor& v) {
  bool all = passed();
  v.text("project", project, "The folder.");
  v.boolean("passed", all, "Whether every step did.");
  v.integer("vectors", vectors, 0, INT64_MAX, "Vectors that were compared.");
  v.list(
      "steps", steps.size(), [&](size_t n) { steps.resize(n); },
      [&](RecordVisitor& r, size_t i) {
        CheckStep& s = steps[i];
        r.text("step", s.name, "Its name.");
        r.boolean("passed", s.passed, "Whether it passed.");
        r.boolean("warning", s.warns, "Passed, with something to look at.");
        r.text("detail", s.detail, "What was compared and how far apart it is, in a sentence.");
      },
      "One a comparison, in order.");
}

CheckReport check_project(const std::string& folder, const CheckOptions& options,
                          Progress& progress) {
  Subject p;
  p.folder = folder;
  p.manifest = read_manifest(folder);
  const std::vector<std::string> targets = target_names();
  if (std::find(targets.begin(), targets.end(), p.manifest.target) == targets.end()) {
    fail(ErrorKind::Unsupported, "{}: it is a project for {}, and this tailor knows {}", folder,
         p.manifest.target, join(targets, ", "));
  }
  p.project = find_target(p.manifest.target).open(folder, p.manifest);
  CheckReport report;
  report.project = folder;
  const CheckStep files = check_files(p);
  report.steps.push_back(files);
  const bool as_exported = files.passed && !files.warns;
  try {
    open_reference(p, options);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::Data || as_exported) throw;
    report.steps.push_back({"graphs", false, std::string(e.what()) + "; nothing can be compared"});
    return report;
  }
  report.vectors = static_cast<int64_t>(p.inputs.size());
  report.steps.push_back(check_witness(p));
  const auto exact = float64_logits(p, p.design, options);
  report.steps.push_back(check_layout(float64_logits(p, p.lowered, options), exact));
  std::vector<IntegerResult> integers(p.inputs.size());
  IntegerEmulator emulator(p.design);
  parallel_for(report.vectors, options.threads, [&](int64_t i) {
    if (pending_interrupt() == 0)
      integers[static_cast<size_t>(i)] = emulator.run(p.inputs[static_cast<size_t>(i)]);
  });
  throw_if_interrupted();
  report.steps.push_back(check_quantisation(p, exact, integers));
  report.steps.push_back(check_answers(p, exact, integers));
  report.steps.push_back(check_fifos(p));
  if (options.compile) {
    const ProjectRun run = p.project->run(p.run_options(options), progress);
    if (!run.iterations.empty()) report.steps.push_back(check_cycles(p, run));
    report.steps.push_back(check_compiled(p, run, integers, options, as_exported));
  }
  return report;
}

}  // namespace tailor::check

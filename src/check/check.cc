#include "tailor/check/check.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>

#include "check/process.h"
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
#include "tailor/target/hls/project.h"

namespace tailor {
namespace {

/// Two float64 runs of the same function differ by the order of their sums only.
constexpr double kFloat64Tolerance = 1e-9;

struct Project {
  std::string folder, top;
  Json manifest;
  std::optional<Graph> lowered, design;
  std::vector<std::vector<double>> inputs;  // HWC
};

template <class Parse>
auto read_rows(const std::string& path, size_t width, Parse parse) {
  using Value = typename decltype(parse(std::string_view()))::value_type;
  std::vector<std::vector<Value>> rows;
  size_t number = 0;
  for (const std::string& line : split(read_file(path, "test vectors"), '\n')) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    std::vector<Value> row;
    for (const std::string& word : split(line, ' ')) {
      auto value = parse(word);
      if (!value) fail(ErrorKind::Data, "{}: line {}: '{}' is not a number", path, number, word);
      row.push_back(*value);
    }
    if (row.size() != width)
      fail(ErrorKind::Data, "{}: line {}: {} values, expected {}", path, number, row.size(), width);
    rows.push_back(std::move(row));
  }
  return rows;
}

/// The graphs are what everything is compared with: changed, they fail. Of any other file the steps
/// that follow say what it computes now, so that a tuned pragma is a warning.
CheckStep check_files(const Project& p) {
  std::vector<std::string> changed, failures;
  size_t count = 0;
  for (const auto& [name, hash] : p.manifest.at("files").as_object()) {
    ++count;
    const std::string path = path_join(p.folder, name);
    const bool reference = name == "graph.safetensors" || name == "design.safetensors";
    if (!path_exists(path)) {
      failures.push_back(name + " is missing");
    } else if (sha256(read_file(path)) != hash.as_string()) {
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

CheckStep check_witness(const Project& p) {
  const Graph& g = *p.lowered;
  if (!g.witness) {
    if (g.provenance.is_object() && g.provenance.find("untrained"))
      return {"libtorch", true, "no witness: the network is untrained"};
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

/// Depths as the generated C++ states them: TAILOR_FIFO(name, depth, storage).
std::map<std::string, int64_t> stated_depths(const Project& p) {
  std::map<std::string, int64_t> depths;
  const std::string text = read_file(path_join(p.folder, "firmware/" + p.top + ".cpp"));
  constexpr std::string_view kMacro = "TAILOR_FIFO(";
  for (size_t at = text.find(kMacro); at != std::string::npos; at = text.find(kMacro, at + 1)) {
    const size_t start = at + kMacro.size(), end = text.find(')', start);
    if (end == std::string::npos) break;
    auto parts = split(std::string_view(text).substr(start, end - start), ',');
    auto depth = parts.size() == 3 ? parse_int(trim(parts[1])) : std::nullopt;
    if (depth) depths[std::string(trim(parts[0]))] = *depth;
  }
  return depths;
}

CheckStep check_fifos(const Project& p) {
  const Graph& g = *p.design;
  const auto stated = stated_depths(p);
  std::vector<int64_t> depths = fifo_depths(g);
  for (size_t v = 0; v < depths.size(); ++v) {
    auto found = stated.find(g.values[v].identifier);
    if (found != stated.end()) depths[v] = found->second;
    if (depths[v] < 1) {
      return {"fifos", false,
              fmt::format("the FIFO {} has depth {}", g.values[v].identifier, depths[v])};
    }
  }
  StreamResult unbounded = simulate_streams(g, std::vector<int64_t>(depths.size(), 0));
  StreamResult run = simulate_streams(g, depths);
  if (run.deadlock) return {"fifos", false, "the design deadlocks: " + run.deadlock_text};
  if (run.latency_cycles > unbounded.latency_cycles) {
    std::string culprits;
    for (size_t v = 0; v < depths.size(); ++v) {
      std::vector<int64_t> alone(depths.size(), 0);
      alone[v] = depths[v];
      if (simulate_streams(g, alone).latency_cycles > unbounded.latency_cycles) {
        culprits += fmt::format("{}{} (depth {}, exported with {})", culprits.empty() ? "" : ", ",
                                g.values[v].identifier, depths[v], g.values[v].fifo_depth);
      }
    }
    return {"fifos", false,
            fmt::format("the design stalls: {} cycles an image instead of {}; too shallow: {}",
                        run.latency_cycles, unbounded.latency_cycles,
                        culprits.empty() ? "several together" : culprits)};
  }
  return {"fifos", true,
          fmt::format("{} FIFOs run without deadlock or stall, {} cycles an image (model)",
                      stated.size(), run.latency_cycles)};
}

/// Logits of a graph in float64, of the vectors that the quantisation bound speaks of.
std::vector<std::vector<double>> float64_logits(const Project& p, const Graph& graph,
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

CheckStep check_quantisation(const Project& p, const std::vector<std::vector<double>>& exact,
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
  const double bound = p.manifest.at("quantisation").at("rms_bound").as_number();
  return {"quantisation", rms <= bound,
          fmt::format("integers against float64 on {} vectors: rms {:.3g} (largest {:.3g}), bound "
                      "{:.3g}; {} overflows",
                      exact.size(), rms, worst, bound, overflows)};
}

/// A network that answers the same to everything agrees with itself at every other step.
CheckStep check_answers(const Project& p, const std::vector<std::vector<double>>& exact,
                        const std::vector<IntegerResult>& integers) {
  std::vector<std::vector<int64_t>> raw;
  raw.reserve(integers.size());
  for (const IntegerResult& r : integers) raw.push_back(r.logits_raw);
  const InputDependence d = input_dependence(p.inputs, raw, exact);
  int64_t lost = 0, nonzero = 0;
  for (const Underflow& u : count_underflows(*p.design)) lost += u.weights, nonzero += u.nonzero;
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

std::vector<std::string> compiler_command(const CheckOptions& options) {
  std::string compiler = options.compiler;
  if (compiler.empty()) {
    const char* cxx = std::getenv("CXX");
    compiler = cxx && *cxx ? cxx : "c++";
  }
  std::vector<std::string> words;
  for (std::string& word : split(compiler, ' ')) {
    if (!word.empty()) words.push_back(std::move(word));
  }
  if (words.empty()) fail(ErrorKind::Usage, "--compiler: expected a command, got blanks");
  return words;
}

/// What the compiler says against it, or "". Throws ExternalTool where there is no such compiler.
std::string compile(const Project& p, const CheckOptions& options, const std::string& binary,
                    bool trace) {
  std::vector<std::string> command = compiler_command(options);
  const std::string root = absolute_path(p.folder);
  // Of a ResNet-20, -O2 takes 2.3 s more to compile and saves 6 ms a vector. The user's flags come
  // later and win.
  const auto flags = std::find_if(command.begin(), command.end(),
                                  [](const std::string& word) { return word[0] == '-'; });
  command.insert(flags, {"-std=c++11", "-O1"});
  for (const std::string& flag : {"-I" + root, "-I" + root + "/firmware", std::string("-idirafter"),
                                  root + "/firmware/native"})
    command.push_back(flag);
  if (trace) command.emplace_back("-DTAILOR_TRACE");
  command.push_back(root + "/firmware/" + p.top + ".cpp");
  command.push_back(root + "/" + p.top + "_test.cpp");
  command.emplace_back("-o");
  command.push_back(binary);
  ProcessResult result = run_process(command, root);
  if (result.status == 0) return "";
  const std::string tail =
      result.output.size() > 2000 ? result.output.substr(0, 2000) + "…" : result.output;
  return fmt::format("{} could not compile {} (exit status {}):\n{}", command[0], p.folder,
                     result.status, tail);
}

/// The first tap, in the order of the design, that differs from the emulator.
std::string first_difference(const Project& p, const CheckOptions& options,
                             const std::string& scratch, size_t sample) {
  const std::string binary = path_join(scratch, "csim_trace"), traces = path_join(scratch, "trace");
  create_directories(traces);
  if (const std::string error = compile(p, options, binary, /*trace=*/true); !error.empty())
    return "no trace: " + error;
  run_process({binary, "--results", path_join(scratch, "trace.log"), "--first",
               std::to_string(sample), "--count", "1"},
              scratch, {{"TAILOR_PROJECT", absolute_path(p.folder)}, {"TAILOR_TRACE_DIR", traces}});
  const Graph& g = *p.design;
  std::string found;
  std::vector<int> writer = producers(g);
  IntegerEmulator emulator(g);
  emulator.run(p.inputs[sample], [&](int id, Span<const int64_t> expected) {
    const Value& v = g.value(id);
    const Node& node = g.nodes[static_cast<size_t>(writer[static_cast<size_t>(id)])];
    if (!found.empty() || node.op == Op::Input) return;
    const std::string path = path_join(traces, v.identifier + ".txt");
    if (!path_exists(path)) {
      found = fmt::format("the stage {} wrote nothing", node.identifier);
      return;
    }
    auto rows = read_rows(path, static_cast<size_t>(v.shape.channels), parse_int);
    if (rows.size() != static_cast<size_t>(v.shape.pixels())) {
      found = fmt::format("the stage {} wrote {} tokens, expected {}", node.identifier, rows.size(),
                          v.shape.pixels());
      return;
    }
    for (size_t i = 0; i < expected.size(); ++i) {
      const size_t channels = static_cast<size_t>(v.shape.channels), pixel = i / channels,
                   c = i % channels, width = static_cast<size_t>(v.shape.width);
      if (rows[pixel][c] != expected[i]) {
        found = fmt::format(
            "first differing stage: {} ({}), pixel row {} column {}, channel {}: the emulator has "
            "{} ({:g}), the compiled project {} ({:g})",
            node.identifier, to_string(node.op), pixel / width, pixel % width, c, expected[i],
            v.type->to_double(expected[i]), rows[pixel][c], v.type->to_double(rows[pixel][c]));
        return;
      }
    }
  });
  return found.empty() ? "every stage agrees in a trace build; the test bench itself differs"
                       : found;
}

/// A compiler that refuses a project which is `as_exported` is at fault itself.
CheckStep check_compiled(const Project& p, const std::vector<IntegerResult>& integers,
                         const CheckOptions& options, bool as_exported, Progress& progress) {
  TemporaryDirectory scratch("tailor-check");
  const std::string binary = path_join(scratch.path(), "csim");
  progress.begin("compiling", 1, "file");
  const std::string error = compile(p, options, binary, /*trace=*/false);
  progress.advance(1);
  progress.end();
  if (!error.empty() && as_exported) fail(ErrorKind::ExternalTool, "{}", error);
  if (!error.empty()) return {"compiled", false, error};
  const auto count = static_cast<int64_t>(p.inputs.size());
  const int threads = options.threads > 0 ? options.threads : available_threads();
  const int64_t parts = std::min<int64_t>(threads, count);
  std::vector<ProcessResult> results(static_cast<size_t>(parts));
  progress.begin("running", count, "image");
  auto first_of = [&](int64_t part) { return count * part / parts; };
  parallel_for(parts, threads, [&](int64_t part) {
    results[static_cast<size_t>(part)] = run_process(
        {binary, "--results", path_join(scratch.path(), fmt::format("results{}.log", part)),
         "--first", std::to_string(first_of(part)), "--count",
         std::to_string(first_of(part + 1) - first_of(part))},
        scratch.path(), {{"TAILOR_PROJECT", absolute_path(p.folder)}});
  });
  progress.advance(count);
  progress.end();
  std::vector<std::vector<int64_t>> rows;
  for (int64_t part = 0; part < parts; ++part) {
    const ProcessResult& r = results[static_cast<size_t>(part)];
    if (r.status > 1) {
      return {
          "compiled", false,
          fmt::format("the compiled project ended with status {}: {}", r.status, trim(r.output))};
    }
    auto more = read_rows(path_join(scratch.path(), fmt::format("results{}.log", part)),
                          static_cast<size_t>(p.design->classes()), parse_int);
    rows.insert(rows.end(), more.begin(), more.end());
  }
  if (rows.size() != p.inputs.size()) {
    return {"compiled", false,
            fmt::format("the compiled project gave {} results, expected {}", rows.size(), count)};
  }
  size_t wrong = 0, first_wrong = 0;
  for (size_t i = rows.size(); i-- > 0;) {
    if (rows[i] != integers[i].logits_raw) {
      ++wrong;
      first_wrong = i;
    }
  }
  if (wrong > 0) {
    return {"compiled", false,
            fmt::format("{} of {} vectors differ from the emulator; sample {}: {}", wrong, count,
                        first_wrong, first_difference(p, options, scratch.path(), first_wrong))};
  }
  bool bench_failed = std::any_of(results.begin(), results.end(),
                                  [](const ProcessResult& r) { return r.status != 0; });
  if (bench_failed) {
    return {"compiled", false,
            "the project's own test bench fails, but the emulator agrees with the design: "
            "tb_data/expected.dat was changed"};
  }
  return {"compiled", true,
          fmt::format("compiled C++ and emulator agree bit for bit on {} vectors", count)};
}

Project open_manifest(const std::string& folder) {
  Project p;
  p.folder = folder;
  const std::string path = path_join(folder, "manifest.json");
  if (!path_exists(path))
    fail(ErrorKind::Data, "{}: no manifest.json: not a project that tailor export wrote", folder);
  p.manifest = Json::parse(read_file(path, "manifest"), path);
  if (p.manifest.get_string("format", "") != "tailor.project") {
    fail(ErrorKind::Data, "{}: expected the format tailor.project, got '{}'", path,
         p.manifest.get_string("format", ""));
  }
  if (p.manifest.get_int("version", 0) != kManifestVersion) {
    fail(ErrorKind::Unsupported,
         "{}: expected version {}, got {}; export the project again with this version of tailor",
         path, kManifestVersion, p.manifest.get_int("version", 0));
  }
  p.top = p.manifest.at("top").as_string();
  return p;
}

/// The graphs and the test vectors, without which nothing can be compared.
void open_reference(Project& p, const CheckOptions& options) {
  const std::string& folder = p.folder;
  p.lowered = load_graph(path_join(folder, "graph.safetensors"));
  p.design = load_graph(path_join(folder, "design.safetensors"));
  if (p.lowered->state != "lowered" || p.design->state != "design")
    fail(ErrorKind::Data, "{}: graph.safetensors and design.safetensors are exchanged", folder);
  if (p.lowered->input_shape() != p.design->input_shape() ||
      p.lowered->classes() != p.design->classes()) {
    fail(ErrorKind::Data, "{}: graph.safetensors and design.safetensors are of different networks",
         folder);
  }
  p.inputs = read_rows(path_join(folder, "tb_data/inputs.dat"),
                       static_cast<size_t>(p.design->input_shape().size()), parse_number);
  if (p.inputs.empty()) fail(ErrorKind::Data, "{}: tb_data/inputs.dat has no vectors", folder);
  if (options.vectors > 0 && static_cast<size_t>(options.vectors) < p.inputs.size())
    p.inputs.resize(static_cast<size_t>(options.vectors));
}

}  // namespace

bool CheckReport::passed() const {
  return std::all_of(steps.begin(), steps.end(), [](const CheckStep& s) { return s.passed; });
}

Json CheckReport::to_json() const {
  Json::Array list;
  for (const CheckStep& s : steps) {
    list.push_back(Json::object(
        {{"step", s.name}, {"passed", s.passed}, {"warning", s.warns}, {"detail", s.detail}}));
  }
  return Json::object({{"project", project},
                       {"passed", passed()},
                       {"vectors", vectors},
                       {"steps", std::move(list)}});
}

CheckReport check_project(const std::string& folder, const CheckOptions& options,
                          Progress& progress) {
  Project p = open_manifest(folder);
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
  const auto exact = float64_logits(p, *p.design, options);
  report.steps.push_back(check_layout(float64_logits(p, *p.lowered, options), exact));
  std::vector<IntegerResult> integers(p.inputs.size());
  IntegerEmulator emulator(*p.design);
  parallel_for(report.vectors, options.threads, [&](int64_t i) {
    if (pending_interrupt() == 0)
      integers[static_cast<size_t>(i)] = emulator.run(p.inputs[static_cast<size_t>(i)]);
  });
  throw_if_interrupted();
  report.steps.push_back(check_quantisation(p, exact, integers));
  report.steps.push_back(check_answers(p, exact, integers));
  report.steps.push_back(check_fifos(p));
  if (options.compile)
    report.steps.push_back(check_compiled(p, integers, options, as_exported, progress));
  return report;
}

}  // namespace tailor

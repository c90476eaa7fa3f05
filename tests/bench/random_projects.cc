// Random small projects, each drawn whole from its seed: network, layout, form of skips, types of
// stages, rounding and overflow, packing, reuse factors, tool. Every one is compiled without a
// warning and compared with the emulator bit for bit.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "support/frames.h"
#include "support/random_graphs.h"
#include "support/random_networks.h"
#include "support/random_projects.h"
#include "support/rooms.h"
#include "tailor/core/log.h"
#include "tailor/emulate/float64.h"

namespace tailor::test {
namespace {

/// A project that a seed asks for, and how to say what it is.
struct Draw {
  Graph graph;
  testing::DesignOptions options;
  HlsBackend backend = HlsBackend::Vitis;
  HlsPackage package = HlsPackage::Ip;
  bool by_stage = false;  // types
  Rounding rounding = Rounding::Rnd;
  Overflow overflow = Overflow::Sat;
  std::string text;
};

template <class T>
T one_of(CounterRandom& random, const std::vector<T>& all) {
  return all[static_cast<size_t>(random.below(static_cast<int64_t>(all.size())))];
}

Graph draw_graph(CounterRandom& random, int64_t seed, std::string& text) {
  const int64_t kind = random.below(5);
  text = kind < 2 ? "network" : kind < 4 ? "graph" : "frames";
  Graph graph = kind < 2   ? testing::lowered(testing::random_network(seed))
                : kind < 4 ? testing::random_graph(seed, /*largest_kernel=*/5)
                           : testing::random_frames_graph(static_cast<uint64_t>(seed));
  calibrate_batch_norm(graph, {testing::random_image(graph.input_shape(), 100),
                               testing::random_image(graph.input_shape(), 101)});
  return graph;
}

/// Rounds and overflows as the seed says, as all types of a design do.
void set_modes(Precision& precision, Rounding rounding, Overflow overflow) {
  auto set = [&](FixedType& type) {
    type.rounding = rounding;
    type.overflow = overflow;
  };
  set(precision.type);
  if (precision.weights) set(*precision.weights);
  for (auto& [name, exception] : precision.stages) {
    if (exception.weight) set(*exception.weight);
    if (exception.activation) set(*exception.activation);
  }
}

void draw_stage_types(Draw& d, uint32_t seed) {
  testing::DesignOptions shape = d.options;  // which stages there are
  shape.type = FixedType{16, 6};
  shape.dsp_packing = false;
  d.options.type = testing::random_types(d.graph, shape, seed);
  set_modes(d.options.type, d.rounding, d.overflow);
}

Draw draw(int64_t seed) {
  CounterRandom random(static_cast<uint64_t>(seed), RandomStream::Test, 815);
  Draw d;
  d.graph = draw_graph(random, seed, d.text);
  testing::DesignOptions& o = d.options;
  std::tie(o.layout, o.skips) = one_of(random, testing::layouts());
  o.dsp_packing = random.below(3) == 0;
  d.by_stage = random.below(3) == 0;
  const auto types = o.dsp_packing
                         ? std::vector<FixedType>{{8, 4}, {8, 3}, {7, 3}}
                         : std::vector<FixedType>{{16, 6}, {12, 5}, {9, 4}, {8, 3}, {24, 8}};
  o.type = one_of(random, types);
  d.rounding = static_cast<Rounding>(random.below(7));
  if (random.below(2) > 0) d.overflow = static_cast<Overflow>(random.below(5));
  set_modes(o.type, d.rounding, d.overflow);
  if (d.by_stage) draw_stage_types(d, static_cast<uint32_t>(seed));
  o.token_bits = one_of<int64_t>(random, {16, 40, 64, 512});
  if (random.below(4) > 0) o.reuse_factor = 1 + random.below(80);
  if (random.below(2) == 0) d.backend = HlsBackend::Vivado;
  if (d.backend == HlsBackend::Vitis && random.below(6) == 0) d.package = HlsPackage::Kernel;
  d.text += fmt::format(
      " {} {} {} {} {}{}{} token {} reuse {} {} {}", to_string(o.layout), to_string(o.skips),
      d.by_stage ? "by stage" : precision_text(o.type.type), to_string(d.rounding),
      to_string(d.overflow), o.dsp_packing ? " packed" : "", o.type.trained ? " trained" : "",
      o.token_bits, o.reuse_factor.value_or(0), to_string(d.backend), to_string(d.package));
  return d;
}

struct Counts {
  int64_t passed = 0, failed = 0, refused = 0, unpacked = 0, silent = 0, vectors = 0;
  std::map<std::string, int64_t> kinds;
  std::string notes;  // of the seed in hand
};

/// Types of stages that silence a network prove little: others are drawn, a few times.
testing::ProjectParts parts_of(Draw& d, int64_t seed) {
  for (int64_t again = 1;; ++again) {
    testing::ProjectParts parts = testing::project_parts(d.graph, d.options, /*count=*/3);
    const auto& rows = parts.vectors.expected;
    const bool silent = std::equal(rows.begin() + 1, rows.end(), rows.begin());
    if (!silent || !d.by_stage || again > 20) return parts;
    draw_stage_types(d, static_cast<uint32_t>(seed + 1000003 * again));
  }
}

/// Windows of a project's design by what they are; a project counts once for each.
void count_windows_of(const Graph& design, std::map<std::string, int64_t>& kinds) {
  std::set<std::string> found;
  for (const Node& node : design.nodes) {
    const auto* conv = node.op.get_if<ops::Conv2d>();
    const auto* pool = node.op.get_if<ops::MaxPool2d>();
    if (!conv && !pool) continue;
    const Window& w = conv ? conv->window : pool->window;
    found.insert(fmt::format("kernel of {}", std::max(w.kernel.height, w.kernel.width)));
    if (w.kernel.height >= 5) found.insert("kernel of 5 rows");
    if (w.kernel.height > 1 && w.kernel.height != w.kernel.width) found.insert("rectangular");
    if (w.dilation.size() > 1) found.insert("dilated");
    if (w.stride.size() > 1) found.insert("strided");
    if (w.stride.height != w.stride.width) found.insert("strides of two kinds");
    if (conv && conv->groups > 1) found.insert("grouped");
    if (node.inputs.size() > 1) found.insert("skip added by a stage");
    if (pool) found.insert("max pool");
  }
  for (const std::string& kind : found) ++kinds[kind];
}

/// What is wrong with a project, or "".
std::string findings_of(Draw& d, int64_t seed, const std::string& folder,
                        const std::string& compiler, Counts& counts) {
  const testing::ProjectParts parts = parts_of(d, seed);
  ProjectContents contents = testing::contents_of(parts);
  contents.backend = d.backend;
  contents.package = d.package;
  count_windows_of(parts.design, counts.kinds);
  write_project(find_target("hls"), contents, folder, /*force=*/true);
  CheckOptions options;
  options.compiler = compiler;
  options.threads = 1;
  const CheckReport report = check_project(folder, options);
  counts.vectors += report.vectors;
  std::string findings;
  bool compiled = false;
  for (const CheckStep& s : report.steps) {
    compiled = compiled || s.name == "compiled";
    if (s.passed && !s.warns) continue;
    if (s.name == "answers") {  // a drawn type may be too narrow
      ++counts.silent;
      counts.notes += fmt::format("  note, {}: {}\n", s.name, s.detail);
    } else {
      findings += fmt::format("  {}: {}\n", s.name, s.detail);
    }
  }
  return compiled ? findings : findings + "  nothing was compiled\n";
}

/// As it was drawn, but without packing where nothing packs.
std::string try_project(Draw& d, int64_t seed, const std::string& folder,
                        const std::string& compiler, Counts& counts) {
  try {
    return findings_of(d, seed, folder, compiler, counts);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::Unsupported || !d.options.dsp_packing) throw;
  }
  ++counts.unpacked;
  d.options.dsp_packing = false;
  return findings_of(d, seed, folder, compiler, counts);
}

void run_seed(int64_t seed, const std::string& folder, const std::string& compiler,
              Counts& counts) {
  const auto start = std::chrono::steady_clock::now();
  std::string text = "could not be drawn", outcome;
  try {
    Draw d = draw(seed);
    text = d.text;
    const std::string findings = try_project(d, seed, folder, compiler, counts);
    ++(findings.empty() ? counts.passed : counts.failed);
    outcome = findings.empty() ? "agrees" : "FAILED\n" + findings;
    if (findings.empty()) {
      ++counts.kinds[text.substr(0, text.find(' '))];
      ++counts.kinds[fmt::format("{} {}", to_string(d.options.layout), to_string(d.options.skips))];
      if (d.options.dsp_packing) ++counts.kinds["packed"];
      if (!d.options.type.stages.empty()) ++counts.kinds["types by stage"];
      if (d.package == HlsPackage::Kernel) ++counts.kinds["kernel"];
      remove_all(folder);
    }
  } catch (const Error& e) {
    const bool refused = e.kind() == ErrorKind::Unsupported;
    ++(refused ? counts.refused : counts.failed);
    outcome = fmt::format("{}\n  {}", refused ? "refused" : "FAILED", e.what());
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  fmt::print("seed {}: {}, {:.1f} s: {}\n{}", seed, text, seconds.count(), outcome, counts.notes);
  counts.notes.clear();
  std::fflush(stdout);
}

int run(int64_t first, int64_t count, const std::string& compiler) {
  Counts counts;
  TemporaryDirectory scratch("tailor-random-projects");
  for (int64_t seed = first; seed < first + count; ++seed)
    run_seed(seed, path_join(scratch.path(), "p"), compiler, counts);
  for (const auto& [kind, n] : counts.kinds) fmt::print("  {:<24} {:5}\n", kind, n);
  fmt::print(
      "{} projects with {}: {} agree bit for bit ({} vectors), {} failed, {} refused as "
      "unsupported; {} would pack and cannot; {} answer the same to every vector\n",
      count, compiler, counts.passed, counts.vectors, counts.failed, counts.refused,
      counts.unpacked, counts.silent);
  return counts.failed == 0 && counts.passed > 0 ? 0 : 1;
}

}  // namespace
}  // namespace tailor::test

int main(int argc, char** argv) {
  using namespace tailor::test;
  const auto first = argc == 4 ? parse_int(argv[1]) : std::nullopt;
  const auto count = argc == 4 ? parse_int(argv[2]) : std::nullopt;
  if (!first || !count || *first < 0 || *count < 1) {
    fmt::print(stderr,
               "usage: tailor_random_projects FIRST_SEED COUNT COMPILER\n"
               "e.g. tailor_random_projects 0 150 'g++ -O0 -Wall -Wextra -Werror'\n");
    return 2;
  }
  try {
    set_log_levels("error");
    return run(*first, *count, argv[3]);
  } catch (const std::exception& e) {
    fmt::print(stderr, "error: {}\n", e.what());
    return 1;
  }
}

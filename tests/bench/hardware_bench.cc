// How long the hardware half takes: emulators, design, project, stream simulator, graph files.
// Every case checks its answer against something it was not made from, outside the timed loop where
// that is slow; a wrong answer fails the case and the program's exit status.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/source.h"
#include "support/designs.h"
#include "support/rooms.h"
#include "tailor/core/files.h"
#include "tailor/core/json.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/core/version.h"
#include "tailor/design/passes.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/handed_on.h"
#include "tailor/emulate/integer.h"
#include "tailor/emulate/streams.h"
#include "tailor/emulate/witness.h"
#include "tailor/target/target.h"

namespace tailor::test {
namespace {

/// Float64 runs of a graph before and after folding differ by rounding only.
constexpr double kFoldTolerance = 1e-9;
constexpr int kStreamImages = 2;

bool any_failed = false;

/// What a case finds wrong. Anything thrown is a failure too, and the other cases still run.
void require(bool condition, const std::string& what) {
  if (!condition) fail(ErrorKind::Mismatch, "{}", what);
}

/// Wraps a case: it fails with a message instead of ending the program.
template <class Body>
auto guarded(Body body) {
  return [body](benchmark::State& state) {
    try {
      body(state);
    } catch (const std::exception& e) {
      any_failed = true;
      state.SkipWithError(e.what());
    }
  };
}

// ---- subjects: made once a program, never timed -------------------------------------------------

struct Subject {
  explicit Subject(const std::string& network)
      : source(open_graph_source("", "", network, /*untrained=*/true)),
        image(sample_vectors(source, "", 1).inputs[0]) {}
  GraphSource source;  // initial weights, batch norm calibrated: what `tailor export --network NAME
                       // --untrained` has
  std::vector<double> image;
};

const Subject& subject(const std::string& network) {
  static std::map<std::string, Subject> subjects;
  return subjects.try_emplace(network, network).first->second;
}

struct DesignCase {
  std::string network;
  int width = 16, integer = 6;
  Layout layout = Layout::Fused;
  std::string label() const { return fmt::format("{}_{}_{}", to_string(layout), width, integer); }
};

testing::DesignOptions design_options(const DesignCase& c) {
  testing::DesignOptions options;
  options.type.type.width = c.width;
  options.type.type.integer = c.integer;
  options.layout = c.layout;
  options.input_magnitude = subject(c.network).source.preprocessing.magnitude();
  return options;
}

const Graph& design_of(const DesignCase& c) {
  static std::map<std::string, Design> designs;
  auto at = designs.find(c.network + c.label());
  if (at == designs.end()) {
    at = designs
             .emplace(c.network + c.label(),
                      testing::make_design(subject(c.network).source.lowered, design_options(c)))
             .first;
  }
  return at->second;
}

// ---- checks -------------------------------------------------------------------------------------

/// The integer emulator, node by node, against the float64 emulator on quantised weights: products
/// and sums of up to 53 bits are exact in float64, so that one cast at a node's output must give
/// the same integers. Returns the logits.
std::vector<int64_t> checked_logits(const Graph& design, const IntegerEmulator& emulator,
                                    const std::vector<double>& image) {
  Graph quantised = design;
  for (const Node& node : design.nodes) {
    for (const auto& [part, type] :
         {std::pair{"weight", node.hardware.weight}, std::pair{"bias", node.hardware.bias}}) {
      if (!type) continue;
      require(node.hardware.accumulator->width <= 53,
              node.name + ": the accumulator is too wide for a check in float64");
      Tensor& tensor = quantised.tensors.at(node.name + "." + part);
      std::vector<double> values = tensor.to_doubles();
      for (double& v : values) v = type->to_double(quantise(v, *type));
      tensor = Tensor::from(tensor.shape(), values);
    }
  }
  ByValue<std::vector<int64_t>> raw(design.values.size());
  ByValue<std::vector<double>> real(design.values.size());
  const IntegerResult result = emulator.run(image, [&](ValueId id, Span<const int64_t> hwc) {
    raw[id].assign(hwc.begin(), hwc.end());
    for (int64_t v : hwc) real[id].push_back(design.value(id).type->to_double(v));
  });
  const Float64Emulator exact(quantised);
  for (size_t n = 0; n < design.nodes.size(); ++n) {
    const Node& node = design.nodes[n];
    if (node.is<ops::Output>()) continue;
    std::vector<const std::vector<double>*> inputs;
    for (ValueId id : node.inputs) inputs.push_back(&real[id]);
    const std::vector<double> expected = exact.evaluate(n, inputs, image);
    for (ValueId id : node.outputs) {
      const std::vector<int64_t>& got = raw[id];
      if (node.traits().forwards_input && id != node.outputs[0]) {
        require(got == emulate::handed_on(design, node, raw[node.inputs[0]]),
                node.name + " hands on what it did not read");
        continue;
      }
      require(got.size() == expected.size(),
              fmt::format("{}: {} values, expected {}", node.name, got.size(), expected.size()));
      for (size_t i = 0; i < got.size(); ++i) {
        const int64_t wanted = quantise(expected[i], *design.value(id).type);
        require(got[i] == wanted,
                fmt::format("{}: value {} is {}, expected {}", node.name, i, got[i], wanted));
      }
    }
  }
  return result.logits_raw;
}

/// 9, 54: a CIFAR ResNet of depth 6n + 2 has 3n blocks, each with one skip; the first blocks of
/// stages 2 and 3 have a projection.
int64_t blocks_of(const std::string& network) { return (*parse_int(network.substr(6)) - 2) / 2; }

void check_design(const Graph& lowered, const Graph& design, const Cost& cost,
                  const std::string& network, const std::vector<double>& image) {
  const std::vector<std::string> findings = verify_graph(design);
  require(findings.empty(), join(findings, "; "));
  int64_t convolutions = 0, weights = 0, multipliers = 0;
  for (const Node& node : design.nodes) {
    if (!node.hardware.weight) continue;
    convolutions += node.is<ops::Conv2d>() ? 1 : 0;
    const int64_t size = design.tensor(node, "weight").size();
    require(size == node.hardware.reuse_factor * node.hardware.multipliers,
            node.name + ": multipliers and reuse factor do not cover the weights");
    weights += size;
    multipliers += node.hardware.multipliers;
  }
  int64_t trained = 0;
  for (const Node& node : lowered.nodes) {
    if (node.is<ops::Conv2d>() || node.is<ops::Dense>())
      trained += lowered.tensor(node, "weight").size();
  }
  require(convolutions == 1 + 2 * blocks_of(network) + 2,
          fmt::format("{} convolutions in {}", convolutions, network));
  require(weights == trained, fmt::format("{} weights, expected {}", weights, trained));
  require(cost.multipliers == multipliers && cost.dsp_share <= Budget().share,
          fmt::format("{} multipliers, {} DSPs", cost.multipliers, cost.dsp));
  const double difference =
      relative_difference(Float64Emulator(design).run(image), Float64Emulator(lowered).run(image));
  require(difference < kFoldTolerance,
          fmt::format("the design's float64 logits differ by {}", difference));
}

/// Every file of the project is there with the manifest's hash, nothing else is, and the two graphs
/// read back as they were.
void check_project(const std::string& folder, const Graph& lowered, const Graph& design) {
  const Json manifest = Json::parse(read_file(path_join(folder, "manifest.json")), "manifest.json");
  const auto& hashes = manifest.at("files").as_object();
  require(list_files_recursively(folder).size() == hashes.size() + 1,
          "the project has files that the manifest does not name");
  for (const auto& [name, hash] : hashes)
    require(sha256(read_file(path_join(folder, name))) == hash.as_string(),
            name + ": not the manifest's hash");
  require(print_graph(load_graph(path_join(folder, "graph.safetensors"))) == print_graph(lowered),
          "graph.safetensors is another graph");
  require(print_graph(load_graph(path_join(folder, "design.safetensors"))) == print_graph(design),
          "design.safetensors is another design");
}

// ---- cases --------------------------------------------------------------------------------------

void emulate(benchmark::State& state, const DesignCase& c) {
  const std::vector<double>& image = subject(c.network).image;
  const IntegerEmulator emulator(design_of(c));
  static std::map<std::string, std::vector<int64_t>>
      checked;  // Google Benchmark calls a case several times
  auto [expected, is_new] = checked.try_emplace(c.network + c.label());
  if (is_new) expected->second = checked_logits(design_of(c), emulator, image);
  bool right = true;
  for (auto _ : state) right &= emulator.run(image).logits_raw == expected->second;
  require(right && !expected->second.empty(), "the logits changed from run to run");
  state.SetItemsProcessed(state.iterations());
}

void emulate_float64(benchmark::State& state, const std::string& network, bool lowered) {
  const Subject& s = subject(network);
  const Float64Emulator emulator(lowered ? s.source.lowered : design_of({network}));
  const std::vector<double> expected =
      Float64Emulator(lowered ? design_of({network}) : s.source.lowered).run(s.image);
  double difference = 0;
  for (auto _ : state)
    difference = std::max(difference, relative_difference(emulator.run(s.image), expected));
  require(
      difference < kFoldTolerance,
      fmt::format("the logits of the lowered graph and of the design differ by {}", difference));
  state.SetItemsProcessed(state.iterations());
}

void plan_emulator(benchmark::State& state, const DesignCase& c) {
  const std::vector<int64_t> expected =
      IntegerEmulator(design_of(c)).run(subject(c.network).image).logits_raw;
  for (auto _ : state) {
    const IntegerEmulator emulator(design_of(c));
    state.PauseTiming();
    require(emulator.run(subject(c.network).image).logits_raw == expected,
            "the logits changed from plan to plan");
    state.ResumeTiming();
  }
}

void design(benchmark::State& state, const DesignCase& c) {
  const Subject& s = subject(c.network);
  const testing::DesignOptions options = design_options(c);
  std::optional<Design> made;
  for (auto _ : state) made = testing::make_design(s.source.lowered, options);
  check_design(s.source.lowered, *made, testing::cost_of(s.source.lowered, options), c.network,
               s.image);
}

/// Layout, folds and types: once, whatever is then asked of the sizes.
void plan_network(benchmark::State& state, const DesignCase& c) {
  const Subject& s = subject(c.network);
  std::optional<Plan> made;
  for (auto _ : state) made = testing::make_plan(s.source.lowered, design_options(c));
  require(!made->products().empty(), "no stage of products");
}

/// Ten thousand sizings and costs an iteration, of budgets from 5 % to 100 % of the DSPs and, every
/// other one, of a wanted reuse factor; the last of either kind is what a design is made of.
void size_many(benchmark::State& state, const DesignCase& c) {
  constexpr int64_t kSizings = 10000;
  const Plan plan = testing::make_plan(subject(c.network).source.lowered, design_options(c));
  Budget budget = testing::budget({});
  int64_t multipliers = 0;
  auto ask = [&](int64_t i) {
    budget.share = 0.05 + 0.95 * static_cast<double>(i) / kSizings;
    budget.reuse_factor = i % 2 == 0 ? std::optional<int64_t>() : 1 + i;
    return size(plan, budget);
  };
  for (auto _ : state) {
    for (int64_t i = 0; i < kSizings; ++i)
      multipliers += cost(plan, ask(i), budget.device).multipliers;
  }
  require(multipliers > 0, "no multipliers");
  for (int64_t i : {kSizings - 2, kSizings - 1}) {
    const Sizing sizing = ask(i);
    const Cost before = cost(plan, sizing, budget.device);
    const Design made = realise(plan, sizing, budget.device);
    const Cost after = cost(plan, made.sizing(), budget.device);
    require(before.multipliers == after.multipliers && before.dsp == after.dsp &&
                before.interval_cycles == after.interval_cycles,
            "the realised design has another size");
  }
  state.SetItemsProcessed(state.iterations() * kSizings);
}

/// The writer alone, or with the passes before it: all of an export but reading the checkpoint and
/// running vectors.
void write(benchmark::State& state, const DesignCase& c, bool with_design) {
  const Subject& s = subject(c.network);
  const testing::DesignOptions options = design_options(c);
  ProjectContents contents{s.source.lowered,
                           {testing::make_design(s.source.lowered, options),
                            find_device("u200"),
                            testing::cost_of(s.source.lowered, options),
                            {}},
                           {"one image of seeded noise", {s.image}, {}},
                           {},
                           Json::object()};
  contents.quantisation = measure(contents.design.design, contents.vectors);
  const TemporaryDirectory folder("tailor_bench");
  const std::string project = path_join(folder.path(), "project");
  for (auto _ : state) {
    if (with_design) contents.design.design = testing::make_design(s.source.lowered, options);
    write_project(find_target("hls"), contents, project);
    state.PauseTiming();
    check_project(project, s.source.lowered, design_of(c));
    remove_all(project);
    state.ResumeTiming();
  }
}

void simulate(benchmark::State& state, const DesignCase& c) {
  const Graph& g = design_of(c);
  const ByValue<int64_t> depths = fifo_depths(g);
  StreamResult result;
  for (auto _ : state) result = simulate_streams(g, depths, kStreamImages);
  require(!result.deadlock, result.deadlock_text);
  const StreamResult unbounded =
      simulate_streams(g, ByValue<int64_t>(g.values.size(), 0), kStreamImages);
  require(result.latency_cycles == unbounded.latency_cycles &&
              result.interval_cycles == unbounded.interval_cycles,
          "the FIFO depths cost cycles");
  for (ValueId v : g.value_ids())
    require(result.high_water[v] <= depths[v], g.value(v).name + ": fuller than it is deep");
  const std::vector<SkipDepth> skips = skip_depths(g);
  require(static_cast<int64_t>(skips.size()) == blocks_of(c.network),
          fmt::format("{} skips", skips.size()));
  ByValue<int64_t> short_by_one = depths;
  short_by_one[skips[0].value] = skips[0].deadlock_free - 1;
  require(simulate_streams(g, short_by_one, 1).deadlock,
          "no deadlock with one token less than the closed form asks");
}

void save(benchmark::State& state, const DesignCase& c) {
  const TemporaryDirectory folder("tailor_bench");
  const std::string path = path_join(folder.path(), "graph.safetensors");
  for (auto _ : state) save_graph(path, design_of(c));
  const std::string bytes = read_file(path);
  require(bytes == print_graph(design_of(c)) && print_graph(load_graph(path)) == bytes,
          "the graph file is not the graph");
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}

void load(benchmark::State& state, const DesignCase& c) {
  const TemporaryDirectory folder("tailor_bench");
  const std::string path = path_join(folder.path(), "graph.safetensors"),
                    bytes = print_graph(design_of(c));
  write_file(path, bytes);
  Graph read;
  for (auto _ : state) read = load_graph(path);
  require(print_graph(read) == bytes, "the graph read is not the graph written");
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}

template <class Body>
void add_case(const std::string& name, Body body) {
  benchmark::RegisterBenchmark(name.c_str(), guarded(std::move(body)))
      ->Unit(benchmark::kMillisecond);
}

void add_cases() {
  using benchmark::State;
  for (const std::string depth : {"20", "8"}) {
    const std::string network = "resnet" + depth;
    for (const DesignCase& c : {DesignCase{network}, DesignCase{network, 16, 6, Layout::Stock},
                                DesignCase{network, 8, 3}, DesignCase{network, 18, 8}})
      add_case("BM_EmulateResnet" + depth + "/" + c.label(), [c](State& s) { emulate(s, c); });
    add_case("BM_Float64Resnet" + depth + "/lowered",
             [network](State& s) { emulate_float64(s, network, true); });
    add_case("BM_Float64Resnet" + depth + "/fused",
             [network](State& s) { emulate_float64(s, network, false); });
  }
  add_case("BM_PlanEmulator/resnet20", [](State& s) { plan_emulator(s, {"resnet20"}); });
  for (const std::string network : {"resnet20", "resnet110"}) {
    const DesignCase c{network};
    add_case("BM_Plan/" + network, [c](State& s) { plan_network(s, c); });
    add_case("BM_TenThousandSizings/" + network, [c](State& s) { size_many(s, c); });
    add_case("BM_MakeDesign/" + network, [c](State& s) { design(s, c); });
    add_case("BM_WriteProject/" + network, [c](State& s) { write(s, c, /*with_design=*/false); });
    add_case("BM_Export/" + network, [c](State& s) { write(s, c, /*with_design=*/true); });
    add_case("BM_SimulateStreams/" + network, [c](State& s) { simulate(s, c); });
    add_case("BM_SaveGraph/" + network, [c](State& s) { save(s, c); });
    add_case("BM_LoadGraph/" + network, [c](State& s) { load(s, c); });
  }
}

}  // namespace
}  // namespace tailor::test

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::AddCustomContext("tailor_version", tailor::core::version());
  benchmark::AddCustomContext("tailor_commit", tailor::core::git_commit());
  benchmark::AddCustomContext("tailor_compiler", tailor::core::compiler());
  benchmark::AddCustomContext("tailor_build_type", tailor::core::build_type());
  tailor::core::set_log_levels("error");
  tailor::test::add_cases();
  if (benchmark::RunSpecifiedBenchmarks() == 0) return 2;
  benchmark::Shutdown();
  return tailor::test::any_failed ? 1 : 0;
}

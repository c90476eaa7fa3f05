// What a ResNet-50 for ImageNet takes from graph to checked project, step by step: seconds, and the
// most memory the process held in each. Weights are seeded; every step's answer is used by the
// next.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <string>

#include "support/designs.h"
#include "support/graphs.h"
#include "support/resident.h"
#include "support/rooms.h"
#include "tailor/check/check.h"
#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/design/passes.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/integer.h"
#include "tailor/emulate/noise.h"
#include "tailor/emulate/witness.h"
#include "tailor/target/target.h"

namespace tailor::test {
namespace {

/// Peak resident memory since the last call, MiB.
long peak_mib() {
  const long kib = testing::resident_memory().peak;
  testing::forget_peak();
  return kib / 1024;
}

double cpu_seconds(int who) {
  rusage used{};
  ::getrusage(who, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

void step(const char* name, const std::function<void()>& body) {
  peak_mib();
  const auto start = std::chrono::steady_clock::now();
  const double cpu = cpu_seconds(RUSAGE_SELF);
  body();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  fmt::print("{:<28} {:8.2f} s {:8.2f} s CPU {:6} MiB\n", name, seconds.count(),
             cpu_seconds(RUSAGE_SELF) - cpu, peak_mib());
  std::fflush(stdout);
}

int run(int64_t side, Layout layout, bool compile, const std::string& output) {
  Graph lowered, design;
  std::vector<double> image, exact;
  std::vector<std::vector<int64_t>> raw;
  std::optional<SizedDesign> sized;
  Quantisation quantisation;
  testing::DesignOptions options;
  options.layout = layout;
  options.input_magnitude = 2.7;
  step("graph", [&] {
    lowered = testing::bottleneck_graph({3, side, side});
    CounterRandom random(1, RandomStream::Test, 12345);
    image.resize(static_cast<size_t>(lowered.input_shape().size()));
    for (double& v : image) v = random.uniform(-2, 2.6);
  });
  step("design, cost and limits", [&] {
    const Device device = find_device("u200");
    const Plan plan = testing::make_plan(lowered, options);
    Design made = realise(plan, testing::make_sizing(plan, options), device);
    const Cost needed = cost(plan, made.sizing(), device);
    auto found = limits(plan, made.sizing(), device, HlsBackend::Vitis);
    sized = SizedDesign{std::move(made), device, needed, std::move(found)};
    design = sized->design;
  });
  step("float64, one image", [&] { exact = Float64Emulator(design).run(image); });
  TestVectors vectors{"one image of seeded noise", {image}, {}};
  step("integers and predicted error, one image",
       [&] { quantisation = measure(sized->design, vectors); });
  const Cost summary = sized->cost;
  const std::vector<Limit> warnings = sized->limits;
  raw = vectors.expected;
  step("project", [&] {
    write_project(
        find_target("hls"),
        {Lowered(lowered, "scale"), *sized, std::move(vectors), quantisation, Json::object()},
        output, /*force=*/true);
  });
  step("graph files, read back", [&] {
    TAILOR_CHECK(
        load_graph(path_join(output, "design.safetensors")).nodes.size() == design.nodes.size(),
        "another design");
  });
  const FixedType logits = *design.value(design.nodes.back().inputs[0]).type;
  std::vector<double> answer;
  for (int64_t r : raw[0]) answer.push_back(logits.to_double(r));
  lowered = design = Graph();
  sized.reset();
  bool passed = true;
  step(compile ? "check" : "check without compiling", [&] {
    CheckOptions check;
    check.compile = compile;
    const CheckReport report = check_project(output, check);
    for (const CheckStep& s : report.steps)
      fmt::print("  {} {}: {}\n", s.passed ? "passed" : "FAILED", s.name, s.detail);
    passed = report.passed();
  });
  rusage children{};
  ::getrusage(RUSAGE_CHILDREN, &children);
  fmt::print("compiler and compiled project: {:.1f} s of CPU, {} MiB at most\n",
             cpu_seconds(RUSAGE_CHILDREN), children.ru_maxrss / 1024);
  fmt::print(
      "{} stages, {} multipliers, {} DSPs, {} weights, FIFOs {} bits, one image every {} cycles, "
      "latency {} (model); largest difference of a logit {:.3g}\n",
      summary.stages, summary.multipliers, summary.dsp, summary.weights, summary.fifo_bits,
      summary.interval_cycles, summary.latency_cycles, relative_difference(answer, exact));
  for (const Limit& limit : warnings) fmt::print("warning: {}\n", limit.text);
  return passed ? 0 : 1;
}

}  // namespace
}  // namespace tailor::test

int main(int argc, char** argv) {
  using namespace tailor::test;
  const auto side = argc == 5 ? parse_int(argv[1]) : std::nullopt;
  const std::string layout = argc == 5 ? argv[2] : "", compile = argc == 5 ? argv[3] : "";
  if (!side || *side < 32 || (layout != "fused" && layout != "stock") ||
      (compile != "compile" && compile != "no")) {
    fmt::print(stderr,
               "usage: tailor_scale SIDE fused|stock compile|no FOLDER   (SIDE >= 32 pixels)\n");
    return 2;
  }
  try {
    set_log_levels("warn");
    return run(*side, layout == "fused" ? Layout::Fused : Layout::Stock, compile == "compile",
               argv[4]);
  } catch (const std::exception& e) {
    fmt::print(stderr, "error: {}\n", e.what());
    return 1;
  }
}

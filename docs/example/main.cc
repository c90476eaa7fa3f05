// skip_cost NETWORK [W,I]: what each skip of a network costs in hardware, and how far the fixed
// point is from float64. NETWORK is a name (resnet20) or the .json file of a description; the
// weights are initial ones, so the logits say nothing, but what is counted does.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "tailor/core/random.h"
#include "tailor/design/lower.h"
#include "tailor/design/passes.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/integer.h"
#include "tailor/emulate/streams.h"
#include "tailor/net/network.h"

namespace {

/// Uniform in -1..1, channels × rows × columns.
std::vector<double> noise(const tailor::MapShape& shape, uint64_t index) {
  tailor::CounterRandom random(1, tailor::RandomStream::Noise, index);
  std::vector<double> image(static_cast<size_t>(shape.channels * shape.pixels()));
  for (double& value : image) value = static_cast<double>(random.below(2001)) / 1000 - 1;
  return image;
}

int report(const std::string& name, const std::string& precision) {
  // A network is data: blocks of stages, and a list of skips.
  const tailor::Network network = tailor::network_by_name(name).network;
  fmt::print("{}: {} parameters, {} multiply-accumulates, {} skips\n", network.name,
             tailor::parameter_count(network), tailor::mac_count(network),
             tailor::skip_ids(network).size());

  // Description and weights become a graph, the graph a design.
  tailor::Graph graph =
      tailor::lower_network(network, tailor::initial_tensors(network, 1), "skip_cost");
  tailor::calibrate_batch_norm(graph, {noise(network.input, 0), noise(network.input, 1)});
  tailor::ExportConfig config;
  config.precision = precision;
  tailor::DesignOptions options;
  options.type = config.type("precision");
  options.input_magnitude = 1;
  const tailor::Graph design = tailor::make_design(graph, options);

  for (const tailor::SkipDepth& skip : tailor::skip_depths(design)) {
    const tailor::Value& fifo = design.value(skip.value);
    fmt::print("  {:32} FIFO of {} tokens, {} bits\n", fifo.name, fifo.fifo_depth,
               fifo.fifo_depth * fifo.type->width * fifo.shape.channels);
  }
  const tailor::DesignSummary cost = tailor::summarise_design(design);
  fmt::print("{} multipliers, {} DSPs, {} cycles an image (model)\n", cost.multipliers, cost.dsp,
             cost.interval_cycles);

  // The integers that the hardware computes, against float64.
  const std::vector<double> image = noise(network.input, 2);
  const std::vector<double> exact = tailor::Float64Emulator(design).run(image);
  const std::vector<double> fixed = tailor::IntegerEmulator(design).run(image).logits;
  double worst = 0;
  for (size_t i = 0; i < exact.size(); ++i) worst = std::max(worst, std::abs(exact[i] - fixed[i]));
  fmt::print("largest difference of a logit from float64: {:.3g}\n", worst);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    fmt::print(stderr, "usage: skip_cost NETWORK [W,I]\n");
    return 2;
  }
  try {
    return report(argv[1], argc == 3 ? argv[2] : "16,6");
  } catch (const tailor::Error& e) {
    fmt::print(stderr, "skip_cost: {}\n", e.what());
    return tailor::exit_code(e.kind());
  }
}

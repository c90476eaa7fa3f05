// skip_cost NETWORK [W,I]: what each skip of a network costs in hardware, and how far the fixed
// point is from float64. NETWORK is a name (resnet20) or the .json file of a description; the
// weights are initial ones, so the logits say nothing, but what is counted does.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "tailor/core/random.h"
#include "tailor/design/design.h"
#include "tailor/design/device.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/integer.h"
#include "tailor/emulate/streams.h"
#include "tailor/net/network.h"

// The rooms of the library are namespaces: net, ir, emulate, design, …
using namespace tailor;

namespace {

/// Uniform in -1..1, rows × columns × channels.
std::vector<double> noise(const tensors::MapShape& shape, uint64_t index) {
  core::CounterRandom random(1, core::RandomStream::Noise, index);
  std::vector<double> image(static_cast<size_t>(shape.channels * shape.pixels()));
  for (double& value : image) value = static_cast<double>(random.below(2001)) / 1000 - 1;
  return image;
}

int print_costs(const std::string& name, const std::string& precision) {
  // A network is data: blocks of stages, and a list of skips.
  const net::Network network = net::network_by_name(name).network;
  fmt::print("{}: {} parameters, {} multiply-accumulates, {} skips\n", network.name,
             net::parameter_count(network), net::mac_count(network), net::skip_ids(network).size());

  // Description and weights become a graph; the batch norms' statistics come from two images.
  ir::Graph graph = design::lower(network, net::initial_tensors(network, 1), "skip_cost").take();
  emulate::calibrate_batch_norm(graph, {noise(network.input, 0), noise(network.input, 1)});

  // The graph is planned once: laid out and typed. Sizing and its cost are then cheap.
  design::ExportConfig config;
  config.precision = precision;
  const design::Plan plan =
      design::plan(design::Lowered(graph, "skip_cost"), config.layout, config.type("precision"),
                   /*input_magnitude=*/1);
  const design::Device device = design::find_device("u200");
  const design::Sizing sizing = design::size(plan, {device, /*reuse_factor=*/std::nullopt});
  const design::Design made = design::realise(plan, sizing, device);

  for (const emulate::SkipDepth& skip : plan.skips()) {
    const ir::Value& fifo = made.graph().value(skip.value);
    fmt::print("  {:32} FIFO of {} tokens, {} bits\n", fifo.name, fifo.fifo_depth,
               fifo.fifo_depth * fifo.type->width * fifo.shape.channels);
  }
  const design::Cost cost = design::cost(plan, made.sizing(), device);
  fmt::print("{} multipliers, {} DSPs, {} cycles an image (model)\n", cost.multipliers, cost.dsp,
             cost.interval_cycles);

  // The integers that the hardware computes, against float64.
  const std::vector<double> image = noise(network.input, 2);
  const std::vector<double> exact = emulate::Float64Emulator(made).run(image);
  const std::vector<double> fixed = emulate::IntegerEmulator(made).run(image).logits;
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
    return print_costs(argv[1], argc == 3 ? argv[2] : "16,6");
  } catch (const core::Error& e) {
    fmt::print(stderr, "skip_cost: {}\n", e.what());
    return core::exit_code(e.kind());
  }
}

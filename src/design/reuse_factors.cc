// Reuse factors: how many products share one multiplier. Validity is hls4ml's rule, so that a
// factor means the same to our users.
#include <algorithm>
#include <cstdlib>

#include "tailor/core/log.h"
#include "tailor/design/passes.h"

namespace tailor {
namespace {

constexpr Card kCards[] = {{"u200", "xcu200-fsgd2104-2-e", 6840, 4320, 1182240, 2364480, 960}};
constexpr double kDspShare = 0.70;
/// Cycles of an output beyond its reuse factor (hls.md section 7, model): filling the
/// multiply-accumulate pipeline.
constexpr int64_t kPipelineCycles = 3;

struct Layer {
  size_t node;
  int64_t n_in, n_out, steps, outputs;
  std::vector<int64_t> factors;  // valid, ascending
  int64_t cycles(int64_t factor) const { return steps + outputs * (factor + kPipelineCycles); }
  /// The largest valid factor that meets the target; 0 if none does.
  int64_t factor_within(int64_t target) const {
    int64_t best = 0;
    for (int64_t factor : factors) {
      if (cycles(factor) <= target) best = factor;
    }
    return best;
  }
};

std::vector<Layer> layers_of(const Graph& graph) {
  std::vector<Layer> layers;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (node.op != Op::Conv2d && node.op != Op::Dense) continue;
    const Shape& shape = graph.tensor(node, "weight").shape();
    const MapShape& in = graph.value(node.inputs[0]).shape;
    Layer layer{n, shape[1], shape[0], in.pixels(), graph.value(node.outputs[0]).shape.pixels(),
                {}};
    if (node.op == Op::Conv2d) {
      const Pads& pads = node.conv().window.pads;
      layer.n_in *= shape[2] * shape[3];
      layer.steps = (in.height + std::max(pads.top, pads.bottom)) *
                    (in.width + std::max(pads.left, pads.right));
    }
    layer.factors = valid_reuse_factors(layer.n_in, layer.n_out);
    layers.push_back(std::move(layer));
  }
  return layers;
}

}  // namespace

const Card& find_card(const std::string& name) {
  for (const Card& card : kCards) {
    if (name == card.name) return card;
  }
  fail(ErrorKind::Usage, "--fpga: expected u200, got '{}'", name);
}

int64_t dsp_of_multiplier(int width_a, int width_b) {
  const int larger = std::max(width_a, width_b), smaller = std::min(width_a, width_b);
  if (larger < 10) return 0;
  return static_cast<int64_t>((larger + 26) / 27) * ((smaller + 17) / 18);
}

std::vector<int64_t> valid_reuse_factors(int64_t n_in, int64_t n_out) {
  std::vector<int64_t> factors;
  const int64_t products = n_in * n_out;
  for (int64_t rf = 1; rf * rf <= products; ++rf) {
    if (products % rf == 0) factors.insert(factors.end(), {rf, products / rf});
  }
  std::sort(factors.begin(), factors.end());
  factors.erase(std::unique(factors.begin(), factors.end()), factors.end());
  factors.erase(std::remove_if(factors.begin(), factors.end(),
                               [&](int64_t rf) {
                                 return rf >= n_in ? rf % n_in != 0 : (products / rf) % n_out != 0;
                               }),
                factors.end());
  return factors;
}

int64_t nearest_reuse_factor(int64_t n_in, int64_t n_out, int64_t wanted) {
  int64_t best = 1;
  for (int64_t rf : valid_reuse_factors(n_in, n_out)) {
    if (std::abs(rf - wanted) < std::abs(best - wanted)) best = rf;
  }
  return best;
}

void choose_reuse_factors(Graph& graph, const DesignOptions& options) {
  std::vector<Layer> layers = layers_of(graph);
  std::vector<int64_t> chosen(layers.size(), 1);
  if (options.reuse_factor) {
    for (size_t l = 0; l < layers.size(); ++l) {
      chosen[l] = nearest_reuse_factor(layers[l].n_in, layers[l].n_out, *options.reuse_factor);
      if (chosen[l] != *options.reuse_factor && !options.quiet) {
        log_warn("passes", "{}: reuse factor {} is not valid for {} x {} products, using {}",
                 graph.nodes[layers[l].node].name, *options.reuse_factor, layers[l].n_in,
                 layers[l].n_out, chosen[l]);
      }
    }
  } else {
    // Every attainable stage time is a candidate for the common one; fewer multipliers are needed
    // the longer it is, so bisect.
    const Card& card = find_card(options.card);
    const auto budget = static_cast<int64_t>(kDspShare * static_cast<double>(card.dsp));
    std::vector<int64_t> targets;
    for (const Layer& layer : layers) {
      for (int64_t factor : layer.factors) targets.push_back(layer.cycles(factor));
    }
    std::sort(targets.begin(), targets.end());
    targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
    auto multipliers = [&](int64_t target) {
      int64_t sum = 0;
      for (const Layer& layer : layers) {
        const int64_t factor = layer.factor_within(target);
        if (factor == 0) return INT64_MAX;
        const int64_t dsp = std::max<int64_t>(
            1, dsp_of_multiplier(graph.value(graph.nodes[layer.node].inputs[0]).type->width,
                                 graph.nodes[layer.node].hardware.weight->width));
        sum += layer.n_in * layer.n_out / factor * dsp;
      }
      return sum;
    };
    auto found = std::partition_point(targets.begin(), targets.end(),
                                      [&](int64_t target) { return multipliers(target) > budget; });
    if (found == targets.end()) {
      fail(ErrorKind::Unsupported,
           "--fpga {}: even with one multiplier for every output the network needs more than "
           "{:.0f} % of the card's {} DSPs",
           card.name, 100 * kDspShare, card.dsp);
    }
    for (size_t l = 0; l < layers.size(); ++l) chosen[l] = layers[l].factor_within(*found);
  }
  for (Node& node : graph.nodes) {
    node.hardware.cycles_per_step = 1;
    node.hardware.cycles_per_output = 1;
  }
  for (size_t l = 0; l < layers.size(); ++l) {
    NodeHardware& h = graph.nodes[layers[l].node].hardware;
    h.reuse_factor = chosen[l];
    h.multipliers = layers[l].n_in * layers[l].n_out / chosen[l];
    h.cycles_per_output = chosen[l] + kPipelineCycles;
  }
}

}  // namespace tailor

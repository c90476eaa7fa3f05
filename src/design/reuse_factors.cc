// Reuse factors: how many products share one multiplier. Validity is hls4ml's rule, so that a
// factor means the same to our users.
#include <algorithm>
#include <cstdlib>

#include "design/products.h"
#include "tailor/core/error.h"
#include "tailor/design/passes.h"
#include "tailor/ir/line_buffer.h"
#include "tailor/ir/packing.h"

namespace tailor::design {
namespace {

int64_t nearest_of(const std::vector<int64_t>& factors, int64_t wanted) {
  int64_t best = factors.front();
  for (int64_t factor : factors) {
    if (std::abs(factor - wanted) < std::abs(best - wanted)) best = factor;
  }
  return best;
}

/// The longest common stage time is the cheapest one, so bisect over all that are attainable.
/// Returns the factors, or nothing where even the slowest takes more than `dsp` slices.
std::vector<int64_t> balanced_factors(const Plan& plan, int64_t dsp) {
  const std::vector<ProductStage>& products = plan.products();
  auto slices = [&](int64_t target) {
    int64_t sum = 0;
    for (const ProductStage& p : products) {
      const int64_t factor = p.factor_within(target);
      if (factor == 0) return INT64_MAX;
      sum += p.dsps(factor) + p.lut_multipliers(factor);
    }
    return sum;
  };
  const std::vector<int64_t>& targets = plan.targets();
  const auto found = std::partition_point(targets.begin(), targets.end(),
                                          [&](int64_t target) { return slices(target) > dsp; });
  std::vector<int64_t> factors;
  if (found == targets.end()) return factors;
  factors.reserve(products.size());
  for (const ProductStage& p : products) factors.push_back(p.factor_within(*found));
  return factors;
}

}  // namespace

std::vector<ProductStage> product_stages(const Graph& graph) {
  std::vector<ProductStage> stages;
  for (NodeId n : graph.node_ids()) {
    const Node& node = graph.node(n);
    const StageLoop loop = stage_loop(graph, node);
    if (!loop.multiplies()) continue;
    const Value& in = graph.value(node.inputs[0]);
    ProductStage stage;
    stage.node = n;
    stage.n_in = loop.n_in;
    stage.n_out = loop.n_out;
    stage.loop = loop;
    stage.longest_fixed = std::max(stage.n_out, in.shape.channels);
    if (node.is<ops::Dense>())
      stage.longest_fixed = std::max(stage.longest_fixed, in.shape.pixels());
    if (const auto* a = node.op.get_if<ops::Conv2d>()) {
      const Size2 extent = a->window.extent();
      const Size2& kernel = a->window.kernel;
      stage.longest_fixed = std::max(
          {stage.longest_fixed, kernel.height, kernel.width, extent.height - 1, extent.width - 1});
    }
    if (node.traits().has_weights) {
      stage.in_bits = in.type->width;
      stage.weight_bits = node.hardware.weight->width;
      stage.weights = stage.n_in * stage.n_out;
    } else {
      stage.in_bits = node.hardware.accumulator->width;
      stage.weight_bits = node.hardware.reciprocal->width;
    }
    stage.dsp =
        dsp_of_multiplier(static_cast<int>(stage.in_bits), static_cast<int>(stage.weight_bits));
    stage.factors = valid_reuse_factors(stage.n_in, stage.n_out);
    if (has_line_buffer(node)) {
      stage.factors = line_reuse_factors(graph, node);
      stage.line_buffer = true;
      stage.longest_fixed =
          std::max(in.token_channels(), graph.value(node.outputs[0]).token_channels());
      for (int64_t factor : stage.factors) {
        const LineMemory memory = line_memory(graph, node, factor);
        stage.lines.push_back({memory, line_parallelism(graph, node, factor)});
      }
    }
    if (node.hardware.packed) {
      for (int64_t factor : stage.factors)
        stage.wide.push_back(wide_multipliers(graph, node, factor));
    }
    stages.push_back(std::move(stage));
  }
  return stages;
}

int64_t ProductStage::cycles_per_output(int64_t factor) const { return loop.output_cycles(factor); }

int64_t ProductStage::cycles(int64_t factor) const { return loop.image_cycles(factor); }

int64_t ProductStage::factor_within(int64_t target) const {
  const auto above = std::partition_point(factors.begin(), factors.end(),
                                          [&](int64_t factor) { return cycles(factor) <= target; });
  return above == factors.begin() ? 0 : *std::prev(above);
}

int64_t ProductStage::nearest_factor(int64_t wanted) const { return nearest_of(factors, wanted); }

size_t ProductStage::place(int64_t factor) const {
  const auto at = std::lower_bound(factors.begin(), factors.end(), factor);
  return static_cast<size_t>(at - factors.begin());
}

const ProductStage::Line& ProductStage::line(int64_t factor) const {
  return lines.at(place(factor));
}

bool ProductStage::packs(int64_t factor) const {
  return !wide.empty() && wide.at(place(factor)) < multipliers(factor);
}

int64_t ProductStage::dsps(int64_t factor) const {
  return packs(factor) ? wide.at(place(factor)) : multipliers(factor) * dsp;
}

int64_t ProductStage::lut_multipliers(int64_t factor) const {
  return dsp == 0 && !packs(factor) ? multipliers(factor) : 0;
}

int64_t ProductStage::longest_unrolled(int64_t factor) const {
  if (line_buffer) {
    const LineParallelism& p = line(factor).parallelism;
    return std::max({longest_fixed, p.lanes, p.elements, p.outputs});
  }
  return std::max(longest_fixed, factor > n_in ? multipliers(factor) : n_in / factor);
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
  return nearest_of(valid_reuse_factors(n_in, n_out), wanted);
}

Sizing size(const Plan& plan, const Budget& budget) {
  const std::vector<ProductStage>& products = plan.products();
  std::vector<int64_t> factors;
  if (budget.reuse_factor) {
    factors.reserve(products.size());
    for (const ProductStage& p : products)
      factors.push_back(p.nearest_factor(*budget.reuse_factor));
  } else {
    const auto dsp = static_cast<double>(budget.device.dsp);
    factors = balanced_factors(plan, static_cast<int64_t>(budget.dsp_share * dsp));
    if (factors.size() != products.size()) {
      fail(ErrorKind::Unsupported,
           "--fpga {}: even with one multiplier for every output the network needs more than "
           "{:.0f} % of the card's {} DSPs",
           budget.device.name, 100 * budget.dsp_share, budget.device.dsp);
    }
  }
  Sizing sizing;
  sizing.wanted = budget.reuse_factor;
  sizing.products.reserve(products.size());
  for (const StageLoop& loop : plan.loops()) sizing.stage_cycles.push_back(loop.scan.size());
  for (size_t i = 0; i < products.size(); ++i) {
    const ProductStage& p = products[i];
    const StageSize stage{factors[i], p.multipliers(factors[i]), p.cycles_per_output(factors[i])};
    sizing.stage_cycles[p.node.index()] = p.cycles(factors[i]);
    sizing.products.push_back(stage);
  }
  for (int64_t cycles : sizing.stage_cycles)
    sizing.interval_cycles = std::max(sizing.interval_cycles, cycles);
  return sizing;
}

}  // namespace tailor::design

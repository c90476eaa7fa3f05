// Reuse factors: how many products share one multiplier. Validity is hls4ml's rule, so that a
// factor means the same to our users.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "design/products.h"
#include "tailor/core/error.h"
#include "tailor/core/strings.h"
#include "tailor/design/passes.h"
#include "tailor/ir/line_buffer.h"
#include "tailor/ir/packing.h"
#include "tailor/ir/weights.h"

namespace tailor::design {
namespace {

int64_t nearest_of(const std::vector<int64_t>& factors, int64_t wanted) {
  int64_t best = factors.front();
  for (int64_t factor : factors) {
    if (std::abs(factor - wanted) < std::abs(best - wanted)) best = factor;
  }
  return best;
}

/// LUTs of a multiplier of 8 x 8 bits, and of an adder a bit: fitted on the published blocks
/// (estimator.md section 4, uL and kA). Other multipliers go by their partial products.
constexpr double kLutsOf8x8 = 40.065, kLutsOfAdderBit = 1.070;

/// Adders that a multiplication by a constant takes: of its digits 1 and -1, the fewest that there
/// are, all but one.
int64_t adders_of_constant(int64_t raw) {
  int64_t digits = 0;
  raw = std::abs(raw);
  for (; raw != 0; raw /= 2) {
    if (raw % 2 == 0) continue;
    ++digits;
    raw -= raw % 4 == 3 ? -1 : 1;
  }
  return std::max<int64_t>(digits - 1, 0);
}

/// What multiplying by the scales of its channels costs a stage (model).
void add_scales(const Graph& graph, const Node& node, ProductStage& stage) {
  if (!node.hardware.scale) return;
  const double bits = node.hardware.product_sum->width, scale = node.hardware.scale->width;
  for (int64_t raw : ir::quantised_scales(graph, node)) {
    stage.constant_scale_luts +=
        kLutsOfAdderBit * (bits + scale) * static_cast<double>(adders_of_constant(raw));
  }
  stage.scale_luts = kLutsOf8x8 * bits * scale / 64;
}

/// The factor that a stage is asked for; none: it is balanced.
std::optional<int64_t> wanted_of(const Plan& plan, const ProductStage& p, const Budget& budget) {
  const auto own = budget.stages.find(plan.graph().node(p.node).name);
  return own != budget.stages.end() ? own->second : budget.reuse_factor;
}

/// A factor for each stage: the one that it is asked for, or the largest within the target. Empty:
/// some stage has none.
std::vector<int64_t> factors_within(const Plan& plan, const Budget& budget, int64_t target) {
  std::vector<int64_t> factors;
  factors.reserve(plan.products().size());
  for (const ProductStage& p : plan.products()) {
    const std::optional<int64_t> wanted = wanted_of(plan, p, budget);
    factors.push_back(wanted ? p.nearest_factor(*wanted) : p.factor_within(target));
    if (factors.back() == 0) return {};
  }
  return factors;
}

/// What a stage is to be: its factor, and whether its products share DSPs.
struct Choice {
  int64_t factor = 1;
  bool packs = false;
};

/// Whether a stage that packs may be made of LUTs instead: with a line buffer, how it works depends
/// on that.
bool may_unpack(const ProductStage& p) { return p.dsp == 0 && !p.line_buffer; }

/// Choices within a card's share. Products share DSPs, and where these run out some stages' are of
/// LUTs.
class Balance {
 public:
  Balance(const Plan& plan, const Budget& budget)
      : plan_(plan),
        budget_(budget),
        dsp_(budget.share * static_cast<double>(budget.device.dsp)),
        lut_(budget.share * static_cast<double>(budget.device.lut)) {}

  /// With stages that take at most `target` cycles, but for those with factors of their own; empty:
  /// some stage cannot, or they take more than the share.
  std::vector<Choice> within(int64_t target) const {
    const std::vector<ProductStage>& products = plan_.products();
    std::vector<Choice> choices;
    double dsps = 0, luts = 0;
    for (int64_t factor : factors_within(plan_, budget_, target)) {
      const ProductStage& p = products[choices.size()];
      choices.push_back({factor, p.packs(factor)});
      dsps += static_cast<double>(p.dsps(factor, choices.back().packs));
      luts += p.luts(factor, choices.back().packs) +
              static_cast<double>(p.rom_luts(factor, budget_.device));
    }
    while (dsps > dsp_) {
      const size_t i = cheapest_in_luts(choices);
      if (i == choices.size()) return {};
      choices[i].packs = false;
      dsps -= static_cast<double>(products[i].dsps(choices[i].factor, true));
      luts += luts_of_unpacking(i, choices[i].factor);
    }
    return luts <= lut_ ? choices : std::vector<Choice>{};
  }

 private:
  double luts_of_unpacking(size_t i, int64_t factor) const {
    const ProductStage& p = plan_.products()[i];
    return p.luts(factor, false) - p.luts(factor, true);
  }
  /// The stage whose DSPs LUTs replace at the least cost a slice; as many as there are: none.
  size_t cheapest_in_luts(const std::vector<Choice>& choices) const {
    size_t best = choices.size();
    double best_price = HUGE_VAL;
    for (size_t i = 0; i < choices.size(); ++i) {
      const ProductStage& p = plan_.products()[i];
      if (!choices[i].packs || !may_unpack(p)) continue;
      const double price = luts_of_unpacking(i, choices[i].factor) /
                           static_cast<double>(p.dsps(choices[i].factor, true));
      if (price < best_price) best = i, best_price = price;
    }
    return best;
  }

  const Plan& plan_;
  const Budget& budget_;
  double dsp_, lut_;
};

/// Cycles of the slowest stage with a factor of its own; 0: there is none.
int64_t slowest_of_own(const Plan& plan, const Budget& budget) {
  int64_t slowest = 0;
  for (const ProductStage& p : plan.products()) {
    const auto wanted = wanted_of(plan, p, budget);
    if (wanted) slowest = std::max(slowest, p.cycles(p.nearest_factor(*wanted)));
  }
  return slowest;
}

/// The longest common stage time is the cheapest one, so bisect over all that are attainable; no
/// stage need be faster than the slowest one that was asked for. Returns the choices, or nothing
/// where even the slowest takes more than its share.
std::vector<Choice> balanced(const Plan& plan, const Budget& budget) {
  const Balance balance(plan, budget);
  const std::vector<int64_t>& targets = plan.targets();
  const auto found = std::partition_point(targets.begin(), targets.end(), [&](int64_t target) {
    return balance.within(target).empty();
  });
  if (found == targets.end()) return {};
  const int64_t slowest = slowest_of_own(plan, budget);
  if (slowest > *found) {
    std::vector<Choice> slower = balance.within(slowest);
    if (!slower.empty()) return slower;
  }
  return balance.within(*found);
}

void verify_stages(const Plan& plan, const Budget& budget) {
  for (const auto& [stage, factor] : budget.stages) {
    std::vector<std::string> names;
    for (const ProductStage& p : plan.products()) names.push_back(plan.graph().node(p.node).name);
    if (std::find(names.begin(), names.end(), stage) != names.end()) continue;
    fail(ErrorKind::Usage, "--reuse-factor: {} has no stage '{}' that multiplies{}",
         plan.graph().name, stage, did_you_mean(stage, names));
  }
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
      stage.weight_bits = ir::stored_weight(node).width;
      stage.weights = stage.n_in * stage.n_out;
      add_scales(graph, node, stage);
    } else {
      stage.in_bits = node.hardware.accumulator->width;
      stage.weight_bits = node.hardware.reciprocal->width;
    }
    stage.dsp =
        dsp_of_multiplier(static_cast<int>(stage.in_bits), static_cast<int>(stage.weight_bits));
    stage.sum_luts = kLutsOfAdderBit * static_cast<double>(node.hardware.accumulator->width);
    stage.product_luts =
        kLutsOf8x8 * static_cast<double>(stage.in_bits * stage.weight_bits) / 64 + stage.sum_luts;
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

int64_t ProductStage::dsps(int64_t factor, bool pack) const {
  return pack && packs(factor) ? wide.at(place(factor)) : multipliers(factor) * dsp;
}

int64_t ProductStage::scale_multipliers(int64_t factor) const {
  if (scale_luts == 0) return 0;
  if (line_buffer) return line(factor).parallelism.outputs;
  return factor > n_in ? multipliers(factor) : n_out;
}

double ProductStage::luts(int64_t factor, bool pack) const {
  const bool constant = !line_buffer && factor <= n_in;
  const double scales =
      constant ? constant_scale_luts : static_cast<double>(scale_multipliers(factor)) * scale_luts;
  if (pack && packs(factor)) return static_cast<double>(multipliers(factor)) * sum_luts + scales;
  return static_cast<double>(lut_multipliers(factor, pack)) * product_luts + scales;
}

int64_t ProductStage::lut_multipliers(int64_t factor, bool pack) const {
  return dsp == 0 && !(pack && packs(factor)) ? multipliers(factor) : 0;
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
  verify_stages(plan, budget);
  Sizing sizing;
  sizing.wanted = budget.reuse_factor;
  std::vector<Choice> choices;
  if (budget.reuse_factor) {
    for (int64_t factor : factors_within(plan, budget, 0))
      choices.push_back({factor, products[choices.size()].packs(factor)});
  } else {
    sizing.share = budget.share;
    choices = balanced(plan, budget);
    if (choices.size() != products.size()) {
      fail(ErrorKind::Unsupported,
           "--fpga {}: even with one multiplier for every output the network needs more than "
           "{:.0f} % of the card's {} DSPs or {} LUTs",
           budget.device.name, 100 * budget.share, budget.device.dsp, budget.device.lut);
    }
  }
  for (const auto& [stage, factor] : budget.stages) sizing.own.push_back(stage);
  sizing.products.reserve(products.size());
  for (const StageLoop& loop : plan.loops()) sizing.stage_cycles.push_back(loop.scan.size());
  for (size_t i = 0; i < products.size(); ++i) {
    const ProductStage& p = products[i];
    const int64_t factor = choices[i].factor;
    const StageSize stage{factor, p.multipliers(factor), p.cycles_per_output(factor),
                          choices[i].packs, wanted_of(plan, p, budget)};
    sizing.stage_cycles[p.node.index()] = p.cycles(factor);
    sizing.products.push_back(stage);
  }
  for (int64_t cycles : sizing.stage_cycles)
    sizing.interval_cycles = std::max(sizing.interval_cycles, cycles);
  return sizing;
}

}  // namespace tailor::design

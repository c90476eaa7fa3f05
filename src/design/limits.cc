// What a sizing needs, and what a device and its tool cannot do of it. A figure without a
// vendor tool behind it is a lower bound, so that nothing buildable is refused for it.
#include <algorithm>
#include <cmath>
#include <functional>

#include "design/products.h"
#include "tailor/core/strings.h"
#include "tailor/design/passes.h"

namespace tailor::design {
namespace {

/// Vitis HLS's widest integer (UG1399, AP_INT_MAX_W).
constexpr int64_t kWidestToken = 4096;
/// One RAMB18 and one URAM288.
constexpr int64_t kRamb18Bits = 18 * 1024, kUramBits = 288 * 1024;
/// Where Vivado HLS stops, as its error texts say (hls.md section 12): bits of a word, and
/// iterations of an unrolled loop. Whether Vitis HLS stops there too is not known.
constexpr int64_t kWidestWord = 65536, kMostUnrolled = 4096;
/// LUTs of a multiplier of 8 x 8 bits (reuse_factors.cc), without what adds its products up.
constexpr double kLutsOfProduct = 40;

/// LUTs of the multipliers that are made of them, at least (model).
double luts_of(const ProductStage& p, int64_t factor, bool pack = true) {
  return static_cast<double>(p.lut_multipliers(factor, pack)) * kLutsOfProduct *
         static_cast<double>(p.in_bits * p.weight_bits) / 64;
}

/// The smallest --reuse-factor with which `fits` holds for the factors that come nearest; 0: none.
int64_t smallest_fitting(const std::vector<ProductStage>& products,
                         const std::function<bool(const std::vector<int64_t>&)>& fits) {
  std::vector<int64_t> candidates;
  for (const ProductStage& p : products) {
    candidates.insert(candidates.end(), p.factors.begin(), p.factors.end());
  }
  std::sort(candidates.begin(), candidates.end());
  candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
  const auto found = std::partition_point(candidates.begin(), candidates.end(), [&](int64_t f) {
    std::vector<int64_t> factors;
    factors.reserve(products.size());
    for (const ProductStage& p : products) factors.push_back(p.nearest_factor(f));
    return !fits(factors);
  });
  return found == candidates.end() ? 0 : *found;
}

std::string advice(int64_t factor, bool balanced) {
  std::string text = factor > 0 ? fmt::format("--reuse-factor {} or more fits", factor)
                                : "no reuse factor fits: ask for a smaller network";
  if (!balanced) text += "; so does no --reuse-factor at all, which balances the stages";
  return text;
}

/// UltraRAMs of a memory: 4,096 words of 72 bits each.
int64_t urams_of(int64_t words, int64_t word_bits) {
  return (words + 4095) / 4096 * ((word_bits + 71) / 72);
}

double mbit(int64_t bits) { return static_cast<double>(bits) * 1e-6; }

/// Everything that a limit is told from.
struct Sized {
  const Plan& plan;
  const Sizing& sizing;
  const Device& device;
  const Cost cost;
  bool vivado;

  const std::vector<ProductStage>& products() const { return plan.products(); }
  std::string name(const ProductStage& p) const { return plan.graph().node(p.node).name; }
  bool balanced() const { return !sizing.wanted; }
  /// The smallest factor with which the sum over the stages stays within what there is.
  template <class Each>
  int64_t factor_within(Each each, int64_t available) const {
    return smallest_fitting(products(), [&](const std::vector<int64_t>& factors) {
      double sum = 0;
      for (size_t i = 0; i < factors.size(); ++i)
        sum += static_cast<double>(each(products()[i], factors[i]));
      return sum <= static_cast<double>(available);
    });
  }
  std::string stops_at(int64_t limit) const {
    return fmt::format("Vivado HLS stops at {}{}", limit,
                       vivado ? "" : ", and whether Vitis HLS does is not known");
  }
};

using Limits = std::vector<Limit>;

void limit_multipliers(const Sized& s, Limits& limits) {
  if (s.cost.dsp > s.device.dsp) {
    const int64_t factor =
        s.factor_within([](const ProductStage& p, int64_t f) { return p.dsps(f); }, s.device.dsp);
    limits.push_back(
        {"dsp", true,
         fmt::format("the multipliers do not fit: they take {} DSP slices, the {} has "
                     "{}. {}",
                     s.cost.dsp, s.device.name, s.device.dsp, advice(factor, s.balanced()))});
  }
  double luts = 0;
  for (size_t i = 0; i < s.products().size(); ++i) {
    luts +=
        luts_of(s.products()[i], s.sizing.products[i].reuse_factor, s.sizing.products[i].packed);
  }
  if (luts > static_cast<double>(s.device.lut)) {
    const int64_t factor = s.factor_within(
        [](const ProductStage& p, int64_t f) { return luts_of(p, f); }, s.device.lut);
    limits.push_back(
        {"lut", true,
         fmt::format("the multipliers do not fit: below 10 bits they are built of LUTs, {} of them "
                     "of about {:.0f} LUTs (model), and the {} has {}. {}",
                     s.cost.lut_multipliers, luts, s.device.name, s.device.lut,
                     advice(factor, s.balanced()))});
  }
}

/// Bits of the widest weights that fit beside everything else as it is; 0: none do.
int64_t fitting_weight_bits(const Sized& s, int64_t available) {
  int64_t weights = 0, others = s.cost.memory_bits;
  for (size_t i = 0; i < s.products().size(); ++i) {
    const ProductStage& p = s.products()[i];
    if (p.rom_storage(s.sizing.products[i].reuse_factor, s.device) != FifoStorage::Bram) continue;
    weights += p.weights;
    others -= p.weights * p.weight_bits;
  }
  return weights == 0 ? 0 : std::max<int64_t>(0, (available - others) / weights);
}

void limit_memory(const Sized& s, Limits& limits) {
  const int64_t available = s.device.ramb18 * kRamb18Bits;
  if (s.cost.memory_bits <= available) return;
  const int64_t bits = fitting_weight_bits(s, available);
  limits.push_back(
      {"memory", true,
       fmt::format("the weights do not fit: with the FIFOs they take {:.0f} Mbit or more of "
                   "block RAM, the {} has {:.0f}; its {:.0f} Mbit of UltraRAM power up as 0 and "
                   "hold no compiled-in weights. Ask for fewer bits (--precision{}) or a smaller "
                   "network",
                   mbit(s.cost.memory_bits), s.device.name, mbit(available),
                   mbit(s.device.uram * kUramBits),
                   bits > 1 ? fmt::format("; weights of {} bits fit", bits) : "")});
}

void limit_uram(const Sized& s, Limits& limits) {
  if (s.cost.uram <= s.device.uram) return;
  limits.push_back({"uram", true,
                    fmt::format("line buffers and FIFOs take {} UltraRAMs, the {} has {}. Ask for "
                                "fewer bits (--precision), a smaller network, or one without long "
                                "skips",
                                s.cost.uram, s.device.name, s.device.uram)});
}

void limit_tokens(const Sized& s, Limits& limits) {
  const Value* widest = nullptr;
  auto bits = [](const Value& v) { return v.token_bits(); };
  for (const Value& v : s.plan.graph().values) {
    if (!widest || bits(v) > bits(*widest)) widest = &v;
  }
  if (!widest || bits(*widest) <= kWidestToken) return;
  limits.push_back(
      {"token_bits", true,
       fmt::format("the tokens of {} are {} bits wide ({} channels of {}), and Vitis HLS's "
                   "integers end at {}: the project compiles and can be checked, the tool will "
                   "refuse it. At most {} channels of that width fit",
                   widest->name, bits(*widest), widest->token_channels(), widest->type->width,
                   kWidestToken, kWidestToken / widest->type->width)});
}

void limit_words(const Sized& s, Limits& limits) {
  size_t widest = 0;
  auto bits = [&](size_t i) {
    return s.sizing.products[i].multipliers * s.products()[i].weight_bits;
  };
  for (size_t i = 1; i < s.products().size(); ++i) {
    if (bits(i) > bits(widest)) widest = i;
  }
  if (s.products().empty() || bits(widest) <= kWidestWord) return;
  const int64_t factor = smallest_fitting(s.products(), [&](const std::vector<int64_t>& factors) {
    for (size_t i = 0; i < factors.size(); ++i) {
      const ProductStage& p = s.products()[i];
      if (p.multipliers(factors[i]) * p.weight_bits > kWidestWord) return false;
    }
    return true;
  });
  limits.push_back(
      {"weight_word", s.vivado,
       fmt::format("the weights of {} are read in words of {} bits ({} multipliers of {}); {}. {}",
                   s.name(s.products()[widest]), bits(widest),
                   s.sizing.products[widest].multipliers, s.products()[widest].weight_bits,
                   s.stops_at(kWidestWord), advice(factor, s.balanced()))});
}

void limit_arrays(const Sized& s, Limits& limits) {
  const ProductStage* longest = nullptr;
  int64_t unrolled = 0;
  for (size_t i = 0; i < s.products().size(); ++i) {
    const ProductStage& p = s.products()[i];
    const int64_t loop = p.longest_unrolled(s.sizing.products[i].reuse_factor);
    if (loop > unrolled) longest = &p, unrolled = loop;
  }
  if (longest && unrolled > kMostUnrolled) {
    limits.push_back({"unroll", s.vivado,
                      fmt::format("{} unrolls a loop {} times; {}. A larger reuse factor "
                                  "(--reuse-factor) or fewer channels fit",
                                  s.name(*longest), unrolled, s.stops_at(kMostUnrolled))});
  }
  int64_t elements = largest_register_array(s.plan.graph());
  for (size_t i = 0; i < s.products().size(); ++i) {  // what a word of a line buffer brings
    if (!s.products()[i].line_buffer) continue;
    const auto& p = s.products()[i].line(s.sizing.products[i].reuse_factor).parallelism;
    elements = std::max(elements, p.lanes * p.elements);
  }
  if (s.vivado && elements > kMostPartitioned) {
    limits.push_back({"partition", false,
                      fmt::format("an array of {} elements is kept in registers, and Vivado HLS "
                                  "stops at {} unless told otherwise: build_prj.tcl tells it "
                                  "(config_array_partition), which no vendor tool has confirmed",
                                  elements, kMostPartitioned)});
  }
}

/// A loop of Vivado HLS that waits for a token keeps what it has computed (UG1448, stp). FIFOs of
/// skips hold what that is while an output takes as long as the pipeline is deep.
void limit_flush(const Sized& s, Limits& limits) {
  if (!s.vivado || s.plan.skips().empty()) return;
  const ProductStage* fastest = nullptr;
  int64_t cycles = kPipelineCycles;
  for (size_t i = 0; i < s.products().size(); ++i) {
    const ProductStage& p = s.products()[i];
    const int64_t output = s.sizing.products[i].cycles_per_output;
    if (output < cycles && p.loop.emits.count.size() > 1) fastest = &p, cycles = output;
  }
  if (!fastest) return;
  limits.push_back(
      {"flush", false,
       fmt::format("{} answers every {}, and Vivado HLS keeps what a loop has computed while it "
                   "waits for a token, so that a stage beside a skip may wait for itself: "
                   "co-simulate (build_prj.tcl cosim=1), or ask for --reuse-factor {} or more, or "
                   "for --backend vitis, which flushes",
                   s.name(*fastest), cycles == 1 ? "cycle" : fmt::format("{} cycles", cycles),
                   kPipelineCycles)});
}

/// What was to share DSPs and does not.
void limit_packing(const Sized& s, Limits& limits) {
  if (s.plan.unpacked().empty()) return;
  limits.push_back(
      {"packing", false, "--dsp-packing leaves as they are: " + unpacked_text(s.plan.unpacked())});
}

/// What was to cost nothing and does.
void limit_folds(const Sized& s, Limits& limits) {
  if (std::string text = unfolded_text(s.plan); !text.empty())
    limits.push_back({"folds", false, std::move(text)});
}

}  // namespace

Cost cost(const Plan& plan, const Sizing& sizing, const Device& device) {
  const Graph& graph = plan.graph();
  Cost c;
  for (const Node& node : graph.nodes) c.stages += node.traits().port ? 0 : 1;
  for (size_t i = 0; i < sizing.products.size(); ++i) {
    const ProductStage& p = plan.products()[i];
    const StageSize& stage = sizing.products[i];
    c.multipliers += stage.multipliers;
    c.dsp += p.dsps(stage.reuse_factor, stage.packed);
    if (stage.packed) c.packed_multipliers += stage.multipliers;
    c.lut_multipliers += p.lut_multipliers(stage.reuse_factor, stage.packed);
    c.luts_model += p.luts(stage.reuse_factor, stage.packed);
    c.weights += p.weights;
    if (p.rom_storage(stage.reuse_factor, device) == FifoStorage::Bram)
      c.memory_bits += p.weights * p.weight_bits;
    c.rom_luts += p.rom_luts(stage.reuse_factor, device);
    if (!p.line_buffer) continue;
    const LineMemory& line = p.line(stage.reuse_factor).memory;
    const FifoStorage storage = line_storage(line, device);
    c.line_buffer_bits += line.bits();
    if (storage == FifoStorage::Bram) c.memory_bits += line.bits();
    if (storage == FifoStorage::Uram) c.uram += urams_of(line.words, line.word_bits);
  }
  for (const Node& node : graph.nodes) {
    if (node.traits().port || sizing.fifo_depths.empty()) continue;
    for (ValueId id : node.outputs) {
      if (id == graph.output()) continue;  // the two ports are not FIFOs of the design
      const Value& v = graph.value(id);
      const int64_t depth = sizing.fifo_depths[id], bits = depth * v.token_bits();
      const FifoStorage storage = fifo_storage(depth, v, device);
      c.fifo_bits += bits;
      if (storage == FifoStorage::Bram) c.memory_bits += bits;
      if (storage == FifoStorage::Uram) c.uram += urams_of(depth, v.token_bits());
    }
  }
  const ByValue<NodeId> writer = producers(graph);
  for (const SkipDepth& skip : plan.skips()) {
    c.skip_fifo_tokens +=
        sizing.fifo_depths.empty() ? skip.full_speed : sizing.fifo_depths[skip.value];
    // It may wait in front of a projection.
    const Node& last = graph.node(writer[skip.value]);
    if (!sizing.fifo_depths.empty() && ((has_line_buffer(last) && last.outputs.size() == 1) ||
                                        narrower_input(graph, last, skip.value).valid()))
      c.skip_fifo_tokens += sizing.fifo_depths[last.inputs[0]];
  }
  c.latency_cycles = sizing.latency_cycles;
  c.interval_cycles = sizing.interval_cycles;
  c.dsp_share = static_cast<double>(c.dsp) / static_cast<double>(device.dsp);
  c.lut_share = (c.luts_model + static_cast<double>(c.rom_luts)) / static_cast<double>(device.lut);
  return c;
}

std::vector<Limit> limits(const Plan& plan, const Sizing& sizing, const Device& device,
                          HlsBackend backend) {
  const Sized sized{plan, sizing, device, cost(plan, sizing, device),
                    backend == HlsBackend::Vivado};
  Limits found;
  limit_multipliers(sized, found);
  limit_memory(sized, found);
  limit_uram(sized, found);
  limit_tokens(sized, found);
  limit_words(sized, found);
  limit_arrays(sized, found);
  limit_flush(sized, found);
  limit_packing(sized, found);
  limit_folds(sized, found);
  return found;
}

}  // namespace tailor::design

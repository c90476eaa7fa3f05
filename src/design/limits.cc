// What a card and its tool cannot do, told from what is written on a design. A figure without a
// vendor tool behind it is a lower bound, so that nothing buildable is refused for it.
#include <algorithm>
#include <cmath>
#include <functional>

#include "tailor/design/passes.h"

namespace tailor {
namespace {

/// Vitis HLS's widest integer (UG1399, AP_INT_MAX_W).
constexpr int64_t kWidestToken = 4096;
/// One RAMB18 and one URAM288.
constexpr int64_t kRamb18Bits = 18 * 1024, kUramBits = 288 * 1024;
/// Where Vivado HLS stops, as its error texts say (hls.md section 12): bits of a word, and
/// iterations of an unrolled loop. Whether Vitis HLS stops there too is not known.
constexpr int64_t kWidestWord = 65536, kMostUnrolled = 4096;
/// LUTs of a multiplier of 8 x 8 bits, fitted on the published blocks (estimator.md section 4, uL);
/// others by the number of partial products.
constexpr double kLutsOf8x8 = 40;

struct Product {
  const Node* node;
  int64_t n_in, n_out, in_bits, weight_bits;
  int64_t dsp() const {
    return dsp_of_multiplier(static_cast<int>(in_bits), static_cast<int>(weight_bits));
  }
  double luts() const {
    return dsp() > 0 ? 0 : kLutsOf8x8 * static_cast<double>(in_bits * weight_bits) / 64;
  }
  int64_t multipliers(int64_t factor) const { return n_in * n_out / factor; }
};

std::vector<Product> products_of(const Graph& design) {
  std::vector<Product> products;
  for (const Node& node : design.nodes) {
    if (node.op != Op::Conv2d && node.op != Op::Dense) continue;
    const Shape& shape = design.tensor(node, "weight").shape();
    int64_t n_in = 1;
    for (size_t d = 1; d < shape.size(); ++d) n_in *= shape[d];
    products.push_back({&node, n_in, shape[0], design.value(node.inputs[0]).type->width,
                        node.hardware.weight->width});
  }
  return products;
}

/// The smallest --reuse-factor with which `fits` holds for the factors that come nearest; 0: none.
int64_t smallest_fitting(const std::vector<Product>& products,
                         const std::function<bool(const std::vector<int64_t>&)>& fits) {
  std::vector<int64_t> candidates;
  for (const Product& p : products) {
    const auto valid = valid_reuse_factors(p.n_in, p.n_out);
    candidates.insert(candidates.end(), valid.begin(), valid.end());
  }
  std::sort(candidates.begin(), candidates.end());
  candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
  const auto found = std::partition_point(candidates.begin(), candidates.end(), [&](int64_t f) {
    std::vector<int64_t> factors;
    factors.reserve(products.size());
    for (const Product& p : products) factors.push_back(nearest_reuse_factor(p.n_in, p.n_out, f));
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

/// Iterations of the longest loop that the library unrolls for a stage (conv2d.h, window.h,
/// dense.h, dot_product.h).
int64_t longest_unrolled(const Graph& design, const Product& p) {
  const int64_t factor = p.node->hardware.reuse_factor;
  const MapShape& in = design.value(p.node->inputs[0]).shape;
  int64_t longest =
      factor > p.n_in ? p.node->hardware.multipliers : p.n_in / std::max<int64_t>(factor, 1);
  longest = std::max({longest, p.n_out, in.channels});
  if (p.node->op == Op::Dense) return std::max(longest, p.n_in - in.channels);
  const ConvAttributes& a = p.node->conv();
  const Size2 extent = a.window.extent();
  longest = std::max({longest, a.window.taps(), extent.height - 1, extent.width - 1});
  return a.groups > 1 ? std::max(longest, a.groups * p.n_in) : longest;
}

}  // namespace

int64_t memory_bits(const Graph& design) {
  int64_t bits = 0;
  for (const Node& node : design.nodes) {
    if (node.hardware.weight && node.hardware.reuse_factor > 1)
      bits += design.tensor(node, "weight").size() * node.hardware.weight->width;
    if (node.op == Op::Input) continue;  // the two ports are not FIFOs of the design
    for (int id : node.outputs) {
      const Value& v = design.value(id);
      if (id != design.nodes.back().inputs[0] && v.fifo_storage == FifoStorage::Bram)
        bits += v.fifo_depth * v.type->width * v.shape.channels;
    }
  }
  return bits;
}

std::vector<Limit> design_limits(const Graph& design, HlsBackend backend) {
  std::vector<Limit> limits;
  const bool vivado = backend == HlsBackend::Vivado;
  const Json& options = design.provenance.at("design");
  const Card& card = find_card(options.at("card").as_string());
  const bool balanced = options.at("reuse_factor").is_string();
  const std::vector<Product> products = products_of(design);

  int64_t dsp = 0, lut_multipliers = 0;
  double luts = 0;
  for (const Product& p : products) {
    const int64_t multipliers = p.node->hardware.multipliers;
    dsp += multipliers * p.dsp();
    luts += static_cast<double>(multipliers) * p.luts();
    if (p.dsp() == 0) lut_multipliers += multipliers;
  }
  auto sum_within = [&](auto cost, double available) {
    return smallest_fitting(products, [&, cost, available](const std::vector<int64_t>& factors) {
      double sum = 0;
      for (size_t i = 0; i < products.size(); ++i)
        sum += static_cast<double>(products[i].multipliers(factors[i])) * cost(products[i]);
      return sum <= available;
    });
  };
  if (dsp > card.dsp) {
    const int64_t factor = sum_within([](const Product& p) { return static_cast<double>(p.dsp()); },
                                      static_cast<double>(card.dsp));
    limits.push_back({"dsp", true,
                      fmt::format("the multipliers do not fit: they take {} DSP slices, the {} has "
                                  "{}. {}",
                                  dsp, card.name, card.dsp, advice(factor, balanced))});
  }
  if (luts > static_cast<double>(card.lut)) {
    const int64_t factor =
        sum_within([](const Product& p) { return p.luts(); }, static_cast<double>(card.lut));
    limits.push_back(
        {"lut", true,
         fmt::format("the multipliers do not fit: below 10 bits they are built of LUTs, {} of them "
                     "of about {:.0f} LUTs (model), and the {} has {}. {}",
                     lut_multipliers, luts, card.name, card.lut, advice(factor, balanced))});
  }
  auto mbit = [](int64_t bits) { return static_cast<double>(bits) * 1e-6; };
  if (const int64_t memory = memory_bits(design); memory > card.ramb18 * kRamb18Bits) {
    limits.push_back(
        {"memory", true,
         fmt::format("the weights do not fit: with the FIFOs they take {:.0f} Mbit or more of "
                     "block RAM, the {} has {:.0f}; its {:.0f} Mbit of UltraRAM power up as 0 and "
                     "hold no compiled-in weights. Ask for fewer bits (--precision) or a smaller "
                     "network",
                     mbit(memory), card.name, mbit(card.ramb18 * kRamb18Bits),
                     mbit(card.uram * kUramBits))});
  }
  const Value* widest = nullptr;
  auto bits = [](const Value& v) { return v.type->width * v.shape.channels; };
  for (const Value& v : design.values) {
    if (!widest || bits(v) > bits(*widest)) widest = &v;
  }
  if (widest && bits(*widest) > kWidestToken) {
    limits.push_back(
        {"token_bits", true,
         fmt::format("the tokens of {} are {} bits wide ({} channels of {}), and Vitis HLS's "
                     "integers end at {}: the project compiles and can be checked, the tool will "
                     "refuse it. At most {} channels of that width fit",
                     widest->name, bits(*widest), widest->shape.channels, widest->type->width,
                     kWidestToken, kWidestToken / widest->type->width)});
  }
  auto widest_word =
      std::max_element(products.begin(), products.end(), [](const Product& a, const Product& b) {
        return a.node->hardware.multipliers * a.weight_bits <
               b.node->hardware.multipliers * b.weight_bits;
      });
  auto stops_at = [&](int64_t limit) {
    return fmt::format("Vivado HLS stops at {}{}", limit,
                       vivado ? "" : ", and whether Vitis HLS does is not known");
  };
  if (widest_word != products.end() &&
      widest_word->node->hardware.multipliers * widest_word->weight_bits > kWidestWord) {
    const int64_t factor = smallest_fitting(products, [&](const std::vector<int64_t>& factors) {
      for (size_t i = 0; i < products.size(); ++i) {
        if (products[i].multipliers(factors[i]) * products[i].weight_bits > kWidestWord)
          return false;
      }
      return true;
    });
    limits.push_back(
        {"weight_word", vivado,
         fmt::format("the weights of {} are read in words of {} bits ({} multipliers of {}); {}. "
                     "{}",
                     widest_word->node->name,
                     widest_word->node->hardware.multipliers * widest_word->weight_bits,
                     widest_word->node->hardware.multipliers, widest_word->weight_bits,
                     stops_at(kWidestWord), advice(factor, balanced))});
  }
  const Product* longest = nullptr;
  for (const Product& p : products) {
    if (!longest || longest_unrolled(design, p) > longest_unrolled(design, *longest)) longest = &p;
  }
  if (longest && longest_unrolled(design, *longest) > kMostUnrolled) {
    limits.push_back({"unroll", vivado,
                      fmt::format("{} unrolls a loop {} times; {}. A larger reuse factor "
                                  "(--reuse-factor) or fewer channels fit",
                                  longest->node->name, longest_unrolled(design, *longest),
                                  stops_at(kMostUnrolled))});
  }
  if (const int64_t elements = largest_register_array(design);
      vivado && elements > kMostPartitioned) {
    limits.push_back({"partition", false,
                      fmt::format("an array of {} elements is kept in registers, and Vivado HLS "
                                  "stops at {} unless told otherwise: build_prj.tcl tells it "
                                  "(config_array_partition), which no vendor tool has confirmed",
                                  elements, kMostPartitioned)});
  }
  return limits;
}

}  // namespace tailor

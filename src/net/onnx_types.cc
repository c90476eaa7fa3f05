#include "net/onnx_types.h"

#include <algorithm>
#include <cmath>

#include "tailor/core/error.h"
#include "tailor/core/strings.h"

namespace tailor::net {
namespace {

constexpr int kLeastInteger = -32, kMostBits = 32;

bool is_products(const OnnxStep& step) {
  return step.layer<ConvLayer>() || step.layer<LinearLayer>();
}
bool is_mean(const OnnxStep& step) {
  const auto* pool = step.layer<PoolLayer>();
  return pool && pool->kind != PoolKind::Max;
}
bool is_window_mean(const OnnxStep& step) {
  return is_mean(step) && step.layer<PoolLayer>()->kind == PoolKind::Average;
}
int ceil_log2(int64_t n) {
  int bits = 0;
  while ((int64_t{1} << bits) < n) ++bits;
  return bits;
}
int integer_of(const OnnxType& type) {
  return type.bits - type.fraction() + (type.is_signed ? 0 : 1);
}

class OnnxTypes {
 public:
  OnnxTypes(const OnnxTyping& from, OnnxNetwork& out)
      : from_(from), steps_(from.steps), out_(out) {}

  void run() {
    bool any = read_type(0).has_value();
    for (const auto& [k, name] : from_.names) any |= steps_[k].weight_type || read_type(k);
    if (!any) return;
    out_.rounds_operands =
        !from_.joined.empty() && std::all_of(from_.joined.begin(), from_.joined.end(),
                                             [&](size_t k) { return read_type(k).has_value(); });
    if (const auto type = read_type(0))
      out_.types.push_back({"input", "", stream_text(0, *type, false)});
    for (const auto& [k, name] : from_.names) add(k, name);
    remark(middle_, "rounded in the middle of a stage, which the design rounds at its end only");
    remark(
        alone_,
        "a stage that multiplies each channel stands for it (a batch norm without a convolution, "
        "or what is rounded being rounded in another scale)");
    remark(
        finer_,
        "what it adds is not rounded in the model; on the skip the design has as many bits of it "
        "as scales have, and two more before the point");
    if (scaled_ == 0) return;
    out_.remarks.push_back(fmt::format(
        "sums of {} are multiplied by a scale of each channel, of {} bits; the least exact one is "
        "{:.2g} % off (node '{}')",
        counted(static_cast<int64_t>(scaled_), "stage"), from_.scale_bits, 100 * worst_,
        worst_node_));
  }

 private:
  [[noreturn]] void refuse(size_t step, const std::string& reason) const {
    fail(ErrorKind::Unsupported, "{}: node '{}' ({}): {}", from_.where, steps_[step].node,
         steps_[step].op_type, reason);
  }

  void add(size_t k, const std::string& name) {
    const OnnxStep& step = steps_[k];
    const bool alone = stands_alone(k);
    if (is_sum(step) ? !out_.rounds_operands : !is_products(step) && !is_mean(step) && !alone)
      return;
    OnnxStageTypes types{alone ? name + ".scale" : name, "", ""};
    if (is_products(step)) give_weights(k, types);
    if (alone) {
      give_ones(k, 1, factors_of(k), types);
      alone_.push_back(k);
    }
    if (is_window_mean(step)) {
      const auto taps = static_cast<float>(step.layer<PoolLayer>()->window.taps());
      give_ones(k, static_cast<double>(1.0F / taps), {}, types);
    }
    Written written = written_type(k);
    if (!written.type && (is_sum(step) || is_mean(step))) written.type = carried(k);
    if (!written.type && written.sum) written.type = finer_than(*written.sum);
    if (written.type)
      types.activations = stream_text(k, *written.type, keeps_no_sign(k, written.behind_relu));
    if (!types.weights.empty() || is_products(step) || !types.activations.empty())
      out_.types.push_back(std::move(types));
  }

  // ---- streams

  /// Rounding and range are the design's. `no_sign`: it knows that nothing is negative there;
  /// elsewhere a type without a sign has a bit more for it.
  std::string stream_text(size_t step, const OnnxType& type, bool no_sign) {
    const bool is_signed = type.is_signed || !no_sign;
    const int bits = type.bits + (is_signed == type.is_signed ? 0 : 1);
    agree(step, type);
    return text_of(step, type, bits, is_signed);
  }
  std::string text_of(size_t step, const OnnxType& type, int bits, bool is_signed) const {
    const int integer = bits - type.fraction();
    if (integer < kLeastInteger || integer > bits || bits < 2 || bits > kMostBits) {
      refuse(step, fmt::format("rounded to {} bits in steps of 2^{}, which is no type W,I of ours "
                               "({} <= I <= W, 2 <= W <= {})",
                               type.bits, -type.fraction(), kLeastInteger, kMostBits));
    }
    return fmt::format("{}{},{}", is_signed ? "" : "u", bits, integer);
  }
  /// Where skips join what is rounded, ReLUs are stages behind the rounding. Elsewhere what a ReLU
  /// leaves is never negative, nor means and sums of that.
  bool keeps_no_sign(size_t k, bool behind_relu) const {
    if (out_.rounds_operands || is_window_mean(steps_[k])) return false;
    if (!is_mean(steps_[k])) return behind_relu;
    size_t from = steps_[k].inputs[0];
    while (steps_[from].layer<PickLayer>() ||
           (steps_[from].layer<PoolLayer>() && !is_mean(steps_[from])))
      from = steps_[from].inputs[0];
    return steps_[from].layer<ReluLayer>() || is_sum(steps_[from]);
  }
  /// Rounding and range of streams are one for the whole network.
  void agree(size_t step, const OnnxType& type) {
    const bool narrow = type.narrow && type.is_signed;
    if (!out_.rounding.empty() && out_.rounding != type.rounding)
      refuse(step, fmt::format("rounds by {}, other nodes by {}", type.rounding, out_.rounding));
    if (type.narrow && !type.is_signed) refuse(step, "rounds to an unsigned range that is narrow");
    if (!out_.rounding.empty() && narrow != out_.narrow) {
      refuse(step, fmt::format("its range is {}, that of other nodes is not",
                               narrow ? "symmetric (narrow)" : "whole"));
    }
    out_.narrow = narrow;
    out_.rounding = type.rounding;
  }
  /// What all readers of a step take.
  std::optional<OnnxType> read_type(size_t step) const {
    const auto& list = steps_[step].read_as;
    for (const auto& type : list) {
      if (!(type == list.front()))
        refuse(step, "its readers round it to different types; expected one for all of them");
    }
    return list.empty() ? std::nullopt : list.front();
  }
  /// A type that holds what a sum, mean or choice makes of what is rounded: no bit is lost, but of
  /// means of other numbers than powers of two.
  std::optional<OnnxType> carried(size_t k) const {
    if (const auto type = read_type(k)) return type;
    const OnnxStep& step = steps_[k];
    if (step.scales_freely()) return std::nullopt;
    std::optional<OnnxType> all;
    for (size_t input : step.inputs) {
      const auto own = carried(input);
      if (!own) return std::nullopt;
      all = all ? holding(*all, *own) : own;
    }
    const auto operands = static_cast<int64_t>(step.inputs.size());
    if (is_sum(step)) all->bits += ceil_log2(operands);
    if (is_mean(step)) {
      constexpr int kMoreBits = 4;  // behind those of a mean that is no number
      const auto* pool = step.layer<PoolLayer>();
      const int64_t taps = pool->kind == PoolKind::Average ? pool->window.taps()
                                                           : steps_[step.inputs[0]].out.pixels();
      const int bits = ceil_log2(taps);
      const int more = bits + ((int64_t{1} << bits) == taps ? 0 : kMoreBits);
      all->bits += more, all->step = std::ldexp(all->step, -more);
    }
    return all;
  }
  static OnnxType holding(const OnnxType& a, const OnnxType& b) {
    OnnxType both = a;
    both.is_signed = true;
    both.step = std::min(a.step, b.step);
    both.bits = std::max(integer_of(a), integer_of(b)) + both.fraction();
    return both;
  }

  // ---- stages

  /// Whether it is a batch norm that folds into no convolution.
  bool stands_alone(size_t k) const {
    if (!steps_[k].layer<BatchNormLayer>()) return false;
    const size_t before = steps_[k].inputs[0];
    return !steps_[before].layer<ConvLayer>() || from_.readers[before].size() != 1;
  }
  struct Written {
    std::optional<OnnxType> type;
    bool behind_relu = false;
    std::optional<size_t> sum = {};  // that adds it, on a skip
  };
  /// Of what a sum adds and nobody rounds before: as the sum is rounded, but as fine as scales are,
  /// and wider.
  std::optional<OnnxType> finer_than(size_t added) {
    size_t sum = added;
    constexpr int kMoreRange = 2;
    std::optional<OnnxType> type = read_type(sum);
    while (!type && from_.readers[sum].size() == 1) {
      const size_t next = from_.readers[sum][0];
      if (steps_[next].scales_freely()) return std::nullopt;
      type = read_type(sum = next);
    }
    if (!type) return type;
    const int more = std::max(from_.scale_bits - type->bits, 2);
    type->bits += more + kMoreRange + (type->is_signed ? 0 : 1);
    type->is_signed = true;
    type->step = std::ldexp(type->step, -more);
    finer_.push_back(added);
    return type;
  }
  /// What a stage writes that begins with this step: the last rounding before somebody multiplies.
  /// A ReLU leaves what is rounded on its grid.
  Written written_type(size_t step) {
    Written w;
    for (;;) {
      const std::optional<OnnxType> own = read_type(step);
      if (own && w.type && !(*own == *w.type)) middle_.push_back(step);
      if (own) w.type = own;
      if (from_.readers[step].size() != 1) return w;
      const size_t next = from_.readers[step][0];
      const OnnxStep& reader = steps_[next];
      const bool relu = reader.layer<ReluLayer>(), norm = reader.layer<BatchNormLayer>();
      if (!is_sum(reader) && !relu && !norm) return w;
      if (norm && stands_alone(next) && (w.type || carried(step))) return w;
      if (is_sum(reader) && (out_.rounds_operands || !from_.on_main[step])) {
        w.sum = next;
        return w;
      }
      if (w.type && !relu) middle_.push_back(step), w.type.reset();
      w.behind_relu |= relu;
      step = next;
    }
  }

  // ---- weights

  /// What a batch norm multiplies its channels by.
  std::vector<double> factors_of(size_t norm) const {
    const TensorMap& parts = steps_[norm].parts;
    const auto gamma = parts.at("weight").as<float>(),
               variance = parts.at("running_var").as<float>();
    std::vector<double> factors;
    for (size_t c = 0; c < gamma.size(); ++c)
      factors.push_back(gamma[c] / std::sqrt(variance[c] + from_.epsilon));
    return factors;
  }
  /// Weights of one step that is a power of two have a type; all others have scales, which take the
  /// batch norm too, so that the weights stay the integers that they are.
  void give_weights(size_t k, OnnxStageTypes& types) {
    const OnnxStep& step = steps_[k];
    if (!step.weight_type) return;
    const auto& next = from_.readers[k];
    const bool norm = next.size() == 1 && steps_[next[0]].layer<BatchNormLayer>();
    const std::vector<double> factors = norm ? factors_of(next[0]) : std::vector<double>();
    OnnxType type = *step.weight_type;
    if (!type.is_signed) ++type.bits, type.is_signed = true;
    if (has_flipped_end(step, type, factors)) ++type.bits;
    give_scales(k, type, step.weight_steps, factors, types);
  }
  /// Whether the lowest number, which has no counterpart, is multiplied by a negative factor.
  static bool has_flipped_end(const OnnxStep& step, const OnnxType& type,
                              const std::vector<double>& factors) {
    const auto weight = step.parts.at("weight").as<float>();
    const size_t each = weight.size() / step.weight_steps.size();
    const double lowest = -std::ldexp(1.0, type.bits - 1) + 0.5;
    for (size_t i = 0; i < weight.size() && !factors.empty(); ++i) {
      if (factors[i / each] < 0 && weight[i] / step.weight_steps[i / each] < lowest) return true;
    }
    return false;
  }
  /// Weights that are all of one value.
  void give_ones(size_t k, double value, const std::vector<double>& factors,
                 OnnxStageTypes& types) {
    OnnxType type;
    type.bits = 2;
    const auto channels = static_cast<size_t>(steps_[k].out.channels);
    give_scales(k, type, std::vector<double>(channels, value), factors, types);
  }
  void give_scales(size_t k, OnnxType type, const std::vector<double>& steps,
                   const std::vector<double>& factors, OnnxStageTypes& types) {
    const bool one =
        std::all_of(steps.begin(), steps.end(), [&](double s) { return s == steps[0]; });
    type.step = steps[0];
    if (one && factors.empty() && type.is_binary_point()) {
      const int bits = std::max({type.bits, type.bits - type.fraction(), 2});
      types.weights = text_of(k, type, bits, true);
      return;
    }
    std::vector<double> folded = steps;
    for (size_t o = 0; o < factors.size(); ++o) folded[o] *= std::abs(factors[o]);
    if (!std::all_of(folded.begin(), folded.end(), [](double s) { return std::isfinite(s); }))
      refuse(k, "its scale and batch norm make no finite number");
    const double largest = *std::max_element(folded.begin(), folded.end());
    // The largest scale is between 1/2 and 1, or where steps are above 1, the largest step.
    const int bits = std::max(type.bits, 2), exponent = largest > 0 ? std::ilogb(largest) + 1 : 0,
              fraction = std::clamp(-exponent, 0, bits - kLeastInteger);
    const int integer = std::max(exponent + fraction, kLeastInteger);
    if (bits > kMostBits) refuse(k, fmt::format("weights of {} bits", bits));
    if (integer > from_.scale_bits) {
      refuse(k,
             fmt::format("steps of its weights of up to {:.3g}, behind the batch norm", largest));
    }
    types.weights = fmt::format("{},{}", bits, bits - fraction);
    types.scales = fmt::format("u{},{}", from_.scale_bits, integer);
    types.steps = steps;
    ++scaled_;
    for (double s : folded) measure(k, std::ldexp(s, fraction + from_.scale_bits - integer));
  }
  /// What rounding the scale loses.
  void measure(size_t k, double scale) {
    if (scale == 0) return;
    const double most = std::ldexp(1.0, from_.scale_bits) - 1;
    const double error = std::abs(std::min(std::nearbyint(scale), most) / scale - 1);
    if (error < worst_) return;
    worst_ = error;
    worst_node_ = steps_[k].node;
  }

  void remark(const std::vector<size_t>& steps, const char* what) {
    if (steps.empty()) return;
    const size_t others = steps.size() - 1;
    out_.remarks.push_back(fmt::format(
        "{} ({}){}: {}", steps_[steps[0]].node, steps_[steps[0]].op_type,
        others == 0 ? "" : fmt::format(" and {} more node{}", others, others == 1 ? "" : "s"),
        what));
  }

  const OnnxTyping& from_;
  const std::vector<OnnxStep>& steps_;
  OnnxNetwork& out_;
  std::vector<size_t> middle_, alone_, finer_;
  int scaled_ = 0;
  double worst_ = 0;
  std::string worst_node_;
};

}  // namespace

void add_types(const OnnxTyping& typing, OnnxNetwork& out) { OnnxTypes(typing, out).run(); }

}  // namespace tailor::net

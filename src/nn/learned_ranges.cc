#include "nn/learned_ranges.h"

#include <algorithm>
#include <cmath>

#include "tailor/design/fewest_bits.h"

namespace tailor::nn {
namespace {

/// Adam's decays; and how far beyond a power of two a range must be for its type to change, so that
/// types do not flutter.
constexpr double kMeanDecay = 0.9, kSquareDecay = 0.999, kAdamEpsilon = 1e-8, kHysteresis = 0.1;
constexpr double kLeastLog2 = -10;
/// What all bits together cost, in shares of the loss' gradients: so much for each share by which
/// they are beyond the budget, or a little below it; where there are fewer, bits are paid for.
constexpr double kPriceOfExcess = 8, kMostPrice = 2, kAim = 0.97;
/// Of widths that are learned.
constexpr int kLeastWidth = 2, kMostWidth = 16;

/// Integer bits of a type that saturates at 2^log2, up to a half step.
int integer_bits(const FixedType& type, double log2) {
  return static_cast<int>(std::ceil(log2)) + (type.is_signed ? 1 : 0);
}
double log2_of(const FixedType& type) { return type.integer - (type.is_signed ? 1 : 0); }

StageTypes& types_of(TrainedPrecision& p, const std::string& stage) {
  for (StageTypes& s : p.stages) {
    if (s.stage == stage) return s;
  }
  p.stages.push_back({stage, "", ""});
  return p.stages.back();
}

struct Adam {
  double rate, mean_share, square_share;  // what the moments lack after so many steps

  Adam(double r, int64_t steps)
      : rate(r),
        mean_share(1 - std::pow(kMeanDecay, static_cast<double>(steps))),
        square_share(1 - std::pow(kSquareDecay, static_cast<double>(steps))) {}
  /// How far the value goes down.
  double step(double g, double& mean, double& square) const {
    mean = kMeanDecay * mean + (1 - kMeanDecay) * g;
    square = kSquareDecay * square + (1 - kSquareDecay) * g * g;
    return rate * (mean / mean_share) / (std::sqrt(square / square_share) + kAdamEpsilon);
  }
};

/// The type of a range that has moved; one that would be too narrow or too wide stays as fine as it
/// may be.
FixedType follow(LearnedRange& r, const FixedType& type, bool learns_width) {
  FixedType wanted = type;
  const double now = log2_of(type);
  if (r.log2 > now + kHysteresis || r.log2 < now - 1 - kHysteresis)
    wanted.integer = integer_bits(type, r.log2);
  if (!learns_width) return wanted;
  int fraction = type.fraction();
  if (std::abs(r.log2_step + fraction) > 0.5 + kHysteresis)
    fraction = static_cast<int>(-std::lround(r.log2_step));
  const int kept = std::clamp(fraction, std::max(0, kLeastWidth - wanted.integer),
                              std::max(0, kMostWidth - wanted.integer));
  if (kept != fraction) r.log2_step = -kept;
  wanted.width = wanted.integer + kept;
  return wanted;
}

}  // namespace

ProductBits::ProductBits(const Graph& graph) {
  double all = 0;
  for (const StageProducts& p : stage_products(graph)) {
    const auto count = static_cast<double>(p.count);
    all += count;
    mean_ += count * p.weight_bits * p.input_bits;
    weights_[p.stage] += count * p.input_bits;
    values_[p.input] += count * p.weight_bits;
  }
  if (all == 0) return;
  mean_ /= all;
  for (ByStage* of : {&weights_, &values_}) {
    for (auto& [stage, bits] : *of) bits /= all;
  }
}

LearnedRange range_of(const std::string& stage, bool of_weights, const FixedType& type,
                      bool learns_width) {
  LearnedRange r{stage, of_weights, log2_of(type), 0, 0};
  if (learns_width) r.log2_step = -type.fraction();
  return r;
}

bool step_ranges(TrainedPrecision& p, const Graph& graph,
                 const std::vector<RangeGradient>& gradients,
                 const std::function<FixedType(const LearnedRange&)>& type_of, double rate) {
  const bool learns_widths = p.mean_bits > 0;
  std::vector<double> costs(p.ranges.size(), 0.0);
  if (learns_widths) {
    const ProductBits bits(graph);
    double of_loss = 0, of_bits = 0;
    for (size_t i = 0; i < costs.size(); ++i) {
      const LearnedRange& r = p.ranges[i];
      costs[i] = r.of_weights ? bits.by_weights(r.stage) : bits.by_values(r.stage);
      const double g = std::abs(gradients[i].end) + std::abs(gradients[i].step);
      of_loss += std::isfinite(g) ? g : 0, of_bits += 2 * costs[i];
    }
    const double over = bits.mean() / (kAim * p.mean_bits * p.mean_bits) - 1;
    const double price = std::clamp(kPriceOfExcess * over, -kMostPrice, kMostPrice);
    for (double& cost : costs) cost *= of_bits > 0 ? price * of_loss / of_bits : 0;
  }
  const Adam adam(rate, ++p.range_steps);
  bool moved = false;
  for (size_t i = 0; i < p.ranges.size(); ++i) {
    LearnedRange& r = p.ranges[i];
    const RangeGradient& g = gradients[i];
    if (!std::isfinite(g.end) || !std::isfinite(g.step)) continue;  // the loss says so
    const FixedType type = type_of(r);
    const double most = (learns_widths ? kMostWidth : type.width) - (type.is_signed ? 1 : 0);
    const double to_end = learns_widths ? g.end + costs[i] : g.end + g.step;
    r.log2 = std::clamp(r.log2 - adam.step(to_end, r.mean, r.square), kLeastLog2, most);
    if (learns_widths) r.log2_step -= adam.step(g.step - costs[i], r.step_mean, r.step_square);
    const FixedType wanted = follow(r, type, learns_widths);
    StageTypes& types = types_of(p, r.stage);
    moved |= wanted != type;
    (r.of_weights ? types.weights : types.activations) = precision_text(wanted);
  }
  return moved;
}

}  // namespace tailor::nn

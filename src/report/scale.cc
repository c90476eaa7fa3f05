#include "tailor/report/scale.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace tailor::report {
namespace {

/// 1, 2 and 5 times powers of ten from below `low` to above `high`.
std::vector<double> decades(double low, double high) {
  std::vector<double> ticks;
  for (double power = std::pow(10.0, std::floor(std::log10(low)));; power *= 10) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double tick = factor * power;
      if (tick <= low * (1 + 1e-9)) ticks.clear();
      ticks.push_back(tick);
      if (tick >= high * (1 - 1e-9) && ticks.size() > 1) return ticks;
    }
  }
}

}  // namespace

double round_step(double least) {
  const double power = std::pow(10.0, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= least * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

Scale::Scale(double low, double high, size_t steps, bool logarithmic, double least_step)
    : logarithmic_(logarithmic) {
  if (logarithmic) {
    ticks_ = decades(low, high);
    // Powers of ten alone where more would crowd.
    if (ticks_.size() > 2 * steps) {
      const double end = std::log10(ticks_.back());
      std::vector<double> powers;
      for (double e = std::floor(std::log10(ticks_.front()) + 1e-9); e < end - 1e-9; ++e)
        powers.push_back(std::pow(10.0, e));
      powers.push_back(std::pow(10.0, std::ceil(end - 1e-9)));
      ticks_ = powers;
    }
    return;
  }
  if (high <= low) high = low + std::max(std::abs(low) * 0.1, least_step > 0 ? least_step : 1e-6);
  step_ = std::max(round_step((high - low) / static_cast<double>(steps)), least_step);
  const double begin = std::floor(low / step_ + 1e-9), end = std::ceil(high / step_ - 1e-9);
  for (double i = begin; i <= end; ++i) ticks_.push_back(i * step_);
}

std::string Scale::text(double tick) const {
  if (logarithmic_) return fmt::format("{:g}", tick);
  const int decimals = std::clamp(-static_cast<int>(std::floor(std::log10(step_) + 1e-9)), 0, 9);
  return fmt::format("{:.{}f}", tick == 0 ? 0.0 : tick, decimals);
}

double Scale::at(double value) const {
  const double inside = std::clamp(value, low(), high());
  const double share = logarithmic_ ? std::log(inside / low()) / std::log(high() / low())
                                    : (inside - low()) / (high() - low());
  return first_ + share * (last_ - first_);
}

}  // namespace tailor::report

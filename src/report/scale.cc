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

Scale::Scale(double low, double high, size_t steps, Ends ends, double least_step)
    : low_(low), high_(high) {
  if (high_ <= low_)
    high_ = low_ + std::max(std::abs(low_) * 0.1, least_step > 0 ? least_step : 1e-6);
  step_ = std::max(round_step((high_ - low_) / static_cast<double>(steps)), least_step);
  constexpr double kSlack = 1e-9;
  double begin = std::floor(low_ / step_ + kSlack), end = std::ceil(high_ / step_ - kSlack);
  if (ends == Ends::Exact)
    begin = std::ceil(low_ / step_ - kSlack), end = std::floor(high_ / step_ + kSlack);
  for (double i = begin; i <= end; ++i) ticks_.push_back(i * step_);
  if (ends == Ends::Exact) return;
  low_ = ticks_.front(), high_ = ticks_.back();
}

Scale Scale::logarithmic(double low, double high, size_t steps) {
  Scale scale(low, high, steps);
  scale.logarithmic_ = true;
  std::vector<double>& ticks = scale.ticks_;
  ticks = decades(low, high);
  // Powers of ten alone where more would crowd.
  if (ticks.size() > 2 * steps) {
    const double begin = std::floor(std::log10(ticks.front()) + 1e-9),
                 end = std::ceil(std::log10(ticks.back()) - 1e-9);
    ticks.clear();
    for (double e = begin; e <= end; ++e) ticks.push_back(std::pow(10.0, e));
  }
  scale.low_ = ticks.front(), scale.high_ = ticks.back();
  return scale;
}

std::string Scale::text(double tick) const {
  if (logarithmic_ || step_ < 1e-4) return fmt::format("{:g}", tick);
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

// From a figure's values to places in its picture, with ticks at round numbers.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tailor/core/rooms.h"

namespace tailor::report {

/// The smallest of 1, 2, 5 times a power of ten that is at least `least`.
double round_step(double least);

class Scale {
 public:
  /// What lies between the ends of [low, high].
  enum class Ends { Round, Exact };
  /// Of about `steps` steps, none below `least_step`. Round ends are widened to whole steps.
  Scale(double low, double high, size_t steps, Ends ends = Ends::Round, double least_step = 0);
  /// Of positive values, widened to 1, 2 or 5 times powers of ten.
  static Scale logarithmic(double low, double high, size_t steps);
  /// Where values of `low()` and of `high()` are drawn.
  void place(double first, double last) { first_ = first, last_ = last; }

  double low() const { return low_; }
  double high() const { return high_; }
  const std::vector<double>& ticks() const { return ticks_; }
  /// Of a tick, with as many decimals as its step has.
  std::string text(double tick) const;
  /// What lies outside is drawn at the edge.
  double at(double value) const;

 private:
  bool logarithmic_ = false;
  double low_, high_, step_ = 1, first_ = 0, last_ = 1;
  std::vector<double> ticks_;
};

}  // namespace tailor::report

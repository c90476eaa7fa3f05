// What a network's input is made of: (value - mean) / deviation, by channel; a pixel's value is in
// 0..1, a float array's what it is. It belongs to the weights and travels with them.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "tailor/core/json.h"

namespace tailor::tensors {

struct Preprocessing {
  std::vector<double> mean, deviation;
  double low = 0, high = 1;  // of the values; of arrays beyond 8 bits what was found

  /// Largest magnitude an input value can have.
  double magnitude() const {
    double largest = 0;
    for (size_t c = 0; c < mean.size(); ++c) {
      largest = std::max({largest, std::abs((low - mean[c]) / deviation[c]),
                          std::abs((high - mean[c]) / deviation[c])});
    }
    return largest;
  }
  friend bool operator==(const Preprocessing& a, const Preprocessing& b) {
    return a.mean == b.mean && a.deviation == b.deviation;
  }
};

Json write_preprocessing(const Preprocessing& p);
/// Throws Data unless there are as many deviations, all positive, as means.
Preprocessing read_preprocessing(const Json& json);

}  // namespace tailor::tensors

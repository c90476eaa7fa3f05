// Lanes of a drawing: what overlaps lies side by side.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace tailor::core {

class Lanes {
 public:
  /// The first lane, from 1, in which nothing lies between `first` and `last` yet; ends may touch.
  size_t take(size_t first, size_t last) {
    for (size_t lane = 0;; ++lane) {
      if (lane == taken_.size()) taken_.emplace_back();
      const bool free = std::all_of(taken_[lane].begin(), taken_[lane].end(), [&](const auto& t) {
        return last <= t.first || first >= t.second;
      });
      if (!free) continue;
      taken_[lane].emplace_back(first, last);
      return lane + 1;
    }
  }
  size_t count() const { return taken_.size(); }

 private:
  std::vector<std::vector<std::pair<size_t, size_t>>> taken_;
};

}  // namespace tailor::core

// Which class was taken for which, in exact counts. Rows are labels, columns predictions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace tailor::task {

class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(int64_t classes);
  void add(int64_t label, int64_t predicted);

  int64_t classes() const { return static_cast<int64_t>(images_.size()); }
  int64_t count(int64_t label, int64_t predicted) const;
  int64_t correct(int64_t label) const { return count(label, label); }
  /// Images of a class, and images taken for it.
  int64_t images(int64_t label) const { return images_.at(static_cast<size_t>(label)); }
  int64_t predicted(int64_t as) const { return predicted_.at(static_cast<size_t>(as)); }
  /// The wrong class that a class was most often taken for (the first on ties) and how often; how
  /// often is 0 if it never was.
  std::pair<int64_t, int64_t> most_taken_for(int64_t label) const;
  /// (label, prediction) → images, in order; what never occurred is not there.
  const std::map<std::pair<int64_t, int64_t>, int64_t>& cells() const { return cells_; }

 private:
  std::map<std::pair<int64_t, int64_t>, int64_t> cells_;
  std::vector<int64_t> images_, predicted_;
};

}  // namespace tailor::task

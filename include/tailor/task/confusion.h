// Which class was taken for which, in exact counts, and the two files of it: CSV and SVG. Rows are
// labels, columns predictions.
#pragma once

#include <cstdint>
#include <map>
#include <string>
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

/// A field of a CSV file (RFC 4180), quoted where it must be.
std::string csv_field(const std::string& text);

/// A line a label behind a line of the predictions' names. `names`: one a class.
std::string emit_confusion_csv(const ConfusionMatrix& matrix,
                               const std::vector<std::string>& names);

/// A self-contained picture in one ink on paper, which change places where the viewer is dark. A
/// cell is the darker the larger its share of the row's images is (a legend says how). Up to 20
/// classes have their counts in the cells, up to 125 their names on the axes, more than that their
/// numbers at ticks.
std::string emit_confusion_svg(const ConfusionMatrix& matrix, const std::vector<std::string>& names,
                               const std::string& title);

}  // namespace tailor::task

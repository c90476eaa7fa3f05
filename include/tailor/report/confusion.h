// The two files of a confusion matrix: a table (CSV) and a picture (SVG).
#pragma once

#include <string>
#include <vector>

#include "tailor/core/rooms.h"
#include "tailor/task/confusion.h"

namespace tailor::report {

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

}  // namespace tailor::report

// Charts as SVG text that a page shows inline: `width` is that of the picture in its own units,
// which are pixels where it is not scaled. What tells series apart is a stroke and a marker, and
// colours (classes s0 to s5 of the page's style) only beside them. Texts are escaped here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tailor/core/rooms.h"

namespace tailor::report {

struct Axis {
  std::string label;  // with its unit: "accuracy (%)"
  bool logarithmic = false, whole = false;
  std::optional<double> least, most;  // that it shows in any case
};

struct Point {
  double x = 0, y = 0;
  double deviation = 0;  // drawn as a whisker if it is not 0
};
/// Lines with gaps between them.
struct Series {
  std::string name;
  std::vector<std::vector<Point>> lines;
};
/// Something done to a network at x, and the value before and after it: a vertical line over the
/// whole chart whose hovering text is `title`, a drop from `before` to `after`, and a hollow mark
/// at `stale`.
struct EditMark {
  double x = 0;
  std::string title;
  std::optional<double> before, stale, after;
  std::string label = {};  // stands at the top of the line
};
/// A horizontal line.
struct Level {
  std::string name;
  double y = 0;
};
struct LineChart {
  std::string title, description;  // for who does not see it
  Axis x, y;
  std::vector<Series> series;
  std::vector<EditMark> edits;
  std::vector<Level> levels;
};
/// Throws Internal where it has no point.
std::string emit_line_chart(const LineChart& chart, int64_t width);

/// A bar of one or two parts, the second of which is hollow.
struct Bar {
  std::string name, value;  // what it shows, in words
  double solid = 0, hollow = 0;
};
struct BarChart {
  std::string title, description;
  std::vector<Bar> bars;
  std::string solid_name, hollow_name;  // a legend where both have a name
};
std::string emit_bar_chart(const BarChart& chart, int64_t width);

/// A row of points on one common axis: each measured value, their mean, and what it is held
/// against.
struct DotRow {
  std::string name, value;  // the second at the other end of its line
  std::vector<double> values;
  double mean = 0, deviation = 0;
  std::optional<double> reference;
};
struct DotChart {
  std::string title, description;
  Axis x;
  std::vector<DotRow> rows;
  std::string value_name, mean_name, reference_name;  // of the legend
};
std::string emit_dot_chart(const DotChart& chart, int64_t width);

}  // namespace tailor::report

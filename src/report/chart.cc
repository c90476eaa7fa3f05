#include "tailor/report/chart.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "report/draw.h"
#include "tailor/core/error.h"
#include "tailor/report/scale.h"

namespace tailor::report {
namespace {

constexpr double kRight = 14, kUnderAxis = 44, kPlotHeight = 190, kFullPlotHeight = 260,
                 kMostMarkers = 30;

/// What a sample in the legend looks like.
enum class Sample { Line, Edit, Stale, Level };

struct LegendItem {
  Sample sample;
  size_t style = 0;
  std::string name;
};

std::string legend_sample(const LegendItem& item, double x, double y) {
  switch (item.sample) {
    case Sample::Line:
      return fmt::format("<path class=\"l s{}\"{} d=\"M{:.1f} {:.1f}h26\"/>{}", item.style % kInks,
                         dash_of(item.style), x, y, marker(item.style, x + 13, y));
    case Sample::Edit:
      return fmt::format("<path class=\"edit\" d=\"M{:.1f} {:.1f}v-12\"/>", x + 13, y + 6) +
             drop_path(x + 13, y - 5, y + 4);
    case Sample::Stale:
      return stale_mark(x + 13, y);
    case Sample::Level:
      return fmt::format("<path class=\"level\" d=\"M{:.1f} {:.1f}h26\"/>", x, y);
  }
  return "";
}

/// In as many lines as it takes; `bottom` is left below the last.
std::string legend(const std::vector<LegendItem>& items, double width, double& bottom) {
  std::string svg = "<g class=\"t\">\n";
  double x = 0, y = 10;
  for (const LegendItem& item : items) {
    const SvgText name = svg_text(item.name, 60);
    const double needed = 32 + name.width * kCharacter + 16;
    if (x > 0 && x + needed > width) x = 0, y += 19;
    svg += legend_sample(item, x, y);
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", x + 32, y + 4, name.text);
    x += needed;
  }
  bottom = items.empty() ? 0 : y + 14;
  return svg + "</g>\n";
}

/// The smallest and the largest of some values.
struct Extent {
  double low = HUGE_VAL, high = -HUGE_VAL;
  void add(double v) { low = std::min(low, v), high = std::max(high, v); }
  void add(const std::optional<double>& v) {
    if (v) add(*v);
  }
};

Scale scale_of(Extent extent, const Axis& axis, size_t steps, Scale::Ends ends) {
  extent.add(axis.least);
  extent.add(axis.most);
  if (axis.logarithmic) return Scale::logarithmic(extent.low, extent.high, steps);
  return {extent.low, extent.high, steps, ends, axis.whole ? 1.0 : 0.0};
}

class LineDrawing {
 public:
  LineDrawing(const LineChart& chart, int64_t width)
      : chart_(chart),
        width_(static_cast<double>(width)),
        x_(scale_of(extent_x(), chart.x, width > 450 ? 8 : 5, Scale::Ends::Exact)),
        y_(scale_of(extent_y(), chart.y, 5, Scale::Ends::Round)) {
    legend_ = legend(items(), width_, top_);
    top_ += 22;  // the label of the axis
    size_t longest = 1;
    for (const double tick : y_.ticks()) longest = std::max(longest, y_.text(tick).size());
    left_ = static_cast<double>(longest) * kCharacter + 8;
    bottom_ = top_ + (width > 700 ? kFullPlotHeight : kPlotHeight);
    right_ = width_ - kRight;
    x_.place(left_, right_);
    y_.place(bottom_, top_);
  }

  std::string text() const {
    std::string svg = figure_begin(width_, bottom_ + kUnderAxis, chart_.title, chart_.description);
    svg += legend_ + grid();
    for (const EditMark& edit : chart_.edits) svg += edit_line(edit);
    for (const Level& level : chart_.levels) {
      svg += fmt::format("<path class=\"level\" d=\"M{:.1f} {:.1f}H{:.1f}\"/>\n", left_,
                         y_.at(level.y), right_);
    }
    for (size_t s = chart_.series.size(); s-- > 0;) svg += series(s);
    for (const EditMark& edit : chart_.edits) svg += drop(edit);
    return svg + "</svg>\n";
  }

 private:
  Extent extent_x() const {
    Extent e;
    for_each_point([&](const Point& p) { e.add(p.x); });
    for (const EditMark& edit : chart_.edits) e.add(edit.x);
    return e;
  }
  Extent extent_y() const {
    Extent e;
    for_each_point([&](const Point& p) { e.add(p.y - p.deviation), e.add(p.y + p.deviation); });
    for (const EditMark& edit : chart_.edits)
      e.add(edit.before), e.add(edit.stale), e.add(edit.after);
    for (const Level& level : chart_.levels) e.add(level.y);
    TAILOR_CHECK(e.low <= e.high, "the chart {} has no point", chart_.title);
    return e;
  }
  template <class F>
  void for_each_point(const F& f) const {
    for (const Series& s : chart_.series) {
      for (const auto& line : s.lines) std::for_each(line.begin(), line.end(), f);
    }
  }

  std::vector<LegendItem> items() const {
    std::vector<LegendItem> items;
    for (size_t s = 0; s < chart_.series.size(); ++s)
      items.push_back({Sample::Line, s, chart_.series[s].name});
    auto any = [&](std::optional<double> EditMark::*what) {
      return std::any_of(chart_.edits.begin(), chart_.edits.end(),
                         [&](const EditMark& e) { return (e.*what).has_value(); });
    };
    if (any(&EditMark::after))
      items.push_back({Sample::Edit, 0, "a skip altered, before to after"});
    if (any(&EditMark::stale)) items.push_back({Sample::Stale, 0, "with stale statistics"});
    for (const Level& level : chart_.levels) items.push_back({Sample::Level, 0, level.name});
    // What is alone, the caption says.
    if (items.size() == 1 && items[0].sample == Sample::Line) items.clear();
    return items;
  }

  std::string grid() const {
    std::string lines, texts;
    for (const double tick : y_.ticks()) {
      lines += fmt::format("M{:.1f} {:.1f}H{:.1f}", left_, y_.at(tick), right_);
      texts +=
          fmt::format("<text class=\"y\" text-anchor=\"end\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>",
                      left_ - 6, y_.at(tick) + 4, y_.text(tick));
    }
    for (const double tick : x_.ticks()) {
      lines += fmt::format("M{:.1f} {:.1f}v5", x_.at(tick), bottom_);
      texts += fmt::format(
          "<text class=\"x\" text-anchor=\"middle\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>",
          x_.at(tick), bottom_ + 18, x_.text(tick));
    }
    return fmt::format(
        "<path class=\"rule\" d=\"{}\"/><path class=\"axis\" d=\"M{:.1f} {:.1f}H{:.1f}\"/>\n"
        "<g class=\"t\">{}\n<text x=\"0\" y=\"{:.1f}\">{}</text>\n"
        "<text text-anchor=\"end\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text></g>\n",
        lines, left_, bottom_, right_, texts, top_ - 10, svg_text(chart_.y.label, 60).text, right_,
        bottom_ + 36, svg_text(chart_.x.label, 60).text);
  }

  std::string edit_line(const EditMark& edit) const {
    const double x = x_.at(edit.x);
    const std::string label =
        edit.label.empty() ? ""
                           : fmt::format("<text class=\"t\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>",
                                         x + 4, bottom_ - 6, svg_text(edit.label, 20).text);
    return fmt::format(
        "<g><title>{0}</title><path class=\"edit\" d=\"M{1:.1f} {2:.1f}V{3:.1f}\"/><path "
        "class=\"hit\" d=\"M{1:.1f} {2:.1f}V{3:.1f}\"/>{4}</g>\n",
        svg_text(edit.title, 200).text, x, bottom_, top_, label);
  }

  std::string drop(const EditMark& edit) const {
    if (!edit.before || !edit.after) return "";
    const double x = x_.at(edit.x);
    std::string svg =
        fmt::format("<g class=\"dropped\"><title>{}</title>", svg_text(edit.title, 200).text);
    svg += drop_path(x, y_.at(*edit.before), y_.at(*edit.after));
    if (edit.stale) svg += stale_mark(x, y_.at(*edit.stale));
    return svg + "</g>\n";
  }

  std::string series(size_t s) const {
    std::string path, marks;
    size_t points = 0, index = 0;
    for (const auto& line : chart_.series[s].lines) points += line.size();
    const size_t every = static_cast<size_t>(std::ceil(static_cast<double>(points) / kMostMarkers));
    for (const auto& line : chart_.series[s].lines) {
      for (size_t i = 0; i < line.size(); ++i, ++index) {
        const Point& p = line[i];
        const double x = x_.at(p.x), y = y_.at(p.y);
        path += fmt::format("{}{:.1f} {:.1f}", i == 0 ? "M" : "L", x, y);
        if (index % every != 0 && index + 1 != points) continue;
        marks += fmt::format("<g><title>{}: {:g}, {:.6g}</title>{}</g>",
                             svg_text(chart_.series[s].name, 60).text, p.x, p.y, marker(s, x, y));
        if (p.deviation > 0) marks += whisker(s, p);
      }
    }
    return fmt::format("<path class=\"l s{}\"{} d=\"{}\"/>\n{}\n", s % kInks, dash_of(s), path,
                       marks);
  }
  std::string whisker(size_t s, const Point& p) const {
    const double x = x_.at(p.x), high = y_.at(p.y + p.deviation), low = y_.at(p.y - p.deviation);
    return fmt::format("<path class=\"w s{}\" d=\"M{:.1f} {:.1f}h8m-4 0V{:.1f}m-4 0h8\"/>",
                       s % kInks, x - 4, high, low);
  }

  const LineChart& chart_;
  double width_, left_ = 0, top_ = 0, bottom_ = 0, right_ = 0;
  Scale x_, y_;
  std::string legend_;
};

/// Two little boxes with what they stand for.
std::string parts_legend(const BarChart& chart, double width, double& bottom) {
  if (chart.solid_name.empty() || chart.hollow_name.empty()) return "";
  std::string svg = "<g class=\"t\">\n";
  double x = 0;
  bottom = 18;
  for (const bool solid : {true, false}) {
    const SvgText name = svg_text(solid ? chart.solid_name : chart.hollow_name, 60);
    if (x > 0 && x + 18 + name.width * kCharacter > width) x = 0, bottom += 18;
    svg += fmt::format(
        "<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"12\" height=\"10\"/><text "
        "x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
        solid ? "bar" : "hollow", x + 0.5, bottom - 14.5, x + 18, bottom - 5, name.text);
    x += 18 + name.width * kCharacter + 16;
  }
  bottom += 4;
  return svg + "</g>\n";
}

}  // namespace

std::string emit_line_chart(const LineChart& chart, int64_t width) {
  return LineDrawing(chart, width).text();
}

std::string emit_bar_chart(const BarChart& chart, int64_t width) {
  constexpr double kPitch = 36, kBarHeight = 12;
  double most = 0, longest = 0, top = 0;
  for (const Bar& bar : chart.bars) {
    most = std::max(most, bar.solid + bar.hollow);
    longest = std::max(longest, svg_text(bar.value, 60).width);
  }
  const double room = static_cast<double>(width) - longest * kCharacter - 10;
  const double unit = most > 0 ? room / most : 0;
  const std::string head = parts_legend(chart, static_cast<double>(width), top);
  std::string svg = figure_begin(static_cast<double>(width),
                                 top + kPitch * static_cast<double>(chart.bars.size()), chart.title,
                                 chart.description) +
                    head;
  for (size_t i = 0; i < chart.bars.size(); ++i) {
    const Bar& bar = chart.bars[i];
    const double y = top + kPitch * static_cast<double>(i), solid = bar.solid * unit,
                 hollow = bar.hollow * unit;
    const auto fit = static_cast<size_t>(static_cast<double>(width) / kCharacter);
    svg +=
        fmt::format("<g><title>{0}: {1}</title><text class=\"t\" x=\"0\" y=\"{2:.1f}\">{3}</text>",
                    svg_text(bar.name, 200).text, svg_text(bar.value, 60).text, y + 12,
                    svg_text(bar.name, fit).text);
    svg += fmt::format(
        "<rect class=\"bar\" x=\"0\" y=\"{0:.1f}\" width=\"{1:.1f}\" height=\"{2:.1f}\"/>", y + 17,
        solid, kBarHeight);
    if (hollow > 0) {
      svg += fmt::format(
          "<rect class=\"hollow\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>",
          solid + 0.5, y + 17.5, std::max(hollow - 1, 0.5), kBarHeight - 1);
    }
    svg += fmt::format("<text class=\"t\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text></g>\n",
                       solid + hollow + 6, y + 27, svg_text(bar.value, 60).text);
  }
  return svg + "</svg>\n";
}

namespace {

class DotDrawing {
 public:
  DotDrawing(const DotChart& chart, int64_t width)
      : chart_(chart),
        width_(static_cast<double>(width)),
        x_(scale_of(extent(), chart.x, width > 450 ? 8 : 5, Scale::Ends::Round)) {
    x_.place(16, width_ - 16);
    has_values_ = std::any_of(chart.rows.begin(), chart.rows.end(),
                              [](const DotRow& r) { return r.values.size() > 1; });
    has_reference_ = std::any_of(chart.rows.begin(), chart.rows.end(),
                                 [](const DotRow& r) { return r.reference.has_value(); });
  }

  std::string text() const {
    constexpr double kPitch = 42, kHead = 24;
    const double bottom = kHead + kPitch * static_cast<double>(chart_.rows.size());
    std::string svg = figure_begin(width_, bottom + kUnderAxis, chart_.title, chart_.description);
    svg += head() + axis(kHead, bottom);
    for (size_t i = 0; i < chart_.rows.size(); ++i)
      svg += row(chart_.rows[i], kHead + kPitch * static_cast<double>(i));
    return svg + "</svg>\n";
  }

 private:
  Extent extent() const {
    Extent e;
    for (const DotRow& row : chart_.rows) {
      for (const double v : row.values) e.add(v);
      e.add(row.mean - row.deviation), e.add(row.mean + row.deviation), e.add(row.reference);
    }
    return e;
  }
  static std::string dot(double x, double y, bool mean) {
    return fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"/>",
                       mean ? "bar" : "hollow", x, y, mean ? 5 : 3.5);
  }
  static std::string tick(double x, double y) {
    return fmt::format("<path class=\"mark\" d=\"M{:.1f} {:.1f}v14\"/>", x, y - 7);
  }
  std::string head() const {
    std::string svg = "<g class=\"t\">";
    double x = 6;
    auto add = [&](const std::string& sample, const std::string& name) {
      const SvgText shown = svg_text(name, 40);
      svg += fmt::format("{}<text x=\"{:.1f}\" y=\"14\">{}</text>", sample, x + 10, shown.text);
      x += 10 + shown.width * kCharacter + 20;
    };
    add(dot(x, 10, true), has_values_ ? chart_.mean_name : chart_.value_name);
    if (has_values_) add(dot(x, 10, false), chart_.value_name);
    if (has_reference_) add(tick(x, 10), chart_.reference_name);
    return svg + "</g>\n";
  }
  std::string axis(double top, double bottom) const {
    std::string lines, texts;
    for (const double t : x_.ticks()) {
      lines += fmt::format("M{:.1f} {:.1f}V{:.1f}", x_.at(t), bottom + 5, top);
      texts += fmt::format(
          "<text class=\"x\" text-anchor=\"middle\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", x_.at(t),
          bottom + 18, x_.text(t));
    }
    return fmt::format(
        "<path class=\"rule\" d=\"{}\"/><g class=\"t\">{}<text text-anchor=\"end\" x=\"{:.1f}\" "
        "y=\"{:.1f}\">{}</text></g>\n",
        lines, texts, width_ - 4, bottom + 36, svg_text(chart_.x.label, 60).text);
  }
  std::string row(const DotRow& row, double top) const {
    const double y = top + 29;
    const SvgText value = svg_text(row.value, 40);
    const auto fit = static_cast<size_t>(width_ / kCharacter - value.width - 2);
    // The paper behind texts keeps the grid's lines out of them.
    const SvgText name = svg_text(row.name, fit);
    std::string svg = fmt::format(
        "<g><title>{}: {:.2f}</title><rect class=\"paper\" x=\"0\" y=\"{:.1f}\" width=\"{:.1f}\" "
        "height=\"16\"/><text class=\"t\" x=\"0\" y=\"{:.1f}\">{}</text>",
        svg_text(row.name, 200).text, row.mean, top + 4, name.width * kCharacter + 4, top + 16,
        name.text);
    svg += fmt::format(
        "<rect class=\"paper\" x=\"{0:.1f}\" y=\"{1:.1f}\" width=\"{2:.1f}\" height=\"16\"/><text "
        "class=\"t\" text-anchor=\"end\" x=\"{3:.1f}\" y=\"{4:.1f}\">{5}</text>",
        width_ - value.width * kCharacter - 4, top + 4, value.width * kCharacter + 4, width_,
        top + 16, value.text);
    if (row.reference) svg += tick(x_.at(*row.reference), y);
    if (row.deviation > 0) {
      svg += fmt::format("<path class=\"mark\" d=\"M{:.1f} {:.1f}H{:.1f}\"/>",
                         x_.at(row.mean - row.deviation), y, x_.at(row.mean + row.deviation));
    }
    if (row.values.size() > 1) {
      for (const double v : row.values) svg += dot(x_.at(v), y, false);
    }
    return svg + dot(x_.at(row.mean), y, true) + "</g>\n";
  }

  const DotChart& chart_;
  double width_;
  Scale x_;
  bool has_values_ = false, has_reference_ = false;
};

}  // namespace

std::string emit_dot_chart(const DotChart& chart, int64_t width) {
  return DotDrawing(chart, width).text();
}

}  // namespace tailor::report

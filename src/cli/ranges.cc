#include "cli/ranges.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "tailor/report/svg.h"

namespace tailor::cli {
namespace {

constexpr int kMargin = 16, kTop = 92, kRow = 24, kBar = 14, kBit = 18, kTypeText = 40,
              kShare = 108, kType = 12;

/// One of the two panels: a scale of powers of two.
struct Panel {
  std::string name;
  int left = 0, least = 0, most = 0;  // pixels; log2
  double x(double log2) const { return left + (log2 - least) * kBit; }
  int width() const { return (most - least) * kBit; }
};

/// What a row shows in a panel.
struct Bar {
  std::optional<FixedType> type;
  Range range;
  std::string name = "logits";  // of what has no type: nothing rounds it, or it is binary
  int begin() const { return -type->fraction(); }
  int end() const { return type->integer - (type->is_signed ? 1 : 0); }
  double mark() const { return std::log2(range.largest); }
};

/// "1/16", "1", "16".
std::string power_text(int log2) {
  return fmt::format("{}{}", log2 < 0 ? "1/" : "", int64_t{1} << std::min(std::abs(log2), 62));
}

std::string share_text(const Range& range) {
  if (range.saturated == 0) return "0 %";
  const double percent = 100 * range.saturated_frac();
  return percent < 0.01 ? "< 0.01 %" : fmt::format("{:.2f} %", percent);
}

class RangesDrawing {
 public:
  RangesDrawing(const TypeCalibration& c, const std::string& title) : title_(title) {
    double widest = 0;
    for (size_t i = 0; i < c.stages.size(); ++i) {
      const StageRange& s = c.stages[i];
      const StageTypes& t = c.types.stages[i];
      names_.push_back(svg_text(s.stage, 60));
      widest = std::max(widest, names_.back().width);
      weights_.emplace_back();
      if (s.has_weights && t.weights == kBinary) {
        weights_.back() = Bar{std::nullopt, {}, kBinary};
      } else if (s.has_weights) {
        weights_.back() = Bar{parse_precision(t.weights, s.stage), s.weights};
      }
      values_.push_back(Bar{std::nullopt, s.values});
      if (!t.activations.empty())
        values_.back()->type = parse_precision(t.activations, s.stage, /*may_lack_sign=*/true);
    }
    left_ = kMargin + static_cast<int>(std::ceil(widest * kSvgCharacter * kType)) + 12;
    const bool scales = std::any_of(c.types.stages.begin(), c.types.stages.end(),
                                    [](const StageTypes& t) { return !t.scales.empty(); });
    of_weights_ = panel(scales ? "weights, in scales" : "weights", left_, weights_);
    of_values_ =
        panel("values", of_weights_.left + of_weights_.width() + kShare + kMargin, values_);
  }

  std::string text() const {
    const int width = std::max(of_values_.left + of_values_.width() + kShare, 560);
    const int bottom = kTop + kRow * static_cast<int>(names_.size());
    std::string svg = svg_begin(width, bottom + kMargin, title_);
    svg += fmt::format(
        "<text class=\"ink\" x=\"{0}\" y=\"26\" font-size=\"15\">{1}</text>\n<text class=\"ink\" "
        "x=\"{0}\" y=\"46\" font-size=\"{2}\">a cell a bit of the magnitude; mark: the largest "
        "one; %: what saturates</text>\n",
        kMargin, svg_text(title_, title_.size()).text, kType);
    for (const Panel* p : {&of_weights_, &of_values_}) svg += scale(*p, bottom);
    for (size_t i = 0; i < names_.size(); ++i) {
      const int y = kTop + kRow * static_cast<int>(i);
      svg += fmt::format(
          "<text class=\"ink\" x=\"{}\" y=\"{}\" font-size=\"{}\" text-anchor=\"end\">{}</text>\n",
          left_ - 10, y + 16, kType, names_[i].text);
      if (weights_[i]) svg += row(of_weights_, *weights_[i], y);
      svg += row(of_values_, *values_[i], y);
    }
    return svg + "</svg>\n";
  }

 private:
  static Panel panel(const std::string& name, int left,
                     const std::vector<std::optional<Bar>>& bars) {
    Panel p{name, left, 0, 1};
    for (const std::optional<Bar>& bar : bars) {
      if (!bar) continue;
      if (bar->type) p.least = std::min(p.least, bar->begin());
      if (bar->type) p.most = std::max(p.most, bar->end());
      if (bar->range.largest > 0)
        p.most = std::max(p.most, static_cast<int>(std::ceil(bar->mark())));
    }
    return p;
  }

  /// A line every second power of two, and the panel's name.
  static std::string scale(const Panel& p, int bottom) {
    std::string svg = fmt::format(
        "<text class=\"ink\" x=\"{}\" y=\"{}\" font-size=\"13\" font-weight=\"bold\">{}</text>\n",
        p.left, kTop - 26, p.name);
    for (int log2 = p.least; log2 <= p.most; ++log2) {
      if (log2 % 2 != 0) continue;
      svg += fmt::format(
          "<path class=\"line\" stroke-opacity=\"{}\" d=\"M{:g} {}V{}\"/><text class=\"ink\" "
          "x=\"{:g}\" y=\"{}\" font-size=\"10\" text-anchor=\"middle\">{}</text>\n",
          log2 == 0 ? 0.6 : 0.2, p.x(log2), kTop - 4, bottom, p.x(log2), kTop - 8,
          power_text(log2));
    }
    return svg;
  }

  static std::string row(const Panel& p, const Bar& bar, int y) {
    std::string svg, cells;
    const int top = y + (kRow - kBar) / 2;
    if (bar.type) {
      const double from = p.x(bar.begin()), to = p.x(bar.end());
      svg += fmt::format(
          "<rect class=\"ink\" fill-opacity=\"0.22\" x=\"{:g}\" y=\"{}\" width=\"{:g}\" "
          "height=\"{}\"/>",
          from, top, to - from, kBar);
      for (int bit = bar.begin(); bit <= bar.end(); ++bit)
        cells += fmt::format("M{:g} {}v{}", p.x(bit), top, kBar);
      svg += fmt::format(
          "<path class=\"line\" stroke-opacity=\"0.6\" d=\"{}M{:g} {}H{:g}M{:g} {}H{:g}\"/>", cells,
          from, top, to, from, top + kBar, to);
    }
    if (bar.range.largest > 0 && bar.mark() >= p.least) {
      svg += fmt::format("<rect class=\"ink\" x=\"{:.1f}\" y=\"{}\" width=\"3\" height=\"{}\"/>",
                         p.x(bar.mark()) - 1.5, top - 3, kBar + 6);
    }
    const int right = p.left + p.width() + 8;
    auto words = [&](int x, const std::string& text) {
      return fmt::format("<text class=\"ink\" x=\"{}\" y=\"{}\" font-size=\"11\">{}</text>\n", x,
                         y + 16, svg_text(text, text.size()).text);
    };
    if (!bar.type) return svg + words(right, bar.name);
    return svg + words(right, precision_text(*bar.type)) +
           words(right + kTypeText, share_text(bar.range));
  }

  std::string title_;
  std::vector<SvgText> names_;
  std::vector<std::optional<Bar>> weights_, values_;
  int left_ = 0;
  Panel of_weights_, of_values_;
};

}  // namespace

std::string emit_ranges_svg(const TypeCalibration& calibration, const std::string& title) {
  return RangesDrawing(calibration, title).text();
}

}  // namespace tailor::cli

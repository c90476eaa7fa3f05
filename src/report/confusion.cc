#include "tailor/report/confusion.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "tailor/core/strings.h"
#include "tailor/report/svg.h"

namespace tailor::report {
namespace {

// In units of the picture, which are pixels where it is not scaled.
constexpr int64_t kLargestCell = 40, kSide = 1000, kMargin = 16;
constexpr int64_t kMostCounted = 20;  // classes whose cells show numbers
constexpr int64_t kLeastNamed = 8;    // a cell's side that has room for a name
constexpr size_t kLongestName = 28;   // characters
constexpr int64_t kShades = 16;

std::string percent_text(int64_t part, int64_t whole) {
  return whole == 0 ? "–"
                    : fmt::format("{:.1f} %",
                                  100 * static_cast<double>(part) / static_cast<double>(whole));
}

/// 1, 2 or 5 times a power of ten, so that there are at most 20 ticks.
int64_t tick_step(int64_t classes) {
  for (int64_t power = 1;; power *= 10) {
    for (int64_t step : {power, 2 * power, 5 * power}) {
      if (classes <= 20 * step) return step;
    }
  }
}

/// In lines of at most `room` characters, broken at blanks.
std::vector<std::string> wrap(const std::string& text, double room) {
  std::vector<std::string> lines;
  for (const std::string& word : split(text, ' ')) {
    if (!lines.empty()) {
      const std::string longer = lines.back() + " " + word;
      if (svg_text(longer, text.size()).width <= room) {
        lines.back() = longer;
        continue;
      }
    }
    lines.push_back(word);
  }
  return lines;
}

class ConfusionDrawing {
 public:
  ConfusionDrawing(const ConfusionMatrix& matrix, const std::vector<std::string>& names)
      : matrix_(matrix),
        classes_(matrix.classes()),
        cell_(std::clamp<int64_t>(kSide / classes_, 1, kLargestCell)),
        step_(cell_ >= kLeastNamed ? 1 : tick_step(classes_)),
        type_(cell_ >= kLeastNamed ? std::min<int64_t>(13, cell_ - 1) : 13) {
    double widest = 0;
    for (int64_t c = 0; c < classes_; ++c) {
      const std::string& name = names.at(static_cast<size_t>(c));
      labels_.push_back(svg_text(step_ == 1 ? name : std::to_string(c), kLongestName));
      if (c % step_ == 0) widest = std::max(widest, labels_.back().width);
    }
    const double length = widest * kSvgCharacter * static_cast<double>(type_) + 8;
    upright_ = length > static_cast<double>(cell_ * step_);
    left_ = kMargin + 20 + std::lround(length);
    top_ = 64 + (upright_ ? std::lround(length) : type_ + 8);
    side_ = cell_ * classes_;
    right_ = counted() ? 84 : 0;
  }

  std::string text(const std::string& title) const {
    constexpr double kTitle = 15, kAxis = 12;
    // The title and the legend need room, however small the matrix is.
    const int64_t width = std::max(left_ + side_ + right_ + kMargin, kMargin + 380);
    const std::vector<std::string> lines =
        wrap(title, static_cast<double>(width - 2 * kMargin) / (kTitle * kSvgCharacter));
    const auto shift = static_cast<int64_t>(lines.size() - 1) * 20;
    const int64_t height = shift + top_ + side_ + 64;
    std::string svg = svg_begin(width, height, title);
    for (size_t i = 0; i < lines.size(); ++i) {
      svg += fmt::format("<text class=\"ink\" x=\"{}\" y=\"{}\" font-size=\"{}\">{}</text>\n",
                         kMargin, 26 + 20 * i, kTitle, svg_text(lines[i], title.size()).text);
    }
    svg += fmt::format("<g transform=\"translate(0 {})\">\n", shift);
    svg += fmt::format(
        "<g class=\"ink\" font-size=\"{}\" text-anchor=\"middle\">\n<text x=\"{}\" y=\"52\">taken "
        "for</text>\n<text transform=\"translate({} {}) rotate(-90)\">class</text>\n</g>\n",
        kAxis, left_ + side_ / 2, kMargin + 4, top_ + side_ / 2);
    add_axes(svg);
    add_cells(svg);
    if (counted()) add_counts(svg);
    svg += fmt::format("<rect class=\"line\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>\n",
                       left_, top_, side_, side_);
    add_legend(svg, kAxis);
    return svg + "</g>\n</svg>\n";
  }

 private:
  bool counted() const { return classes_ <= kMostCounted; }
  /// 0 for nothing, 1 for whatever little there is, kShades for the whole row: the root of the
  /// share, or its fourth root where a cell is too small to be seen in a light grey.
  int64_t shade_of(int64_t count, int64_t row) const {
    if (count == 0) return 0;
    const double share = std::sqrt(static_cast<double>(count) / static_cast<double>(row));
    const double shade = cell_ >= kLeastNamed ? share : std::sqrt(share);
    return std::clamp<int64_t>(std::lround(shade * kShades), 1, kShades);
  }

  void add_axes(std::string& svg) const {
    svg += fmt::format("<g class=\"ink\" font-size=\"{}\" text-anchor=\"end\">\n", type_);
    const double half = static_cast<double>(cell_) / 2, drop = 0.35 * static_cast<double>(type_);
    for (int64_t c = 0; c < classes_; c += step_) {
      const std::string& text = labels_[static_cast<size_t>(c)].text;
      const double at = static_cast<double>(c * cell_) + half;
      svg += fmt::format("<text x=\"{}\" y=\"{:g}\">{}</text>\n", left_ - 6,
                         static_cast<double>(top_) + at + drop, text);
      const double x = static_cast<double>(left_) + at;
      svg += upright_ ? fmt::format(
                            "<text text-anchor=\"start\" transform=\"translate({:g} {}) "
                            "rotate(-90)\">{}</text>\n",
                            x + drop, top_ - 6, text)
                      : fmt::format("<text text-anchor=\"middle\" x=\"{:g}\" y=\"{}\">{}</text>\n",
                                    x, top_ - 6, text);
    }
    svg += "</g>\n";
    if (step_ == 1) return;
    std::string ticks;
    for (int64_t c = 0; c < classes_; c += step_) {
      const double at = static_cast<double>(c * cell_) + half;
      ticks += fmt::format("M{} {:g}h-4M{:g} {}v-4", left_, static_cast<double>(top_) + at,
                           static_cast<double>(left_) + at, top_);
    }
    svg += fmt::format("<path class=\"line\" d=\"{}\"/>\n", ticks);
  }

  /// One path a shade: a thousand classes have some ten thousand cells that are not empty.
  void add_cells(std::string& svg) const {
    std::vector<std::string> paths(static_cast<size_t>(kShades) + 1);
    for (const auto& [where, count] : matrix_.cells()) {
      paths[static_cast<size_t>(shade_of(count, matrix_.images(where.first)))] +=
          fmt::format("M{} {}h{}v{}h-{}z", left_ + where.second * cell_, top_ + where.first * cell_,
                      cell_, cell_, cell_);
    }
    for (int64_t shade = 1; shade <= kShades; ++shade) {
      const std::string& path = paths[static_cast<size_t>(shade)];
      if (path.empty()) continue;
      svg += fmt::format("<path class=\"ink\" fill-opacity=\"{:g}\" d=\"{}\"/>\n",
                         static_cast<double>(shade) / kShades, path);
    }
  }

  void add_counts(std::string& svg) const {
    svg += "<g text-anchor=\"middle\">\n";
    for (const auto& [where, count] : matrix_.cells()) {
      const std::string digits = std::to_string(count);
      const double fit = static_cast<double>(cell_ - 4) /
                         (kSvgCharacter * static_cast<double>(std::max<size_t>(digits.size(), 2)));
      const bool dark = 2 * shade_of(count, matrix_.images(where.first)) > kShades;
      svg += fmt::format(
          "<text class=\"{}\" x=\"{:g}\" y=\"{:g}\" font-size=\"{:.3g}\">{}</text>\n",
          dark ? "paper" : "ink",
          static_cast<double>(left_ + where.second * cell_) + static_cast<double>(cell_) / 2,
          static_cast<double>(top_ + where.first * cell_) + static_cast<double>(cell_) / 2 + 4.5,
          std::min(13.0, fit), digits);
    }
    svg += "</g>\n<g class=\"ink\" font-size=\"13\" text-anchor=\"end\">\n";
    svg += fmt::format("<text x=\"{}\" y=\"{}\">right</text>\n", left_ + side_ + right_ - 10,
                       top_ - 6);
    for (int64_t c = 0; c < classes_; ++c) {
      svg +=
          fmt::format("<text x=\"{}\" y=\"{:g}\">{}</text>\n", left_ + side_ + right_ - 10,
                      static_cast<double>(top_ + c * cell_) + static_cast<double>(cell_) / 2 + 4.5,
                      percent_text(matrix_.correct(c), matrix_.images(c)));
    }
    svg += "</g>\n";
  }

  void add_legend(std::string& svg, double size) const {
    const int64_t y = top_ + side_ + 20;
    svg += fmt::format(
        "<g class=\"ink\" font-size=\"{}\">\n<text x=\"{}\" y=\"{}\">share of the "
        "class's images</text>\n",
        size, kMargin, y + 12);
    int64_t x = kMargin + 172;
    for (int64_t percent : {1, 5, 25, 50, 100}) {
      svg += fmt::format(
          "<rect x=\"{}\" y=\"{}\" width=\"16\" height=\"16\" fill-opacity=\"{:g}\"/>\n", x, y,
          static_cast<double>(shade_of(percent, 100)) / kShades);
      svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}{}</text>\n", x + 8,
                         y + 30, percent, percent == 100 ? " %" : "");
      x += 36;
    }
    svg += "</g>\n";
  }

  const ConfusionMatrix& matrix_;
  int64_t classes_, cell_, step_, type_;
  std::vector<SvgText> labels_;
  bool upright_ = false;
  int64_t left_ = 0, top_ = 0, side_ = 0, right_ = 0;
};

}  // namespace

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

std::string emit_confusion_csv(const ConfusionMatrix& matrix,
                               const std::vector<std::string>& names) {
  std::string csv = "label \\ prediction";
  for (int64_t c = 0; c < matrix.classes(); ++c)
    csv += "," + csv_field(names.at(static_cast<size_t>(c)));
  csv += "\n";
  for (int64_t label = 0; label < matrix.classes(); ++label) {
    csv += csv_field(names[static_cast<size_t>(label)]);
    for (int64_t c = 0; c < matrix.classes(); ++c)
      csv += fmt::format(",{}", matrix.count(label, c));
    csv += "\n";
  }
  return csv;
}

std::string emit_confusion_svg(const ConfusionMatrix& matrix, const std::vector<std::string>& names,
                               const std::string& title) {
  return ConfusionDrawing(matrix, names).text(title);
}

}  // namespace tailor::report

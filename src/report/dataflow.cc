// Every stage has a row of its own. Those on the way from the first to the last stage that is no
// skip stand in the column at the left; what lies beside it, stages and streams, has lanes.
#include "tailor/report/dataflow.h"

#include <fmt/core.h>

#include <algorithm>

#include "report/draw.h"
#include "tailor/core/error.h"
#include "tailor/core/lanes.h"
#include "tailor/core/strings.h"

namespace tailor::report {
namespace {

constexpr double kBoxHeight = 24, kPitch = 46, kLaneGap = 10, kLeastLane = 112, kTop = 34;
constexpr double kBoxOfNarrow = 196, kBoxOfWide = 340, kMarginRight = 4;

class FlowDrawing {
 public:
  FlowDrawing(const Dataflow& flow, int64_t width)
      : flow_(flow),
        wide_(width > 600),
        box_(wide_ ? kBoxOfWide : kBoxOfNarrow),
        on_main_(flow.stages.size(), false),
        lanes_(flow.stages.size(), 0) {
    for (const FlowStream& s : flow.streams)
      TAILOR_CHECK(s.from < s.to && s.to < flow.stages.size(), "a stream that leads nowhere");
    find_main();
    find_lanes();
    for (const FlowStage& s : flow.stages) {
      most_cycles_ = std::max(most_cycles_, s.cycles);
      most_multipliers_ = std::max(most_multipliers_, s.multipliers);
    }
    // Both columns of bars have the room that lanes of their usual width leave.
    const double room = static_cast<double>(width) - box_ - kMarginRight;
    lane_ = wide_ ? kLeastLane + 14
                  : std::max(kLeastLane,
                             room / static_cast<double>(std::max<size_t>(1, occupied_.count())));
    const double bars_from = box_ + lane_ * static_cast<double>(occupied_.count()) + 30;
    bars_ = wide_ ? std::max(static_cast<double>(width) - bars_from, 260.0) : 0;
    bars_left_ = bars_from;
    width_ = wide_ ? bars_from + bars_
                   : std::max(static_cast<double>(width),
                              box_ + lane_ * static_cast<double>(occupied_.count()) + kMarginRight);
  }

  std::string text() const {
    const double height = kTop + kPitch * static_cast<double>(flow_.stages.size());
    std::string svg = figure_begin(width_, height, flow_.title, description());
    svg += head();
    std::string labels;
    for (size_t i = 0; i < flow_.streams.size(); ++i) svg += stream(i, labels);
    for (size_t n = 0; n < flow_.stages.size(); ++n) svg += stage(n);
    return svg + labels + "</svg>\n";
  }

 private:
  /// Back from the last stage, by streams that bring no skip where there is one.
  void find_main() {
    if (flow_.stages.empty()) return;
    for (size_t at = flow_.stages.size() - 1;;) {
      on_main_[at] = true;
      const FlowStream* before = nullptr;
      for (const FlowStream& s : flow_.streams) {
        if (s.to != at || (before && (!s.skip.empty() || before->skip.empty()))) continue;
        before = &s;
      }
      if (!before) return;
      at = before->from;
    }
  }
  /// Whether no stage of the column stands between its two ends, which are in it, and no other
  /// stream goes the same way.
  bool is_straight(size_t i) const {
    const FlowStream& s = flow_.streams[i];
    if (!on_main_[s.from] || !on_main_[s.to]) return false;
    for (size_t n = s.from + 1; n < s.to; ++n) {
      if (on_main_[n]) return false;
    }
    for (size_t k = 0; k < flow_.streams.size(); ++k) {
      const FlowStream& other = flow_.streams[k];
      if (k != i && other.from == s.from && other.to == s.to &&
          (!s.skip.empty() && (other.skip.empty() || k < i)))
        return false;
    }
    return true;
  }
  void find_lanes() {
    // Stages beside the column that read each other share a lane, as one group does rows.
    std::vector<size_t> group(flow_.stages.size());
    for (size_t n = 0; n < group.size(); ++n) group[n] = n;
    for (const FlowStream& s : flow_.streams) {
      if (!on_main_[s.from] && !on_main_[s.to]) group[s.to] = group[s.from];
    }
    for (size_t g = 0; g < group.size(); ++g) {
      if (on_main_[g] || group[g] != g) continue;
      size_t first = g, last = g;
      for (const FlowStream& s : flow_.streams) {
        if (group[s.from] != g && group[s.to] != g) continue;
        first = std::min(first, s.from), last = std::max(last, s.to);
      }
      const size_t lane = occupied_.take(first, last);
      for (size_t n = 0; n < group.size(); ++n) {
        if (!on_main_[n] && group[n] == g) lanes_[n] = lane;
      }
    }
    stream_lanes_.assign(flow_.streams.size(), 0);
    for (size_t i = 0; i < flow_.streams.size(); ++i) {
      const FlowStream& s = flow_.streams[i];
      if (!on_main_[s.from] || !on_main_[s.to]) {
        stream_lanes_[i] = std::max(lanes_[s.from], lanes_[s.to]);
      } else if (!is_straight(i)) {
        stream_lanes_[i] = occupied_.take(s.from, s.to);
      }
    }
  }

  double y(size_t row) const { return kTop + kPitch * static_cast<double>(row); }
  double x_of_lane(size_t lane) const {
    return lane == 0 ? box_ / 2 : box_ + lane_ * (static_cast<double>(lane) - 0.5) + kLaneGap / 2;
  }

  std::string description() const {
    int64_t skips = 0;
    for (const FlowStream& s : flow_.streams) skips += s.skip.empty() ? 0 : 1;
    return fmt::format("{} and {}, {} of which {} a skip",
                       counted(static_cast<int64_t>(flow_.stages.size()), "stage"),
                       counted(static_cast<int64_t>(flow_.streams.size()), "stream"), skips,
                       skips == 1 ? "brings" : "bring");
  }

  std::string head() const {
    if (!wide_) {
      return fmt::format(
          "<text class=\"t\" x=\"0\" y=\"14\">shade: cycles an image, of at most {}</text>\n",
          with_commas(most_cycles_));
    }
    return fmt::format(
        "<g class=\"t\"><text x=\"0\" y=\"14\">stage, operation and map</text><text x=\"{:.1f}\" "
        "y=\"14\">cycles an image (model)</text><text x=\"{:.1f}\" "
        "y=\"14\">multipliers</text></g>\n",
        bars_left_, bars_left_ + bars_ / 2 + 8);
  }

  std::string bar(double left, int64_t value, int64_t most, size_t row) const {
    if (most == 0 || value == 0) return "";
    const double room = bars_ / 2 - 70,
                 length = room * static_cast<double>(value) / static_cast<double>(most);
    return fmt::format(
        "<rect class=\"bar\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"10\"/><text "
        "class=\"t\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>",
        left, y(row) + 7, length, left + length + 6, y(row) + 16, with_commas(value));
  }

  std::string stage(size_t n) const {
    const FlowStage& s = flow_.stages[n];
    const bool beside = !on_main_[n];
    const double w = beside ? lane_ - kLaneGap : box_,
                 x = beside ? x_of_lane(lanes_[n]) - w / 2 : 0.5;
    std::string svg = fmt::format("<g><title>{}: {}, {} multipliers, {} cycles</title>",
                                  svg_text(s.name, 200).text, svg_text(s.what, 200).text,
                                  with_commas(s.multipliers), with_commas(s.cycles));
    svg += fmt::format(
        "<rect class=\"box\" rx=\"3\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" "
        "height=\"{:.1f}\"/>",
        x, y(n), w, kBoxHeight);
    if (!wide_ && most_cycles_ > 0) {
      svg += fmt::format(
          "<rect class=\"share\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>", x,
          y(n), w * static_cast<double>(s.cycles) / static_cast<double>(most_cycles_), kBoxHeight);
    }
    const bool has_room = wide_ && !beside;
    const auto fit = static_cast<size_t>((w - 10) / kCharacter);
    svg += fmt::format("<text class=\"t\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", x + 6, y(n) + 16,
                       short_name(s.name, has_room ? fit / 2 + 4 : fit, beside));
    if (has_room) {
      svg += fmt::format(
          "<text class=\"t soft\" text-anchor=\"end\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>",
          x + w - 6, y(n) + 16, svg_text(s.what, fit / 2).text);
    }
    if (wide_) {
      svg += bar(bars_left_, s.cycles, most_cycles_, n);
      svg += bar(bars_left_ + bars_ / 2 + 8, s.multipliers, most_multipliers_, n);
    }
    return svg + "</g>\n";
  }
  /// The end of a name says most, where its block stands above it: whole words of it.
  static std::string short_name(const std::string& name, size_t fit, bool beside) {
    size_t from = 0;
    while (beside && name.size() - from + (from > 0 ? 1 : 0) > fit) {
      const size_t dot = name.find('.', from);
      if (dot == std::string::npos) break;
      from = dot + 1;
    }
    return (from > 0 ? "…" : "") + svg_text(name.substr(from), fit).text;
  }

  static std::string arrow(double x, double y, bool left) {
    return left ? fmt::format("<path class=\"head\" d=\"M{:.1f} {:.1f}l7 -3.5v7z\"/>", x, y)
                : fmt::format("<path class=\"head\" d=\"M{:.1f} {:.1f}l-3.5 -7h7z\"/>", x, y);
  }

  /// Its way, and what its FIFO is into `labels`, which lie above all ways.
  std::string stream(size_t i, std::string& labels) const {
    const FlowStream& s = flow_.streams[i];
    const size_t lane = stream_lanes_[i];
    const double x = x_of_lane(lane);
    const bool from_side = !on_main_[s.from], to_side = !on_main_[s.to],
               is_skip = !s.skip.empty() || from_side || to_side;
    const double begin = y(s.from) + kBoxHeight, end = y(s.to);
    std::string path, tip;
    double label_y = 0;
    if (lane == 0 || (from_side && to_side)) {
      path = fmt::format("M{:.1f} {:.1f}V{:.1f}", x, begin, end);
      tip = arrow(x, end, false), label_y = begin + 15;
    } else {
      const double from_y = y(s.from) + kBoxHeight / 2, to_y = y(s.to) + kBoxHeight / 2;
      path = from_side ? fmt::format("M{:.1f} {:.1f}", x, begin)
                       : fmt::format("M{:.1f} {:.1f}H{:.1f}", box_, from_y + 4, x);
      path += to_side ? fmt::format("V{:.1f}", end) : fmt::format("V{:.1f}H{:.1f}", to_y - 4, box_);
      tip = to_side ? arrow(x, end, false) : arrow(box_ + 1, to_y - 4, true);
      const double half = (from_side ? begin : from_y) + (to_side ? end : to_y);
      label_y = half / 2 + 4;
    }
    std::string svg = fmt::format("<g><title>{}</title><path class=\"{}\" d=\"{}\"/>{}</g>\n",
                                  stream_text(s), is_skip ? "skip" : "way", path, tip);
    if (s.depth > 0) labels += label(fifo_text(s), x, label_y, lane == 0);
    return svg;
  }
  static std::string fifo_text(const FlowStream& s) {
    return fmt::format("{} × {} {}", with_commas(s.depth), with_commas(s.bits), s.storage);
  }
  static std::string stream_text(const FlowStream& s) {
    std::string text = s.depth > 0
                           ? fmt::format("FIFO of {} tokens of {} bits, {}", with_commas(s.depth),
                                         with_commas(s.bits), s.storage)
                           : "stream";
    if (!s.skip.empty()) text += ", skip " + s.skip;
    return svg_text(text, 200).text;
  }
  /// On its way, or beside one that is short.
  static std::string label(const std::string& text, double x, double y, bool beside) {
    const SvgText shown = svg_text(text, 40);
    const double w = shown.width * kCharacter + 6;
    if (beside) x += 8 + w / 2;
    return fmt::format(
        "<rect class=\"paper\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"17\"/><text "
        "class=\"t\" text-anchor=\"middle\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
        x - w / 2, y - 13, w, x, y, shown.text);
  }

  const Dataflow& flow_;
  bool wide_;
  double box_, lane_ = 0, bars_ = 0, bars_left_ = 0, width_ = 0;
  std::vector<bool> on_main_;
  std::vector<size_t> lanes_, stream_lanes_;  // 0: in the column
  Lanes occupied_;
  int64_t most_cycles_ = 0, most_multipliers_ = 0;
};

}  // namespace

std::string emit_dataflow(const Dataflow& flow, int64_t width) {
  return FlowDrawing(flow, width).text();
}

}  // namespace tailor::report

// Layers of the longest path make the rows. The longest way from input to output is the column at
// the left; what lies beside it (skips, and the stages in them) gets lanes to its right.
#include "target/hls/drawing.h"

#include <algorithm>
#include <map>

#include "tailor/core/lanes.h"
#include "tailor/core/strings.h"
#include "tailor/tensors/input_noun.h"

namespace tailor::target {
namespace {

constexpr int64_t kMargin = 24, kHead = 78, kBoxHeight = 52, kPitch = 116;
constexpr int64_t kFifoHeight = 20, kCharacter = 7, kLeastBox = 190, kLaneGap = 34;

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    const char* const name = c == '<'   ? "&lt;"
                             : c == '>' ? "&gt;"
                             : c == '&' ? "&amp;"
                             : c == '"' ? "&quot;"
                                        : nullptr;
    out += name ? std::string(name) : std::string(1, c);
  }
  return out;
}

struct Edge {
  size_t from, to;
  ValueId value;
  std::string skip;
  int64_t lane = 0;  // 0: straight down
};

struct Box {
  int64_t row = 0, lane = 0, x = 0, y = 0;
  std::vector<std::string> lines;
  std::string kind;
};

class Drawing {
 public:
  explicit Drawing(const Design& design) : graph_(design.graph()), sizing_(design.sizing()) {
    boxes_.resize(graph_.nodes.size());
    find_edges();
    find_rows();
    find_lanes();
    for (size_t n = 0; n < boxes_.size(); ++n) describe(n);
    place();
  }

  std::string svg() const {
    int64_t height = 0;
    for (const Box& box : boxes_) height = std::max(height, box.y + kBoxHeight);
    std::string out = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
        "height=\"{1}\" font-family=\"sans-serif\" font-size=\"12\">\n",
        width_, height + kMargin);
    out += style() + head();
    for (const Edge& edge : edges_) out += line_of(edge);
    for (const Edge& edge : edges_) out += fifo_of(edge);
    for (const Box& box : boxes_) out += box_of(box);
    return out + "</svg>\n";
  }

 private:
  void find_edges() {
    std::map<size_t, size_t> writer;  // by value
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      for (ValueId id : graph_.nodes[n].outputs) writer[id.index()] = n;
    }
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      for (const Operand& operand : graph_.nodes[n].inputs)
        edges_.push_back({writer.at(operand.value.index()), n, operand.value, operand.skip});
    }
  }
  /// Nodes stand in an order in which each comes behind what it reads.
  void find_rows() {
    for (const Edge& e : edges_)
      boxes_[e.to].row = std::max(boxes_[e.to].row, boxes_[e.from].row + 1);
    on_main_.assign(boxes_.size(), false);
    size_t at = 0;
    for (size_t n = 0; n < boxes_.size(); ++n) {
      if (boxes_[n].row > boxes_[at].row) at = n;
    }
    for (bool more = true; more;) {
      on_main_[at] = true;
      more = false;
      for (const Edge& e : edges_) {
        if (e.to == at && boxes_[e.from].row + 1 == boxes_[at].row) {
          at = e.from;
          more = true;
          break;
        }
      }
    }
  }
  /// Where a stage hands on to the next one what it also writes to it, the skip goes beside.
  bool is_beside(const Edge& e) const {
    return !e.skip.empty() && std::any_of(edges_.begin(), edges_.end(), [&](const Edge& other) {
      return other.from == e.from && other.to == e.to && other.skip.empty();
    });
  }
  bool straight(const Edge& e) const {
    return !is_beside(e) && on_main_[e.from] && on_main_[e.to] &&
           boxes_[e.from].row + 1 == boxes_[e.to].row;
  }
  void find_lanes() {
    // Stages beside the column that read each other share a lane.
    std::vector<size_t> group(boxes_.size());
    for (size_t n = 0; n < group.size(); ++n) group[n] = n;
    for (const Edge& e : edges_) {
      if (!on_main_[e.from] && !on_main_[e.to]) group[e.to] = group[e.from];
    }
    std::map<size_t, std::pair<int64_t, int64_t>> rows;  // of a group, with its neighbours
    for (const Edge& e : edges_) {
      for (size_t n : {e.from, e.to}) {
        if (on_main_[n]) continue;
        auto& r = rows.emplace(group[n], std::pair(boxes_[n].row, boxes_[n].row)).first->second;
        r.first = std::min(r.first, boxes_[e.from].row);
        r.second = std::max(r.second, boxes_[e.to].row);
      }
    }
    Lanes lanes;
    std::map<size_t, int64_t> lane;
    auto take = [&](int64_t first, int64_t last) {
      return static_cast<int64_t>(
          lanes.take(static_cast<size_t>(first), static_cast<size_t>(last)));
    };
    for (const auto& [g, r] : rows) lane[g] = take(r.first, r.second);
    for (size_t n = 0; n < boxes_.size(); ++n) boxes_[n].lane = on_main_[n] ? 0 : lane.at(group[n]);
    for (Edge& e : edges_) {
      if (straight(e)) continue;
      e.lane = !on_main_[e.from] ? boxes_[e.from].lane
               : !on_main_[e.to] ? boxes_[e.to].lane
                                 : take(boxes_[e.from].row, boxes_[e.to].row);
    }
    lanes_ = static_cast<int64_t>(lanes.count());
  }

  void describe(size_t n) {
    const Node& node = graph_.nodes[n];
    Box& box = boxes_[n];
    const Value& shape =
        graph_.value(node.outputs.empty() ? node.inputs[0].value : node.outputs[0]);
    box.kind = node.traits().port        ? "port"
               : node.hardware.weight    ? "products"
               : node.outputs.size() > 1 ? "clone"
                                         : "stage";
    box.lines.push_back(node.name);
    std::string what = fmt::format("{}, {}", to_string(node.op), to_string(shape.shape));
    if (node.traits().port)
      what = fmt::format("{} of {}", to_string(shape.shape), to_string(*shape.type));
    box.lines.push_back(what);
    if (node.hardware.weight) {
      box.lines.push_back(fmt::format("reuse {}: {} multipliers{}, {} cycles",
                                      node.hardware.reuse_factor,
                                      with_commas(node.hardware.multipliers),
                                      node.hardware.packed ? " in pairs" : "", cycles_of(n)));
    } else if (!node.traits().port) {
      box.lines.push_back(cycles_of(n) + " cycles");
    }
    if (const auto* conv = node.op.get_if<ops::Conv2d>()) {
      for (const std::string& id : conv->folded_skips) box.lines[1] += ", + " + id + " (folded)";
      for (const std::string& id : conv->window_skips) box.lines[1] += ", + " + id + " (window)";
      for (size_t i = 1; i < node.outputs.size(); ++i)
        box.lines[1] += ", hands on " + graph_.value(node.outputs[i]).name;
    }
  }
  std::string cycles_of(size_t n) const {
    return n < sizing_.stage_cycles.size() ? with_commas(sizing_.stage_cycles[n]) : "?";
  }

  void place() {
    std::vector<int64_t> widths(static_cast<size_t>(lanes_) + 1, kLeastBox);
    for (const Box& box : boxes_) {
      for (const std::string& text : box.lines) {
        int64_t& width = widths[static_cast<size_t>(box.lane)];
        width = std::max(width, static_cast<int64_t>(text.size()) * kCharacter + 20);
      }
    }
    int64_t x = kMargin;
    for (int64_t width : widths) {
      lane_x_.push_back(x);
      lane_width_.push_back(width);
      x += width + kLaneGap;
    }
    width_ = std::max<int64_t>(x - kLaneGap + kMargin, 640);
    for (Box& box : boxes_) {
      box.x = lane_x_[static_cast<size_t>(box.lane)];
      box.y = kHead + box.row * kPitch;
    }
  }
  int64_t width_of(const Box& box) const { return lane_width_[static_cast<size_t>(box.lane)]; }
  int64_t middle(int64_t lane) const {
    return lane_x_[static_cast<size_t>(lane)] + lane_width_[static_cast<size_t>(lane)] / 2;
  }

  static std::string style() {
    return "<style>rect{stroke-width:1}text{fill:#202428}.small{font-size:11px;fill:#586069}"
           ".port{fill:#ffffff;stroke:#586069}.products{fill:#dce9f7;stroke:#3b6ea5}"
           ".clone{fill:#f2f2f2;stroke:#8a9099}.stage{fill:#e6f2e1;stroke:#5d8a4c}"
           ".skipname{font-size:11px;fill:#b3402a;paint-order:stroke;stroke:#ffffff;"
           "stroke-width:4}.srl{fill:#ffffff;stroke:#8a9099}.bram{fill:#fbd9b4;stroke:#c2701c}"
           ".uram{fill:#e7d3f2;stroke:#7d4aa0}.way{fill:none;stroke:#586069;stroke-width:1.4}"
           ".skip{fill:none;stroke:#b3402a;stroke-width:1.8}</style>\n"
           "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" "
           "markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" "
           "fill=\"#586069\"/></marker></defs>\n<rect width=\"100%\" height=\"100%\" "
           "fill=\"#ffffff\"/>\n";
  }
  std::string head() const {
    const std::string noun = input_noun(graph_.input_shape());
    std::string out = fmt::format(
        "<text x=\"{}\" y=\"26\" font-size=\"16\">{}: {} stages, {} cycles {} "
        "(model)</text>\n",
        kMargin, escaped(graph_.name),
        std::count_if(graph_.nodes.begin(), graph_.nodes.end(),
                      [](const Node& node) { return !node.traits().port; }),
        with_commas(sizing_.interval_cycles), noun == "image" ? "an image" : "a " + noun);
    int64_t x = kMargin;
    for (const auto& [kind, text] :
         {std::pair("srl", "FIFO (tokens x bits) of shift registers"),
          std::pair("bram", "of block RAM"), std::pair("uram", "of UltraRAM"),
          std::pair("skip", "a skip's way")}) {
      const bool line = std::string_view(kind) == "skip";
      out += line ? fmt::format("<path class=\"skip\" d=\"M{} 47h16\"/>", x)
                  : fmt::format(
                        "<rect class=\"{}\" x=\"{}\" y=\"41\" width=\"16\" height=\"12\" "
                        "rx=\"6\"/>",
                        kind, x);
      out += fmt::format("<text class=\"small\" x=\"{}\" y=\"51\">{}</text>\n", x + 22, text);
      x += 40 + static_cast<int64_t>(std::string_view(text).size()) * 6;
    }
    return out;
  }

  std::string line_of(const Edge& e) const {
    const Box &from = boxes_[e.from], &to = boxes_[e.to];
    const int64_t x = middle(e.lane), out_y = from.y + kBoxHeight, in_y = to.y;
    std::string path;
    if (e.lane == 0) {
      path = fmt::format("M{} {}V{}", x, out_y, in_y - 1);
    } else if (on_main_[e.from]) {  // to the right, down, and back or into a stage of that lane
      path = fmt::format("M{} {}H{}", from.x + width_of(from), from.y + kBoxHeight / 2, x);
      path += on_main_[e.to] ? fmt::format("V{}H{}", to.y + kBoxHeight / 2, to.x + width_of(to) + 1)
                             : fmt::format("V{}", in_y - 1);
    } else if (on_main_[e.to]) {
      path = fmt::format("M{} {}V{}H{}", x, out_y, to.y + kBoxHeight / 2, to.x + width_of(to) + 1);
    } else {
      path = fmt::format("M{} {}V{}", x, out_y, in_y - 1);
    }
    return fmt::format("<path class=\"{}\" d=\"{}\" marker-end=\"url(#tip)\"/>\n",
                       e.lane == 0 && e.skip.empty() ? "way" : "skip", path);
  }
  /// In the middle of the way down. The two ports are none.
  std::string fifo_of(const Edge& e) const {
    if (e.value == graph_.input() || e.value == graph_.output()) return "";
    const Value& v = graph_.value(e.value);
    const Box &from = boxes_[e.from], &to = boxes_[e.to];
    const std::string text =
        fmt::format("{} x {} bit", with_commas(v.fifo_depth), with_commas(v.token_bits()));
    const int64_t width = static_cast<int64_t>(text.size()) * kCharacter + 14;
    const bool lowered = e.lane > 0 && on_main_[e.from] && on_main_[e.to];
    const int64_t top =
        e.lane > 0 && on_main_[e.from] ? from.y + kBoxHeight / 2 : from.y + kBoxHeight;
    const int64_t bottom = e.lane > 0 && on_main_[e.to] ? to.y + kBoxHeight / 2 : to.y;
    const int64_t y = (top + bottom) / 2 - kFifoHeight / 2, x = middle(e.lane) - width / 2;
    std::string out = fmt::format(
        "<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"10\"/>"
        "<text class=\"small\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
        to_string(v.fifo_storage), x, y, width, kFifoHeight, middle(e.lane), y + 14, text);
    if (lowered && !e.skip.empty()) {
      out += fmt::format(
          "<text class=\"skipname\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
          middle(e.lane), y + kFifoHeight + 14, escaped(e.skip));
    }
    return out;
  }
  std::string box_of(const Box& box) const {
    std::string out =
        fmt::format("<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"4\"/>\n",
                    box.kind, box.x, box.y, width_of(box), kBoxHeight);
    const int64_t x = box.x + width_of(box) / 2;
    for (size_t i = 0; i < box.lines.size(); ++i) {
      out += fmt::format("<text{} x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                         i == 0 ? "" : " class=\"small\"", x,
                         box.y + 16 + static_cast<int64_t>(i) * 15, escaped(box.lines[i]));
    }
    return out;
  }

  const Graph& graph_;
  const Sizing& sizing_;
  std::vector<Edge> edges_;
  std::vector<Box> boxes_;
  std::vector<bool> on_main_;
  std::vector<int64_t> lane_x_, lane_width_;
  int64_t lanes_ = 0, width_ = 0;
};

}  // namespace

std::string draw_dataflow(const Design& design) { return Drawing(design).svg(); }

}  // namespace tailor::target

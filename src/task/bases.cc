#include "tailor/task/bases.h"

#include <algorithm>
#include <cmath>

#include "tailor/core/error.h"

namespace tailor::task {
namespace {

constexpr int32_t kRoot = 0, kNoNode = -1;
constexpr double kLeastError = 1e-4;  // of a quality: 40 at most
constexpr int kFirstLetter = 33, kLastLetter = 126;

/// Label sequences as a tree: a node is its parent's with a label behind it.
class PrefixTree {
 public:
  PrefixTree(int64_t labels, int64_t frames) : labels_(static_cast<size_t>(labels)) {
    nodes_.reserve(static_cast<size_t>(frames) * 4 + 1);
    children_.reserve(nodes_.capacity() * labels_);
    add_node({0, kNoNode, 0});
  }
  int32_t label(int32_t node) const { return nodes_[static_cast<size_t>(node)].label; }
  /// kNoNode if there is none.
  int32_t child(int32_t node, int32_t label) const { return children_[slot(node, label)]; }
  int32_t child_made(int32_t node, int32_t label, int32_t frame) {
    const size_t at = slot(node, label);
    if (children_[at] == kNoNode) {
      const int32_t made = add_node({label, node, frame});
      children_[at] = made;
    }
    return children_[at];
  }
  /// Labels and frames from the root to the node.
  void trace(int32_t node, BaseCall& call) const {
    for (; node != kRoot; node = nodes_[static_cast<size_t>(node)].parent) {
      call.labels.push_back(label(node));
      call.frames.push_back(nodes_[static_cast<size_t>(node)].frame);
    }
    std::reverse(call.labels.begin(), call.labels.end());
    std::reverse(call.frames.begin(), call.frames.end());
  }

 private:
  struct Node {
    int32_t label, parent, frame;
  };
  size_t slot(int32_t node, int32_t label) const {
    return static_cast<size_t>(node) * labels_ + static_cast<size_t>(label - 1);
  }
  int32_t add_node(const Node& node) {
    nodes_.push_back(node);
    children_.insert(children_.end(), labels_, kNoNode);
    return static_cast<int32_t>(nodes_.size()) - 1;
  }
  size_t labels_;
  std::vector<Node> nodes_;
  std::vector<int32_t> children_;  // labels a node
};

/// A candidate, with the probability of the paths to it that end with its label and with a blank.
struct Candidate {
  int32_t node = kRoot;
  float label = 0, blank = 0;
  float total() const { return label + blank; }
};

/// Below the likeliest output, which always extends: no frame leaves nothing.
float frame_threshold(Span<const float> p, double threshold) {
  const float likeliest = *std::max_element(p.begin(), p.end());
  return std::min(static_cast<float>(threshold), std::nextafter(likeliest, 0.F));
}

/// What a frame of probabilities makes of a candidate. A blank that is no number goes through.
void extend(const Candidate& from, Span<const float> p, float threshold, int32_t frame,
            PrefixTree& tree, std::vector<Candidate>& next) {
  if (!(p[0] <= threshold)) next.push_back({from.node, 0, from.total() * p[0]});
  const int32_t last = tree.label(from.node);
  for (size_t i = 1; i < p.size(); ++i) {
    if (p[i] < threshold) continue;
    const auto label = static_cast<int32_t>(i);
    if (label != last) {
      next.push_back({tree.child_made(from.node, label, frame), from.total() * p[i], 0});
      continue;
    }
    next.push_back({from.node, from.label * p[i], 0});
    // Twice the same label needs a blank between.
    const int32_t child =
        from.blank > 0 ? tree.child_made(from.node, label, frame) : tree.child(from.node, label);
    if (child != kNoNode) next.push_back({child, from.blank * p[i], 0});
  }
}

/// Equal nodes become one; the most probable `beam` stay, divided by the first's probability.
void prune(std::vector<Candidate>& candidates, size_t beam, int64_t frame) {
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.node < b.node; });
  size_t kept = 0;
  for (const Candidate& c : candidates) {
    if (kept > 0 && candidates[kept - 1].node == c.node) {
      candidates[kept - 1].label += c.label;
      candidates[kept - 1].blank += c.blank;
    } else {
      candidates[kept++] = c;
    }
  }
  candidates.resize(kept);
  const bool comparable = std::none_of(candidates.begin(), candidates.end(),
                                       [](const Candidate& c) { return std::isnan(c.total()); });
  if (!comparable) {
    fail(ErrorKind::Data, "frame {}: expected probabilities, got a number that is none (NaN)",
         frame);
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.total() > b.total(); });
  candidates.resize(std::min(candidates.size(), beam));
  const float top = candidates[0].total();
  for (Candidate& c : candidates) c.label /= top, c.blank /= top;
}

size_t likeliest(Span<const float> values) {
  return static_cast<size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

Span<const float> row_of(const FrameAnswers& answers, int64_t frame) {
  return {answers.log_probabilities.data() + frame * answers.outputs,
          static_cast<size_t>(answers.outputs)};
}

void verify_answers_shape(const FrameAnswers& answers) {
  TAILOR_CHECK(answers.outputs >= 2 &&
                   answers.log_probabilities.size() % static_cast<size_t>(answers.outputs) == 0,
               "{} numbers of {} outputs", answers.log_probabilities.size(), answers.outputs);
}

/// Mean probability of each label from its frame on, while it is the likeliest output.
void measure_shares(const FrameAnswers& answers, BaseCall& call) {
  for (size_t i = 0; i < call.labels.size(); ++i) {
    const auto label = static_cast<size_t>(call.labels[i]);
    const int64_t end = i + 1 < call.frames.size() ? call.frames[i + 1] : answers.frames();
    double sum = std::exp(static_cast<double>(row_of(answers, call.frames[i])[label]));
    int64_t count = 1;
    for (int64_t f = call.frames[i] + 1; f < end && likeliest(row_of(answers, f)) == label; ++f)
      sum += std::exp(static_cast<double>(row_of(answers, f)[label])), ++count;
    call.shares.push_back(sum / static_cast<double>(count));
  }
}

}  // namespace

BaseCall decode_path(const FrameAnswers& answers) {
  verify_answers_shape(answers);
  BaseCall call;
  size_t last = 0;
  for (int64_t frame = 0; frame < answers.frames(); ++frame) {
    const size_t label = likeliest(row_of(answers, frame));
    if (label != 0 && label != last) {
      call.labels.push_back(static_cast<int64_t>(label));
      call.frames.push_back(frame);
    }
    last = label;
  }
  measure_shares(answers, call);
  return call;
}

BaseCall decode_beam(const FrameAnswers& answers, int64_t beam, double threshold) {
  verify_answers_shape(answers);
  TAILOR_CHECK(beam >= 1, "a beam of {}", beam);
  PrefixTree tree(answers.outputs - 1, answers.frames());
  std::vector<Candidate> candidates = {{kRoot, 0, 1}}, next;
  std::vector<float> p(static_cast<size_t>(answers.outputs));
  for (int64_t frame = 0; frame < answers.frames(); ++frame) {
    const Span<const float> row = row_of(answers, frame);
    std::transform(row.begin(), row.end(), p.begin(), [](float v) { return std::exp(v); });
    next.clear();
    const float kept_from = frame_threshold(p, threshold);
    for (const Candidate& c : candidates)
      extend(c, p, kept_from, static_cast<int32_t>(frame), tree, next);
    prune(next, static_cast<size_t>(beam), frame);
    candidates.swap(next);
  }
  BaseCall call;
  tree.trace(candidates[0].node, call);
  measure_shares(answers, call);
  return call;
}

char quality_letter(double share, const QualityScale& scale) {
  const double quality = -10 * std::log10(std::max(1 - share, kLeastError));
  const double letter = kFirstLetter + std::round(quality * scale.scale + scale.bias);
  return static_cast<char>(std::clamp<double>(letter, kFirstLetter, kLastLetter));
}

std::string quality_text(const BaseCall& call, const QualityScale& scale) {
  std::string text;
  for (const double share : call.shares) text += quality_letter(share, scale);
  return text;
}

}  // namespace tailor::task

#include "tailor/task/text_decoding.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tailor/core/error.h"

namespace tailor::task {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();
constexpr double kLn10 = 2.302585092994045684;

double ln_of_sum(double a, double b) {
  if (a < b) std::swap(a, b);
  return b == kNever ? a : a + std::log1p(std::exp(b - a));
}

/// ln p of every output of every frame.
class FrameProbabilities {
 public:
  FrameProbabilities(Span<const float> outputs, int64_t classes)
      : classes_(static_cast<size_t>(classes)), ln_p_(outputs.begin(), outputs.end()) {
    TAILOR_CHECK(classes > 0 && outputs.size() % classes_ == 0, "{} outputs in rows of {}",
                 outputs.size(), classes);
    for (size_t at = 0; at < ln_p_.size(); at += classes_) {
      double* row = ln_p_.data() + at;
      const double largest = *std::max_element(row, row + classes_);
      double sum = 0;
      for (size_t c = 0; c < classes_; ++c) sum += std::exp(row[c] - largest);
      const double all = largest + std::log(sum);
      if (!std::isfinite(all)) {
        fail(ErrorKind::Data, "the network's outputs at frame {} are no numbers ({})",
             at / classes_, all);
      }
      for (size_t c = 0; c < classes_; ++c) row[c] -= all;
    }
  }
  int64_t frames() const { return static_cast<int64_t>(ln_p_.size() / classes_); }
  const double* operator[](int64_t frame) const {
    return ln_p_.data() + static_cast<size_t>(frame) * classes_;
  }

 private:
  size_t classes_;
  std::vector<double> ln_p_;
};

/// A beginning of labels: the one of `parent` and a label behind it.
struct Beginning {
  int32_t parent = -1, first_child = -1, sibling = -1;
  int32_t label = -1;
  int32_t history = 0;  // of its closed words
  double words = 0;     // what the language model and the bonus add for them
  /// ln p of the paths so far that end in a blank, and in its label; those with this frame.
  double blank = kNever, own = kNever, next_blank = kNever, next_own = kNever;
  int64_t frame = -1;  // for which next_… are

  double ln_p() const { return ln_of_sum(blank, own); }
};

class BeamSearch {
 public:
  BeamSearch(const FrameProbabilities& p, const Alphabet& alphabet, const CtcConfig& ctc,
             const LanguageModel* model)
      : p_(p), alphabet_(alphabet), ctc_(ctc), model_(model) {
    const auto found = std::find(alphabet.symbols.begin(), alphabet.symbols.end(), " ");
    space_ = found == alphabet.symbols.end()
                 ? -1
                 : static_cast<int32_t>(found - alphabet.symbols.begin());
    ln_threshold_ = ctc.beam_threshold > 0 ? std::log(ctc.beam_threshold) : kNever;
    histories_.push_back(model ? model->begin() : WordHistory());
    beginnings_.emplace_back();
    beginnings_[0].blank = 0;
  }
  Labelling run() {
    std::vector<int32_t> kept = {0};
    for (int64_t frame = 0; frame < p_.frames(); ++frame) {
      reached_.clear();
      for (int32_t id : kept) extend(id, frame);
      for (int32_t id : reached_) {
        Beginning& b = beginnings_[static_cast<size_t>(id)];
        b.blank = b.next_blank, b.own = b.next_own;
      }
      kept = best_of(reached_);
    }
    return best_end(kept);
  }

 private:
  Beginning& reach(int32_t id, int64_t frame) {
    Beginning& b = beginnings_[static_cast<size_t>(id)];
    if (b.frame != frame) {
      b.frame = frame;
      b.next_blank = b.next_own = kNever;
      reached_.push_back(id);
    }
    return b;
  }
  /// What all paths of a beginning come to with one more frame.
  void extend(int32_t id, int64_t frame) {
    const double* ln_p = p_[frame];
    const Beginning from = beginnings_[static_cast<size_t>(id)];
    const double all = from.ln_p();
    Beginning& same = reach(id, frame);
    same.next_blank = ln_of_sum(same.next_blank, all + ln_p[alphabet_.blank]);
    for (int32_t label = 0; label < static_cast<int32_t>(alphabet_.size()); ++label) {
      if (label == alphabet_.blank || ln_p[label] < ln_threshold_) continue;
      double paths = all;
      if (label == from.label) {  // only what ends in a blank can say it again
        Beginning& again = reach(id, frame);
        again.next_own = ln_of_sum(again.next_own, from.own + ln_p[label]);
        paths = from.blank;
      }
      if (paths == kNever) continue;
      Beginning& longer = reach(child(id, label), frame);
      longer.next_own = ln_of_sum(longer.next_own, paths + ln_p[label]);
    }
  }
  int32_t child(int32_t id, int32_t label) {
    for (int32_t c = beginnings_[static_cast<size_t>(id)].first_child; c >= 0;
         c = beginnings_[static_cast<size_t>(c)].sibling) {
      if (beginnings_[static_cast<size_t>(c)].label == label) return c;
    }
    const auto made = static_cast<int32_t>(beginnings_.size());
    Beginning b;
    Beginning& parent = beginnings_[static_cast<size_t>(id)];
    b.parent = id, b.label = label, b.sibling = parent.first_child;
    b.history = parent.history, b.words = parent.words;
    parent.first_child = made;
    if (label == space_) close_word(id, b);
    beginnings_.push_back(b);
    return made;
  }
  /// The word that the labels up to `id` end in, if any, counts for `b`.
  void close_word(int32_t id, Beginning& b) {
    if (!model_) return;
    std::string word;
    for (; id > 0 && beginnings_[static_cast<size_t>(id)].label != space_;
         id = beginnings_[static_cast<size_t>(id)].parent) {
      const std::string& symbol =
          alphabet_.symbols[static_cast<size_t>(beginnings_[static_cast<size_t>(id)].label)];
      word.insert(0, symbol);
    }
    if (word.empty()) return;
    WordHistory history = histories_[static_cast<size_t>(b.history)];
    const double ln_p = kLn10 * model_->score(history, model_->word(word));
    b.words += ctc_.lm_weight * ln_p + ctc_.word_bonus;
    b.history = static_cast<int32_t>(histories_.size());
    histories_.push_back(std::move(history));
  }
  /// The best of them, best first; of equals those that were made first.
  std::vector<int32_t> best_of(const std::vector<int32_t>& reached) {
    scores_.clear();
    for (int32_t id : reached) {
      const Beginning& b = beginnings_[static_cast<size_t>(id)];
      scores_.push_back({-(b.ln_p() + b.words), id});
    }
    const size_t count = std::min(scores_.size(), static_cast<size_t>(ctc_.beam));
    std::partial_sort(scores_.begin(), scores_.begin() + static_cast<std::ptrdiff_t>(count),
                      scores_.end());
    std::vector<int32_t> best;
    for (size_t i = 0; i < count; ++i) best.push_back(scores_[i].second);
    return best;
  }
  /// The best with its last word closed.
  Labelling best_end(const std::vector<int32_t>& kept) {
    Labelling best;
    best.score = kNever;
    for (int32_t id : kept) {
      Beginning closed = beginnings_[static_cast<size_t>(id)];
      close_word(id, closed);
      const double score = closed.ln_p() + closed.words;
      if (!(score > best.score)) continue;
      best.score = score;
      best.labels.clear();
      for (int32_t at = id; at > 0; at = beginnings_[static_cast<size_t>(at)].parent)
        best.labels.push_back(beginnings_[static_cast<size_t>(at)].label);
    }
    std::reverse(best.labels.begin(), best.labels.end());
    return best;
  }

  const FrameProbabilities& p_;
  const Alphabet& alphabet_;
  const CtcConfig& ctc_;
  const LanguageModel* model_;
  int32_t space_ = -1;
  double ln_threshold_ = kNever;
  std::vector<Beginning> beginnings_;
  std::vector<WordHistory> histories_;
  std::vector<int32_t> reached_;
  std::vector<std::pair<double, int32_t>> scores_;
};

/// The likeliest path of labels with blanks between, by Viterbi's recursion; state 2i + 1 is label
/// i, even ones are blanks. Of F frames and S states it holds about 2 √(8 F) · S bytes: the numbers
/// of every block's first frame are kept and its steps are found again from them.
class Alignment {
 public:
  Alignment(const FrameProbabilities& p, const Alphabet& alphabet,
            const std::vector<int64_t>& labels)
      : p_(p),
        blank_(alphabet.blank),
        labels_(labels),
        states_(2 * labels.size() + 1),
        block_(1 + static_cast<size_t>(std::sqrt(8.0 * static_cast<double>(p.frames())))) {
    const auto frames = static_cast<size_t>(p.frames());
    if (frames == 0 || labels.empty()) return;
    std::vector<double> row(states_, kNever), next(states_);
    for (size_t frame = 0; frame < frames; ++frame) {
      if (frame % block_ == 0) starts_.push_back(row);
      advance(frame, row, next, nullptr);
    }
    last_ = row[states_ - 1] > row[states_ - 2] ? states_ - 1 : states_ - 2;
    fits_ = row[last_] > kNever;
  }
  bool fits() const { return fits_ || labels_.empty(); }
  void write_frames(Labelling& l) const {
    l.first.assign(labels_.size(), -1);
    l.end.assign(labels_.size(), -1);
    size_t state = last_;
    std::vector<double> row, next(states_);
    std::vector<uint8_t> steps(starts_.empty() ? 0 : block_ * states_);
    for (size_t block = starts_.size(); block-- > 0;) {
      const size_t first = block * block_,
                   end = std::min(first + block_, static_cast<size_t>(p_.frames()));
      row = starts_[block];
      for (size_t f = first; f < end; ++f) advance(f, row, next, &steps[(f - first) * states_]);
      for (size_t frame = end; frame-- > first;) {
        if (state % 2 == 1) {
          l.first[state / 2] = static_cast<int64_t>(frame);
          if (l.end[state / 2] < 0) l.end[state / 2] = static_cast<int64_t>(frame) + 1;
        }
        state -= steps[(frame - first) * states_ + state];
      }
    }
  }

 private:
  /// From the frame before to this one; `steps`, if asked for: how many states back that one was.
  void advance(size_t frame, std::vector<double>& row, std::vector<double>& next,
               uint8_t* steps) const {
    const double* ln_p = p_[static_cast<int64_t>(frame)];
    for (size_t s = 0; s < states_; ++s) {
      const auto [from, step] = frame == 0 ? begin(s) : best_before(row, s);
      next[s] = from + ln_p[output(s)];
      if (steps) steps[s] = step;
    }
    std::swap(row, next);
  }
  int64_t output(size_t state) const { return state % 2 == 0 ? blank_ : labels_[state / 2]; }
  static std::pair<double, uint8_t> begin(size_t state) {
    return {state < 2 ? 0.0 : kNever, uint8_t{0}};
  }
  std::pair<double, uint8_t> best_before(const std::vector<double>& before, size_t s) const {
    std::pair<double, uint8_t> best{before[s], uint8_t{0}};
    if (s >= 1 && before[s - 1] > best.first) best = {before[s - 1], uint8_t{1}};
    const bool may_skip = s >= 3 && s % 2 == 1 && labels_[s / 2] != labels_[s / 2 - 1];
    if (may_skip && before[s - 2] > best.first) best = {before[s - 2], uint8_t{2}};
    return best;
  }

  const FrameProbabilities& p_;
  int64_t blank_;
  const std::vector<int64_t>& labels_;
  size_t states_, block_, last_ = 0;
  bool fits_ = false;
  std::vector<std::vector<double>> starts_;  // before each block of block_ frames, [states]
};

/// Without frames.
Labelling search_beam(const FrameProbabilities& p, const Alphabet& alphabet, const CtcConfig& ctc,
                      const LanguageModel* model) {
  TAILOR_CHECK(ctc.beam >= 1, "a beam of {}", ctc.beam);
  return BeamSearch(p, alphabet, ctc, model).run();
}

void align_on(const FrameProbabilities& p, const Alphabet& alphabet, Labelling& labelling) {
  const Alignment alignment(p, alphabet, labelling.labels);
  TAILOR_CHECK(alignment.fits(), "{} labels do not fit {} frames", labelling.labels.size(),
               p.frames());
  alignment.write_frames(labelling);
}

}  // namespace

std::vector<TimedWord> timed_words(const Labelling& labelling, const Alphabet& alphabet) {
  std::vector<TimedWord> words;
  bool open = false;
  for (size_t i = 0; i < labelling.labels.size(); ++i) {
    const std::string& symbol = alphabet.symbols.at(static_cast<size_t>(labelling.labels[i]));
    if (symbol == " ") {
      open = false;
      continue;
    }
    if (!open) words.push_back({"", labelling.first.at(i), 0});
    open = true;
    words.back().text += symbol;
    words.back().end = labelling.end.at(i);
  }
  return words;
}

Labelling decode_greedy(Span<const float> outputs, const Alphabet& alphabet) {
  const FrameProbabilities p(outputs, alphabet.size());
  Labelling l;
  int64_t before = alphabet.blank;
  for (int64_t frame = 0; frame < p.frames(); ++frame) {
    const double* row = p[frame];
    const int64_t best = std::max_element(row, row + alphabet.size()) - row;
    l.score += row[best];
    if (best != alphabet.blank) {
      if (best != before) {
        l.labels.push_back(best);
        l.first.push_back(frame);
        l.end.push_back(frame);
      }
      l.end.back() = frame + 1;
    }
    before = best;
  }
  return l;
}

Labelling decode_beam(Span<const float> outputs, const Alphabet& alphabet, const CtcConfig& ctc,
                      const LanguageModel* model) {
  const FrameProbabilities p(outputs, alphabet.size());
  Labelling best = search_beam(p, alphabet, ctc, model);
  align_on(p, alphabet, best);
  return best;
}

void align(Span<const float> outputs, const Alphabet& alphabet, Labelling& labelling) {
  align_on(FrameProbabilities(outputs, alphabet.size()), alphabet, labelling);
}

TextDecoder::TextDecoder(const Alphabet& alphabet, const CtcConfig& ctc)
    : alphabet_(alphabet), ctc_(ctc) {
  if (ctc.language_model.empty()) return;
  verify_config(ctc, "the decoder");
  model_ = std::make_shared<LanguageModel>(LanguageModel::load(ctc.language_model));
}

Labelling TextDecoder::decode(Span<const float> outputs) const {
  return ctc_.beam == 1 ? decode_greedy(outputs, alphabet_)
                        : decode_beam(outputs, alphabet_, ctc_, model_.get());
}

std::string TextDecoder::text(Span<const float> outputs) const {
  if (ctc_.beam == 1) return alphabet_.text(decode_greedy(outputs, alphabet_).labels);
  const FrameProbabilities p(outputs, alphabet_.size());
  return alphabet_.text(search_beam(p, alphabet_, ctc_, model_.get()).labels);
}

}  // namespace tailor::task

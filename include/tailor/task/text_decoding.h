// From a network's outputs at every frame to the text it heard: the most likely path, or the most
// likely labelling by a beam over its beginnings (Graves 2012; Hannun et al. 2014), perhaps with a
// language model.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tailor/core/span.h"
#include "tailor/data/sequences.h"
#include "tailor/task/arpa.h"
#include "tailor/task/config.h"

namespace tailor::task {

/// Labels and the frames that are theirs, from the first to before the last.
struct Labelling {
  std::vector<int64_t> labels;      // outputs, without blanks
  std::vector<int64_t> first, end;  // of each label, in frames
  /// ln of the probability: of the path of decode_greedy; of all paths of the labelling with
  /// decode_beam, with what the language model and the words add.
  double score = 0;
};

struct TimedWord {
  std::string text;
  int64_t first = 0, end = 0;  // frames
};
/// What the symbol " " separates; of an alphabet without one, all labels are a word.
std::vector<TimedWord> timed_words(const Labelling& labelling, const Alphabet& alphabet);

/// `outputs` is [frames][alphabet.size()] in all of the following, logits or log-probabilities: ln
/// of a softmax of either is the same. Throws Data if one is no number.

/// The likeliest output of every frame, the first of equal ones; of repeats one, without blanks.
Labelling decode_greedy(Span<const float> outputs, const Alphabet& alphabet);
/// Keeps the `ctc.beam` best beginnings after every frame, by ln p of all of a beginning's paths +
/// ctc.lm_weight · ln p of its words + ctc.word_bonus · words. Both are added when a " " ends a
/// word, and for the last word at the end (as Baidu's decoder, whose weights are the defaults; </s>
/// is not asked for); without a model words add nothing. A label with p < ctc.beam_threshold at a
/// frame extends nothing there.
Labelling decode_beam(Span<const float> outputs, const Alphabet& alphabet, const CtcConfig& ctc,
                      const LanguageModel* model = nullptr);
/// The frames of labels on the likeliest of their paths. Throws Internal where they do not fit.
void align(Span<const float> outputs, const Alphabet& alphabet, Labelling& labelling);

/// What a configuration says: the path for a beam of 1, else the beam, with its language model.
class TextDecoder {
 public:
  /// Throws Data if the model cannot be read.
  TextDecoder(const Alphabet& alphabet, const CtcConfig& ctc);
  /// May be called from several threads.
  Labelling decode(Span<const float> outputs) const;
  /// Its text alone: nothing is aligned.
  std::string text(Span<const float> outputs) const;
  const Alphabet& alphabet() const { return alphabet_; }

 private:
  Alphabet alphabet_;
  CtcConfig ctc_;
  std::shared_ptr<const LanguageModel> model_;
};

}  // namespace tailor::task

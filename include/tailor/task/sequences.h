// Speech to text and current to bases: sequences whose answer is shorter than they are, by CTC. The
// padding behind a shorter example of a batch is zeros, and lengths say where it begins.
#pragma once

#include "tailor/data/sequences.h"
#include "tailor/data/speech.h"
#include "tailor/task/task.h"
#include "tailor/task/text_decoding.h"
#include "tailor/task/word_errors.h"

namespace tailor::task {

/// Answers that labels need: one each, and a blank between equal ones.
int64_t answers_needed(const std::vector<int64_t>& labels);
/// ln of the softmax of every row of `outputs` numbers. Throws Data if one is no number.
std::vector<float> log_softmax_rows(Span<const float> rows, int64_t outputs);

/// Of example `row` in a batch's answers: those that are its own, `outputs` numbers each.
Span<const float> own_outputs(const Answers& answers, int64_t examples, int64_t row,
                              int64_t outputs);

class SequenceTask : public Task {
 public:
  int64_t size(Split split) const override;
  void collate(Split split, Span<const int64_t> indices, std::optional<int64_t> epoch,
               Batch& batch) const override;
  /// Batches of examples of about one length, in random order.
  std::vector<int64_t> order(int64_t seed, int64_t epoch, int64_t batch_size) const override;
  ObjectiveSpec objective() const override;
  /// What an example says, as text.
  std::string truth(Split split, int64_t index) const;
  std::string name(Split split, int64_t index) const;
  /// What the network heard, decoded as the configuration says.
  virtual std::string decode(Span<const float> outputs) const = 0;

 protected:
  SequenceTask(const DataSplits& data, const CtcConfig& ctc, const Alphabet& alphabet);
  /// Training examples with more labels than an example of theirs has answers, at worst, go: their
  /// loss would be infinite. Says how many.
  void leave_out_unanswerable(const PositionsOf& positions);
  const SequenceDataset& set(Split split) const { return *sets_[static_cast<size_t>(split)]; }
  const CtcConfig& ctc() const { return ctc_; }
  const Alphabet& alphabet() const { return alphabet_; }
  /// The labels of `row` as text.
  std::string target_text(const Batch& batch, int64_t row) const;

 private:
  virtual int64_t channels() const = 0;
  /// Replaces `columns` by the example's input, columns × channels.
  virtual void make(const SequenceDataset& set, int64_t index, std::optional<int64_t> epoch,
                    std::vector<float>& columns) const = 0;
  /// The fewest columns that an example has, however it is augmented.
  virtual int64_t fewest_columns(const SequenceDataset& set, int64_t index) const = 0;

  Sequences sets_[3];  // by Split
  CtcConfig ctc_;
  Alphabet alphabet_;
};

/// Utterances; judged by the word error rate, greedily decoded while it trains.
class SpeechToText : public SequenceTask {
 public:
  SpeechToText(const DataSplits& data, const DataConfig& config, const CtcConfig& ctc, int64_t seed,
               const PositionsOf& positions = {});
  const char* unit() const override { return "utterance"; }
  std::vector<double> tally(const Answers& answers, const Batch& batch) const override;
  std::unique_ptr<Meter> meter() const override;
  std::string decode(Span<const float> outputs) const override { return decoder_.text(outputs); }

 private:
  int64_t channels() const override { return features_.filters(); }
  void make(const SequenceDataset& set, int64_t index, std::optional<int64_t> epoch,
            std::vector<float>& columns) const override {
    features_.make(set, index, epoch, columns);
  }
  int64_t fewest_columns(const SequenceDataset& set, int64_t index) const override {
    return features_.fewest_frames(set.length(index));
  }

  SpeechFeatures features_;
  TextDecoder decoder_;
};

/// Words and characters of a corpus that were heard wrong; tally: {word edits, words, character
/// edits, characters}. Figures: loss, cer, wer.
class WordErrorMeter : public Meter {
 public:
  void add(int64_t examples, double loss, Span<const double> tally) override;
  int64_t examples() const override { return examples_; }
  std::vector<Figure> summary() const override;
  Json state() const override;
  void restore(const Json& state) override;

 private:
  int64_t examples_ = 0;
  double loss_sum_ = 0;
  double counts_[4] = {};
};

/// Chunks of a nanopore's current; judged by the mean accuracy of the alignment with their bases,
/// while it trains of the most likely path (Bonito's accuracy).
class CurrentToBases : public SequenceTask {
 public:
  CurrentToBases(const DataSplits& data, const CtcConfig& ctc, const PositionsOf& positions = {});
  const char* unit() const override { return "chunk"; }
  std::vector<double> tally(const Answers& answers, const Batch& batch) const override;
  std::unique_ptr<Meter> meter() const override;
  std::string decode(Span<const float> outputs) const override;

 private:
  int64_t channels() const override { return 1; }
  void make(const SequenceDataset& set, int64_t index, std::optional<int64_t> /*epoch*/,
            std::vector<float>& columns) const override {
    set.read(index, columns);
  }
  int64_t fewest_columns(const SequenceDataset& set, int64_t index) const override {
    return set.length(index);
  }
  std::string call(Span<const float> outputs, int64_t beam) const;
};

/// tally: {sum of the examples' accuracies}. Figures: loss, accuracy.
class AlignmentMeter : public Meter {
 public:
  void add(int64_t examples, double loss, Span<const double> tally) override;
  int64_t examples() const override { return examples_; }
  std::vector<Figure> summary() const override;
  Json state() const override;
  void restore(const Json& state) override;

 private:
  int64_t examples_ = 0;
  double loss_sum_ = 0, accuracy_sum_ = 0;
};

}  // namespace tailor::task

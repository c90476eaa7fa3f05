#include "tailor/task/sequences.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tailor/core/log.h"
#include "tailor/core/random.h"
#include "tailor/core/threads.h"
#include "tailor/data/batch.h"
#include "tailor/task/alignment.h"
#include "tailor/task/bases.h"

namespace tailor::task {
namespace {

/// Examples of about one length are looked for among so many batches.
constexpr int64_t kPoolBatches = 16;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// Answers of a training that diverges, which its loss says better: they are not decoded.
bool is_diverged(const Answers& answers, int64_t examples, int64_t outputs) {
  if (answers.split == Split::Test) return false;
  for (int64_t row = 0; row < examples; ++row) {
    const Span<const float> own = own_outputs(answers, examples, row, outputs);
    if (!std::all_of(own.begin(), own.end(), [](float v) { return std::isfinite(v); })) return true;
  }
  return false;
}

std::vector<int64_t> labels_of_row(const Batch& batch, int64_t row) {
  const auto all = batch.targets.as<int64_t>();
  const auto most = static_cast<size_t>(batch.targets.shape().at(1)),
             count = static_cast<size_t>(batch.target_lengths.at(static_cast<size_t>(row)));
  const int64_t* begin = all.data() + static_cast<size_t>(row) * most;
  return {begin, begin + count};
}

}  // namespace

int64_t answers_needed(const std::vector<int64_t>& labels) {
  auto needed = static_cast<int64_t>(labels.size());
  for (size_t i = 1; i < labels.size(); ++i) needed += labels[i] == labels[i - 1] ? 1 : 0;
  return needed;
}

std::vector<float> log_softmax_rows(Span<const float> rows, int64_t outputs) {
  const auto n = static_cast<size_t>(outputs);
  TAILOR_CHECK(n > 0 && rows.size() % n == 0, "{} numbers in rows of {}", rows.size(), n);
  std::vector<float> result(rows.size());
  for (size_t at = 0; at < rows.size(); at += n) {
    const float largest = *std::max_element(rows.data() + at, rows.data() + at + n);
    double sum = 0;
    for (size_t i = at; i < at + n; ++i) sum += std::exp(static_cast<double>(rows[i] - largest));
    if (!std::isfinite(sum)) {
      fail(ErrorKind::Data,
           "answer {}: expected finite numbers, got one that is none; the network or what it was "
           "given is damaged",
           at / n);
    }
    const auto log_sum = static_cast<float>(std::log(sum));
    for (size_t i = at; i < at + n; ++i) result[i] = rows[i] - largest - log_sum;
  }
  return result;
}

Span<const float> own_outputs(const Answers& answers, int64_t examples, int64_t row,
                              int64_t outputs) {
  TAILOR_CHECK(examples > 0 && answers.outputs.size() % static_cast<size_t>(examples) == 0,
               "{} outputs of {} examples", answers.outputs.size(), examples);
  const size_t all = answers.outputs.size() / static_cast<size_t>(examples);
  const size_t own =
      answers.positions.empty()
          ? all
          : static_cast<size_t>(answers.positions.at(static_cast<size_t>(row)) * outputs);
  TAILOR_CHECK(own <= all, "{} outputs of {}", own, all);
  return answers.outputs.subspan(static_cast<size_t>(row) * all, own);
}

SequenceTask::SequenceTask(const DataSplits& data, const CtcConfig& ctc, const Alphabet& alphabet)
    : sets_{as_sequences(data.train), as_sequences(data.validation), as_sequences(data.test)},
      ctc_(ctc),
      alphabet_(alphabet) {}

void SequenceTask::leave_out_unanswerable(const PositionsOf& positions) {
  const Sequences all = sets_[static_cast<size_t>(Split::Train)];
  if (!all || !positions) return;
  std::vector<int64_t> kept, labels;
  for (int64_t i = 0; i < all->size(); ++i) {
    all->read_labels(i, labels);
    if (!labels.empty() && answers_needed(labels) <= positions(fewest_columns(*all, i)))
      kept.push_back(i);
  }
  const int64_t left_out = all->size() - static_cast<int64_t>(kept.size());
  if (left_out == 0) return;
  if (kept.empty()) {
    fail(ErrorKind::Data,
         "no training example has labels that fit the network's answers to it: the first, {}, has "
         "{} samples; take a network of less stride, or longer examples",
         all->name(0), all->length(0));
  }
  log_warn("data",
           "{} of {} training {}s are left out: they have no labels, or more than the network "
           "gives answers to them",
           left_out, all->size(), unit());
  sets_[static_cast<size_t>(Split::Train)] = make_subset(all, std::move(kept));
}

int64_t SequenceTask::size(Split split) const {
  const Sequences& examples = sets_[static_cast<size_t>(split)];
  return examples ? examples->size() : 0;
}

void SequenceTask::collate(Split split, Span<const int64_t> indices, std::optional<int64_t> epoch,
                           Batch& batch) const {
  const SequenceDataset& examples = set(split);
  const size_t count = indices.size(), width = static_cast<size_t>(channels());
  std::vector<std::vector<float>> columns(count);
  std::vector<std::vector<int64_t>> labels(count);
  parallel_for(static_cast<int64_t>(count), examples.decodes() ? 0 : 1, [&](int64_t i) {
    const auto n = static_cast<size_t>(i);
    make(examples, indices[n], epoch, columns[n]);
    examples.read_labels(indices[n], labels[n]);
  });
  size_t longest = 0, most = 1;
  batch.lengths.clear(), batch.target_lengths.clear();
  for (size_t n = 0; n < count; ++n) {
    longest = std::max(longest, columns[n].size() / width);
    most = std::max(most, labels[n].size());
    batch.lengths.push_back(static_cast<int64_t>(columns[n].size() / width));
    batch.target_lengths.push_back(static_cast<int64_t>(labels[n].size()));
  }
  batch.count = static_cast<int64_t>(count);
  prepare_buffer(batch.inputs, DType::F32,
                 {batch.count, 1, static_cast<int64_t>(longest), channels()});
  prepare_buffer(batch.targets, DType::I64, {batch.count, static_cast<int64_t>(most)});
  float* inputs = batch.inputs.as<float>().data();
  int64_t* targets = batch.targets.as<int64_t>().data();
  for (size_t n = 0; n < count; ++n, inputs += longest * width, targets += most) {
    std::fill(std::copy(columns[n].begin(), columns[n].end(), inputs), inputs + longest * width,
              0.0F);
    std::fill(std::copy(labels[n].begin(), labels[n].end(), targets), targets + most, int64_t{0});
  }
}

std::vector<int64_t> SequenceTask::order(int64_t seed, int64_t epoch, int64_t batch_size) const {
  const SequenceDataset& examples = set(Split::Train);
  std::vector<int64_t> order = epoch_order(examples.size(), seed, epoch);
  const int64_t whole = examples.size() / batch_size;
  for (int64_t first = 0; first < whole; first += kPoolBatches) {
    const auto begin = order.begin() + first * batch_size;
    std::stable_sort(begin, order.begin() + std::min(whole, first + kPoolBatches) * batch_size,
                     [&](int64_t a, int64_t b) { return examples.length(a) < examples.length(b); });
  }
  const std::vector<int64_t> batches =
      random_permutation(whole, CounterRandom(static_cast<uint64_t>(seed), RandomStream::Batches,
                                              static_cast<uint64_t>(epoch)));
  std::vector<int64_t> mixed;
  mixed.reserve(order.size());
  for (int64_t b : batches)
    mixed.insert(mixed.end(), order.begin() + b * batch_size, order.begin() + (b + 1) * batch_size);
  mixed.insert(mixed.end(), order.begin() + whole * batch_size, order.end());
  return mixed;
}

ObjectiveSpec SequenceTask::objective() const {
  ObjectiveSpec spec = "ctc";
  spec.blank = alphabet_.blank;
  spec.ctc = ctc_;
  return spec;
}

std::string SequenceTask::truth(Split split, int64_t index) const {
  std::vector<int64_t> labels;
  set(split).read_labels(index, labels);
  return alphabet_.text(labels);
}

std::string SequenceTask::name(Split split, int64_t index) const { return set(split).name(index); }

std::string SequenceTask::target_text(const Batch& batch, int64_t row) const {
  return alphabet_.text(labels_of_row(batch, row));
}

// ---- speech -------------------------------------------------------------------------------------

SpeechToText::SpeechToText(const DataSplits& data, const DataConfig& config, const CtcConfig& ctc,
                           int64_t seed, const PositionsOf& positions)
    : SequenceTask(data, ctc, english_alphabet()),
      features_(config, seed),
      decoder_(english_alphabet(), ctc) {
  leave_out_unanswerable(positions);
}

std::vector<double> SpeechToText::tally(const Answers& answers, const Batch& batch) const {
  if (is_diverged(answers, batch.count, alphabet().size())) return {kNone, kNone, kNone, kNone};
  std::vector<EditCounts> words(static_cast<size_t>(batch.count)), characters = words;
  parallel_for(batch.count, 0, [&](int64_t row) {
    const Span<const float> own = own_outputs(answers, batch.count, row, alphabet().size());
    const std::string heard = answers.split == Split::Train
                                  ? alphabet().text(decode_greedy(own, alphabet()).labels)
                                  : decode(own),
                      said = target_text(batch, row);
    words[static_cast<size_t>(row)] = word_edits(said, heard);
    characters[static_cast<size_t>(row)] = character_edits(said, heard);
  });
  EditCounts all_words, all_characters;
  for (const EditCounts& c : words) all_words += c;
  for (const EditCounts& c : characters) all_characters += c;
  return {static_cast<double>(all_words.edits()), static_cast<double>(all_words.reference),
          static_cast<double>(all_characters.edits()),
          static_cast<double>(all_characters.reference)};
}

std::unique_ptr<Meter> SpeechToText::meter() const { return std::make_unique<WordErrorMeter>(); }

void WordErrorMeter::add(int64_t examples, double loss, Span<const double> tally) {
  TAILOR_CHECK(tally.size() == std::size(counts_), "{} counts of edits", tally.size());
  examples_ += examples;
  loss_sum_ += loss * static_cast<double>(examples);
  for (size_t i = 0; i < tally.size(); ++i) counts_[i] += tally[i];
}

std::vector<Figure> WordErrorMeter::summary() const {
  const auto count = static_cast<double>(std::max<int64_t>(examples_, 1));
  auto rate = [&](size_t edits) { return counts_[edits] / std::max(counts_[edits + 1], 1.0); };
  return {{"loss", loss_sum_ / count},
          {"cer", rate(2), /*higher_is_better=*/false, /*is_share=*/true},
          {"wer", rate(0), /*higher_is_better=*/false, /*is_share=*/true}};
}

Json WordErrorMeter::state() const {
  return Json::object({{"utterances", examples_},
                       {"loss_sum", loss_sum_},
                       {"word_edits", counts_[0]},
                       {"words", counts_[1]},
                       {"character_edits", counts_[2]},
                       {"characters", counts_[3]}});
}

void WordErrorMeter::restore(const Json& state) {
  *this = {};
  if (state.as_object().empty()) return;
  examples_ = state.at("utterances").as_int();
  loss_sum_ = state.at("loss_sum").as_number();
  const char* const keys[] = {"word_edits", "words", "character_edits", "characters"};
  for (size_t i = 0; i < std::size(counts_); ++i) counts_[i] = state.at(keys[i]).as_number();
}

// ---- a pore's current ---------------------------------------------------------------------------

CurrentToBases::CurrentToBases(const DataSplits& data, const CtcConfig& ctc,
                               const PositionsOf& positions)
    : SequenceTask(data, ctc, base_alphabet()) {
  leave_out_unanswerable(positions);
}

std::string CurrentToBases::call(Span<const float> outputs, int64_t beam) const {
  const std::vector<float> log_p = log_softmax_rows(outputs, alphabet().size());
  const FrameAnswers answers{log_p, alphabet().size()};
  return alphabet().text(
      (beam > 1 ? decode_beam(answers, beam, ctc().beam_threshold) : decode_path(answers)).labels);
}

std::string CurrentToBases::decode(Span<const float> outputs) const {
  return call(outputs, ctc().beam);
}

std::vector<double> CurrentToBases::tally(const Answers& answers, const Batch& batch) const {
  if (is_diverged(answers, batch.count, alphabet().size())) return {kNone};
  std::vector<double> accuracies(static_cast<size_t>(batch.count));
  parallel_for(batch.count, 0, [&](int64_t row) {
    const Span<const float> own = own_outputs(answers, batch.count, row, alphabet().size());
    accuracies[static_cast<size_t>(row)] = alignment_accuracy(
        call(own, answers.split == Split::Train ? 1 : ctc().beam), target_text(batch, row));
  });
  double sum = 0;
  for (double accuracy : accuracies) sum += accuracy;
  return {sum};
}

std::unique_ptr<Meter> CurrentToBases::meter() const { return std::make_unique<AlignmentMeter>(); }

void AlignmentMeter::add(int64_t examples, double loss, Span<const double> tally) {
  TAILOR_CHECK(tally.size() == 1, "{} sums of accuracies", tally.size());
  examples_ += examples;
  loss_sum_ += loss * static_cast<double>(examples);
  accuracy_sum_ += tally[0];
}

std::vector<Figure> AlignmentMeter::summary() const {
  const auto count = static_cast<double>(std::max<int64_t>(examples_, 1));
  return {{"loss", loss_sum_ / count},
          {"accuracy", accuracy_sum_ / count, /*higher_is_better=*/true, /*is_share=*/true}};
}

Json AlignmentMeter::state() const {
  return Json::object(
      {{"chunks", examples_}, {"loss_sum", loss_sum_}, {"accuracy_sum", accuracy_sum_}});
}

void AlignmentMeter::restore(const Json& state) {
  *this = {};
  if (state.as_object().empty()) return;
  examples_ = state.at("chunks").as_int();
  loss_sum_ = state.at("loss_sum").as_number();
  accuracy_sum_ = state.at("accuracy_sum").as_number();
}

}  // namespace tailor::task

// Speech to text and current to bases: what a batch, an order, a tally and a meter are.
#include "tailor/task/sequences.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "support/expect_error.h"
#include "support/rooms.h"
#include "support/sequences.h"
#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/data/speech.h"

namespace tailor::test::sequences_test {
namespace {

using testing::GivenSequence;
using testing::GivenSequences;

DataSplits splits_of(ExampleKind kind, const std::vector<GivenSequence>& all) {
  DataSplits data;
  data.kind = kind;
  data.train = std::make_shared<GivenSequences>(kind, all);
  data.validation = data.train;
  return data;
}

DataConfig plain_config() {
  DataConfig config;
  config.augment = {};
  return config;
}
CtcConfig path_config() {
  CtcConfig ctc;
  ctc.beam = 1;
  return ctc;
}

/// Utterances of very different lengths.
DataSplits spoken() {
  const Alphabet& letters = english_alphabet();
  return splits_of(ExampleKind::Speech, {testing::noise_that_says(letters, "a cat", 4000, 0),
                                         testing::noise_that_says(letters, "it's", 1700, 1),
                                         testing::noise_that_says(letters, "oh", 9123, 2)});
}
DataSplits chunks(int64_t count, int64_t samples = 30) {
  std::vector<GivenSequence> all;
  for (int64_t i = 0; i < count; ++i)
    all.push_back(testing::noise_that_says(base_alphabet(), "ACCGT", samples, i));
  return splits_of(ExampleKind::Signal, all);
}

std::vector<float> features_in(const Batch& batch, int64_t row) {
  const Shape& shape = batch.inputs.shape();
  const auto all = static_cast<size_t>(shape[2] * shape[3]),
             own = static_cast<size_t>(batch.lengths[static_cast<size_t>(row)] * shape[3]);
  const float* begin = batch.inputs.as<float>().data() + static_cast<size_t>(row) * all;
  return {begin, begin + own};
}

TEST(SequenceBatches, ArePaddedWithZerosBehindEachExample) {
  const SpeechToText task(spoken(), plain_config(), path_config(), 1);
  const SpeechFeatures features(plain_config(), 1);
  Batch batch;
  task.collate(Split::Train, std::vector<int64_t>{1, 2, 0}, std::nullopt, batch);
  EXPECT_EQ(batch.count, 3);
  EXPECT_EQ(batch.lengths, (std::vector<int64_t>{features.frames(1700), features.frames(9123),
                                                 features.frames(4000)}));
  EXPECT_EQ(batch.inputs.shape(), (Shape{3, 1, features.frames(9123), features.filters()}));
  EXPECT_EQ(batch.target_lengths, (std::vector<int64_t>{4, 2, 5}));
  EXPECT_EQ(batch.targets,
            Tensor::from<int64_t>({3, 5}, {9, 20, 27, 19, 0, 15, 8, 0, 0, 0, 1, 0, 3, 1, 20}));
  const auto row = static_cast<size_t>(features.frames(9123) * features.filters());
  for (int64_t n : {0, 2}) {
    const float* begin = batch.inputs.as<float>().data() + static_cast<size_t>(n) * row;
    const size_t own = features_in(batch, n).size();
    ASSERT_LT(own, row);
    EXPECT_TRUE(std::all_of(begin + own, begin + row, [](float v) { return v == 0; })) << n;
    EXPECT_TRUE(std::any_of(begin, begin + own, [](float v) { return v != 0; })) << n;
  }
  // Filled again where it was, and nothing of the longer batch is left behind a shorter one.
  task.collate(Split::Train, std::vector<int64_t>{2, 1}, std::nullopt, batch);
  const std::vector<float> ones = features_in(batch, 1);
  task.collate(Split::Train, std::vector<int64_t>{1}, std::nullopt, batch);
  EXPECT_EQ(batch.inputs.shape(), (Shape{1, 1, features.frames(1700), features.filters()}));
  EXPECT_EQ(batch.targets, Tensor::from<int64_t>({1, 4}, {9, 20, 27, 19}));
  EXPECT_EQ(batch.lengths.size(), 1U);
  EXPECT_EQ(features_in(batch, 0), ones);
}

TEST(SequenceBatches, OfCurrentAreItsSamples) {
  const DataSplits data = chunks(4);
  const CurrentToBases task(data, path_config());
  EXPECT_STREQ(task.unit(), "chunk");
  EXPECT_EQ(task.size(Split::Train), 4);
  EXPECT_EQ(task.size(Split::Test), 0);
  Batch batch;
  task.collate(Split::Train, std::vector<int64_t>{3, 1}, 0, batch);
  EXPECT_EQ(batch.inputs.shape(), (Shape{2, 1, 30, 1}));
  EXPECT_EQ(features_in(batch, 0), testing::noise_samples(30, 3));
  EXPECT_EQ(features_in(batch, 1), testing::noise_samples(30, 1));
  EXPECT_EQ(batch.targets, Tensor::from<int64_t>({2, 5}, {1, 2, 2, 3, 4, 1, 2, 2, 3, 4}));
}

TEST(SequenceBatches, AnExampleIsTheSameWhateverTheBatchAndAugmentedByItsEpochAlone) {
  DataConfig config = plain_config();
  config.augment = {"speed", "dither", "spec_augment", "spec_cutout"};
  const SpeechToText task(spoken(), config, path_config(), 7),
      same(spoken(), config, path_config(), 7), other(spoken(), config, path_config(), 8),
      plain(spoken(), plain_config(), path_config(), 7);
  Batch batch, again;
  for (const std::optional<int64_t> epoch : {std::optional<int64_t>(), {0}, {3}}) {
    task.collate(Split::Train, std::vector<int64_t>{0, 1, 2}, epoch, batch);
    for (int64_t i = 0; i < 3; ++i) {
      same.collate(Split::Train, std::vector<int64_t>{i}, epoch, again);
      EXPECT_EQ(features_in(batch, i), features_in(again, 0)) << i;
    }
  }
  auto of = [](const SpeechToText& t, std::optional<int64_t> epoch) {
    Batch b;
    t.collate(Split::Train, std::vector<int64_t>{0}, epoch, b);
    return features_in(b, 0);
  };
  EXPECT_EQ(of(task, std::nullopt), of(plain, std::nullopt));
  EXPECT_EQ(of(plain, std::nullopt), of(plain, 3));
  EXPECT_NE(of(task, 3), of(task, std::nullopt));
  EXPECT_NE(of(task, 3), of(task, 4));
  EXPECT_NE(of(task, 3), of(other, 3));
}

/// Examples of 40 to 1039 samples, none twice.
DataSplits of_many_lengths(int64_t count) {
  std::vector<GivenSequence> all;
  for (int64_t i = 0; i < count; ++i)
    all.push_back({std::vector<float>(static_cast<size_t>(40 + (i * 389) % 1000)), {1}});
  return splits_of(ExampleKind::Signal, all);
}

TEST(SequenceOrder, IsAPermutationOfBatchesOfAboutOneLength) {
  const DataSplits data = of_many_lengths(331);
  const CurrentToBases task(data, path_config());
  const Sequences set = as_sequences(data.train);
  const std::vector<int64_t> order = task.order(3, 2, 8);
  std::vector<int64_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  std::vector<int64_t> all(331);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(sorted, all);
  // 41 whole batches; lengths of batches by chance would differ by 780 on the mean.
  double spread = 0;
  std::vector<int64_t> firsts;
  for (size_t b = 0; b < 41; ++b) {
    std::vector<int64_t> lengths;
    for (size_t i = 0; i < 8; ++i) lengths.push_back(set->length(order[b * 8 + i]));
    const auto [least, most] = std::minmax_element(lengths.begin(), lengths.end());
    spread += static_cast<double>(*most - *least) / 41;
    firsts.push_back(*least);
  }
  EXPECT_LT(spread, 200);
  // They do not come by length themselves.
  EXPECT_FALSE(std::is_sorted(firsts.begin(), firsts.end()));
  EXPECT_FALSE(std::is_sorted(firsts.begin(), firsts.begin() + 16));
  EXPECT_EQ(order, task.order(3, 2, 8));
  EXPECT_NE(order, task.order(3, 1, 8));
  EXPECT_NE(order, task.order(4, 2, 8));
}

TEST(SequenceOrder, ThePartialBatchIsTheLastAndAnySizeIsTaken) {
  const DataSplits data = of_many_lengths(21);
  const CurrentToBases task(data, path_config());
  for (const int64_t batch_size : {1, 2, 8, 20, 21, 22, 1000}) {
    std::vector<int64_t> order = task.order(1, 0, batch_size);
    std::set<int64_t> different(order.begin(), order.end());
    EXPECT_EQ(order.size(), 21U) << batch_size;
    EXPECT_EQ(different.size(), 21U) << batch_size;
  }
  // Who is in the rest is chance, not length: each epoch has another one.
  std::set<std::vector<int64_t>> rests;
  for (int64_t epoch = 0; epoch < 10; ++epoch) {
    const std::vector<int64_t> order = task.order(1, epoch, 8);
    rests.insert({order.end() - 5, order.end()});
  }
  EXPECT_GE(rests.size(), 9U);
}

/// What is said while `action` runs.
std::string warnings_of(const std::function<void()>& action) {
  const TemporaryDirectory folder("tailor-sequences");
  const std::string path = path_join(folder.path(), "log");
  set_log_levels("warn");
  set_log_file(path);
  action();
  set_log_file("");
  set_log_levels("off");
  return path_exists(path) ? read_file(path) : "";
}

TEST(Unanswerable, ExamplesAreLeftOutAndCounted) {
  // Three answers: ACG fits, ACC needs a blank, nothing says nothing, ACGT has four.
  const auto thirty = testing::noise_samples(30, 0);
  const DataSplits data = splits_of(ExampleKind::Signal, {{thirty, {1, 2, 3}},
                                                          {thirty, {1, 2, 2}},
                                                          {thirty, {}},
                                                          {thirty, {1, 2, 3, 4}},
                                                          {thirty, {4}}});
  auto tenth = [](int64_t columns) { return columns / 10; };
  std::optional<CurrentToBases> task;
  const std::string said = warnings_of([&] { task.emplace(data, path_config(), tenth); });
  testing::expect_words(said, {"3 of 5 training chunks are left out"});
  EXPECT_EQ(task->size(Split::Train), 2);
  EXPECT_EQ(task->name(Split::Train, 1), "given-4");
  EXPECT_EQ(task->truth(Split::Train, 0), "ACG");
  EXPECT_EQ(task->size(Split::Validation), 5);  // what is judged is judged whole
  EXPECT_EQ(task->order(1, 0, 2).size(), 2U);
  EXPECT_EQ(warnings_of([&] { task.emplace(data, path_config()); }), "");
  EXPECT_EQ(task->size(Split::Train), 5);
  auto four = [](int64_t) { return int64_t{4}; };
  testing::expect_words(warnings_of([&] { task.emplace(data, path_config(), four); }),
                        {"1 of 5 training chunks"});
  EXPECT_EQ(task->size(Split::Train), 4);
  testing::expect_error(ErrorKind::Data, {"no training example", "given-0", "30 samples"}, [&] {
    CurrentToBases(data, path_config(), [](int64_t) { return int64_t{0}; });
  });
}

TEST(Unanswerable, SpeechIsJudgedByTheFastestThatAugmentationMakesOfIt) {
  const int64_t frames = SpeechFeatures(plain_config(), 1).frames(8000);
  std::string letters;  // as many as there are frames, none twice in a row
  for (int64_t i = 0; i < frames; ++i) letters += i % 2 == 0 ? 'a' : 'b';
  const std::string equal(static_cast<size_t>((frames + 1) / 2), 'a');
  const Alphabet& alphabet = english_alphabet();
  const DataSplits data =
      splits_of(ExampleKind::Speech, {testing::noise_that_says(alphabet, letters, 8000, 0),
                                      testing::noise_that_says(alphabet, equal, 8000, 1),
                                      testing::noise_that_says(alphabet, "oh", 8000, 2)});
  auto each = [](int64_t columns) { return columns; };
  EXPECT_EQ(SpeechToText(data, plain_config(), path_config(), 1, each).size(Split::Train), 3);
  DataConfig faster = plain_config();
  faster.augment = {"speed"};
  const SpeechToText task(data, faster, path_config(), 1, each);
  ASSERT_EQ(task.size(Split::Train), 1);
  EXPECT_EQ(task.truth(Split::Train, 0), "oh");
  // What stays has a frame for each label in every epoch.
  faster.speed.change = 0.4;
  const std::string some = letters.substr(0, static_cast<size_t>(8000 / 1.4 / 160));
  const SpeechToText fast(
      splits_of(ExampleKind::Speech, {testing::noise_that_says(alphabet, some, 8000, 0)}), faster,
      path_config(), 1, each);
  Batch batch;
  for (int64_t epoch = 0; epoch < 20; ++epoch) {
    fast.collate(Split::Train, std::vector<int64_t>{0}, epoch, batch);
    EXPECT_GE(batch.lengths[0], batch.target_lengths[0]) << epoch;
  }
}

TEST(Softmax, OfRowsSumsToOneHoweverLargeTheNumbers) {
  const float most = 3e38F;
  const std::vector<float> rows = {0, 0, 1, 2, most, -most, 1e4F, 1e4F};
  const std::vector<float> logs = log_softmax_rows(rows, 2);
  for (size_t i = 0; i < rows.size(); i += 2)
    EXPECT_NEAR(std::exp(logs[i]) + std::exp(logs[i + 1]), 1, 1e-6) << i;
  EXPECT_NEAR(logs[2], -1.313261688, 1e-6);
  EXPECT_NEAR(logs[3], -0.313261688, 1e-6);
  EXPECT_EQ(log_softmax_rows({}, 5).size(), 0U);
  EXPECT_THROW(log_softmax_rows(rows, 3), Error);
}

TEST(OwnOutputs, EndWhereAnExampleDoes) {
  const std::vector<float> rows = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  const Answers all{rows, {}, Split::Test}, some{rows, {1, 3}, Split::Test},
      wrong{rows, {4, 1}, Split::Test};
  EXPECT_EQ(own_outputs(all, 2, 1, 2).size(), 6U);
  EXPECT_EQ(own_outputs(all, 2, 1, 2)[0], 6);
  EXPECT_EQ(own_outputs(some, 2, 0, 2).size(), 2U);
  EXPECT_EQ(own_outputs(some, 2, 1, 2).size(), 6U);
  EXPECT_THROW(own_outputs(wrong, 2, 0, 2), Error);
  EXPECT_THROW(own_outputs(all, 5, 0, 2), Error);
}

/// Answers to the batch that spell each example's labels but the first `missed` ones.
std::vector<float> perfect(const Alphabet& alphabet, const Batch& batch, int64_t positions,
                           size_t missed = 0) {
  std::vector<float> all;
  const auto most = static_cast<size_t>(batch.targets.shape()[1]);
  for (size_t n = 0; n < static_cast<size_t>(batch.count); ++n) {
    const int64_t* begin = batch.targets.as<int64_t>().data() + n * most;
    const std::vector<float> rows =
        testing::spelled(alphabet, {begin + missed, begin + batch.target_lengths[n]}, positions);
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

double figure(const Meter& meter, const std::string& name) {
  return find_figure(meter.summary(), name).value;
}

TEST(SpeechTally, CountsEditsOfWordsAndCharacters) {
  for (const int64_t beam : {1, 5}) {
    CtcConfig ctc;
    ctc.beam = beam;
    const SpeechToText task(spoken(), plain_config(), ctc, 1);
    Batch batch;
    task.collate(Split::Train, std::vector<int64_t>{0, 1, 2}, std::nullopt, batch);
    for (const Split split : {Split::Train, Split::Validation}) {
      const auto right = perfect(english_alphabet(), batch, 12);
      EXPECT_EQ(task.tally({right, {}, split}, batch), (std::vector<double>{0, 4, 0, 11}));
      // "cat", "t's", "h" for "a cat", "it's", "oh": one word is gone, two are other ones; of
      // " cat" the outer blank counts as a character.
      const auto wrong = perfect(english_alphabet(), batch, 12, 1);
      EXPECT_EQ(task.tally({wrong, {}, split}, batch), (std::vector<double>{3, 4, 3, 11}));
      // Three frames of the first are "a ", of the second "it", of the third "oh".
      EXPECT_EQ(task.tally({right, {3, 3, 3}, split}, batch)[3], 11);
      EXPECT_EQ(task.tally({right, {3, 12, 3}, split}, batch)[0], 1);
      EXPECT_EQ(task.tally({right, {3, 12, 3}, split}, batch)[2], 3);
      // No frames at all: everything was missed.
      EXPECT_EQ(task.tally({right, {0, 0, 0}, split}, batch), (std::vector<double>{4, 4, 11, 11}));
    }
  }
}

TEST(SpeechTally, OfTrainingIsGreedyOfOthersAsConfigured) {
  // Two frames, where "a" and the blank are as likely as to be "a" together, the blank each time.
  const double a = std::log(0.4), blank = std::log(0.6), none = -1e4;
  std::vector<float> rows;
  for (int t = 0; t < 2; ++t) {
    for (int64_t symbol = 0; symbol < 29; ++symbol)
      rows.push_back(static_cast<float>(symbol == 1 ? a : symbol == 28 ? blank : none));
  }
  const DataSplits data =
      splits_of(ExampleKind::Speech, {testing::noise_that_says(english_alphabet(), "a", 1000, 0)});
  CtcConfig ctc;
  ctc.beam = 8;
  const SpeechToText beam(data, plain_config(), ctc, 1),
      path(data, plain_config(), path_config(), 1);
  Batch batch;
  beam.collate(Split::Train, std::vector<int64_t>{0}, std::nullopt, batch);
  EXPECT_EQ(beam.decode(rows), "a");
  EXPECT_EQ(path.decode(rows), "");
  EXPECT_EQ(beam.tally({rows, {}, Split::Train}, batch)[0], 1);
  EXPECT_EQ(beam.tally({rows, {}, Split::Validation}, batch)[0], 0);
  EXPECT_EQ(path.tally({rows, {}, Split::Validation}, batch)[0], 1);
}

TEST(BasesTally, OfPerfectAnswersIsOneEach) {
  for (const int64_t beam : {1, 5}) {
    CtcConfig ctc;
    ctc.beam = beam;
    const CurrentToBases task(chunks(3), ctc);
    Batch batch;
    task.collate(Split::Train, std::vector<int64_t>{0, 1, 2}, std::nullopt, batch);
    const auto right = perfect(base_alphabet(), batch, 10);
    for (const Split split : {Split::Train, Split::Test}) {
      EXPECT_EQ(task.tally({right, {}, split}, batch), (std::vector<double>{3}));
      // "AC" of "ACCGT" covers less than half of it: nothing; "ACC" does.
      EXPECT_EQ(task.tally({right, {3, 10, 10}, split}, batch), (std::vector<double>{2}));
      EXPECT_EQ(task.tally({right, {5, 10, 10}, split}, batch), (std::vector<double>{3}));
      EXPECT_EQ(task.tally({right, {0, 0, 0}, split}, batch), (std::vector<double>{0}));
    }
    EXPECT_EQ(task.decode(testing::spelled(base_alphabet(), {4, 4, 1}, 9)), "TTA");
    EXPECT_EQ(task.truth(Split::Train, 2), "ACCGT");
    std::vector<float> bad = right;
    bad[7] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_THROW(task.tally({bad, {}, Split::Test}, batch), Error);
  }
}

TEST(SequenceMeters, AddUpBatchesAndComeBackFromTheirState) {
  WordErrorMeter words;
  words.add(3, 2.0, std::vector<double>{1, 10, 4, 50});
  words.add(1, 6.0, std::vector<double>{3, 10, 0, 30});
  EXPECT_EQ(words.examples(), 4);
  EXPECT_DOUBLE_EQ(figure(words, "loss"), 3);
  EXPECT_DOUBLE_EQ(figure(words, "wer"), 0.2);
  EXPECT_DOUBLE_EQ(figure(words, "cer"), 0.05);
  EXPECT_EQ(judged_by(words.summary()).name, "wer");
  EXPECT_FALSE(judged_by(words.summary()).higher_is_better);
  WordErrorMeter more;
  more.add(9, 9, std::vector<double>{9, 9, 9, 9});
  more.restore(Json::parse(words.state().dump(), "state"));
  EXPECT_EQ(more.state(), words.state());
  more.add(1, 1, std::vector<double>{0, 5, 0, 20});
  words.add(1, 1, std::vector<double>{0, 5, 0, 20});
  EXPECT_EQ(more.state(), words.state());
  EXPECT_EQ(figure(more, "wer"), figure(words, "wer"));
  more.restore(Json::object({}));
  EXPECT_EQ(more.examples(), 0);
  EXPECT_EQ(figure(more, "wer"), 0);
  EXPECT_EQ(figure(more, "loss"), 0);
  EXPECT_THROW(more.add(1, 1, std::vector<double>{1}), Error);

  AlignmentMeter aligned;
  aligned.add(4, 0.5, std::vector<double>{3.0});
  aligned.add(2, 2.0, std::vector<double>{0.0});
  EXPECT_DOUBLE_EQ(figure(aligned, "loss"), 1);
  EXPECT_DOUBLE_EQ(figure(aligned, "accuracy"), 0.5);
  EXPECT_TRUE(judged_by(aligned.summary()).higher_is_better);
  AlignmentMeter other;
  other.add(1, 1, std::vector<double>{1});
  other.restore(Json::parse(aligned.state().dump(), "state"));
  EXPECT_EQ(other.state(), aligned.state());
  EXPECT_EQ(other.examples(), 6);
  other.restore(Json::object({}));
  EXPECT_EQ(other.examples(), 0);
  EXPECT_EQ(figure(other, "accuracy"), 0);
}

TEST(SequenceTasks, SayWhatIsMinimised) {
  CtcConfig ctc;
  ctc.smoothing = 0.25;
  const ObjectiveSpec of_speech = SpeechToText(spoken(), plain_config(), ctc, 1).objective(),
                      of_bases = CurrentToBases(chunks(1), ctc).objective();
  EXPECT_EQ(of_speech.name, "ctc");
  EXPECT_EQ(of_speech.blank, 28);
  EXPECT_EQ(of_bases.blank, 0);
  EXPECT_EQ(of_bases.ctc.smoothing, 0.25);
}

}  // namespace
}  // namespace tailor::test::sequences_test

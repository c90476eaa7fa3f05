// Speech made on the spot: sentences by rule, and (where flite is installed) spoken.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <set>

#include "data/sentences.h"
#include "support/expect_error.h"
#include "support/rooms.h"
#include "tailor/core/strings.h"
#include "tailor/data/sequences.h"
#include "tailor/data/source.h"

namespace tailor::test::flite_test {
namespace {

TEST(Sentences, AreShortAndOfAFewWords) {
  const std::vector<std::string> words = sentence_words();
  EXPECT_GE(words.size(), 100U);
  EXPECT_LE(words.size(), 200U);
  size_t least = 1000, most = 0;
  std::set<std::string> used;
  for (const std::string& sentence : make_sentences(3000, false, 5)) {
    least = std::min(least, sentence.size());
    most = std::max(most, sentence.size());
    for (const std::string& word : split(sentence, ' ')) {
      EXPECT_TRUE(std::binary_search(words.begin(), words.end(), word)) << sentence;
      used.insert(word);
    }
    labels_of(english_alphabet(), sentence, "a sentence");
  }
  EXPECT_GE(least, 10U);
  EXPECT_LE(most, 50U);
  EXPECT_EQ(used.size(), words.size());
}

TEST(Sentences, AreAFunctionOfSeedAndNumberAndNeverTwice) {
  const std::vector<std::string> many = make_sentences(2000, false, 5),
                                 few = make_sentences(300, false, 5),
                                 test = make_sentences(2000, true, 5);
  EXPECT_TRUE(std::equal(few.begin(), few.end(), many.begin()));
  EXPECT_NE(few, make_sentences(300, false, 6));
  std::set<std::string> all(many.begin(), many.end());
  all.insert(test.begin(), test.end());
  EXPECT_EQ(all.size(), 4000U);
}

TEST(Sentences, OfASeedAreTheSameWithEveryCompiler) {
  EXPECT_EQ(
      make_sentences(3, false, 0),
      (std::vector<std::string>{"he painted two apples", "the dark ship moved this lazy garden",
                                "my quiet stone laughed today"}));
  EXPECT_EQ(
      make_sentences(3, true, 0),
      (std::vector<std::string>{"this apple drew his stone", "this bridge watched his green bell",
                                "his stone stood under the stone"}));
}

/// The set, or nothing where this build or machine has no flite.
std::optional<DataSplits> open_flite(int64_t train, int64_t test) {
  DataConfig config;
  config.name = "flite";
  config.train_size = train;
  config.test_size = test;
  config.validation = 2;
  config.augment = {};
  try {
    return open_data(config);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::Unsupported) throw;
    testing::expect_words(e.what(), {"flite", "install"});
    return std::nullopt;
  }
}

TEST(FliteSpeech, IsAFunctionOfSeedAndNumber) {
  const auto data = open_flite(8, 3), more = open_flite(11, 2);
  if (!data) GTEST_SKIP() << "flite is not installed";
  EXPECT_EQ(data->rate_hz, 16000);
  EXPECT_EQ(data->train->size(), 6);
  EXPECT_EQ(data->validation->size(), 2);
  const Sequences test = as_sequences(data->test), other = as_sequences(more->test);
  EXPECT_EQ(test->name(1), "test-1-kal16");
  std::vector<float> a, b;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < 2; ++i) {
    test->read(i, a);
    other->read(i, b);
    EXPECT_EQ(a, b);
    EXPECT_EQ(static_cast<int64_t>(a.size()), test->length(i));
    test->read_labels(i, labels);
    EXPECT_EQ(english_alphabet().text(labels), make_sentences(3, true, 1)[static_cast<size_t>(i)]);
  }
  // Speech, and of the length that its text takes.
  std::set<std::string> voices;
  const Sequences train = as_sequences(data->train);
  for (int64_t i = 0; i < train->size(); ++i) {
    voices.insert(split(train->name(i), '-')[2]);
    train->read(i, a);
    EXPECT_GT(*std::max_element(a.begin(), a.end()), 0.05F);
    EXPECT_GT(train->length(i), 16'000);
    EXPECT_LT(train->length(i), 5 * 16'000);
  }
  EXPECT_EQ(voices, (std::set<std::string>{"awb", "rms", "slt"}));
}

}  // namespace
}  // namespace tailor::test::flite_test

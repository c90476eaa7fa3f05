// ARPA files: probabilities against sums by hand, and what is no such file.
#include "tailor/task/arpa.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "tailor/core/files.h"
#include "tailor/core/process.h"

namespace tailor::test {
namespace {

const char* const kCats = R"(A model of cats
\data\
ngram 1=6
ngram 2=4
ngram 3=2

\1-grams:
-99	<s>	-0.5
-1.0	</s>
-0.7	<unk>
-0.6	THE	-0.3
-0.9	cat	-0.2
-1.1	hat

\2-grams:
-0.2	<s> THE	-0.1
-0.4	THE cat	-0.05
-0.8	THE hat
-0.3	cat </s>

\3-grams:
-0.1	<s> THE cat
-0.25	THE cat </s>

\end\
)";

/// log10 of every word behind the others, from the beginning of a sentence.
std::vector<double> scores(const LanguageModel& model, const std::vector<std::string>& words) {
  WordHistory history = model.begin();
  std::vector<double> scores;
  for (const std::string& word : words) scores.push_back(model.score(history, model.word(word)));
  return scores;
}

void expect_scores(const LanguageModel& model, const std::vector<std::string>& words,
                   const std::vector<double>& expected) {
  const std::vector<double> got = scores(model, words);
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-6) << words[i];
}

TEST(Arpa, TheLongestKnownNgramCountsBehindItsBackOffs) {
  const LanguageModel model = LanguageModel::parse(kCats, "cats");
  EXPECT_EQ(model.order(), 3);
  expect_scores(model, {"the", "cat", "</s>"}, {-0.2, -0.1, -0.25});
  // <s> cat is unknown, then cat hat and <s> cat hat.
  expect_scores(model, {"cat", "hat"}, {-0.5 - 0.9, -0.2 - 1.1});
  expect_scores(model, {"the", "hat", "the"}, {-0.2, -0.1 - 0.8, -0.6});
  expect_scores(model, {"the", "cat", "the"}, {-0.2, -0.1, -0.05 - 0.2 - 0.6});
}

TEST(Arpa, WordsAreReadInLowerCaseAndUnknownOnesAsUnk) {
  const LanguageModel model = LanguageModel::parse(kCats, "cats");
  EXPECT_TRUE(model.knows("The"));
  EXPECT_EQ(model.word("the"), model.word("THE"));
  EXPECT_FALSE(model.knows("dog"));
  EXPECT_EQ(model.word("dog"), model.word("<unk>"));
  expect_scores(model, {"dog", "the"}, {-0.5 - 0.7, -0.6});
}

TEST(Arpa, AModelWithoutUnkAndBeginningStillAnswers) {
  const LanguageModel model = LanguageModel::parse(
      "\\data\\\nngram 1=2\n\\1-grams:\n-0.25 so -1\n-0.5 it\n\\end\\\n", "small");
  EXPECT_EQ(model.order(), 1);
  EXPECT_TRUE(model.begin().empty());
  expect_scores(model, {"so", "dog", "it"}, {-0.25, -100, -0.5});
}

TEST(Arpa, AGzippedFileIsReadAsAPlainOne) {
  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "cats.arpa");
  write_file(path, kCats);
  expect_scores(LanguageModel::load(path), {"the", "cat"}, {-0.2, -0.1});
  ASSERT_EQ(run_process({"gzip", path}, folder.path()).status, 0);
  const LanguageModel packed = LanguageModel::load(path + ".gz");
  EXPECT_EQ(packed.ngrams(), LanguageModel::parse(kCats, "cats").ngrams());
  expect_scores(packed, {"the", "cat"}, {-0.2, -0.1});
  const std::string bytes = read_file(path + ".gz");
  write_file(path + ".gz", bytes.substr(0, bytes.size() - 40));
  testing::expect_error(ErrorKind::Data, {path + ".gz", "not whole"},
                        [&] { LanguageModel::load(path + ".gz"); });
  testing::expect_error(ErrorKind::Data, {"no.arpa", "there is none"},
                        [] { LanguageModel::load("no.arpa"); });
}

/// What is said of kCats with `old` replaced.
void expect_refusal(const std::string& old, const std::string& now,
                    std::initializer_list<std::string> words) {
  std::string text = kCats;
  ASSERT_NE(text.find(old), std::string::npos) << old;
  text.replace(text.find(old), old.size(), now);
  testing::expect_error(ErrorKind::Data, words, [&] { LanguageModel::parse(text, "cats"); });
}

TEST(Arpa, WhatIsNoneIsRefusedWithItsLine) {
  testing::expect_error(ErrorKind::Data, {"poem, line 2", "another file"},
                        [] { LanguageModel::parse("roses\nare red\n", "poem"); });
  expect_refusal("\\end\\", "", {"not whole"});
  expect_refusal("ngram 2=4", "ngram 2=5", {"line 21", "the 5 2-grams", "got 4"});
  expect_refusal("ngram 2=4", "ngram 3=4", {"line 4", "ngram 2="});
  expect_refusal("ngram 2=4", "ngram 2=-4", {"line 4"});
  expect_refusal("ngram 2=4", "ngram", {"line 4", "1-grams"});
  expect_refusal("-0.9\tcat", "0.9\tcat", {"line 12", "log10 of a probability", "\"0.9\""});
  expect_refusal("-0.9\tcat", "nan\tcat", {"line 12"});
  expect_refusal("cat\t-0.2", "cat\tx", {"line 12", "back-off weight", "\"x\""});
  expect_refusal("-0.9\tcat\t-0.2", "-0.9", {"line 12", "1 word"});
  expect_refusal("-0.8\tTHE hat", "-0.8\tTHE dog", {"line 18", "1-grams", "\"dog\""});
  expect_refusal("-0.8\tTHE hat", "-0.8\tthe CAT", {"line 18", "twice", "lower case"});
  expect_refusal("-0.25\tTHE cat", "-0.25\that cat", {"line 23", "2-gram of its first words"});
  expect_refusal("-1.1\that", "-1.1\tThe", {"line 13", "twice"});
  expect_refusal("\\3-grams:", "\\4-grams:", {"line 21", "expected \\3-grams:"});
  expect_refusal("A model", std::string(70000, 'x'), {"line 1", "line of more than"});
}

}  // namespace
}  // namespace tailor::test

// Text decoding: the beam against all paths, one by one, with and without a language model.
#include "tailor/task/text_decoding.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <map>

#include "support/expect_error.h"
#include "tailor/core/files.h"
#include "tailor/core/random.h"

namespace tailor::test {
namespace {

/// a, b, " " and the blank behind them.
const Alphabet& letters() {
  static const Alphabet alphabet{{"a", "b", " ", ""}, 3};
  return alphabet;
}

/// p of which 1 is left for the blank, as ln p of [frames][4].
std::vector<float> frames(const std::vector<std::array<double, 3>>& rows) {
  std::vector<float> ln_p;
  for (const auto& row : rows) {
    for (double p : row) ln_p.push_back(static_cast<float>(std::log(p)));
    ln_p.push_back(static_cast<float>(std::log(1 - row[0] - row[1] - row[2])));
  }
  return ln_p;
}

std::vector<float> random_logits(int64_t count, uint64_t seed) {
  CounterRandom random(seed, RandomStream::Test, 1);
  std::vector<float> logits;
  for (int64_t i = 0; i < count; ++i) logits.push_back(static_cast<float>(random.uniform(-2, 2)));
  return logits;
}

/// Likely first words are a and b, and b after a.
const LanguageModel& two_words() {
  static const LanguageModel model = LanguageModel::parse(R"(\data\
ngram 1=4
ngram 2=2
\1-grams:
-99 <s> -0.3
-1.5 <unk>
-0.4 a -0.2
-0.7 ba
\2-grams:
-0.1 <s> a
-0.2 a ba
\end\
)",
                                                          "two words");
  return model;
}

/// What a model adds for a text, by its definition.
double language_score(const std::string& text, const CtcConfig& ctc, const LanguageModel& model) {
  double score = 0;
  WordHistory history = model.begin();
  std::string word;
  for (char c : text + " ") {
    if (c != ' ') {
      word += c;
    } else if (!word.empty()) {
      score +=
          ctc.lm_weight * std::log(10.0) * model.score(history, model.word(word)) + ctc.word_bonus;
      word.clear();
    }
  }
  return score;
}

/// p of every text: the sum over all its paths.
std::map<std::string, double> all_texts(const std::vector<float>& logits) {
  const size_t count = logits.size() / 4;
  std::vector<double> p;
  for (size_t t = 0; t < count; ++t) {
    double sum = 0;
    for (size_t c = 0; c < 4; ++c) sum += std::exp(static_cast<double>(logits[t * 4 + c]));
    for (size_t c = 0; c < 4; ++c)
      p.push_back(std::exp(static_cast<double>(logits[t * 4 + c])) / sum);
  }
  std::map<std::string, double> texts;
  for (size_t path = 0; path < size_t{1} << (2 * count); ++path) {
    double product = 1;
    std::string text;
    size_t before = 3;
    for (size_t t = 0; t < count; ++t) {
      const size_t c = path >> (2 * t) & 3;
      product *= p[t * 4 + c];
      if (c != before) text += letters().symbols[c];
      before = c;
    }
    texts[text] += product;
  }
  return texts;
}

CtcConfig wide() {
  CtcConfig ctc;
  ctc.beam = 1000;
  ctc.beam_threshold = 0;
  return ctc;
}

TEST(GreedyDecoding, CollapsesRepeatsAndDropsBlanks) {
  // a a _ a b b " " _ " " a
  const double x = 0.7, o = 0.1;
  const auto a = std::array<double, 3>{x, o, o}, b = std::array<double, 3>{o, x, o},
             space = std::array<double, 3>{o, o, x}, blank = std::array<double, 3>{o, o, o};
  const std::vector<float> outputs = frames({a, a, blank, a, b, b, space, blank, space, a});
  const Labelling l = decode_greedy(outputs, letters());
  EXPECT_EQ(letters().text(l.labels), "aab  a");
  EXPECT_EQ(l.first, (std::vector<int64_t>{0, 3, 4, 6, 8, 9}));
  EXPECT_EQ(l.end, (std::vector<int64_t>{2, 4, 6, 7, 9, 10}));
  EXPECT_NEAR(l.score, 10 * std::log(0.7), 1e-5);
  const std::vector<TimedWord> words = timed_words(l, letters());
  ASSERT_EQ(words.size(), 2U);
  EXPECT_EQ(words[0].text, "aab");
  EXPECT_EQ(words[0].first, 0);
  EXPECT_EQ(words[0].end, 6);
  EXPECT_EQ(words[1].text, "a");
  EXPECT_EQ(words[1].first, 9);
  EXPECT_EQ(words[1].end, 10);
}

TEST(GreedyDecoding, TheBlankMayBeTheFirstOutputAndNothingMayBeSaid) {
  // C _ A A of bases.
  const std::vector<float> outputs = {0, 0, 5, 0, 0, 5, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 5, 0, 0, 0};
  const Labelling l = decode_greedy(outputs, base_alphabet());
  EXPECT_EQ(base_alphabet().text(l.labels), "CA");
  EXPECT_EQ(timed_words(l, base_alphabet()).size(), 1U);
  EXPECT_TRUE(decode_greedy(std::vector<float>(), letters()).labels.empty());
  EXPECT_TRUE(decode_beam(std::vector<float>(), letters(), wide()).labels.empty());
}

TEST(BeamDecoding, AWideBeamFindsTheLikeliestTextOfAll) {
  int other_than_path = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const std::vector<float> logits = random_logits(4 * 5, seed);
    std::string best;
    const std::map<std::string, double> texts = all_texts(logits);
    for (const auto& [text, p] : texts)
      if (best.empty() || p > texts.at(best)) best = text;
    if (texts.at("") > texts.at(best)) best = "";
    const Labelling l = decode_beam(logits, letters(), wide());
    EXPECT_EQ(letters().text(l.labels), best) << seed;
    EXPECT_NEAR(l.score, std::log(texts.at(best)), 1e-5) << seed;
    if (letters().text(decode_greedy(logits, letters()).labels) != best) ++other_than_path;
  }
  EXPECT_GT(other_than_path, 5);  // which the likeliest path does not
}

TEST(BeamDecoding, WithALanguageModelTheBestSumIsFound) {
  CtcConfig ctc = wide();
  int changed = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    ctc.lm_weight = 0.5 + 0.05 * static_cast<double>(seed);
    ctc.word_bonus = 1 - 0.1 * static_cast<double>(seed);
    const std::vector<float> logits = random_logits(4 * 5, 100 + seed);
    std::string best;
    double highest = -INFINITY;
    for (const auto& [text, p] : all_texts(logits)) {
      const double score = std::log(p) + language_score(text, ctc, two_words());
      if (score > highest) highest = score, best = text;
    }
    const Labelling l = decode_beam(logits, letters(), ctc, &two_words());
    EXPECT_EQ(letters().text(l.labels), best) << seed;
    EXPECT_NEAR(l.score, highest, 1e-5) << seed;
    if (decode_beam(logits, letters(), ctc).labels != l.labels) ++changed;
  }
  EXPECT_GT(changed, 5);
}

TEST(BeamDecoding, ALanguageModelDecidesBetweenWordsThatSoundAlike) {
  // a, then something between ba and bb.
  const std::vector<float> outputs =
      frames({{.9, .03, .03}, {.03, .03, .9}, {.03, .9, .03}, {.02, .02, .02}, {.40, .50, .05}});
  CtcConfig ctc;
  ctc.beam = 8;
  EXPECT_EQ(letters().text(decode_beam(outputs, letters(), ctc).labels), "a bb");
  EXPECT_EQ(letters().text(decode_beam(outputs, letters(), ctc, &two_words()).labels), "a ba");
  ctc.lm_weight = 0;  // the bonus is that of as many words
  EXPECT_EQ(letters().text(decode_beam(outputs, letters(), ctc, &two_words()).labels), "a bb");
}

TEST(BeamDecoding, UnlikelyLabelsExtendNothing) {
  const std::vector<float> outputs = frames({{.3, .05, .05}, {.3, .05, .05}});
  CtcConfig ctc = wide();
  EXPECT_EQ(letters().text(decode_beam(outputs, letters(), ctc).labels), "a");
  ctc.beam_threshold = 0.31;
  const Labelling none = decode_beam(outputs, letters(), ctc);
  EXPECT_TRUE(none.labels.empty());
  EXPECT_NEAR(none.score, 2 * std::log(0.6), 1e-5);
}

TEST(BeamDecoding, LogitsAndLogProbabilitiesAreTheSame) {
  std::vector<float> logits = random_logits(4 * 12, 7);
  const Labelling l = decode_beam(logits, letters(), wide());
  for (size_t i = 0; i < logits.size(); ++i) logits[i] += static_cast<float>(i / 4) - 3;
  const Labelling same = decode_beam(logits, letters(), wide());
  EXPECT_EQ(l.labels, same.labels);
  EXPECT_NEAR(l.score, same.score, 1e-5);
}

TEST(BeamDecoding, OutputsThatAreNoNumbersAreAnError) {
  std::vector<float> logits = random_logits(4 * 3, 7);
  logits[6] = NAN;
  testing::expect_error(ErrorKind::Data, {"frame 1"}, [&] { decode_greedy(logits, letters()); });
  testing::expect_error(ErrorKind::Data, {"frame 1"},
                        [&] { decode_beam(logits, letters(), wide()); });
}

TEST(Alignment, OfTheLikeliestPathIsThatPath) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<float> logits = random_logits(4 * 17, 200 + seed);
    const Labelling greedy = decode_greedy(logits, letters());
    Labelling aligned;
    aligned.labels = greedy.labels;
    align(logits, letters(), aligned);
    EXPECT_EQ(aligned.first, greedy.first) << seed;
    EXPECT_EQ(aligned.end, greedy.end) << seed;
  }
}

TEST(Alignment, OfManyBlocksIsStillThatPath) {
  const std::vector<float> logits = random_logits(4 * 5000, 77);
  const Labelling greedy = decode_greedy(logits, letters());
  Labelling aligned;
  aligned.labels = greedy.labels;
  align(logits, letters(), aligned);
  EXPECT_EQ(aligned.first, greedy.first);
  EXPECT_EQ(aligned.end, greedy.end);
}

TEST(Alignment, FramesOfALabellingAreInOrderAndItsOwn) {
  const std::vector<float> logits = random_logits(4 * 30, 5);
  Labelling l;
  l.labels = {0, 0, 1, 2, 2, 0, 1, 1};
  align(logits, letters(), l);
  for (size_t i = 0; i < l.labels.size(); ++i) {
    EXPECT_LT(l.first[i], l.end[i]);
    if (i == 0) continue;
    EXPECT_GE(l.first[i], l.end[i - 1] + (l.labels[i] == l.labels[i - 1] ? 1 : 0));
  }
  EXPECT_LE(l.end.back(), 30);
}

TEST(TextDecoder, IsThePathOrTheBeamAsConfigured) {
  const std::vector<float> logits = random_logits(4 * 40, 3);
  CtcConfig ctc;
  ctc.beam = 1;
  EXPECT_EQ(TextDecoder(letters(), ctc).decode(logits).labels,
            decode_greedy(logits, letters()).labels);
  ctc.beam = 20;
  EXPECT_EQ(TextDecoder(letters(), ctc).decode(logits).labels,
            decode_beam(logits, letters(), ctc).labels);
  TemporaryDirectory folder;
  ctc.language_model = path_join(folder.path(), "words.arpa");
  testing::expect_error(ErrorKind::Data, {"words.arpa"}, [&] { TextDecoder(letters(), ctc); });
  write_file(ctc.language_model, "\\data\\\nngram 1=1\n\\1-grams:\n-0.1 ab\n\\end\\\n");
  const LanguageModel model = LanguageModel::load(ctc.language_model);
  EXPECT_EQ(TextDecoder(letters(), ctc).text(logits),
            letters().text(decode_beam(logits, letters(), ctc, &model).labels));
  ctc.beam = 1;
  testing::expect_error(ErrorKind::Config,
                        {"/ctc/beam", "/ctc/language_model", "got 1", "the decoder"},
                        [&] { TextDecoder(letters(), ctc); });
}

}  // namespace
}  // namespace tailor::test

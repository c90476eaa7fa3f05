// Decoding of a pore's answers: the reference's vectors, fast-ctc-decode's own results, and what is
// no answer.
#include "tailor/task/bases.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/expect_error.h"
#include "support/rooms.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/data/sequences.h"

namespace tailor::test::bases_test {
namespace {

using testing::expect_error;

/// Log-probabilities that outlive the view of them.
struct Given {
  std::vector<float> logs;
  int64_t outputs;
  Given(const std::vector<double>& probabilities, int64_t n) : outputs(n) {
    for (const double p : probabilities) logs.push_back(std::log(static_cast<float>(p)));
  }
  FrameAnswers answers() const { return {logs, outputs}; }
};

std::string text(const BaseCall& call, const std::string& symbols = "NACGT") {
  std::string out;
  for (const int64_t label : call.labels) out += symbols.at(static_cast<size_t>(label));
  return out;
}

const std::vector<double> kTenFrames = {0,  .4, .6, 0,  .3, .7, .3, .3, .4, .4, .3, .3, .4, .3, .3,
                                        .3, .3, .4, .1, .4, .5, .1, .5, .4, .8, .1, .1, .1, .1, .8};

TEST(Bases, OfTheReferencesBeamAndPath) {
  const Given given(kTenFrames, 3);
  const BaseCall beam = decode_beam(given.answers(), 5, 0);
  EXPECT_EQ(text(beam, "NAG"), "GAGAG");
  // Of five candidates two are equal but for rounding: exp(log p) keeps the one, p itself the
  // other.
  ASSERT_EQ(beam.frames.size(), 5U);
  EXPECT_TRUE(beam.frames[3] == 3 || beam.frames[3] == 4) << beam.frames[3];
  const BaseCall wider = decode_beam(given.answers(), 6, 0);
  EXPECT_EQ(text(wider, "NAG"), "GAGAG");
  EXPECT_EQ(wider.frames, (std::vector<int64_t>{0, 1, 2, 3, 6}));
  EXPECT_EQ(text(decode_path(given.answers()), "NAG"), "GGAG");
}

TEST(Bases, TheSameBaseTwiceNeedsABlankBetween) {
  std::vector<double> p;
  for (int frame = 0; frame < 20; ++frame) {
    const bool a = frame == 6 || frame == 13 || frame == 18;
    for (const double v : {a ? 0 : .5, a ? 1. : 0, 0., 0., 0.}) p.push_back(v);
  }
  const Given given(p, 5);
  const BaseCall call = decode_beam(given.answers(), 5, 0.1);
  EXPECT_EQ(text(call), "AAA");
  EXPECT_EQ(call.frames, (std::vector<int64_t>{6, 13, 18}));
  EXPECT_EQ(quality_text(call), "III");
}

TEST(Bases, QualitiesAreOfTheMeanOverARun) {
  std::vector<double> p;
  // Five runs, each of another base than the last; the rest goes to the blank or to nobody.
  const std::vector<std::vector<double>> runs = {
      {.99, .99}, {.999, .999}, {.6, .7, .8}, {.4, .5, .6}, {1}};
  for (size_t run = 0; run < runs.size(); ++run) {
    for (const double share : runs[run]) {
      std::vector<double> row(5, (1 - share) / 4);
      row[1 + run % 2] = share;
      p.insert(p.end(), row.begin(), row.end());
    }
  }
  const BaseCall call = decode_path(Given(p, 5).answers());
  EXPECT_EQ(text(call), "ACACA");
  EXPECT_EQ(call.frames, (std::vector<int64_t>{0, 2, 4, 7, 10}));
  EXPECT_EQ(quality_text(call), "5?&$I");
  EXPECT_EQ(quality_letter(0.99, {0.5, 2}), 33 + 12);
  EXPECT_EQ(quality_letter(0.5, {1, -100}), '!');
  EXPECT_EQ(quality_letter(0.5, {1, 1000}), '~');
}

TEST(Bases, OfNoFramesAreNone) {
  EXPECT_TRUE(decode_beam(Given({}, 5).answers(), 5, 0).labels.empty());
  EXPECT_TRUE(decode_path(Given({}, 5).answers()).labels.empty());
  EXPECT_TRUE(decode_beam(Given({.9, .05, .03, .01, .01}, 5).answers(), 5, 0).labels.empty());
}

TEST(Bases, TheLikeliestOutputExtendsBelowTheThresholdToo) {
  const Given given({.1, .4, .3, .1, .1, .4, .3, .1, .1, .1, .1, .1, .2, .4, .2}, 5);
  EXPECT_EQ(text(decode_beam(given.answers(), 5, 0.5)), "AG");
  EXPECT_EQ(text(decode_path(given.answers())), "AG");
}

TEST(Bases, OfWhatIsNoProbabilityAreAnError) {
  std::vector<double> p(15, 0.2);
  p[10] = std::numeric_limits<double>::quiet_NaN();
  const Given blank(p, 5);
  expect_error(ErrorKind::Data, {"frame 2", "NaN"}, [&] { decode_beam(blank.answers(), 5, 0.1); });
  p[10] = 0.2;
  p[12] = std::numeric_limits<double>::quiet_NaN();
  const Given undefined(p, 5);
  expect_error(ErrorKind::Data, {"frame 2", "NaN"},
               [&] { decode_beam(undefined.answers(), 5, 0.001); });
}

/// As make_beams.py has it.
Given formula(uint32_t number, uint32_t frames) {
  std::vector<double> p;
  for (uint32_t frame = 0; frame < frames; ++frame) {
    double sum = 0;
    for (uint32_t output = 0; output < 5; ++output) {
      const uint32_t mixed = (number * 7919U + frame * 104729U + output * 1299709U) * 2654435761U;
      p.push_back(std::pow(mixed >> 16 & 1023U, 2 + number % 5) + 1);
      sum += p.back();
    }
    for (size_t i = p.size() - 5; i < p.size(); ++i) p[i] /= sum;
  }
  return {p, 5};
}

std::string numbers(const std::vector<int64_t>& values) {
  std::string out;
  for (const int64_t v : values) out += (out.empty() ? "" : ",") + std::to_string(v);
  return out;
}

TEST(Bases, AreFastCtcDecodesOn24Cases) {
  const std::string path = std::string(TAILOR_TEST_SOURCE) + "/task/fixtures/beams.tsv";
  const std::vector<std::string> lines = split(trim(read_file(path)), '\n');
  ASSERT_EQ(lines.size(), 24U);
  constexpr std::pair<int64_t, double> kBeams[] = {{5, 1e-3}, {1, 0.0}, {3, 0.05}, {32, 0.0}};
  for (uint32_t n = 0; n < lines.size(); ++n) {
    const std::vector<std::string> expected = split(lines[n], '\t');
    ASSERT_EQ(expected.size(), 5U) << n;
    const Given given = formula(n, 20 + 13 * n);
    const auto [width, threshold] = kBeams[n % 4];
    const BaseCall beam = decode_beam(given.answers(), width, threshold);
    EXPECT_EQ(text(beam), expected[0]) << n;
    EXPECT_EQ(numbers(beam.frames), expected[1]) << n;
    const BaseCall path_call = decode_path(given.answers());
    EXPECT_EQ(text(path_call), expected[2]) << n;
    EXPECT_EQ(quality_text(path_call), expected[3]) << n;
    EXPECT_EQ(numbers(path_call.frames), expected[4]) << n;
  }
}

}  // namespace
}  // namespace tailor::test::bases_test

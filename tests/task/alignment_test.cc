// Alignment accuracy: the reference's vectors, python3-parasail's results, and that the program's
// own alignment is parasail's.
#include "tailor/task/alignment.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "support/expect_error.h"
#include "support/rooms.h"
#include "tailor/core/files.h"
#include "tailor/core/random.h"
#include "tailor/core/strings.h"
#include "tailor/core/threads.h"

namespace tailor::test::alignment_test {
namespace {

using testing::expect_error;

const std::string kReference = "ACGTTGCAACGTAGCTAGGATCCGATTACAGGCT";

double per_cent(const std::string& call) { return 100 * alignment_accuracy(call, kReference); }

std::string with(const std::string& from, const std::string& to) {
  std::string text = kReference;
  const size_t at = text.find(from);
  return text.replace(at, from.size(), to);
}

TEST(Alignment, OfTheReferencesVectors) {
  EXPECT_EQ(per_cent(kReference), 100);
  EXPECT_NEAR(per_cent(with("CGTAGC", "CGAAGC")), 97.058824, 1e-6);
  EXPECT_NEAR(per_cent(with("TAGGATC", "TAGGGATC")), 97.142857, 1e-6);
  EXPECT_NEAR(per_cent(with("GCAACG", "GCACG")), 97.058824, 1e-6);
  EXPECT_EQ(per_cent("TTTTACGTTGCAACGTAGC"), 0);
  EXPECT_EQ(align_locally("TTTTACGTTGCAACGTAGC", kReference), (Alignment{15, 0, 0, 0}));
  EXPECT_EQ(per_cent("GGGG"), 0);
}

TEST(Alignment, CountsColumnsByKind) {
  EXPECT_EQ(align_locally(with("CGTAGC", "CGAAGC"), kReference), (Alignment{33, 1, 0, 0}));
  EXPECT_EQ(align_locally(with("TAGGATC", "TAGGGATC"), kReference), (Alignment{34, 0, 1, 0}));
  EXPECT_EQ(align_locally(with("GCAACG", "GCACG"), kReference), (Alignment{33, 0, 0, 1}));
}

TEST(Alignment, OfNothingIsNothing) {
  for (const char* call : {"", "TTT"}) {
    EXPECT_EQ(align_locally(call, "AAA").columns(), 0);
    EXPECT_EQ(align_plainly(call, "AAA").columns(), 0);
    EXPECT_EQ(alignment_accuracy(call, "AAA"), 0);
    EXPECT_EQ(alignment_accuracy(call, ""), 0);
  }
}

TEST(Alignment, HalfOfTheReferenceMustBeCovered) {
  EXPECT_EQ(alignment_accuracy("ACGTA", "ACGTATTTTT"), 1);
  EXPECT_EQ(alignment_accuracy("ACGTA", "ACGTATTTTTT"), 0);
  EXPECT_EQ(alignment_accuracy({5, 1, 2, 0}, 16), 0.625);
  EXPECT_EQ(alignment_accuracy({5, 1, 2, 0}, 17), 0);
}

TEST(Alignment, OfOtherLettersIsAnError) {
  expect_error(ErrorKind::Data, {"call", "base 1", "0x4e"}, [] { align_locally("ANA", "AAA"); });
  expect_error(ErrorKind::Data, {"reference", "base 0"}, [] { align_plainly("AAA", "a"); });
}

TEST(Alignment, IsPythonsParasailsOn80Cases) {
  const std::string path = std::string(TAILOR_TEST_SOURCE) + "/task/fixtures/alignments.tsv";
  const std::vector<std::string> lines = split(trim(read_file(path)), '\n');
  ASSERT_EQ(lines.size(), 80U);
  for (const std::string& line : lines) {
    const std::vector<std::string> c = split(line, '\t');
    ASSERT_EQ(c.size(), 7U);
    const Alignment expected = {*parse_int(c[2]), *parse_int(c[3]), *parse_int(c[4]),
                                *parse_int(c[5])};
    EXPECT_EQ(align_locally(c[0], c[1]), expected) << line;
    EXPECT_EQ(align_plainly(c[0], c[1]), expected) << line;
    EXPECT_NEAR(100 * alignment_accuracy(c[0], c[1]), std::strtod(c[6].c_str(), nullptr), 1e-10);
  }
}

/// Where the program is built with parasail, whose ties are those of its vectors.
TEST(Alignment, OfOurOwnIsTheLibrarysOnRandomTexts) {
  if (alignment_library() == "own") GTEST_SKIP() << "built without parasail (libparasail-dev)";
  parallel_for(400, 2, [](int64_t n) {
    CounterRandom random(31, RandomStream::Test, static_cast<uint64_t>(n));
    const std::string letters = n % 3 == 0 ? "AC" : "ACGT";
    auto draw = [&] {
      return letters[static_cast<size_t>(random.below(static_cast<int64_t>(letters.size())))];
    };
    std::string reference, call;
    const int64_t length = 1 + random.below(300);
    const double rate = random.uniform(0, 0.5);
    while (static_cast<int64_t>(reference.size()) < length) {
      reference += draw();
      const double u = random.uniform();
      if (u < rate) call += draw();
      if (u > rate / 2) call += reference.back();
    }
    EXPECT_EQ(align_locally(call, reference), align_plainly(call, reference))
        << call << " " << reference;
  });
}

}  // namespace
}  // namespace tailor::test::alignment_test

// Known answers are the Random123 distribution's (tests/kat_vectors, philox4x32 with 10 rounds);
// the permutation was computed by an independent program. Both pin what is in checkpoints and in
// the data: a change here changes every experiment.
#include "tailor/core/random.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace tailor::test {
namespace {

using Words = std::array<uint32_t, 4>;

TEST(Philox, MatchesTheKnownAnswers) {
  EXPECT_EQ(philox(0, 0, 0), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox(~0ULL, ~0ULL, ~0ULL), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  // Counter 243f6a88 85a308d3 13198a2e 03707344, key a4093822 299f31d0, lowest word first.
  EXPECT_EQ(philox(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(CounterRandom, ReadsTheBlocksOfItsCounterInOrder) {
  CounterRandom random(77, RandomStream::Augment, 5, 9);
  const uint64_t high = 3ULL << 48 | 5, low = 9ULL << 24;
  const Words first = philox(77, high, low), second = philox(77, high, low + 1);
  for (uint32_t word : first) EXPECT_EQ(random.next_u32(), word);
  for (uint32_t word : second) EXPECT_EQ(random.next_u32(), word);
}

TEST(CounterRandom, DoesNotDependOnTheOrderOfUse) {
  std::vector<uint32_t> forwards, backwards;
  for (uint64_t i = 0; i < 20; ++i) {
    CounterRandom random(1, RandomStream::Augment, 3, i);
    random.next_u32();
    forwards.push_back(random.next_u32());
  }
  for (uint64_t i = 20; i-- > 0;) {
    CounterRandom other(1, RandomStream::Shuffle, 3, i), random(1, RandomStream::Augment, 3, i);
    other.normal();
    random.next_u32();
    backwards.push_back(random.next_u32());
  }
  std::reverse(backwards.begin(), backwards.end());
  EXPECT_EQ(forwards, backwards);
}

TEST(CounterRandom, DiffersInSeedStreamAndBothIndices) {
  auto first = [](uint64_t seed, RandomStream stream, uint64_t a, uint64_t b) {
    return CounterRandom(seed, stream, a, b).next_u32();
  };
  const uint32_t base = first(1, RandomStream::Weights, 2, 3);
  EXPECT_NE(first(2, RandomStream::Weights, 2, 3), base);
  EXPECT_NE(first(1, RandomStream::Shuffle, 2, 3), base);
  EXPECT_NE(first(1, RandomStream::Weights, 3, 3), base);
  EXPECT_NE(first(1, RandomStream::Weights, 2, 4), base);
  EXPECT_EQ(first(1, RandomStream::Weights, 2, 3), base);
}

TEST(CounterRandom, StaysInItsRangesWithTheRightMoments) {
  CounterRandom random(4, RandomStream::Test, 0);
  std::array<int, 7> counts{};
  double sum = 0, normal_sum = 0, normal_squares = 0;
  constexpr int kDraws = 14000;
  for (int i = 0; i < kDraws; ++i) {
    ++counts.at(static_cast<size_t>(random.below(7)));
    const double u = random.uniform(-1, 3), z = random.normal();
    ASSERT_TRUE(u >= -1 && u < 3);
    sum += u;
    normal_sum += z;
    normal_squares += z * z;
  }
  // Five standard deviations: sqrt(kDraws / 7), sqrt(4^2 / 12 kDraws), sqrt(kDraws), sqrt(2
  // kDraws).
  for (int count : counts) EXPECT_NEAR(count, kDraws / 7, 5 * 45);
  EXPECT_NEAR(sum / kDraws, 1, 5 * 0.0098);
  EXPECT_NEAR(normal_sum / kDraws, 0, 5 * 0.0085);
  EXPECT_NEAR(normal_squares / kDraws, 1, 5 * 0.012);
}

TEST(RandomPermutation, IsAPermutationForEverySize) {
  for (int64_t n : {0, 1, 2, 3, 100, 1001}) {
    auto order = random_permutation(n, CounterRandom(8, RandomStream::Shuffle, 0));
    std::vector<int64_t> expected(static_cast<size_t>(n));
    std::iota(expected.begin(), expected.end(), 0);
    if (n == 1001) {
      EXPECT_NE(order, expected);
    }
    std::sort(order.begin(), order.end());
    EXPECT_EQ(order, expected);
  }
}

TEST(RandomPermutation, IsFixedForASeed) {
  EXPECT_EQ(random_permutation(10, CounterRandom(1, RandomStream::Shuffle, 0)),
            (std::vector<int64_t>{1, 0, 3, 7, 6, 8, 2, 4, 9, 5}));
  EXPECT_EQ(random_permutation(10, CounterRandom(1, RandomStream::Shuffle, 1)),
            (std::vector<int64_t>{7, 5, 2, 1, 0, 6, 4, 8, 9, 3}));
}

}  // namespace
}  // namespace tailor::test

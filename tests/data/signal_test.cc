// A pore's raw read: scaling, trimming, normalisation, chunks and where their answers go.
#include "tailor/data/signal.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "support/expect_error.h"
#include "support/rooms.h"
#include "tailor/core/random.h"

namespace tailor::test::signal_test {
namespace {

using testing::expect_error;

/// Alternating around 80, so that the median is 80 and the MAD `half`; `count` even.
std::vector<float> zigzag(size_t count, float half = 10) {
  std::vector<float> out(count);
  for (size_t i = 0; i < count; ++i) out[i] = 80 + (i % 2 == 0 ? half : -half);
  return out;
}

TEST(Signal, ComesInPicoampere) {
  const std::vector<int16_t> raw = {0, 500, -32768, 32767};
  const std::vector<float> pa = to_picoampere(raw, {4, 1497.75, 8192});
  EXPECT_NEAR(pa[0], 4 * 1497.75 / 8192, 1e-5);
  EXPECT_NEAR(pa[1], 504 * 1497.75 / 8192, 1e-5);
  EXPECT_NEAR(pa[2], -32764 * 1497.75 / 8192, 1e-3);
  EXPECT_NEAR(pa[3], 32771 * 1497.75 / 8192, 1e-3);
}

TEST(Signal, MedianOfOddAndEvenCounts) {
  EXPECT_EQ(median_mad(std::vector<float>{5, 1, 9}).median, 5);
  EXPECT_EQ(median_mad(std::vector<float>{5, 1, 9, 7}).median, 6);
  EXPECT_NEAR(median_mad(std::vector<float>{5, 1, 9, 7}).mad, 1.4826 * 2, 1e-6);
  EXPECT_EQ(median_mad(std::vector<float>{3}).mad, std::numeric_limits<float>::epsilon());
}

TEST(Signal, TheAdaptersPeakIsTrimmed) {
  std::vector<float> read = zigzag(12000);
  EXPECT_EQ(adapter_samples(read), 10);
  // Windows are [10, 50), [50, 90), ...: a peak from 100 to 215 ends in [210, 250).
  std::fill(read.begin() + 100, read.begin() + 215, 200.F);
  EXPECT_EQ(adapter_samples(read), 250);
  // Three samples above are no peak, four are.
  read = zigzag(12000);
  std::fill(read.begin() + 100, read.begin() + 103, 200.F);
  EXPECT_EQ(adapter_samples(read), 10);
  read[103] = 200;
  EXPECT_EQ(adapter_samples(read), 130);
  // What comes behind the 8,000th sample is not looked at.
  read = zigzag(12000);
  std::fill(read.begin() + 8000, read.begin() + 9000, 200.F);
  EXPECT_EQ(adapter_samples(read), 10);
  // A peak that never ends is none.
  read = zigzag(4000);
  std::fill(read.begin() + 3800, read.end(), 200.F);
  EXPECT_EQ(adapter_samples(read), 10);
}

TEST(Signal, LongReadsAreNormalisedByMedianAndMad) {
  std::vector<float> read = zigzag(9010);
  EXPECT_EQ(normalise_read(read, "read"), 10);
  ASSERT_EQ(read.size(), 9000U);
  EXPECT_NEAR(read[0], 10 / (10 * 1.4826), 1e-6);
  EXPECT_NEAR(read[1], -10 / (10 * 1.4826), 1e-6);
  // The MAD is 1 at least.
  read = zigzag(9010, 0.25F);
  normalise_read(read, "read");
  EXPECT_NEAR(read[0], 0.25, 1e-6);
}

TEST(Signal, ShortReadsAreNormalisedByTheirLongestNoisyStretch) {
  // Quiet at 40, then noise around 80, quiet again: all windows of 100 behind the trimmed 10.
  std::vector<float> read(2010, 40);
  const std::vector<float> noise = zigzag(1000);
  std::copy(noise.begin(), noise.end(), read.begin() + 510);
  EXPECT_EQ(normalise_read(read, "read"), 10);
  ASSERT_EQ(read.size(), 2000U);
  // 1,000 noisy samples and the quiet one before them: median 70, the median distance from it 20.
  EXPECT_NEAR(read[500], 20 / (20 * 1.4826), 1e-6);
  EXPECT_NEAR(read[501], 0, 1e-6);
  EXPECT_NEAR(read[0], -30 / (20 * 1.4826), 1e-6);
  // Windows without any change are not noisy, and division by nothing is none.
  std::vector<float> flat(500, 7);
  normalise_read(flat, "read");
  EXPECT_EQ(flat[100], 0);
}

TEST(Signal, ReadsOfNothingAreErrors) {
  std::vector<float> read = zigzag(10);
  expect_error(ErrorKind::Data, {"read 5", "more than 10 samples", "got 10"},
               [&] { normalise_read(read, "read 5"); });
  read.clear();
  expect_error(ErrorKind::Data, {"got 0"}, [&] { normalise_read(read, "read 5"); });
  read = zigzag(100);
  read[7] = std::numeric_limits<float>::infinity();
  expect_error(ErrorKind::Data, {"read 5", "sample 7", "finite"},
               [&] { normalise_read(read, "read 5"); });
}

struct Plan {
  int64_t samples, size, overlap, stride;
};

/// Every frame of the read is answered by one chunk, in order, and by the samples under it.
TEST(Signal, ChunksAnswerEveryFrameOnce) {
  const Plan plans[] = {{3600, 3600, 480, 3}, {3601, 3600, 480, 3}, {100000, 3600, 480, 3},
                        {9840, 3600, 480, 3}, {6720, 3600, 480, 3}, {6719, 3600, 480, 3},
                        {5000, 1200, 0, 3},   {777, 100, 60, 5},    {100, 3600, 480, 3}};
  for (const Plan& p : plans) {
    const auto chunks = plan_chunks(p.samples, p.size, p.overlap, p.stride);
    const bool exact = (p.samples - p.overlap) % p.stride == 0;
    int64_t next = 0;
    for (size_t i = 0; i < chunks.size(); ++i) {
      const SignalChunk& c = chunks[i];
      EXPECT_LE(c.begin_frame, c.end_frame);
      EXPECT_LE(c.first + std::min(p.size, p.samples), p.samples);
      // A chunk begins with any sample: its frames may be less than one off the read's.
      const double at = static_cast<double>(c.first) / static_cast<double>(p.stride) +
                        static_cast<double>(c.begin_frame);
      EXPECT_NEAR(at, static_cast<double>(next), exact ? 1e-9 : 1) << p.samples << " " << i;
      next += c.end_frame - c.begin_frame;
    }
    EXPECT_NEAR(static_cast<double>(next),
                std::ceil(static_cast<double>(p.samples) / static_cast<double>(p.stride)),
                exact ? 0 : 1)
        << p.samples;
  }
}

TEST(Signal, NoAnswerIsGivenTwiceAndLessThanOneIsMissing) {
  for (int64_t stride = 1; stride <= 5; ++stride) {
    for (int64_t overlap = 0; overlap <= 20; ++overlap) {
      for (const int64_t size : {21, 60, 61}) {
        const auto chunks = plan_chunks(1000, size, overlap, stride);
        for (size_t i = 1; i < chunks.size(); ++i) {
          const int64_t end = chunks[i - 1].first + chunks[i - 1].end_frame * stride;
          const int64_t missing = chunks[i].first + chunks[i].begin_frame * stride - end;
          const bool whole = (i == 1 ? chunks[1].first : size - overlap) % stride == 0;
          EXPECT_GE(missing, 0) << stride << " " << overlap << " " << size << " " << i;
          EXPECT_LT(missing, whole ? 1 : stride) << stride << " " << overlap << " " << size;
        }
      }
    }
  }
}

TEST(Signal, TheFirstChunkHoldsTheStub) {
  // Bonito's own: 10,000 samples, chunks of 3,600 over 480: stub 160, three steps of 3,120.
  const auto chunks = plan_chunks(10000, 3600, 480, 3);
  ASSERT_EQ(chunks.size(), 4U);
  EXPECT_EQ(chunks[0].first, 0);
  EXPECT_EQ(chunks[0].begin_frame, 0);
  EXPECT_EQ(chunks[0].end_frame, (160 + 240) / 3);
  EXPECT_EQ(chunks[1].first, 160);
  EXPECT_EQ(chunks[1].begin_frame, 80);
  EXPECT_EQ(chunks[1].end_frame, 1120);
  EXPECT_EQ(chunks[3].first, 6400);
  EXPECT_EQ(chunks[3].end_frame, 1200);
}

TEST(Signal, ShortReadsAreRepeatedAndAnsweredOnce) {
  const std::vector<float> read = {1, 2, 3, 4, 5};
  const auto chunks = plan_chunks(5, 12, 4, 3);
  ASSERT_EQ(chunks.size(), 1U);
  EXPECT_EQ(chunks[0].end_frame, 2);
  std::vector<float> chunk(12);
  cut_chunk(read, chunks[0], chunk);
  EXPECT_EQ(chunk, (std::vector<float>{1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2}));
  std::vector<float> part(2);
  cut_chunk(read, {3, 0, 1}, part);
  EXPECT_EQ(part, (std::vector<float>{4, 5}));
}

TEST(Signal, ChunksThatCannotBeAreAnError) {
  for (const Plan& p : {Plan{9, 5, 5, 1}, Plan{9, 0, 0, 1}, Plan{9, 5, -1, 1}, Plan{9, 5, 1, 0}}) {
    expect_error(ErrorKind::Config, {"overlap"},
                 [&] { plan_chunks(p.samples, p.size, p.overlap, p.stride); });
  }
}

}  // namespace
}  // namespace tailor::test::signal_test

// What comes out does not depend on threads or depth, and what goes wrong is told to whoever asks.
#include "tailor/task/prefetch.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>

#include "tailor/core/error.h"

namespace tailor::test {
namespace {

/// Batch n holds n squared; later ones are made faster, so that threads overtake one another.
void make_square(int64_t step, Batch& batch) {
  std::this_thread::sleep_for(std::chrono::microseconds(300 * (7 - step % 8)));
  batch.count = step;
  prepare_buffer(batch.inputs, DType::F32, {1});
  batch.inputs.as<float>()[0] = static_cast<float>(step * step);
}

TEST(Prefetcher, GivesTheSameBatchesWhateverThreadsAndDepth) {
  for (int64_t depth : {0, 1, 2, 5}) {
    for (int64_t workers : {1, 3}) {
      Prefetcher ahead(4, 40, depth, workers, make_square);
      for (int64_t step = 4; step < 40; ++step) {
        const Batch& batch = ahead.next();
        ASSERT_EQ(batch.count, step) << depth << " " << workers;
        ASSERT_EQ(batch.inputs.as<float>()[0], static_cast<float>(step * step));
      }
      EXPECT_THROW(ahead.next(), Error);
    }
  }
}

TEST(Prefetcher, IsNeverFurtherAheadThanItsDepthAndLeavesTheBatchInUseAlone) {
  std::atomic<int64_t> made{0};
  Prefetcher ahead(0, 100, 3, 2, [&](int64_t step, Batch& batch) {
    batch.count = step;
    ++made;
  });
  for (int64_t step = 0; step < 20; ++step) {
    const Batch& batch = ahead.next();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // time to go too far
    EXPECT_LE(made.load(), step + 1 + 3);
    EXPECT_EQ(batch.count, step);
  }
}

TEST(Prefetcher, MakesBatchesAheadOfTheirUse) {
  std::atomic<int64_t> made{0};
  Prefetcher ahead(0, 10, 2, 1, [&](int64_t, Batch&) { ++made; });
  for (int i = 0; made < 2 && i < 5000; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(made, 2);  // and nobody has asked yet
}

TEST(Prefetcher, WhatTheMakerThrowsComesOutAtItsBatch) {
  Prefetcher ahead(0, 10, 3, 2, [&](int64_t step, Batch& batch) {
    if (step == 2) fail(ErrorKind::Data, "picture {} is damaged", step);
    batch.count = step;
  });
  EXPECT_EQ(ahead.next().count, 0);
  EXPECT_EQ(ahead.next().count, 1);
  try {
    ahead.next();
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "picture 2 is damaged");
  }
  EXPECT_EQ(ahead.next().count, 3);
}

TEST(Prefetcher, StopsInTheMiddle) {
  std::atomic<int64_t> made{0};
  {
    Prefetcher ahead(0, 1'000'000, 4, 3, [&](int64_t, Batch&) { ++made; });
    ahead.next();
  }
  const int64_t after = made;
  EXPECT_LE(after, 6);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(made, after);
}

}  // namespace
}  // namespace tailor::test

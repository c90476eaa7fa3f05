#include "tailor/core/threads.h"
#include "support/rooms.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "support/expect_error.h"

namespace tailor::test {
namespace {

TEST(ParallelFor, VisitsEveryIndexOnce) {
  for (int threads : {0, 1, 2, 5}) {
    for (int64_t n : {0, 1, 3, 1000}) {
      std::vector<std::atomic<int>> visits(static_cast<size_t>(n));
      parallel_for(n, threads, [&](int64_t i) { ++visits.at(static_cast<size_t>(i)); });
      for (const auto& count : visits) ASSERT_EQ(count, 1) << threads << " threads, " << n;
    }
  }
}

TEST(ParallelFor, RethrowsTheException) {
  for (int threads : {1, 4}) {
    std::atomic<int> visits{0};
    testing::expect_error(ErrorKind::Data, {"image 17"}, [&] {
      parallel_for(1000000, threads, [&](int64_t i) {
        ++visits;
        if (i == 17) fail(ErrorKind::Data, "image {}", i);
      });
    });
    EXPECT_GE(visits, 18);
  }
}

TEST(Threads, NeverMoreThanTheAffinityMaskAndQuotaAllow) {
  EXPECT_GE(available_threads(), 1);
  EXPECT_LE(available_threads(), affinity_cpus());
  EXPECT_GE(cgroup_quota_cpus(), 0);
  if (cgroup_quota_cpus() > 0) {
    EXPECT_LE(available_threads(), std::max(1, static_cast<int>(std::ceil(cgroup_quota_cpus()))));
  }
}

TEST(Threads, FollowTheAffinityMask) {
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  EXPECT_EQ(affinity_cpus(), CPU_COUNT(&before));
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu) {
    if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
  }
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(affinity_cpus(), 1);
  EXPECT_EQ(available_threads(), 1);
  ASSERT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
}

}  // namespace
}  // namespace tailor::test

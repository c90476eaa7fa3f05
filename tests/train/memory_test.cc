// Runs leave nothing behind in their process: many short ones need no more memory than a few.
#include <gtest/gtest.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "support/resident.h"
#include "support/rooms.h"
#include "tailor/core/files.h"
#include "tailor/net/network.h"
#include "tailor/train/trainer.h"

namespace tailor::test {
namespace {

// A teacher of the network below that stays after every run is 6 MiB, a learner 24.
constexpr int kWarmUp = 8, kRuns = 20;
constexpr long kMostGrowth = 2 * 1024;  // KiB

/// A student whose three skips are removed at once, between two epochs of two batches.
RunSpec short_spec() {
  RunSpec spec;
  spec.name = "short";
  spec.source = "test";
  RunConfig& c = spec.config;
  c.network.depth = 8;
  c.data.name = "synthetic";
  c.data.train_size = 8;
  c.data.validation = 4;
  c.data.test_size = 4;
  c.teacher = TeacherConfig();
  c.surgery.kind = SurgeryKind::Remove;
  c.surgery.alpha = 1;
  c.surgery.at_once = 3;
  c.surgery.statistics_images = 4;
  c.train.epochs = 2;
  c.train.batch_size = 2;
  c.train.optimizer.lr = 1e-3;
  c.runtime.threads = 1;
  spec.data = open_data(c.data);
  Checkpoint teacher;
  teacher.network = make_network(c.network, spec.data.shape, spec.data.classes);
  teacher.tensors = initial_tensors(teacher.network, 1);
  teacher.preprocessing = spec.data.preprocessing;
  spec.teacher = teacher;
  return spec;
}

/// KiB that are in use: what glibc keeps for later is given back first, or it would be the noise.
long resident_now() {
#if defined(__GLIBC__)
  ::malloc_trim(0);
#endif
  return testing::resident_memory().now;
}

TEST(Memory, ManyShortRunsInOneProcessKeepNothing) {
  const TemporaryDirectory folder("tailor-memory");
  set_torch_threads(1);
  long before = 0;
  for (int i = 0; i < kWarmUp + kRuns; ++i) {
    if (i == kWarmUp) before = resident_now();
    RunFolder run(path_join(folder.path(), "run"), false);
    const RunResult result = train_run(short_spec(), run, null_progress());
    ASSERT_EQ(skip_ids(result.last.network).size(), 0U);
    run.clear();
  }
  ASSERT_GT(before, 0);
  const long growth = resident_now() - before;
  RecordProperty("growth_kib", std::to_string(growth));
  EXPECT_LT(growth, kMostGrowth) << before << " KiB before";
}

}  // namespace
}  // namespace tailor::test

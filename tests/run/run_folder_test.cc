// A run's folder: one process at a time trains in it, and what is the run's is known by name.
#include "tailor/run/run_folder.h"
#include "support/rooms.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "support/expect_error.h"
#include "tailor/core/files.h"
#include "tailor/core/log.h"

namespace tailor::test {
namespace {

TEST(RunFolder, OneProcessAtATime) {
  TemporaryDirectory folder("tailor-lock");
  RunFolder first(folder.path() + "/run", false);
  testing::expect_error(ErrorKind::Usage, {"another process is training in this folder"},
                        [&] { RunFolder(folder.path() + "/run", false); });
}

TEST(RunFolder, WhoeverOnlyLooksKeepsNobodyOut) {
  TemporaryDirectory folder("tailor-lock");
  const std::string path = folder.path() + "/run";
  { RunFolder begun(path, false); }
  const int look = ::open((path + "/.lock").c_str(), O_RDONLY);
  ASSERT_EQ(::flock(look, LOCK_SH), 0);  // as is_held does, but for longer
  std::thread ends([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ::close(look);
  });
  EXPECT_NO_THROW(RunFolder(path, false));
  ends.join();
}

TEST(RunFolder, TheLockSaysWhoTrains) {
  TemporaryDirectory folder("tailor-lock");
  RunFolder first(folder.path() + "/run", false);
  first.sign({3, 1, "fast"});
  testing::expect_error(
      ErrorKind::Usage,
      {fmt::format("another process ({} on ", ::getpid()), ") is training in this folder"},
      [&] { RunFolder(folder.path() + "/run", false); });
}

TEST(RunFolder, ALockThatWasRemovedWithItsFolderIsNoneAnyMore) {
  TemporaryDirectory folder("tailor-lock");
  const std::string path = folder.path() + "/run";
  RunFolder first(path, false);
  remove_all(path);  // by hand, while a process trains there
  RunFolder second(path, false);
  testing::expect_error(ErrorKind::Usage, {"is training in this folder"},
                        [&] { RunFolder(path, false); });
}

TEST(RunFolder, GoingOnWithSumsInAnotherOrderIsSaid) {
  TemporaryDirectory folder("tailor-threads");
  set_log_levels("info");
  auto said = [&](int64_t threads, int64_t workers = 1, const char* kernels = "fast kernels") {
    ::testing::internal::CaptureStderr();
    RunFolder(folder.path() + "/run", false).sign({threads, workers, kernels});
    return ::testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(said(4), "");
  EXPECT_EQ(said(2), "");  // nothing was trained yet
  write_file(folder.path() + "/run/last.ckpt", "x");
  EXPECT_EQ(said(2), "");
  testing::expect_words(said(1), {"run: going on with 1 threads, after 2: sums are taken in "
                                  "another order, so the run may not be bit for bit"});
  testing::expect_words(said(1, 2), {"going on with 2 workers, after 1: sums"});
  testing::expect_words(said(1, 2, "reference kernels"),
                        {"going on with reference kernels, after fast kernels: sums"});
  EXPECT_EQ(said(1, 2, "reference kernels"), "");
  write_file(folder.path() + "/run/.lock", "");  // of an older version
  EXPECT_EQ(said(3), "");
  set_log_levels("off");
}

TEST(RunFolder, ClearsWhatIsTheRunsAndNothingElse) {
  TemporaryDirectory folder("tailor-clear");
  const std::string path = folder.path() + "/run";
  write_file(folder.path() + "/teachers/t/best.ckpt", "teacher");
  EXPECT_TRUE(RunFolder::is_free(path));
  RunFolder run(path, false);
  EXPECT_TRUE(RunFolder::is_free(path));  // the lock alone
  for (const char* name :
       {"config.json", "last.ckpt", "best.ckpt", "summary.json", "train.log", "metrics.jsonl",
        "alterations.jsonl", "network.json", "last.ckpt.tmp.123", "notes.tmp.txt", "figures/a.png"})
    write_file(run.file(name), name);
  run.link_teacher(folder.path() + "/teachers/t");
  EXPECT_FALSE(RunFolder::is_free(path));
  EXPECT_TRUE(RunFolder::is_run(path));
  run.clear();
  EXPECT_FALSE(RunFolder::is_run(path));
  EXPECT_EQ(list_directory(path), (std::vector<std::string>{".lock", "figures", "notes.tmp.txt"}));
  EXPECT_EQ(read_file(folder.path() + "/teachers/t/best.ckpt"), "teacher");
  testing::expect_error(ErrorKind::Usage, {"is training in this folder"},
                        [&] { RunFolder(path, false); });
}

TEST(RunFolder, TruncatesToThePosition) {
  TemporaryDirectory folder("tailor-lines");
  RunFolder run(folder.path() + "/run", false);
  for (int i = 0; i < 5; ++i) run.append("metrics.jsonl", Json::object({{"epoch", i}}));
  run.truncate("metrics.jsonl", 3);
  EXPECT_EQ(read_file(run.file("metrics.jsonl")), "{\"epoch\":0}\n{\"epoch\":1}\n{\"epoch\":2}\n");
  testing::expect_error(ErrorKind::Data, {"expected at least 4 lines, got 3"},
                        [&] { run.truncate("metrics.jsonl", 4); });
}

}  // namespace
}  // namespace tailor::test

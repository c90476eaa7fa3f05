// A program beside this one: what it prints, how it ends, and that a signal reaches it.
#include "tailor/core/process.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "support/expect_error.h"
#include "tailor/core/files.h"

namespace tailor::test {
namespace {

int wait_for_status(BackgroundProcess& process) {
  while (!process.status()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return *process.status();
}

TEST(BackgroundProcess, AppendsWhatItPrintsAndSaysHowItEnded) {
  TemporaryDirectory folder("tailor-process");
  const std::string log = folder.path() + "/log";
  write_file(log, "before\n");
  BackgroundProcess process({"sh", "-c", "cat; echo out $WORD; echo error >&2; exit 7"}, log,
                            {{"WORD", "word"}});
  EXPECT_EQ(wait_for_status(process), 7);
  EXPECT_EQ(wait_for_status(process), 7);  // once it has ended it stays so
  process.signal(SIGTERM);                 // reaches nobody
  EXPECT_EQ(read_file(log), "before\nout word\nerror\n");
}

TEST(BackgroundProcess, IsSignalledAndEndsWithItsObject) {
  TemporaryDirectory folder("tailor-process");
  const std::string log = folder.path() + "/log";
  const std::string script =
      "trap 'echo told; exit 5' TERM; echo begun; while :; do sleep 0.01; done";
  auto until_said = [&](const std::string& text) {
    while (read_file(log).find(text) == std::string::npos)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
  };
  {
    BackgroundProcess process({"sh", "-c", script}, log);
    until_said("begun");
    EXPECT_FALSE(process.status());
    process.signal(SIGTERM);
    EXPECT_EQ(wait_for_status(process), 5);
    remove_all(log);
  }
  {
    BackgroundProcess process({"sh", "-c", script}, log);
    until_said("begun");
  }
  EXPECT_EQ(read_file(log), "begun\ntold\n");
  BackgroundProcess killed({"sh", "-c", "kill -9 $$"}, log);
  EXPECT_EQ(wait_for_status(killed), 128 + SIGKILL);
}

TEST(BackgroundProcess, ThatCannotBeStartedSaysSo) {
  TemporaryDirectory folder("tailor-process");
  testing::expect_error(ErrorKind::ExternalTool, {"cannot run no-such-program", "No such file"},
                        [&] { BackgroundProcess({"no-such-program"}, folder.path() + "/log"); });
  testing::expect_error(ErrorKind::Data, {"cannot write ", "nowhere/log"},
                        [&] { BackgroundProcess({"true"}, folder.path() + "/nowhere/log"); });
  testing::expect_error(ErrorKind::ExternalTool, {"cannot run true in /nowhere"},
                        [&] { run_process({"true"}, "/nowhere"); });
}

}  // namespace
}  // namespace tailor::test

#include "tailor/core/progress.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "support/expect_error.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"

namespace tailor::test {
namespace {

void work(Progress& progress) {
  progress.begin("epoch 3", 20, "image");
  progress.advance(12);
  progress.note("loss 0.25");
  progress.advance(8);
  progress.end();
}

TEST(Progress, IsALineNowAndThenWhenStderrIsNoTerminal) {
  set_log_levels("info");
  ::testing::internal::CaptureStderr();
  work(*make_stderr_progress(/*line_seconds=*/0));
  const std::string text = ::testing::internal::GetCapturedStderr();
  testing::expect_words(text, {"progress: epoch 3: 0 %, ", "progress: epoch 3: 60 %, ",
                               "progress: epoch 3: 100 %, ", " images/s, 0:00 left  loss 0.25\n"});
  ::testing::internal::CaptureStderr();
  work(*make_stderr_progress(/*line_seconds=*/60));
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  set_log_levels("off");
}

/// Seconds in "M:SS left of the whole run" of the last line.
double whole_run_left(const std::string& text) {
  const size_t at = text.rfind(" left of the whole run");
  if (at == std::string::npos) return -1;
  const size_t comma = text.rfind(", ", at) + 2, colon = text.find(':', comma);
  return static_cast<double>(60 * *parse_int(text.substr(comma, colon - comma)) +
                             *parse_int(text.substr(colon + 1, at - colon - 1)));
}

TEST(Progress, TheTimeLeftIsThatOfTheWholeRun) {
  set_log_levels("info");
  auto progress = make_stderr_progress(/*line_seconds=*/0);
  auto epoch = [&](int64_t done, int64_t after, int milliseconds) {
    ::testing::internal::CaptureStderr();
    progress->begin("epoch", 10, "image");
    progress->place(done, after);
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    progress->advance(10 - done);
    progress->end();
    return whole_run_left(::testing::internal::GetCapturedStderr());
  };
  // 5 images done here in at least 200 ms, 1000 to come: 40 seconds, and not 20 by all 10 images.
  EXPECT_GE(epoch(5, 1000, 200), 40);
  // Goes on with the same work, validation between the bars included: (5 + 10) images in 400 ms.
  progress->begin("validation", 10, "image");
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  progress->end();
  EXPECT_GE(epoch(0, 990, 0), 26);
  // Another work begins with its own rate: what came before says nothing about it.
  EXPECT_GE(epoch(0, 500, 100), 5);
  set_log_levels("off");
}

TEST(Progress, NullSaysNothing) {
  ::testing::internal::CaptureStderr();
  work(null_progress());
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace tailor::test

#include "tailor/core/progress.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "tailor/core/log.h"

namespace tailor {
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

TEST(Progress, NullSaysNothing) {
  ::testing::internal::CaptureStderr();
  work(null_progress());
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace tailor

#include "tailor/core/progress.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace tailor {
namespace {

void work(Progress& progress) {
  progress.begin("epoch 3", 20, "image");
  progress.advance(12);
  progress.note("loss 0.25");
  progress.advance(8);
  progress.end();
}

TEST(Progress, IsOneLineAtTheEndWhenStderrIsNoTerminal) {
  ::testing::internal::CaptureStderr();
  work(*make_stderr_progress(/*silent_seconds=*/0));
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find("epoch 3: 20 images in 0:00 ("), 0U) << text;
  testing::expect_words(text, {" images/s)  loss 0.25\n"});
}

TEST(Progress, NullSaysNothing) {
  ::testing::internal::CaptureStderr();
  work(null_progress());
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace tailor

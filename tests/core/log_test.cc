#include "tailor/core/log.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "tailor/core/files.h"

namespace tailor::test {
namespace {

using testing::expect_words;
using testing::message_of;

/// Levels are the process's: every test starts from "info", whatever $TAILOR_LOG says, and leaves
/// it behind.
class Log : public ::testing::Test {
 protected:
  Log() { set_log_levels("info"); }
  ~Log() override {
    set_log_levels("info");
    set_log_file("");
  }
};

TEST_F(Log, LevelsArePerChannel) {
  set_log_levels("warn,passes=debug,data=off");
  EXPECT_TRUE(log_enabled(LogLevel::Warn, "train"));
  EXPECT_FALSE(log_enabled(LogLevel::Info, "train"));
  EXPECT_TRUE(log_enabled(LogLevel::Debug, "passes"));
  EXPECT_FALSE(log_enabled(LogLevel::Trace, "passes"));
  EXPECT_FALSE(log_enabled(LogLevel::Error, "data"));
  set_log_levels("passes=trace");  // the rest goes back to info
  EXPECT_TRUE(log_enabled(LogLevel::Trace, "passes"));
  EXPECT_TRUE(log_enabled(LogLevel::Info, "data"));
  EXPECT_FALSE(log_enabled(LogLevel::Debug, "data"));
}

TEST_F(Log, AnUnknownLevelIsAnErrorAndChangesNothing) {
  set_log_levels("error");
  EXPECT_EQ(message_of(ErrorKind::Usage, [] { set_log_levels("info,passes=loud"); }),
            "--log or TAILOR_LOG: expected LEVEL or LEVEL,room=LEVEL with LEVEL one of trace, "
            "debug, info, warn, "
            "error, "
            "off; got 'loud' in 'info,passes=loud'");
  for (const char* bad : {"", "INFO", "info,", "passes=", "info;debug"})
    testing::expect_error(ErrorKind::Usage, {"--log or TAILOR_LOG: expected LEVEL"},
                          [&] { set_log_levels(bad); });
  EXPECT_FALSE(log_enabled(LogLevel::Warn, "passes"));
}

TEST_F(Log, PrintsChannelAndMessageToStderr) {
  ::testing::internal::CaptureStderr();
  ::testing::internal::CaptureStdout();
  log_info("data", "{} images", 7);
  log_debug("data", "unseen");
  log_warn("net", "odd");
  const std::string err = ::testing::internal::GetCapturedStderr();
  expect_words(err, {"info data: 7 images\n", "warning net: odd\n"});
  EXPECT_EQ(err.find("unseen"), std::string::npos);
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
}

TEST_F(Log, TheFileGetsInfoAndAboveWhateverTheTerminalShows) {
  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "run.log");
  set_log_levels("off");
  set_log_file(path);
  log_info("data", "first");
  log_debug("data", "second");
  set_log_file("");
  log_info("data", "third");
  const std::string text = read_file(path);
  expect_words(text, {" info data: first\n"});
  EXPECT_EQ(text.find("second"), std::string::npos);
  EXPECT_EQ(text.find("third"), std::string::npos);
  testing::expect_error(ErrorKind::Data, {"cannot write the log file " + folder.path()},
                        [&] { set_log_file(folder.path()); });
}

}  // namespace
}  // namespace tailor::test

// Exit codes are an interface: scripts branch on them.
#include "tailor/core/error.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace tailor::test {
namespace {

TEST(Error, EveryKindHasItsExitCodeAndName) {
  EXPECT_EQ(exit_code(ErrorKind::Internal), 1);
  EXPECT_EQ(exit_code(ErrorKind::Usage), 2);
  EXPECT_EQ(exit_code(ErrorKind::Config), 3);
  EXPECT_EQ(exit_code(ErrorKind::Data), 4);
  EXPECT_EQ(exit_code(ErrorKind::Unsupported), 5);
  EXPECT_EQ(exit_code(ErrorKind::Mismatch), 6);
  EXPECT_EQ(exit_code(ErrorKind::ExternalTool), 7);
  EXPECT_EQ(exit_code(ErrorKind::Worker), 8);
  EXPECT_STREQ(error_kind_name(ErrorKind::ExternalTool), "external tool");
  EXPECT_STREQ(error_kind_name(ErrorKind::Worker), "worker");
}

TEST(Error, FailFormatsTheMessage) {
  EXPECT_EQ(
      testing::message_of(ErrorKind::Usage, [] { fail(ErrorKind::Usage, "{} of {}", 3, "x"); }),
      "3 of x");
}

TEST(Check, NamesPlaceConditionAndMessageAndAsksForAReport) {
  const int n = 3;
  testing::expect_error(ErrorKind::Internal,
                        {"core/error_test.cc:", ": check failed: n == 4: n is 3",
                         "(this is a bug in tailor, please report it)"},
                        [&] { TAILOR_CHECK(n == 4, "n is {}", n); });
  testing::expect_error(ErrorKind::Internal, {"check failed: n == 5 (this"},
                        [&] { TAILOR_CHECK(n == 5); });
  EXPECT_NO_THROW(TAILOR_CHECK(n == 3));
}

}  // namespace
}  // namespace tailor::test

#include "tailor/core/interrupt.h"

#include <gtest/gtest.h>

#include <csignal>

namespace tailor {
namespace {

TEST(Interrupt, TheFirstSignalIsAFlagTheSecondStopsTheProgram) {
  auto twice = [] {
    install_interrupt_handlers();
    raise(SIGINT);
    if (pending_interrupt() != SIGINT) _Exit(1);
    raise(SIGTERM);
    _Exit(2);
  };
  EXPECT_EXIT(twice(), ::testing::ExitedWithCode(128 + SIGTERM), "");
}

TEST(Interrupt, CanBeSetAndCleared) {
  EXPECT_EQ(pending_interrupt(), 0);
  set_pending_interrupt(SIGTERM);
  EXPECT_EQ(pending_interrupt(), SIGTERM);
  set_pending_interrupt(0);
  EXPECT_EQ(pending_interrupt(), 0);
  EXPECT_EQ(Interrupted(SIGINT).signal(), SIGINT);
}

}  // namespace
}  // namespace tailor

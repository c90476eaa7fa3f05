#include "tailor/core/interrupt.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

namespace tailor::test {
namespace {

TEST(Interrupt, TheFirstSignalIsAFlagTheSecondStopsTheProgram) {
  auto twice = [] {
    install_interrupt_handlers();
    raise(SIGINT);
    raise(SIGINT);  // as timeout(1) does: once to the process, once to its group
    if (pending_interrupt() != SIGINT) _Exit(1);
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    raise(SIGTERM);
    _Exit(2);
  };
  EXPECT_EXIT(twice(), ::testing::ExitedWithCode(128 + SIGTERM), "a second Ctrl-C .* at once");
}

TEST(Interrupt, TheFirstSignalIsAnsweredWhileAStepHangsAndTheSecondEndsIt) {
  auto hang = [] {
    install_interrupt_handlers();
    std::thread([] {
      ::kill(::getpid(), SIGINT);
      std::this_thread::sleep_for(std::chrono::milliseconds(400));
      ::kill(::getpid(), SIGINT);
    }).detach();
    for (volatile bool hung = true; hung;) {
    }
  };
  EXPECT_EXIT(hang(), ::testing::ExitedWithCode(128 + SIGINT),
              "tailor: stopping as soon as the step that runs has ended; a second Ctrl-C");
}

TEST(Interrupt, ABatchSystemsSignalSavesHoweverOftenItComes) {
  auto often = [] {
    install_interrupt_handlers();
    raise(SIGUSR1);
    if (pending_interrupt() != SIGUSR1) _Exit(1);
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    raise(SIGUSR1);
    try {
      throw_if_interrupted();
    } catch (const Interrupted& e) {
      _Exit(e.signal() == SIGUSR1 ? 0 : 2);
    }
    _Exit(3);
  };
  EXPECT_EXIT(often(), ::testing::ExitedWithCode(0), "stopping as soon as the step");
  // The limit itself comes as SIGTERM, some time before SIGKILL: whoever is saving may end it.
  auto late = [] {
    install_interrupt_handlers();
    raise(SIGUSR1);
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    raise(SIGTERM);
    if (pending_interrupt() != SIGTERM) _Exit(1);
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    raise(SIGTERM);
    _Exit(2);
  };
  EXPECT_EXIT(late(), ::testing::ExitedWithCode(128 + SIGTERM), "stopping as soon as the step");
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
}  // namespace tailor::test

// Ctrl-C, SIGTERM and SIGUSR1 as a flag that long work polls between steps, so that it can save and
// stop. The first signal is answered on stderr by the handler itself, even where a step never ends;
// a second Ctrl-C or SIGTERM stops the program at once. SIGUSR1 never does, and is none of the two.
#pragma once

#include <exception>

#include "tailor/core/rooms.h"

namespace tailor::core {

/// Installs the handlers for SIGINT, SIGTERM and SIGUSR1, which batch systems send before a limit.
void install_interrupt_handlers();
/// From now on the first signal is taken in silence: another process has said that it came.
void silence_interrupts();
/// The pending signal's number, or 0.
int pending_interrupt();
/// For tests: as if the signal had come (0 clears it).
void set_pending_interrupt(int signal);

/// Thrown by long work after it has saved; `cli` exits with 128 + signal (130, 143
/// or 138).
class Interrupted : public std::exception {
 public:
  explicit Interrupted(int signal) : signal_(signal) {}
  int signal() const { return signal_; }
  const char* what() const noexcept override { return "interrupted"; }

 private:
  int signal_;
};

/// Throws Interrupted if a signal is pending.
void throw_if_interrupted();

}  // namespace tailor::core

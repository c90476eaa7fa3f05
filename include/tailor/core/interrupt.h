// Ctrl-C and SIGTERM as a flag that long work polls between steps, so that it can save and stop.
// The first signal is answered on stderr by the handler itself, even where a step never ends; a
// second one stops the program at once.
#pragma once

#include <exception>

#include "tailor/core/rooms.h"

namespace tailor::core {

/// Installs the handlers for SIGINT and SIGTERM.
void install_interrupt_handlers();
/// From now on the first signal is taken in silence: another process has said that it came.
void silence_interrupts();
/// The pending signal's number, or 0.
int pending_interrupt();
/// For tests: as if the signal had come (0 clears it).
void set_pending_interrupt(int signal);

/// Thrown by long work after it has saved; `cli` exits with 128 + signal (130 or 143).
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

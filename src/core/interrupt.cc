#include "tailor/core/interrupt.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>

namespace tailor::core {
namespace {

std::atomic<int> pending{0};
static_assert(std::atomic<int>::is_always_lock_free);

/// Only what may be called in a signal handler: the step that runs may never end.
void on_signal(int signal) {
  if (pending.exchange(signal) != 0) _exit(128 + signal);
  constexpr char kText[] =
      "\ntailor: stopping as soon as the step that runs has ended; a second Ctrl-C (or SIGTERM) "
      "ends the program at once\n";
  const int error = errno;
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kText, sizeof kText - 1);
  errno = error;
}

}  // namespace

void install_interrupt_handlers() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int pending_interrupt() { return pending.load(); }
void throw_if_interrupted() {
  if (int signal = pending_interrupt(); signal != 0) throw Interrupted(signal);
}
void set_pending_interrupt(int signal) { pending = signal; }

}  // namespace tailor::core

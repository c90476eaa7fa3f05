#include "tailor/core/interrupt.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <initializer_list>

namespace tailor::core {
namespace {

/// timeout(1) and batch systems signal a process and its group: what comes so soon is the same.
constexpr int64_t kSameSignalMs = 300;

std::atomic<int> pending{0};
std::atomic<bool> silent{false};
std::atomic<int64_t> first_ms{0};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<int64_t>::is_always_lock_free);

int64_t now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * int64_t{1000} + now.tv_nsec / 1000000;
}

/// Only what may be called in a signal handler: the step that runs may never end.
void on_signal(int signal) {
  if (signal == SIGUSR1) {  // a batch system's "save now": repeated, it changes nothing
    if (pending != 0) return;
  } else {
    const int64_t now = now_ms();
    int64_t first = 0;
    if (!first_ms.compare_exchange_strong(first, now) && pending != 0) {
      if (now - first < kSameSignalMs) return;
      _exit(128 + signal);
    }
  }
  pending = signal;
  if (silent) return;
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
  for (int signal : {SIGINT, SIGTERM, SIGUSR1}) sigaction(signal, &action, nullptr);
}

void silence_interrupts() { silent = true; }

int pending_interrupt() { return pending.load(); }
void throw_if_interrupted() {
  if (int signal = pending_interrupt(); signal != 0) throw Interrupted(signal);
}
void set_pending_interrupt(int signal) { pending = signal; }

}  // namespace tailor::core

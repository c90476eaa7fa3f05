// Progress of long work, as an interface: rooms report, `cli` chooses the sink. On a terminal it is
// one line redrawn in place with throughput and time left; elsewhere a plain line a minute.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tailor/core/rooms.h"

namespace tailor::core {

class Progress {
 public:
  virtual ~Progress() = default;
  /// Starts a bar of `total` items; `unit` names one item ("image").
  virtual void begin(const std::string& label, int64_t total, const std::string& unit) = 0;
  virtual void advance(int64_t items) = 0;
  /// Right after begin: `done` of its items were done before, and `after` more follow in later
  /// bars. The time left is then that of all of them, at the rate since the first of these bars
  /// began.
  virtual void place(int64_t done, int64_t after) = 0;
  /// Replaces the text behind the bar (running loss, accuracy).
  virtual void note(const std::string& text) = 0;
  virtual void end() = 0;
};

/// Discards everything.
Progress& null_progress();
/// A redrawn line if stderr is a terminal that takes escape sequences, else a line in the log every
/// `line_seconds`: whoever works says himself what came out.
std::unique_ptr<Progress> make_stderr_progress(double line_seconds = 60);
/// True for a terminal that may be sent colours and cursor movements: not with $NO_COLOR, nor where
/// $TERM is "dumb" or not set.
bool takes_escapes(int descriptor);
/// Erases a half-drawn bar so that a log line starts clean; called by the log.
void clear_progress_line();

}  // namespace tailor::core

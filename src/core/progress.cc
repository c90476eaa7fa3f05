#include "tailor/core/progress.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "tailor/core/log.h"

namespace tailor::core {
namespace {

std::atomic<bool> bar_on_screen{false};

std::string duration_text(double seconds) {
  auto s = static_cast<int64_t>(seconds + 0.5);
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

class NullProgress : public Progress {
 public:
  void begin(const std::string& /*label*/, int64_t /*total*/,
             const std::string& /*unit*/) override {}
  void advance(int64_t /*items*/) override {}
  void place(int64_t /*done*/, int64_t /*after*/) override {}
  void note(const std::string& /*text*/) override {}
  void end() override {}
};

class StderrProgress : public Progress {
 public:
  StderrProgress(bool terminal, double line_seconds)
      : terminal_(terminal), line_seconds_(line_seconds) {}
  ~StderrProgress() override {
    if (terminal_) clear_progress_line();
  }

  void begin(const std::string& label, int64_t total, const std::string& unit) override {
    label_ = label;
    unit_ = unit;
    note_.clear();
    total_ = total;
    done_ = before_ = after_ = 0;
    start_ = drawn_ = Clock::now();
    placed_ = false;
    first_ = terminal_;
    if (!terminal_) draw();
  }

  void place(int64_t done, int64_t after) override {
    // The bar goes on with the longer work if it is what that said would follow.
    if (longer_left_ != total_ + after) {
      longer_start_ = start_;
      longer_done_ = 0;
    }
    longer_left_ = after;
    placed_ = true;
    done_ = before_ = done;
    after_ = after;
  }

  void advance(int64_t items) override {
    done_ += items;
    draw();
  }

  void note(const std::string& text) override { note_ = text; }

  void end() override {
    if (placed_) longer_done_ += done_ - before_;
    placed_ = false;
    if (terminal_) clear_progress_line();
  }

 private:
  using Clock = std::chrono::steady_clock;

  static double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  }
  static double per_second(int64_t items, Clock::time_point start) {
    const double seconds = seconds_since(start);
    return seconds > 0 ? static_cast<double>(items) / seconds : 0;
  }

  void draw() {
    auto now = Clock::now();
    // On a terminal the first piece of work is shown at once, however quick the rest will be.
    if (!first_ &&
        std::chrono::duration<double>(now - drawn_).count() < (terminal_ ? 0.1 : line_seconds_))
      return;
    first_ = false;
    drawn_ = now;
    const int64_t here = done_ - before_;
    const double rate = per_second(here, start_),
                 overall = placed_ ? per_second(longer_done_ + here, longer_start_) : rate;
    double frac =
        total_ > 0 ? std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_)) : 0;
    std::string left = overall > 0
                           ? duration_text(static_cast<double>(total_ - done_ + after_) / overall)
                           : std::string("--:--");
    left += placed_ ? " left of the whole run" : " left";
    if (!terminal_) {
      log_info("progress", "{}: {:.0f} %, {:.0f} {}s/s, {}{}{}", label_, 100 * frac, rate, unit_,
               left, note_.empty() ? "" : "  ", note_);
      return;
    }
    constexpr int kWidth = 24;
    int filled = static_cast<int>(frac * kWidth);
    std::string bar(static_cast<size_t>(filled), '=');
    bar.resize(kWidth, ' ');
    std::string line = fmt::format("{} [{}] {:3.0f}% {:.0f} {}s/s, {}  {}", label_, bar, 100 * frac,
                                   rate, unit_, left, note_);
    winsize size{};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
      line.resize(std::min<size_t>(line.size(), size.ws_col - 1U));
    std::fputs(("\r\x1b[2K" + line).c_str(), stderr);  // a terminal that went away ends no run
    std::fflush(stderr);
    bar_on_screen = true;
  }

  bool terminal_, first_ = false;
  double line_seconds_;
  std::string label_, unit_, note_;
  int64_t total_ = 0, done_ = 0, before_ = 0, after_ = 0;
  Clock::time_point start_, drawn_;
  // The longer work that placed bars are parts of.
  bool placed_ = false;
  int64_t longer_done_ = 0, longer_left_ = -1;
  Clock::time_point longer_start_;
};

}  // namespace

Progress& null_progress() {
  static NullProgress progress;
  return progress;
}

std::unique_ptr<Progress> make_stderr_progress(double line_seconds) {
  return std::make_unique<StderrProgress>(takes_escapes(STDERR_FILENO), line_seconds);
}

bool takes_escapes(int descriptor) {
  const char *term = std::getenv("TERM"), *no_color = std::getenv("NO_COLOR");
  return ::isatty(descriptor) == 1 && term && *term && std::string_view(term) != "dumb" &&
         !(no_color && *no_color);
}

void clear_progress_line() {
  if (!bar_on_screen.exchange(false)) return;
  std::fputs("\r\x1b[2K", stderr);
  std::fflush(stderr);
}

}  // namespace tailor::core

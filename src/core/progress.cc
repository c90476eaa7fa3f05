#include "tailor/core/progress.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>

#include "tailor/core/log.h"

namespace tailor {
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
    done_ = 0;
    start_ = Clock::now();
    drawn_ = start_;
    draw();
  }

  void advance(int64_t items) override {
    done_ += items;
    draw();
  }

  void note(const std::string& text) override { note_ = text; }

  void end() override {
    if (terminal_) clear_progress_line();
  }

 private:
  using Clock = std::chrono::steady_clock;

  double elapsed() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  void draw() {
    auto now = Clock::now();
    if (std::chrono::duration<double>(now - drawn_).count() < (terminal_ ? 0.1 : line_seconds_))
      return;
    drawn_ = now;
    double seconds = elapsed();
    double rate = seconds > 0 ? static_cast<double>(done_) / seconds : 0;
    double frac =
        total_ > 0 ? std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_)) : 0;
    std::string left =
        rate > 0 ? duration_text(static_cast<double>(total_ - done_) / rate) : std::string("--:--");
    if (!terminal_) {
      log_info("progress", "{}: {:.0f} %, {:.0f} {}s/s, {} left{}{}", label_, 100 * frac, rate,
               unit_, left, note_.empty() ? "" : "  ", note_);
      return;
    }
    constexpr int kWidth = 24;
    int filled = static_cast<int>(frac * kWidth);
    std::string bar(static_cast<size_t>(filled), '=');
    bar.resize(kWidth, ' ');
    std::string line = fmt::format("{} [{}] {:3.0f}% {:.0f} {}s/s, {} left  {}", label_, bar,
                                   100 * frac, rate, unit_, left, note_);
    winsize size{};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
      line.resize(std::min<size_t>(line.size(), size.ws_col - 1U));
    fmt::print(stderr, "\r\x1b[2K{}", line);
    std::fflush(stderr);
    bar_on_screen = true;
  }

  bool terminal_;
  double line_seconds_;
  std::string label_, unit_, note_;
  int64_t total_ = 0, done_ = 0;
  Clock::time_point start_, drawn_;
};

}  // namespace

Progress& null_progress() {
  static NullProgress progress;
  return progress;
}

std::unique_ptr<Progress> make_stderr_progress(double line_seconds) {
  return std::make_unique<StderrProgress>(isatty(STDERR_FILENO) == 1, line_seconds);
}

void clear_progress_line() {
  if (!bar_on_screen.exchange(false)) return;
  std::fputs("\r\x1b[2K", stderr);
  std::fflush(stderr);
}

}  // namespace tailor

// The only file that includes spdlog.
#include "tailor/core/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <mutex>

#include "tailor/core/error.h"
#include "tailor/core/progress.h"
#include "tailor/core/strings.h"

namespace tailor::core {
namespace {

struct LogState {
  std::mutex mutex;
  LogLevel default_level = LogLevel::Info;
  std::map<std::string, LogLevel, std::less<>> channels;
  std::shared_ptr<spdlog::logger> terminal;
  std::shared_ptr<spdlog::logger> file;
};

constexpr std::pair<const char*, LogLevel> kLevels[] = {
    {"trace", LogLevel::Trace}, {"debug", LogLevel::Debug}, {"info", LogLevel::Info},
    {"warn", LogLevel::Warn},   {"error", LogLevel::Error}, {"off", LogLevel::Off}};

LogState& state() {
  static LogState* s = [] {
    auto* created = new LogState;
    created->terminal = std::make_shared<spdlog::logger>(
        "tailor",
        std::make_shared<spdlog::sinks::stderr_color_sink_st>(
            takes_escapes(STDERR_FILENO) ? spdlog::color_mode::always : spdlog::color_mode::never));
    created->terminal->set_level(spdlog::level::trace);
    created->terminal->set_pattern("%H:%M:%S %^%l%$ %v");
    if (const char* level = std::getenv("TAILOR_LOG")) {
      for (const auto& [name, value] : kLevels) {
        if (level == std::string_view(name)) created->default_level = value;
      }
    }
    return created;
  }();
  return *s;
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::Trace:
      return spdlog::level::trace;
    case LogLevel::Debug:
      return spdlog::level::debug;
    case LogLevel::Info:
      return spdlog::level::info;
    case LogLevel::Warn:
      return spdlog::level::warn;
    case LogLevel::Error:
      return spdlog::level::err;
    case LogLevel::Off:
      return spdlog::level::off;
  }
  return spdlog::level::off;
}

LogLevel parse_level(std::string_view text, std::string_view spec) {
  for (const auto& [name, level] : kLevels) {
    if (text == name) return level;
  }
  fail(ErrorKind::Usage,
       "--log or TAILOR_LOG: expected LEVEL or LEVEL,room=LEVEL with LEVEL one of trace, debug, "
       "info, warn, error, "
       "off; got '{}' in '{}'",
       text, spec);
}

LogLevel level_of(const LogState& s, std::string_view channel) {
  auto found = s.channels.find(channel);
  return found == s.channels.end() ? s.default_level : found->second;
}

}  // namespace

void set_log_levels(std::string_view spec) {
  LogLevel default_level = LogLevel::Info;
  std::map<std::string, LogLevel, std::less<>> channels;
  for (const std::string& part : split(spec, ',')) {
    size_t equals = part.find('=');
    if (equals == std::string::npos) {
      default_level = parse_level(part, spec);
    } else {
      channels[part.substr(0, equals)] = parse_level(part.substr(equals + 1), spec);
    }
  }
  LogState& s = state();
  std::lock_guard lock(s.mutex);
  s.default_level = default_level;
  s.channels = std::move(channels);
}

bool log_enabled(LogLevel level, std::string_view channel) {
  LogState& s = state();
  std::lock_guard lock(s.mutex);
  return level >= level_of(s, channel) || (s.file && level >= LogLevel::Info);
}

void log_message(LogLevel level, std::string_view channel, std::string_view message) {
  LogState& s = state();
  std::lock_guard lock(s.mutex);
  if (level >= level_of(s, channel)) {
    clear_progress_line();
    s.terminal->log(spdlog_level(level), "{}: {}", channel, message);
  }
  if (s.file && level >= LogLevel::Info) {
    s.file->log(spdlog_level(level), "{}: {}", channel, message);
    s.file->flush();
  }
}

void set_log_file(const std::string& path) {
  LogState& s = state();
  std::lock_guard lock(s.mutex);
  s.file.reset();
  if (path.empty()) return;
  try {
    s.file = std::make_shared<spdlog::logger>(
        "file", std::make_shared<spdlog::sinks::basic_file_sink_st>(path));
  } catch (const spdlog::spdlog_ex& e) {
    fail(ErrorKind::Data, "cannot write the log file {}: {}", path, e.what());
  }
  s.file->set_pattern("%Y-%m-%d %H:%M:%S %l %v");
}

}  // namespace tailor::core

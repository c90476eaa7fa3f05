// Logging façade: spdlog stands behind it in one source file. The channel is the room; levels are
// set per channel ("info,passes=debug"). Logs go to stderr; stdout is for answers.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>

#include "tailor/core/rooms.h"

namespace tailor::core {

enum class LogLevel { Trace, Debug, Info, Warn, Error, Off };

/// The level before any call is $TAILOR_LOG, else info. Parses "LEVEL" or "LEVEL,channel=LEVEL,…".
/// Throws Usage on an unknown level.
void set_log_levels(std::string_view spec);
bool log_enabled(LogLevel level, std::string_view channel);
void log_message(LogLevel level, std::string_view channel, std::string_view message);
/// Also appends every message of level info and above to this file (the run's log); empty closes
/// it.
void set_log_file(const std::string& path);

template <class... Args>
void log_at(LogLevel level, std::string_view channel, fmt::format_string<Args...> format,
            Args&&... args) {
  if (log_enabled(level, channel))
    log_message(level, channel, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_debug(std::string_view channel, fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::Debug, channel, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_info(std::string_view channel, fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::Info, channel, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_warn(std::string_view channel, fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::Warn, channel, format, std::forward<Args>(args)...);
}

}  // namespace tailor::core

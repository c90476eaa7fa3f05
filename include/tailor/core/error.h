// The one exception type of the project. Every error has a kind, the kind decides the exit code,
// and the message says what, expected, got, where and what to do. Only `cli` catches it.
#pragma once

#include <fmt/core.h>

#include <exception>
#include <string>
#include <utility>

#include "tailor/core/rooms.h"

namespace tailor::core {

enum class ErrorKind { Usage, Config, Data, Unsupported, Mismatch, ExternalTool, Internal, Worker };

/// Exit code of the program for an error of this kind (usage 2 … worker 8, internal 1).
int exit_code(ErrorKind kind);
const char* error_kind_name(ErrorKind kind);

class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) {}
  ErrorKind kind() const { return kind_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  ErrorKind kind_;
  std::string message_;
};

template <class... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

/// Of several processes that do one work: what stands before this one's errors ("worker 1"); empty
/// for the first of them.
void set_error_origin(const std::string& origin);
const std::string& error_origin();

[[noreturn]] void fail_check(const char* file, int line, const char* condition,
                             const std::string& message);

}  // namespace tailor::core

/// For bugs, never for bad input: throws ErrorKind::Internal with file and line.
#define TAILOR_CHECK(condition, ...)                                                             \
  do {                                                                                           \
    if (!(condition))                                                                            \
      ::tailor::core::fail_check(__FILE__, __LINE__, #condition, ::fmt::format("" __VA_ARGS__)); \
  } while (false)

#include "tailor/core/error.h"

namespace tailor::core {

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Usage:
      return 2;
    case ErrorKind::Config:
      return 3;
    case ErrorKind::Data:
      return 4;
    case ErrorKind::Unsupported:
      return 5;
    case ErrorKind::Mismatch:
      return 6;
    case ErrorKind::ExternalTool:
      return 7;
    case ErrorKind::Worker:
      return 8;
    case ErrorKind::Internal:
      return 1;
  }
  return 1;
}

const char* error_kind_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Usage:
      return "usage";
    case ErrorKind::Config:
      return "config";
    case ErrorKind::Data:
      return "data";
    case ErrorKind::Unsupported:
      return "unsupported";
    case ErrorKind::Mismatch:
      return "mismatch";
    case ErrorKind::ExternalTool:
      return "external tool";
    case ErrorKind::Worker:
      return "worker";
    case ErrorKind::Internal:
      return "internal";
  }
  return "internal";
}

namespace {

std::string& origin() {
  static std::string name;
  return name;
}

}  // namespace

void set_error_origin(const std::string& name) { origin() = name; }
const std::string& error_origin() { return origin(); }

void fail_check(const char* file, int line, const char* condition, const std::string& message) {
  fail(ErrorKind::Internal,
       "{}:{}: check failed: {}{}{} (this is a bug in tailor, please report it)", file, line,
       condition, message.empty() ? "" : ": ", message);
}

}  // namespace tailor::core

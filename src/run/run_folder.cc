#include "tailor/run/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "tailor/core/files.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/run/event_file.h"

namespace tailor::run {
namespace fs = std::filesystem;
namespace {

/// config.json is the last to go: without it the rest would be no run that --force may replace.
constexpr const char* kFiles[] = {"summary.json",  "last.ckpt",         "best.ckpt",
                                  "metrics.jsonl", "alterations.jsonl", "train.log",
                                  "network.json",  "teacher",           "config.json"};

/// Makes `path` a relative link to `target`.
void link_run(const std::string& path, const std::string& target) {
  std::error_code error;
  const fs::path link = fs::path(absolute_path(parent_path(path))) / file_name(path);
  const fs::path relative = fs::path(absolute_path(target)).lexically_relative(link.parent_path());
  if (fs::read_symlink(link, error) == relative) return;
  fs::remove(link, error);
  fs::create_symlink(relative, link, error);
  if (error)
    fail(ErrorKind::Data, "cannot link {} to {}: {}", link.string(), target, error.message());
}

/// Of a process that was killed while it wrote: NAME.tmp.PID (core/files.h).
bool is_temporary(const std::string& name) {
  const size_t at = name.rfind(".tmp.");
  return at != std::string::npos && parse_int(name.substr(at + 5)).has_value();
}

/// What the last process signed the lock with; null where there is nothing (of older versions).
Json signature(const std::string& lock) {
  try {
    return Json::parse(read_file(lock), lock);
  } catch (const Error&) {
    return Json();
  }
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

/// True while `path` is still the file that was opened: whoever removes a folder removes its lock.
bool is_same_file(int descriptor, const std::string& path) {
  struct stat opened {
  }, there{};
  return ::fstat(descriptor, &opened) == 0 && ::stat(path.c_str(), &there) == 0 &&
         opened.st_dev == there.st_dev && opened.st_ino == there.st_ino;
}

}  // namespace

RunFolder::RunFolder(std::string path, bool wait) : path_(std::move(path)) {
  const std::string lock = file(".lock");
  auto open_lock = [&] {
    create_directories(path_);
    if (lock_ >= 0) ::close(lock_);
    lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock_ < 0) fail(ErrorKind::Data, "cannot write {}: {}", lock, std::strerror(errno));
  };
  open_lock();
  bool said = false;
  for (int tries = 1;; ++tries) {
    if (::flock(lock_, LOCK_EX | LOCK_NB) == 0) {
      if (is_same_file(lock_, lock)) return;
      open_lock();
      continue;
    }
    if (errno != EWOULDBLOCK && errno != EINTR) {  // a file system without locks: go on without
      log_warn("train", "{}: cannot lock: {}", lock, std::strerror(errno));
      return;
    }
    if (!wait && tries < 10) {  // whoever only looks (is_held) has it for a moment
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      continue;
    }
    const Json who = signature(lock);
    const std::string name = who.is_object() ? fmt::format(" ({} on {})", who.get_int("process", 0),
                                                           who.get_string("host", ""))
                                             : "";
    if (!wait) {
      ::close(lock_);
      lock_ = -1;
      fail(ErrorKind::Usage,
           "{}: another process{} is training in this folder; wait for it, or name another "
           "--output",
           path_, name);
    }
    if (!said) log_info("train", "waiting for the process{} that trains in {}", name, path_);
    said = true;
    throw_if_interrupted();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
}

RunFolder::~RunFolder() {
  if (lock_ >= 0) ::close(lock_);
}

std::string RunFolder::file(const char* name) const { return path_join(path_, name); }

bool RunFolder::finished() const { return path_exists(file("summary.json")); }

void RunFolder::sign(const SumOrder& now) {
  const Json before = signature(file(".lock"));
  const Json order =
      Json::object({{"threads", now.threads}, {"workers", now.workers}, {"kernels", now.kernels}});
  for (const auto& [what, value] : order.as_object()) {
    const Json* then = before.is_object() ? before.find(what) : nullptr;
    if (!then || then->dump() == value.dump() || !path_exists(last())) continue;
    auto text = [name = what](const Json& v) {
      return v.is_string() ? v.as_string() : fmt::format("{} {}", v.dump(), name);
    };
    log_warn("train",
             "{}: going on with {}, after {}: sums are taken in another order, so the run may not "
             "be bit for bit what it would have been",
             path_, text(value), then->is_string() ? text(*then) : then->dump());
  }
  if (lock_ < 0) return;
  Json signed_by = Json::object({{"process", int64_t{::getpid()}}, {"host", host_name()}});
  for (const auto& [what, value] : order.as_object()) signed_by.set(what, value);
  const std::string text = signed_by.dump() + "\n";
  // In place: a file that is renamed into place would be another lock.
  if (::ftruncate(lock_, 0) != 0 ||
      ::pwrite(lock_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    fail(ErrorKind::Data, "cannot write {}: {}", file(".lock"), std::strerror(errno));
}

void RunFolder::clear() {
  for (const std::string& name : list_directory(path_)) {
    if (is_temporary(name) || starts_with(name, kEventFiles)) remove_all(path_join(path_, name));
  }
  for (int64_t i = 1; fs::is_symlink(phase(path_, i)); ++i) remove_all(phase(path_, i));
  for (const char* name : kFiles) remove_all(file(name));
}

bool RunFolder::is_run(const std::string& path) {
  return path_exists(path_join(path, "config.json"));
}

bool RunFolder::is_held(const std::string& path) {
  const int lock = ::open(path_join(path, ".lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (lock < 0) return false;
  const bool held = ::flock(lock, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(lock);
  return held;
}

bool RunFolder::is_free(const std::string& path) {
  if (!path_exists(path)) return true;
  if (!is_directory(path)) return false;
  for (const std::string& name : list_directory(path)) {
    if (name != ".lock" && !is_temporary(name)) return false;
  }
  return true;
}

void RunFolder::append(const char* name, const Json& line) {
  const std::string path = file(name), text = line.dump() + "\n";
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const bool written = descriptor >= 0 && ::write(descriptor, text.data(), text.size()) ==
                                              static_cast<ssize_t>(text.size());
  const int error = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (!written) {
    fail(ErrorKind::Data,
         "cannot write {}: {} (free some space and go on with tailor train --resume {})", path,
         std::strerror(error), shell_quote(path_));
  }
}

void RunFolder::truncate(const char* name, int64_t lines) {
  const std::string path = file(name);
  const std::string text = path_exists(path) ? read_file(path) : std::string();
  size_t end = 0;
  for (int64_t i = 0; i < lines; ++i) {
    end = text.find('\n', end);
    if (end == std::string::npos) {
      fail(ErrorKind::Data, "{}: expected at least {} lines, got {}; the run cannot be resumed",
           path, lines, i);
    }
    ++end;
  }
  if (end < text.size()) write_file(path, text.substr(0, end));
}

void RunFolder::write(const char* name, const Json& json) {
  write_file(file(name), json.dump(2) + "\n");
}

void RunFolder::link_teacher(const std::string& target) { link_run(file("teacher"), target); }

void RunFolder::link_phase(int64_t number, const std::string& target) {
  link_run(phase(path_, number), target);
}

std::string RunFolder::phase(const std::string& path, int64_t number) {
  return path_join(path, fmt::format("phase{}", number));
}

std::string RunFolder::linked_teacher() const {
  std::error_code error;
  const fs::path target = fs::read_symlink(file("teacher"), error);
  if (error) return "";
  const std::string plain = (fs::path(path_) / target).lexically_normal().string();
  const std::string real = absolute_path(file("teacher"));  // beside a folder that is a link itself
  return absolute_path(plain) == real ? plain : real;
}

}  // namespace tailor::run

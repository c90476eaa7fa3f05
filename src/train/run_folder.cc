#include "tailor/train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "tailor/core/files.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/log.h"

namespace tailor {
namespace fs = std::filesystem;

RunFolder::RunFolder(std::string path, bool wait) : path_(std::move(path)) {
  create_directories(path_);
  const std::string lock = file(".lock");
  lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_ < 0) fail(ErrorKind::Data, "cannot write {}: {}", lock, std::strerror(errno));
  bool said = false;
  while (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {  // a file system without locks: go on without
      log_warn("train", "{}: cannot lock: {}", lock, std::strerror(errno));
      return;
    }
    if (!wait) {
      ::close(lock_);
      lock_ = -1;
      fail(ErrorKind::Usage,
           "{}: another process is training in this folder; wait for it, or name another --output",
           path_);
    }
    if (!said) log_info("train", "waiting for the process that trains in {}", path_);
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
         std::strerror(error), path_);
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

void RunFolder::link_teacher(const std::string& target) {
  std::error_code error;
  const fs::path link = fs::path(absolute_path(path_)) / "teacher";
  fs::remove(link, error);
  const fs::path relative = fs::path(absolute_path(target)).lexically_relative(link.parent_path());
  fs::create_symlink(relative, link, error);
  if (error)
    fail(ErrorKind::Data, "cannot link {} to {}: {}", link.string(), target, error.message());
}

}  // namespace tailor

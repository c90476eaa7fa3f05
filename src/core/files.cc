#include "tailor/core/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <system_error>

#include "tailor/core/error.h"

namespace tailor::core {
namespace fs = std::filesystem;
namespace {

std::string errno_text(int error) { return std::generic_category().message(error); }

[[noreturn]] void fail_write(const std::string& path, int error) {
  fail(ErrorKind::Data, "cannot write {}: {}{}", path, errno_text(error),
       error == ENOSPC || error == EDQUOT ? " (free some space and try again; nothing was changed)"
                                          : "");
}

/// Folders that were made for what is not there now, unless something else is in them.
void unmake(const std::vector<std::string>& made) {
  for (const std::string& folder : made) ::rmdir(folder.c_str());
}

/// Makes the folder; returns what was missing of it, the innermost first.
std::vector<std::string> make_missing(const std::string& folder) {
  std::vector<std::string> made;
  for (std::string at = folder; !at.empty() && !path_exists(at); at = parent_path(at))
    made.push_back(at);
  if (folder.empty()) return made;
  try {
    create_directories(folder);
  } catch (...) {
    unmake(made);
    throw;
  }
  return made;
}

void write_all(int descriptor, const void* data, size_t size, const std::string& path) {
  const char* bytes = static_cast<const char*>(data);
  while (size > 0) {
    ssize_t n = ::write(descriptor, bytes, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_write(path, errno);
    bytes += n;
    size -= static_cast<size_t>(n);
  }
}

}  // namespace

std::string read_file(const std::string& path, std::string_view what) {
  return read_beginning(path, std::numeric_limits<size_t>::max(), what);
}

std::string read_beginning(const std::string& path, size_t most, std::string_view what) {
  int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail(ErrorKind::Data, "cannot read {} {}: {}", what, path, errno_text(errno));
  struct stat info {};
  if (::fstat(descriptor, &info) != 0 || !(S_ISREG(info.st_mode) || S_ISFIFO(info.st_mode))) {
    ::close(descriptor);
    fail(ErrorKind::Data, "cannot read {} {}: it is a {}, expected a file", what, path,
         S_ISDIR(info.st_mode) ? "folder" : "device");
  }
  const auto stated = static_cast<size_t>(std::max<off_t>(info.st_size, 0));
  std::string bytes(std::min(stated, most), '\0');
  size_t done = 0;
  while (done < most) {
    if (done == bytes.size())  // grown meanwhile, or a pipe
      bytes.resize(bytes.size() + std::min<size_t>(most - done, 4096));
    ssize_t n = ::read(descriptor, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      int error = errno;
      ::close(descriptor);
      fail(ErrorKind::Data, "cannot read {} {}: {}", what, path, errno_text(error));
    }
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  ::close(descriptor);
  bytes.resize(done);
  return bytes;
}

void write_file(const std::string& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void create_directories(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail(ErrorKind::Data, "cannot create folder {}: {}", path, error.message());
}

bool path_exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

bool is_regular_file(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

bool is_directory(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

bool is_empty_directory(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error) && fs::is_empty(path, error);
}

std::vector<std::string> list_directory(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error))
    names.push_back(entry.path().filename().string());
  if (error) fail(ErrorKind::Data, "cannot list folder {}: {}", path, error.message());
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> list_files_recursively(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::recursive_directory_iterator it(path, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored)) names.push_back(it->path().lexically_relative(path).string());
  }
  if (error) fail(ErrorKind::Data, "cannot list folder {}: {}", path, error.message());
  std::sort(names.begin(), names.end());
  return names;
}

void remove_all(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) fail(ErrorKind::Data, "cannot remove {}: {}", path, error.message());
}

void refuse_to_replace(std::string_view flag, const std::string& path, bool force,
                       std::string_view what) {
  if (what == "file" && is_directory(path)) {
    fail(ErrorKind::Usage, "{} {}: it is a folder, expected the name of a file; name one in it",
         flag, path);
  }
  if (force || !path_exists(path)) return;
  fail(ErrorKind::Usage, "{} {}: it exists already; name another {}, or add --force to replace it",
       flag, path, what);
}

std::string path_join(std::string_view folder, std::string_view name) {
  return (fs::path(folder) / fs::path(name)).string();
}

std::string file_name(std::string_view path) { return fs::path(path).filename().string(); }

std::string parent_path(std::string_view path) { return fs::path(path).parent_path().string(); }

std::string absolute_path(const std::string& path) {
  if (path.empty()) return path;
  std::error_code error;
  // Made absolute first: of a path of which nothing exists weakly_canonical leaves it relative.
  fs::path absolute = fs::weakly_canonical(fs::absolute(path), error);
  if (error) absolute = fs::absolute(path).lexically_normal();
  std::string text = absolute.string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  made_ = make_missing(parent_path(path_));
  struct stat there {};
  if (::stat(path_.c_str(), &there) == 0 && !S_ISREG(there.st_mode) && !S_ISDIR(there.st_mode)) {
    fail(ErrorKind::Data,
         "cannot write {}: expected a file of its own or nothing there, got a device or a pipe, "
         "which would be replaced",
         path_);
  }
  temporary_ = path_ + ".tmp." + std::to_string(::getpid());
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) {
    const int error = errno;
    unmake(made_);
    fail_write(path_, error);
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (temporary_.empty()) return;
  ::unlink(temporary_.c_str());
  unmake(made_);
}

void AtomicFile::write(const void* data, size_t size) { write_all(descriptor_, data, size, path_); }

void AtomicFile::flush() {
  if (descriptor_ < 0) return;
  if (::fsync(descriptor_) != 0 && errno != EINVAL && errno != EROFS) fail_write(path_, errno);
  int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0) fail_write(path_, errno);
}

void AtomicFile::commit() {
  flush();
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_write(path_, errno);
  temporary_.clear();
}

AtomicDirectory::AtomicDirectory(std::string path) : path_(std::move(path)) {
  while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
  made_ = make_missing(parent_path(path_));
  temporary_ = path_ + ".tmp." + std::to_string(::getpid());
  std::error_code error;
  fs::remove_all(temporary_, error);
  if (fs::create_directory(temporary_, error) && !error) return;
  unmake(made_);
  fail(ErrorKind::Data, "cannot create folder {}: {}", path_, error.message());
}

AtomicDirectory::~AtomicDirectory() {
  if (temporary_.empty()) return;
  std::error_code error;
  fs::remove_all(temporary_, error);
  unmake(made_);
}

void AtomicDirectory::write(std::string_view name, std::string_view bytes) {
  const std::string path = path_join(temporary_, name);
  create_directories(parent_path(path));
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) fail_write(path_join(path_, name), errno);
  try {
    write_all(descriptor, bytes.data(), bytes.size(), path_join(path_, name));
  } catch (...) {
    ::close(descriptor);
    throw;
  }
  if (::close(descriptor) != 0) fail_write(path_join(path_, name), errno);
}

void AtomicDirectory::commit() {
  std::error_code error;
  std::string old;
  if (fs::exists(path_, error)) {
    old = path_ + ".old." + std::to_string(::getpid());
    fs::rename(path_, old, error);
    if (error) fail(ErrorKind::Data, "cannot replace {}: {}", path_, error.message());
  }
  fs::rename(temporary_, path_, error);
  if (error) {
    std::error_code ignored;
    if (!old.empty()) fs::rename(old, path_, ignored);
    fail(ErrorKind::Data, "cannot create {}: {}", path_, error.message());
  }
  temporary_.clear();
  if (!old.empty()) fs::remove_all(old, error);
}

std::string temporary_root() {
  const char* root = std::getenv("TMPDIR");
  return root && *root ? root : "/tmp";
}

TemporaryDirectory::TemporaryDirectory(std::string_view prefix) {
  std::string pattern = path_join(temporary_root(), std::string(prefix) + ".XXXXXX");
  if (!::mkdtemp(pattern.data()))
    fail(ErrorKind::Data, "cannot create a temporary folder {}: {}", pattern, errno_text(errno));
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code error;
  fs::remove_all(path_, error);
}

}  // namespace tailor::core

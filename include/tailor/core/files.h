// Files that are whole or not there: everything is written under a temporary name in the same
// folder, flushed, and renamed. A full disk is an error and leaves the old file as it was.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tailor/core/span.h"

namespace tailor::core {

/// Whole file as bytes. Throws Data with `what` ("checkpoint") and the path.
std::string read_file(const std::string& path, std::string_view what = "file");
/// Its first `most` bytes, or all if there are fewer.
std::string read_beginning(const std::string& path, size_t most, std::string_view what = "file");
/// Writes and renames; creates missing parent folders.
void write_file(const std::string& path, std::string_view bytes);
void create_directories(const std::string& path);
bool path_exists(const std::string& path);
/// No folder, device or pipe; links are followed.
bool is_regular_file(const std::string& path);
bool is_directory(const std::string& path);
bool is_empty_directory(const std::string& path);
/// Names (not paths) in a folder, sorted.
std::vector<std::string> list_directory(const std::string& path);
/// All regular files below a folder, as sorted paths relative to it.
std::vector<std::string> list_files_recursively(const std::string& path);
void remove_all(const std::string& path);
/// Throws Usage where something is at `path`, which the flag ("--output") named, unless `force`:
/// what is there may be replaced. `what`: "file" or "folder".
void refuse_to_replace(std::string_view flag, const std::string& path, bool force,
                       std::string_view what = "file");
std::string path_join(std::string_view folder, std::string_view name);
std::string file_name(std::string_view path);
std::string parent_path(std::string_view path);
std::string absolute_path(const std::string& path);

/// A file written piece by piece, then renamed into place by commit(); destroyed without it, it is
/// gone, and so are the folders that were made for it.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  void write(const void* data, size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// All is on the disk, under the temporary name still: where several files are to be there or
  /// none, a full disk is an error here.
  void flush();
  void commit();

 private:
  std::string path_, temporary_;
  std::vector<std::string> made_;  // folders
  int descriptor_ = -1;
};

/// A folder filled under a temporary name beside `path`, then renamed into place by commit(), which
/// replaces what was there only then; destroyed without it, it is gone and `path` is as before.
class AtomicDirectory {
 public:
  explicit AtomicDirectory(std::string path);
  ~AtomicDirectory();
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;
  const std::string& temporary_path() const { return temporary_; }
  /// A file inside; its parent folders are made. It need not be whole by itself: the folder is.
  void write(std::string_view name, std::string_view bytes);
  void commit();

 private:
  std::string path_, temporary_;
  std::vector<std::string> made_;  // folders
};

/// $TMPDIR, or /tmp.
std::string temporary_root();

/// A fresh folder under temporary_root(), removed with everything in it on destruction.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(std::string_view prefix = "tailor");
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// SHA-256 (FIPS 180-4) as 64 hex digits.
std::string sha256(std::string_view bytes);

}  // namespace tailor::core

// Named files to be read in any order: a folder's, or those inside an archive (libarchive), which
// is read where it lies. Names are relative, sorted, and stay inside: "../x" is refused by name.
// What begins with a dot, and __MACOSX, is hidden: it is counted, not looked into.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tailor/data/images.h"

namespace tailor::data {

class FileSet {
 public:
  virtual ~FileSet() = default;
  const std::vector<std::string>& names() const { return names_; }
  /// Every folder there is, "a/b" without a slash at the end; sorted.
  const std::vector<std::string>& folders() const { return folders_; }
  /// What is there and has no name in names(), by kind.
  const PassedOverFiles& passed_over() const { return passed_over_; }
  /// Bytes of a file, at most `limit` from its start (0: all). Thread-safe. Throws Data.
  virtual std::string read(size_t file, size_t limit = 0) const = 0;
  /// Name for messages: path, or "archive:name".
  virtual std::string title(size_t file) const = 0;

 protected:
  std::vector<std::string> names_, folders_;
  PassedOverFiles passed_over_;
};

/// The regular files whose name `wanted` accepts: below a folder, where links are followed and one
/// that leads nowhere is an error when it is read; or in an archive (.tar, .tar.gz, .zip, whatever
/// libarchive knows), where hard links to earlier members are those, and symbolic ones passed over.
/// Stored members are read in place, compressed ones from a spool file in $TMPDIR that has no name
/// and ends with the process. Throws Data.
std::shared_ptr<const FileSet> open_files(
    const std::string& path, const std::function<bool(const std::string& name)>& wanted);

/// Throws Data where no regular file is at `path`: there is none, or a folder, or a device. `what`
/// ("audio file") is what was expected.
void require_file(const std::string& path, const char* what);

std::string lower_case(std::string text);
/// The extension in lower case, with the dot; "" without one.
std::string extension_of(const std::string& name);

}  // namespace tailor::data

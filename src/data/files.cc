#include "data/files.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>

#include "tailor/core/error.h"
#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"

namespace tailor::data {
namespace {

using NameFilter = std::function<bool(const std::string&)>;

/// A descriptor read at any place by any thread.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  int value() const { return value_; }
  /// Bytes read: fewer than size only at the end of the file.
  size_t read_at(void* out, size_t size, int64_t offset, const std::string& title) const {
    size_t done = 0;
    while (done < size) {
      const ssize_t n = ::pread(value_, static_cast<char*>(out) + done, size - done,
                                static_cast<off_t>(offset + static_cast<int64_t>(done)));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0)
        fail(ErrorKind::Data, "cannot read {}: {}", title, std::generic_category().message(errno));
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

 private:
  int value_ = -1;
};

Descriptor open_to_read(const std::string& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.value() < 0)
    fail(ErrorKind::Data, "cannot read {}: {}", path, std::generic_category().message(errno));
  return file;
}

/// Length of a path up to the end of its first hidden part; 0 without one.
size_t hidden_length(const std::string& name) {
  for (size_t begin = 0; begin < name.size();) {
    const size_t end = std::min(name.find('/', begin), name.size());
    if (name[begin] == '.' || name.compare(begin, end - begin, "__MACOSX") == 0) return end;
    begin = end + 1;
  }
  return 0;
}

/// What a file that is not wanted is called in the report.
std::string kind_of(const std::string& name) {
  const std::string extension = extension_of(name);
  return extension.empty() ? "without an extension" : extension;
}

class Folder : public FileSet {
 public:
  Folder(std::string path, const NameFilter& wanted) : path_(std::move(path)) {
    std::vector<Identity> above;
    walk("", wanted, above);
    std::sort(names_.begin(), names_.end());
    std::sort(folders_.begin(), folders_.end());
  }
  std::string read(size_t file, size_t limit) const override {
    const std::string path = title(file);
    try {
      if (limit == 0) return read_file(path, "image");
      std::string bytes(limit, '\0');
      bytes.resize(open_to_read(path).read_at(bytes.data(), limit, 0, path));
      return bytes;
    } catch (const Error&) {
      std::error_code none;
      const auto target = std::filesystem::read_symlink(path, none);
      if (none || path_exists(path)) throw;
      fail(ErrorKind::Data, "it is a link to {}, which is not there", target.string());
    }
  }
  std::string title(size_t file) const override { return path_join(path_, names_[file]); }

 private:
  using Identity = std::pair<dev_t, ino_t>;

  /// `above`: the folders around this one, in which a link may lead back.
  void walk(const std::string& below, const NameFilter& wanted, std::vector<Identity>& above) {
    const std::string folder = below.empty() ? path_ : path_join(path_, below);
    struct stat info {};
    if (::stat(folder.c_str(), &info) != 0) {
      fail(ErrorKind::Data, "cannot list folder {}: {}", folder,
           std::generic_category().message(errno));
    }
    const Identity self(info.st_dev, info.st_ino);
    if (std::find(above.begin(), above.end(), self) != above.end())
      return passed_over_["link to a folder around it"].add(below + "/");
    if (!below.empty()) folders_.push_back(below);
    above.push_back(self);
    std::error_code error, none;
    for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
         it.increment(error)) {
      const std::string own = it->path().filename().string(),
                        name = below.empty() ? own : below + "/" + own;
      const bool is_folder = it->is_directory(none);
      if (hidden_length(own) > 0) {
        passed_over_["hidden"].add(is_folder ? name + "/" : name);
      } else if (is_folder) {
        walk(name, wanted, above);
      } else if (const bool nowhere = it->is_symlink(none) && !it->exists(none);
                 !nowhere && !it->is_regular_file(none)) {
        passed_over_["no regular file"].add(name);
      } else if (wanted(name)) {
        names_.push_back(name);
      } else {
        passed_over_[nowhere ? "link to nothing" : kind_of(name)].add(name);
      }
    }
    if (error) fail(ErrorKind::Data, "cannot list folder {}: {}", folder, error.message());
    above.pop_back();
  }

  std::string path_;
};

struct Reader {
  std::unique_ptr<archive, int (*)(archive*)> owner{archive_read_new(), archive_read_free};
  archive* a = owner.get();
  explicit Reader(const std::string& path) {
    if (!a) fail(ErrorKind::Internal, "libarchive: no memory");
    archive_read_support_filter_all(a);
    archive_read_support_format_all(a);
    if (archive_read_open_filename(a, path.c_str(), 1 << 18) != ARCHIVE_OK) fail_read(path);
  }
  [[noreturn]] void fail_read(const std::string& path) const {
    const char* text = archive_error_string(a);
    fail(ErrorKind::Data, "archive {}: {}; expected a whole .tar, .tar.gz or .zip", path,
         text ? text : "it cannot be read");
  }
};

/// Where a name leads must be inside; "./" and doubled slashes are dropped.
std::string inside_name(const char* raw, const std::string& archive) {
  if (!raw) fail(ErrorKind::Data, "archive {}: a file in it has no readable name", archive);
  const std::string name = raw;
  std::vector<std::string> parts;
  bool escapes = !name.empty() && name[0] == '/';
  for (const std::string& part : split(name, '/')) {
    escapes |= part == "..";
    if (!part.empty() && part != ".") parts.push_back(part);
  }
  if (escapes) {
    fail(ErrorKind::Data,
         "archive {}: the path '{}' leads out of the archive; expected relative paths without "
         "'..'; do not unpack this archive",
         archive, name);
  }
  return join(parts, "/");
}

class Archive : public FileSet {
 public:
  Archive(std::string path, const NameFilter& wanted)
      : path_(std::move(path)), file_(open_to_read(path_)) {
    std::vector<Found> found;
    std::map<std::string, Member> members;  // what a hard link can be to
    std::set<std::string> folders, hidden;
    Reader reader(path_);
    int64_t spooled = 0;
    archive_entry* entry = nullptr;
    for (;;) {
      const int state = archive_read_next_header(reader.a, &entry);
      if (state == ARCHIVE_EOF) break;
      if (state != ARCHIVE_OK && state != ARCHIVE_WARN) reader.fail_read(path_);
      std::string name = inside_name(archive_entry_pathname(entry), path_);
      const bool is_folder = archive_entry_filetype(entry) == AE_IFDIR;
      if (const size_t length = hidden_length(name); length > 0) {
        const bool below = is_folder || length < name.size();
        hidden.insert(name.substr(0, length) + (below ? "/" : ""));
        continue;
      }
      for (std::string above = is_folder ? name : parent_path(name);
           !above.empty() && folders.insert(above).second;)
        above = parent_path(above);
      if (is_folder) continue;
      const char* target = archive_entry_hardlink(entry);
      if (target && archive_entry_size(entry) == 0) {  // to an earlier member
        const auto member = members.find(inside_name(target, path_));
        if (!wanted(name)) {
          passed_over_[kind_of(name)].add(name);
        } else if (member == members.end()) {
          passed_over_["hard link to no picture in front of it"].add(name);
        } else {
          const Member same = member->second;
          members[name] = same;
          found.push_back({name, same});
        }
      } else if (!target && archive_entry_filetype(entry) != AE_IFREG) {
        passed_over_["symbolic link in an archive"].add(name);
      } else if (wanted(name)) {
        found.push_back({name, locate(reader, entry, spooled)});
        members[name] = found.back().member;
      } else {
        passed_over_[kind_of(name)].add(name);
      }
    }
    folders_.assign(folders.begin(), folders.end());
    for (const std::string& name : hidden) passed_over_["hidden"].add(name);
    keep(std::move(found));
    if (spooled > 0) {
      log_info("data", "{}: {:.1f} MB of compressed members unpacked to a temporary file", path_,
               static_cast<double>(spooled) / 1e6);
    }
  }

  std::string read(size_t file, size_t limit) const override {
    const Member& m = members_[file];
    const auto size = static_cast<size_t>(m.size);
    std::string bytes(limit > 0 ? std::min(limit, size) : size, '\0');
    const Descriptor& from = m.spooled ? spool_ : file_;
    if (from.read_at(bytes.data(), bytes.size(), m.offset, title(file)) != bytes.size())
      fail(ErrorKind::Data, "{}: the archive became shorter while it was used", title(file));
    return bytes;
  }
  std::string title(size_t file) const override { return path_ + ":" + names_[file]; }

 private:
  struct Member {
    int64_t offset = 0, size = 0;
    bool spooled = false;
  };
  struct Found {
    std::string name;
    Member member;
  };

  /// The members, by name.
  void keep(std::vector<Found> found) {
    std::stable_sort(found.begin(), found.end(),
                     [](const Found& a, const Found& b) { return a.name < b.name; });
    for (Found& f : found) {
      if (!names_.empty() && names_.back() == f.name)
        fail(ErrorKind::Data, "archive {}: '{}' is in it twice", path_, f.name);
      names_.push_back(std::move(f.name));
      members_.push_back(f.member);
    }
  }

  /// In place when the bytes lie in the archive as they are, which is looked at, not assumed.
  Member locate(Reader& reader, archive_entry* entry, int64_t& spooled) {
    const void* block = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    int state = archive_read_data_block(reader.a, &block, &size, &offset);
    if (state == ARCHIVE_EOF) return {};
    if (state != ARCHIVE_OK) reader.fail_read(path_);
    const int64_t total = archive_entry_size(entry), at = archive_filter_bytes(reader.a, 0);
    if (archive_entry_size_is_set(entry) && archive_filter_count(reader.a) == 1 &&
        archive_entry_sparse_count(entry) == 0 && offset == 0 && lies_at(block, size, at, total)) {
      // Skipping seeks, or reads on; an archive cut short shows here or at the next header.
      if (archive_read_data_skip(reader.a) != ARCHIVE_OK) reader.fail_read(path_);
      return {at, total, false};
    }
    if (spool_.value() < 0) open_spool();
    Member member{spool_size_, 0, true};
    while (state == ARCHIVE_OK) {
      member.size = std::max<int64_t>(member.size, offset + static_cast<int64_t>(size));
      write_spool(block, size, member.offset + offset);
      state = archive_read_data_block(reader.a, &block, &size, &offset);
    }
    if (state != ARCHIVE_EOF) reader.fail_read(path_);
    spool_size_ += member.size;
    spooled += member.size;
    return member;
  }

  bool lies_at(const void* block, size_t size, int64_t at, int64_t total) const {
    struct stat info {};
    if (::fstat(file_.value(), &info) != 0 || at < 0 || total < static_cast<int64_t>(size) ||
        total > info.st_size - at)
      return false;
    std::string there(size, '\0');
    return file_.read_at(there.data(), size, at, path_) == size &&
           std::memcmp(there.data(), block, size) == 0 &&
           // A deflated member is never as long as what it holds and equal to it.
           (static_cast<int64_t>(size) == total || size >= 512);
  }

  void open_spool() {
    std::string path = path_join(temporary_root(), "tailor-spool.XXXXXX");
    spool_ = Descriptor(::mkstemp(path.data()));
    if (spool_.value() < 0) {
      fail(ErrorKind::Data, "cannot make a temporary file {}: {}", path,
           std::generic_category().message(errno));
    }
    ::unlink(path.c_str());
  }
  void write_spool(const void* block, size_t size, int64_t at) {
    const char* bytes = static_cast<const char*>(block);
    while (size > 0) {
      const ssize_t n = ::pwrite(spool_.value(), bytes, size, static_cast<off_t>(at));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        fail(ErrorKind::Data,
             "archive {}: no room in the temporary folder for its unpacked members: {}; set "
             "TMPDIR to a larger disk, or unpack the archive",
             path_, std::generic_category().message(errno));
      }
      bytes += n, at += n, size -= static_cast<size_t>(n);
    }
  }

  std::string path_;
  Descriptor file_, spool_;
  int64_t spool_size_ = 0;
  std::vector<Member> members_;
};

}  // namespace

void require_file(const std::string& path, const char* what) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    fail(ErrorKind::Data, "cannot read {} {}: {}", what, path,
         std::generic_category().message(errno));
  }
  if (S_ISREG(info.st_mode)) return;
  fail(ErrorKind::Data, "cannot read {} {}: it is a {}; expected {}s", what, path,
       S_ISDIR(info.st_mode) ? "folder" : "device or pipe", what);
}

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string extension_of(const std::string& name) {
  const size_t dot = name.rfind('.'), slash = name.rfind('/');
  const bool own = dot != std::string::npos && (slash == std::string::npos || dot > slash);
  return own ? lower_case(name.substr(dot)) : "";
}

std::shared_ptr<const FileSet> open_files(const std::string& path, const NameFilter& wanted) {
  if (is_directory(path)) return std::make_shared<Folder>(path, wanted);
  return std::make_shared<Archive>(path, wanted);
}

}  // namespace tailor::data

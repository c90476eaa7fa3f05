#include "tensors/nemo.h"

#include <archive.h>
#include <archive_entry.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "tailor/core/error.h"
#include "tailor/core/strings.h"

namespace tailor::tensors {
namespace {

constexpr std::string_view kWeights = "model_weights.ckpt";
// Models of today have some tens of files; weights beyond this fit no card.
constexpr size_t kMostFiles = 10'000;
constexpr int64_t kMostBytes = int64_t{16} << 30;
// libarchive's ARCHIVE_ERRNO_FILE_FORMAT, which it keeps to itself.
constexpr int kUnknownFormat = EILSEQ;
// What deflate can make of a byte at most, and some headers of a tar.
constexpr int64_t kMostUnpacked = 1032, kHeaders = 1 << 20;
constexpr std::string_view kGzip = "\x1f\x8b";
constexpr const char* kEndsEarly = "the archive ends early";

class TarReader {
 public:
  TarReader(std::string_view bytes, const std::string& path) : path_(path) {
    archive* a = archive_.get();
    if (!a) fail(ErrorKind::Internal, "libarchive: no memory");
    archive_read_support_filter_gzip(a);
    archive_read_support_format_tar(a);
    is_tar_ = archive_read_open_memory(a, bytes.data(), bytes.size()) == ARCHIVE_OK;
    most_ = std::min<int64_t>(kMostBytes,
                              static_cast<int64_t>(bytes.size()) * kMostUnpacked + kHeaders);
  }

  /// The next entry; null behind the last one, or where there is no archive.
  archive_entry* next() {
    archive_entry* entry = nullptr;
    if (!is_tar_) return nullptr;
    const int state = archive_read_next_header(archive_.get(), &entry);
    if (state == ARCHIVE_EOF) return nullptr;
    if (state != ARCHIVE_OK && state != ARCHIVE_WARN) {
      is_tar_ = files_ > 0 || archive_errno(archive_.get()) != kUnknownFormat;
      if (!is_tar_) return nullptr;
      bad(error());
    }
    if (++files_ > kMostFiles) bad(fmt::format("it has more than {} files", kMostFiles));
    return entry;
  }

  std::string read(archive_entry* entry) {
    const int64_t size = archive_entry_size_is_set(entry) ? archive_entry_size(entry) : -1;
    if (size < 0 || size > most_) {
      bad(fmt::format("its {} says {} bytes, expected at most {}", kWeights, size, most_));
    }
    // What a header says is not yet there: memory grows with what comes.
    std::string bytes, part(size_t{1} << 20, '\0');
    while (static_cast<int64_t>(bytes.size()) < size) {
      const la_ssize_t got = archive_read_data(archive_.get(), part.data(), part.size());
      if (got < 0) bad(error());
      if (got == 0)
        bad(fmt::format("its {} ends after {} of {} bytes", kWeights, bytes.size(), size));
      bytes.append(part, 0, static_cast<size_t>(got));
    }
    return bytes;
  }

  [[noreturn]] void bad(const std::string& why) const {
    fail(ErrorKind::Data,
         "weight file {}: {}; expected a whole .nemo archive, a tar with {}; copy it again", path_,
         why, kWeights);
  }

 private:
  std::string error() const {
    const char* given = archive_error_string(archive_.get());
    if (!given) return "it cannot be read";
    const std::string text = printable(given);
    const bool cut = text.find("runcated") != std::string::npos;
    const bool damaged = text.find("decompression") != std::string::npos;
    return cut       ? fmt::format("{} ({})", kEndsEarly, text)
           : damaged ? fmt::format("it is damaged ({})", text)
                     : text;
  }

  std::unique_ptr<archive, int (*)(archive*)> archive_{archive_read_new(), archive_read_free};
  const std::string& path_;
  bool is_tar_ = false;
  int64_t most_ = 0;
  size_t files_ = 0;
};

/// Why these bytes are no whole gzip file, or "". libarchive takes one that breaks before the first
/// header for no archive.
std::string gzip_fault(std::string_view bytes) {
  constexpr size_t kLongestLook = size_t{1} << 30;  // of what comes out
  z_stream stream{};
  if (::inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) return "";
  const std::unique_ptr<z_stream, int (*)(z_stream*)> ended(&stream, ::inflateEnd);
  std::string part(size_t{1} << 16, '\0');
  size_t done = 0;
  int state = Z_OK;
  while (state == Z_OK && stream.total_out < kLongestLook) {
    if (stream.avail_in == 0) {
      const size_t count = std::min(bytes.size() - done, size_t{1} << 30);
      stream.next_in =
          reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data() + done));  // NOLINT: is read only
      stream.avail_in = static_cast<uInt>(count);
      done += count;
    }
    stream.next_out = reinterpret_cast<Bytef*>(part.data());
    stream.avail_out = static_cast<uInt>(part.size());
    state = ::inflate(&stream, Z_NO_FLUSH);
  }
  if (state == Z_OK || state == Z_STREAM_END) return "";
  if (state == Z_BUF_ERROR) return kEndsEarly;  // there was room for what would come out
  return fmt::format("it is damaged ({})", stream.msg ? printable(stream.msg) : "of another kind");
}

/// Why bytes without weights are no whole archive, or "".
std::string fault_of(std::string_view bytes) {
  if (bytes.substr(0, 2) == kGzip) return gzip_fault(bytes);
  // A tar ends with blocks of zeros.
  const std::string_view end = bytes.substr(bytes.size() - std::min<size_t>(bytes.size(), 512));
  return end.find_first_not_of('\0') == std::string_view::npos ? "" : kEndsEarly;
}

std::string_view last_part(std::string_view name) { return name.substr(name.rfind('/') + 1); }

}  // namespace

bool may_be_nemo(std::string_view bytes) {
  const bool tar = bytes.size() >= 512 && bytes.substr(257, 5) == "ustar";
  return tar || bytes.substr(0, 2) == kGzip;
}

std::optional<NemoArchive> open_nemo(std::string_view bytes, const std::string& path) {
  TarReader reader(bytes, path);
  NemoArchive found;
  bool has_weights = false;
  while (archive_entry* entry = reader.next()) {
    const char* raw = archive_entry_pathname(entry);
    const std::string name = raw ? raw : "";
    if (archive_entry_filetype(entry) != AE_IFREG) continue;
    if (last_part(name) != kWeights) {
      found.others.push_back(name);
    } else if (has_weights) {
      reader.bad(fmt::format("it has two files {}", kWeights));
    } else {
      found.weights = reader.read(entry);
      has_weights = true;
    }
  }
  if (has_weights) return found;
  // Anything else by another name may be what it likes.
  const std::string fault = has_extension(path, ".nemo") ? fault_of(bytes) : "";
  if (!fault.empty()) reader.bad(fault);
  return std::nullopt;
}

}  // namespace tailor::tensors

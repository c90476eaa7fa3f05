#include "tensors/zip.h"

#include <algorithm>
#include <array>
#include <vector>

#include "tailor/core/error.h"
#include "tailor/core/strings.h"

namespace tailor::tensors {
namespace {

constexpr uint32_t kEnd = 0x06054b50, kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr uint32_t kEntry = 0x02014b50, kLocal = 0x04034b50;
constexpr uint64_t kIn64 = 0xFFFFFFFF;  // "look in the zip64 field"

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c & 1U) != 0 ? 0xEDB88320U ^ (c >> 1) : c >> 1;
    table[i] = c;
  }
  return table;
}
constexpr auto kCrcTable = make_crc_table();

uint32_t crc32(std::string_view bytes) {
  uint32_t c = ~uint32_t{0};
  for (char byte : bytes) c = kCrcTable[(c ^ static_cast<uint8_t>(byte)) & 0xFFU] ^ (c >> 8);
  return ~c;
}

/// Little-endian number of `size` bytes at `offset`; the caller has checked that they are there.
uint64_t number(std::string_view bytes, size_t offset, size_t size) {
  uint64_t value = 0;
  for (size_t i = size; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[offset + i]);
  return value;
}

/// A record of `size` bytes with this signature, or an empty view.
std::string_view record(std::string_view bytes, uint64_t offset, size_t size, uint32_t signature) {
  if (offset > bytes.size() || size > bytes.size() - offset) return {};
  const auto out = bytes.substr(offset, size);
  return number(out, 0, 4) == signature ? out : std::string_view{};
}

/// The last "end of central directory" whose comment ends with the file.
size_t find_end(std::string_view bytes) {
  for (size_t back = 22; back <= bytes.size() && back <= 22 + 65535; ++back) {
    const size_t offset = bytes.size() - back;
    if (number(bytes, offset, 4) == kEnd && number(bytes, offset + 20, 2) == back - 22)
      return offset;
  }
  return std::string_view::npos;
}

}  // namespace

void ZipArchive::bad(const std::string& why) const {
  fail(ErrorKind::Data, "{}: {}; the zip archive is cut short or damaged", where_, why);
}

ZipArchive::Directory ZipArchive::find_directory() const {
  const size_t end = find_end(bytes_);
  if (end == std::string_view::npos) bad("it has no directory at its end");
  Directory directory{number(bytes_, end + 16, 4), number(bytes_, end + 12, 4),
                      number(bytes_, end + 10, 2)};
  if (number(bytes_, end + 4, 2) != number(bytes_, end + 6, 2)) bad("it is one of several volumes");
  if (end >= 20 && !record(bytes_, end - 20, 20, kLocator64).empty()) {
    const auto end64 = record(bytes_, number(bytes_, end - 20 + 8, 8), 56, kEnd64);
    if (end64.empty()) bad("its zip64 directory is not where it says");
    directory = {number(end64, 48, 8), number(end64, 40, 8), number(end64, 32, 8)};
  }
  if (directory.offset > end || directory.size > end - directory.offset) {
    bad(fmt::format("its directory lies at bytes {} to {} of {}", directory.offset,
                    directory.offset + directory.size, bytes_.size()));
  }
  return directory;
}

ZipArchive::Sizes ZipArchive::read_sizes(std::string_view entry, std::string_view extra) const {
  std::array<uint64_t, 3> sizes = {number(entry, 24, 4), number(entry, 20, 4),
                                   number(entry, 42, 4)};
  for (; extra.size() >= 4; extra.remove_prefix(4 + number(extra, 2, 2))) {
    const size_t size = number(extra, 2, 2);
    if (size > extra.size() - 4) bad("an extra field is longer than its entry");
    if (number(extra, 0, 2) != 1) continue;
    size_t at = 4;
    for (uint64_t& value : sizes) {
      if (value != kIn64) continue;
      if (at + 8 > 4 + size) bad("a zip64 field is too short");
      value = number(extra, at, 8);
      at += 8;
    }
  }
  return {sizes[0], sizes[1], sizes[2]};
}

ZipArchive::Extent ZipArchive::add_member(std::string_view entry, std::string_view name,
                                          std::string_view extra, uint64_t members_end) {
  Member member;
  member.flags = static_cast<uint16_t>(number(entry, 8, 2));
  member.method = static_cast<uint16_t>(number(entry, 10, 2));
  member.crc32 = static_cast<uint32_t>(number(entry, 16, 4));
  const Sizes sizes = read_sizes(entry, extra);
  member.size = sizes.unpacked;
  const auto local = record(bytes_, sizes.offset, 30, kLocal);
  if (local.empty())
    bad(fmt::format("member '{}' is not where the directory says", printable(name)));
  const uint64_t begin = sizes.offset + 30 + number(local, 26, 2) + number(local, 28, 2);
  if (begin > members_end || sizes.packed > members_end - begin) {
    bad(fmt::format("member '{}' has {} bytes at {}, the directory begins at {}", printable(name),
                    sizes.packed, begin, members_end));
  }
  member.bytes = bytes_.substr(begin, sizes.packed);
  if (!members_.emplace(name, member).second)
    bad(fmt::format("it has two members '{}'", printable(name)));
  return {sizes.offset, begin + sizes.packed, name};
}

ZipArchive::ZipArchive(std::string_view bytes, std::string where)
    : bytes_(bytes), where_(std::move(where)) {
  const Directory directory = find_directory();
  std::vector<Extent> extents;
  std::string_view rest = bytes.substr(directory.offset, directory.size);
  for (uint64_t i = 0; i < directory.count; ++i) {
    const auto entry = record(rest, 0, 46, kEntry);
    if (entry.empty())
      bad(fmt::format("entry {} of {} in its directory is not one", i, directory.count));
    const size_t name_size = number(entry, 28, 2), extra_size = number(entry, 30, 2),
                 comment_size = number(entry, 32, 2);
    if (rest.size() - 46 < name_size + extra_size + comment_size)
      bad(fmt::format("entry {} of its directory is longer than the directory", i));
    extents.push_back(add_member(entry, rest.substr(46, name_size),
                                 rest.substr(46 + name_size, extra_size), directory.offset));
    rest.remove_prefix(46 + name_size + extra_size + comment_size);
  }
  std::sort(extents.begin(), extents.end(),
            [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
  for (size_t i = 1; i < extents.size(); ++i) {
    if (extents[i].begin < extents[i - 1].end) {
      bad(fmt::format("members '{}' and '{}' overlap", printable(extents[i - 1].name),
                      printable(extents[i].name)));
    }
  }
}

std::string_view ZipArchive::read(const std::string& name) const {
  const auto found = members_.find(name);
  if (found == members_.end()) {
    fail(ErrorKind::Data, "{}: its member '{}' is missing; the archive is not whole", where_,
         printable(name));
  }
  const Member& member = found->second;
  if (member.method != 0 || (member.flags & 1U) != 0) {
    fail(ErrorKind::Unsupported,
         "{}: its member '{}' is {}, expected stored as PyTorch does it; save it again with "
         "torch.save",
         where_, printable(name), (member.flags & 1U) != 0 ? "encrypted" : "compressed");
  }
  if (member.size != member.bytes.size() ||
      (member.crc32 != 0 && member.crc32 != crc32(member.bytes))) {
    fail(ErrorKind::Data,
         "{}: its member '{}' does not have the checksum 0x{:08x} that the archive gives; the "
         "file is damaged, copy or download it again",
         where_, printable(name), member.crc32);
  }
  return member.bytes;
}

}  // namespace tailor::tensors

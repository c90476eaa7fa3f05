// Zip archives (APPNOTE 6.3, zip64 too) as views into the file's bytes: no member may reach outside
// the file or overlap another, and only stored members are read, as PyTorch writes them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace tailor::tensors {

class ZipArchive {
 public:
  struct Member {
    std::string_view bytes;  // as they lie in the file
    uint64_t size = 0;       // when unpacked
    uint32_t crc32 = 0;
    uint16_t method = 0, flags = 0;
  };

  /// `bytes` must outlive this; `where` begins every message. Throws Data on a damaged archive.
  ZipArchive(std::string_view bytes, std::string where);

  const std::map<std::string, Member>& members() const { return members_; }
  bool contains(const std::string& name) const { return members_.count(name) > 0; }
  /// The member's bytes, its checksum compared (a checksum of 0 is PyTorch's "not computed").
  /// Throws Data if it is absent or damaged, Unsupported if it is compressed or encrypted.
  std::string_view read(const std::string& name) const;

 private:
  std::string where_;
  std::map<std::string, Member> members_;
};

}  // namespace tailor::tensors

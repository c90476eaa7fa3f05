// .nemo archives written byte by byte: tar as POSIX.1-1988 has it, gzip with stored blocks, and a
// state_dict as torch.save writes it.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "support/rooms.h"
#include "tailor/tensors/tensor.h"
#include "tensors/torch_bytes.h"

namespace tailor::testing {

inline std::string octal(uint64_t value, size_t digits) {
  std::string text(digits, '0');
  for (size_t i = digits; i-- > 0; value >>= 3) text[i] = static_cast<char>('0' + (value & 7U));
  return text + '\0';
}

/// `says`: the size that the header has, if not the bytes'.
inline std::string tar_member(const std::string& name, const std::string& bytes,
                              int64_t says = -1) {
  std::string header = name + std::string(100 - name.size(), '\0') + octal(0644, 7) + octal(0, 7) +
                       octal(0, 7) +
                       octal(says < 0 ? bytes.size() : static_cast<uint64_t>(says), 11) +
                       octal(0, 11) + "        0" + std::string(100, '\0') +
                       std::string("ustar\0", 6) + "00" + std::string(247, '\0');
  uint64_t sum = 0;
  for (char c : header) sum += static_cast<unsigned char>(c);
  header.replace(148, 8, octal(sum, 6) + ' ');
  return header + bytes + std::string((512 - bytes.size() % 512) % 512, '\0');
}
inline std::string tar(const std::vector<std::pair<std::string, std::string>>& members) {
  std::string out;
  for (const auto& [name, bytes] : members) out += tar_member(name, bytes);
  return out + std::string(1024, '\0');
}

inline std::string gzip(const std::string& bytes) {
  constexpr size_t kBlock = 65535;
  std::string out = raw("\x1f\x8b\x08\0\0\0\0\0\0\xff");
  for (size_t at = 0; at < bytes.size(); at += kBlock) {
    const size_t n = std::min(kBlock, bytes.size() - at);
    out += std::string(1, at + n == bytes.size() ? '\1' : '\0') + little(n, 2) +
           little(~static_cast<uint64_t>(n), 2) + bytes.substr(at, n);
  }
  return out + little(crc32_bitwise(bytes), 4) + little(bytes.size(), 4);
}

/// An OrderedDict of float32 tensors.
inline std::string torch_state_dict(const TensorMap& tensors) {
  std::vector<std::pair<std::string, std::string>> entries, storages;
  for (const auto& [name, t] : tensors) {
    const std::string key = std::to_string(storages.size());
    std::vector<int64_t> strides(t.shape().size(), 1);
    for (size_t i = strides.size(); i-- > 1;) strides[i - 1] = strides[i] * t.shape()[i];
    entries.emplace_back(name,
                         tensor(storage("FloatStorage", key, t.size()), 0, t.shape(), strides));
    const auto values = t.as<float>();
    storages.emplace_back(key, std::string(reinterpret_cast<const char*>(values.data()),
                                           values.size() * sizeof(float)));
  }
  return torch_zip(dict(entries), storages).bytes();
}

}  // namespace tailor::testing

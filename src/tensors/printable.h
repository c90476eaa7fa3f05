// Text out of a file, for a message: control characters and what is no UTF-8 become '?', long texts
// end in "...".
#pragma once

#include <string>
#include <string_view>

namespace tailor::tensors {

inline std::string printable(std::string_view text) {
  constexpr size_t kLongest = 80;
  std::string out(text.substr(0, kLongest));
  for (size_t i = 0; i < out.size();) {
    const auto first = static_cast<unsigned char>(out[i]);
    const size_t more = first >= 0xC2 && first < 0xE0 ? 1
                        : first >> 4 == 0xE           ? 2
                        : first >> 3 == 0x1E          ? 3
                                                      : 0;
    size_t have = 0;
    while (have < more && i + have + 1 < out.size() &&
           (static_cast<unsigned char>(out[i + have + 1]) & 0xC0) == 0x80)
      ++have;
    if (have != more || first < 0x20 || (first >= 0x7F && more == 0)) out[i] = '?', have = 0;
    i += 1 + have;
  }
  return text.size() > kLongest ? out + "..." : out;
}

}  // namespace tailor::tensors

// Text out of a file, for a message: control characters become '?', long texts end in "...".
#pragma once

#include <string>
#include <string_view>

namespace tailor {

inline std::string printable(std::string_view text) {
  constexpr size_t kLongest = 80;
  std::string out(text.substr(0, kLongest));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  return text.size() > kLongest ? out + "..." : out;
}

}  // namespace tailor

#include "net/name_pattern.h"

#include <cctype>

#include "tailor/core/strings.h"

namespace tailor::net {

std::vector<Placeholder> parse_pattern(const std::string& pattern) {
  std::vector<Placeholder> parts;
  size_t at = 0;
  while (true) {
    const size_t open = pattern.find('{', at), close = pattern.find('}', open);
    if (open == std::string::npos || close == std::string::npos) break;
    parts.push_back({pattern.substr(at, open - at), pattern.substr(open + 1, close - open - 1)});
    at = close + 1;
  }
  parts.push_back({pattern.substr(at), ""});
  return parts;
}

std::optional<Words> match_pattern(const std::vector<Placeholder>& pattern,
                                   const std::string& name) {
  Words words;
  size_t at = 0;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const auto& [literal, word] = pattern[i];
    if (name.compare(at, literal.size(), literal) != 0) return std::nullopt;
    at += literal.size();
    if (word.empty()) continue;
    size_t end = at;
    if (word == kRest) {
      const std::string& tail = pattern[i + 1].literal;
      if (name.size() < at + tail.size()) return std::nullopt;
      end = name.size() - tail.size();
    } else {
      while (end < name.size() && std::isdigit(static_cast<unsigned char>(name[end])) != 0) ++end;
    }
    if (end == at) return std::nullopt;
    words[word] = name.substr(at, end - at);
    at = end;
  }
  return at == name.size() ? std::optional(words) : std::nullopt;
}

std::string fill_pattern(const std::vector<Placeholder>& pattern, const Words& words) {
  std::string name;
  for (const auto& [literal, word] : pattern) {
    name += literal;
    if (word.empty()) continue;
    const size_t sign = word.find_first_of("+-");
    const std::string& value = words.at(word.substr(0, sign));
    name += sign == std::string::npos
                ? value
                : std::to_string(
                      parse_int(value).value_or(0) +
                      parse_int(word.substr(sign + (word[sign] == '+' ? 1 : 0))).value_or(0));
  }
  return name;
}

}  // namespace tailor::net

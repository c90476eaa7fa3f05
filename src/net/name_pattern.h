// Patterns of tensor names: "layer{s}.{b}.{*}".
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tailor/core/rooms.h"

namespace tailor::net {

/// The word that takes the rest of a name.
constexpr const char* kRest = "*";
/// What each word of a pattern stands for.
using Words = std::map<std::string, std::string>;

/// One `{word}` of a pattern and what stands before it.
struct Placeholder {
  std::string literal, word;
};
std::vector<Placeholder> parse_pattern(const std::string& pattern);
/// {*} takes what is left up to the pattern's last literal, a word one number. Nothing if the name
/// is another.
std::optional<Words> match_pattern(const std::vector<Placeholder>& pattern,
                                   const std::string& name);
/// The name with these words; {s+1} is one more than s. Every word must be known.
std::string fill_pattern(const std::vector<Placeholder>& pattern, const Words& words);

}  // namespace tailor::net

// Small text helpers: split, join, trim, strict number parsing, shell quoting, "did
// you mean".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tailor/core/rooms.h"

namespace tailor::core {

std::vector<std::string> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string_view trim(std::string_view text);
bool starts_with(std::string_view text, std::string_view start);
bool ends_with(std::string_view text, std::string_view end);
/// Whether `path` is a name in front of `extension`: "a.json" with ".json", but not ".json".
bool has_extension(std::string_view path, std::string_view extension);
/// That name; all of `path` where it has not the extension.
std::string without_extension(std::string_view path, std::string_view extension);
/// The whole text as an integer or a finite number; nothing on any other text.
std::optional<int64_t> parse_int(std::string_view text);
std::optional<double> parse_number(std::string_view text);
/// 100 × a fraction, to six decimals: 86.24, where the product would print as 86.24000000000001.
double to_percent(double frac);
/// 1234567 → "1,234,567".
std::string with_commas(int64_t n);
/// "1 stage", "1,234 stages": so many of what `noun` names.
std::string counted(int64_t n, std::string_view noun);
/// Lines of at most `columns` bytes, broken at blanks; all but the first are indented.
std::string wrap(std::string_view text, size_t columns, size_t indent = 2);
/// Text out of a file, for a message: control characters and what is no UTF-8 become '?', long
/// texts end in "...".
std::string printable(std::string_view text);
/// The word as a POSIX shell reads it back: itself where nothing in it is special to a shell, else
/// in single quotes. Every command that is printed takes its paths through this.
std::string shell_quote(std::string_view word);
/// The candidate within edit distance 1 + length/4, or nothing.
std::optional<std::string> nearest_name(std::string_view name,
                                        const std::vector<std::string>& candidates);
/// " (did you mean 'X'?)" or "".
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);
/// What there is instead of an unknown name: "there are A, B", and of more than eight the five
/// nearest and `listing`, the command that prints all.
std::string list_names(std::string_view name, const std::vector<std::string>& candidates,
                       std::string_view listing);
/// " (did you mean 'X'?); " before that list.
std::string offer_names(std::string_view name, const std::vector<std::string>& candidates,
                        std::string_view listing);

}  // namespace tailor::core

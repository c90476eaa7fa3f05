#include "tailor/core/strings.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace tailor::core {
namespace {

/// Levenshtein's.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j < row.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

constexpr size_t kAllNames = 8, kNearestNames = 5;

/// Those with `name` in them first, then by edit distance.
std::vector<std::string> rank_names(std::string_view name, std::vector<std::string> candidates) {
  auto distance = [&](const std::string& candidate) {
    const bool part = !name.empty() && candidate.find(name) != std::string::npos;
    return part ? 0 : edit_distance(name, candidate);
  };
  std::stable_sort(
      candidates.begin(), candidates.end(),
      [&](const std::string& a, const std::string& b) { return distance(a) < distance(b); });
  return candidates;
}

}  // namespace

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  size_t start = 0;
  for (;;) {
    size_t end = text.find(separator, start);
    if (end == std::string_view::npos) break;
    parts.emplace_back(text.substr(start, end - start));
    start = end + 1;
  }
  parts.emplace_back(text.substr(start));
  return parts;
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += separator;
    text += parts[i];
  }
  return text;
}

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

bool has_extension(std::string_view path, std::string_view extension) {
  return path.size() > extension.size() && ends_with(path, extension);
}

std::string without_extension(std::string_view path, std::string_view extension) {
  if (has_extension(path, extension)) path.remove_suffix(extension.size());
  return std::string(path);
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::optional<int64_t> parse_int(std::string_view text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> parse_number(std::string_view text) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

std::optional<std::string> nearest_name(std::string_view name,
                                        const std::vector<std::string>& candidates) {
  std::optional<std::string> best;
  size_t best_distance = 2 + name.size() / 4;
  for (const std::string& candidate : candidates) {
    const size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates) {
  auto nearest = nearest_name(name, candidates);
  return nearest ? " (did you mean '" + *nearest + "'?)" : "";
}

std::string wrap(std::string_view text, size_t columns, size_t indent) {
  std::string out;
  size_t used = 0;
  for (const std::string& word : split(text, ' ')) {
    const bool fits = used + 1 + word.size() <= columns;
    if (used > 0) out += fits ? " " : "\n" + std::string(indent, ' ');
    used = (used == 0 ? 0 : fits ? used + 1 : indent) + word.size();
    out += word;
  }
  return out;
}

std::string printable(std::string_view text) {
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

std::string shell_quote(std::string_view word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos)
    return std::string(word);
  std::string quoted = "'";
  for (char c : word) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

std::string list_names(std::string_view name, const std::vector<std::string>& candidates,
                       std::string_view listing) {
  if (candidates.empty()) return "there are none";
  if (candidates.size() <= kAllNames) return "there are " + join(candidates, ", ");
  std::vector<std::string> nearest = rank_names(name, candidates);
  nearest.resize(kNearestNames);
  return "the nearest of " + std::to_string(candidates.size()) + " are " + join(nearest, ", ") +
         " (" + std::string(listing) + " prints all)";
}

std::string offer_names(std::string_view name, const std::vector<std::string>& candidates,
                        std::string_view listing) {
  return did_you_mean(name, rank_names(name, candidates)) + "; " +
         list_names(name, candidates, listing);
}

std::string with_commas(int64_t n) {
  std::string digits = std::to_string(n), out;
  const size_t sign = digits[0] == '-' ? 1 : 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > sign && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string counted(int64_t n, std::string_view noun) {
  return with_commas(n) + " " + std::string(noun) + (n == 1 ? "" : "s");
}

double to_percent(double frac) { return std::round(frac * 1e8) / 1e6; }

}  // namespace tailor::core

// The names of an enumeration's values stand once, beside it. Files, flags, completion and messages
// all take them from here.
#pragma once

#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "tailor/core/span.h"

namespace tailor::core {

using Names = Span<const char* const>;

template <class E>
Names enumerator_names() {
  return names_of(E{});
}

/// The value of that name, or nothing.
template <class E>
std::optional<E> find_enumerator(std::string_view name) {
  const Names names = enumerator_names<E>();
  for (size_t i = 0; i < names.size(); ++i) {
    if (name == names[i]) return static_cast<E>(i);
  }
  return std::nullopt;
}

inline std::vector<std::string> texts(Names names) { return {names.begin(), names.end()}; }

}  // namespace tailor::core

/// Behind an enumeration whose values count from 0: its names, in their order.
#define TAILOR_ENUMERATORS(E, ...)                         \
  inline ::tailor::core::Names names_of(E) {               \
    static constexpr const char* kNames[] = {__VA_ARGS__}; \
    return {kNames, std::size(kNames)};                    \
  }                                                        \
  inline const char* to_string(E value) { return names_of(value)[static_cast<size_t>(value)]; }

// Runs what must fail and asserts how: the kind of the error, and words or the whole of its
// message.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <initializer_list>
#include <string>

#include "support/rooms.h"
#include "tailor/core/error.h"

namespace tailor::testing {

/// The message of the error that `action` throws; a test failure if it throws none or another kind.
inline std::string message_of(ErrorKind kind, const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& e) {
    EXPECT_STREQ(error_kind_name(e.kind()), error_kind_name(kind)) << e.what();
    return e.what();
  }
  ADD_FAILURE() << "nothing was thrown, expected an error of kind " << error_kind_name(kind);
  return "";
}

inline void expect_words(const std::string& text, std::initializer_list<std::string> words) {
  for (const std::string& word : words)
    EXPECT_NE(text.find(word), std::string::npos) << "expected '" << word << "' in: " << text;
}

inline void expect_error(ErrorKind kind, std::initializer_list<std::string> words,
                         const std::function<void()>& action) {
  expect_words(message_of(kind, action), words);
}

}  // namespace tailor::testing

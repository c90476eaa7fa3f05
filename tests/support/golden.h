// Texts compared with committed files. TAILOR_UPDATE_GOLDENS=1 (or another variable) rewrites them
// and then fails, so that the difference is looked at.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "support/rooms.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"

namespace tailor::testing {

/// The file tests/<path>; the first differing line is shown. `variable` set in the environment
/// rewrites it.
inline void expect_golden(const std::string& path, const std::string& text,
                          const std::string& variable = "TAILOR_UPDATE_GOLDENS") {
  const std::string file = path_join(TAILOR_TEST_SOURCE, path);
  if (std::getenv(variable.c_str())) {
    write_file(file, text);
    ADD_FAILURE() << "updated " << file << ", review the difference";
    return;
  }
  ASSERT_TRUE(path_exists(file)) << file << " is missing; " << variable << "=1 writes it";
  const auto expected = split(read_file(file), '\n'), got = split(text, '\n');
  for (size_t i = 0; i < std::max(expected.size(), got.size()); ++i) {
    const std::string a = i < expected.size() ? expected[i] : "(end)",
                      b = i < got.size() ? got[i] : "(end)";
    ASSERT_EQ(b, a) << path << ", line " << i + 1 << " (" << variable << "=1 rewrites it)";
  }
}

}  // namespace tailor::testing

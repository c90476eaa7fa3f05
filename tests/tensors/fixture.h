// Path of a file in tests/tensors/fixtures; make.py there says what is in it.
#pragma once

#include <string>

#include "support/rooms.h"

namespace tailor::testing {

inline std::string fixture(const std::string& name) {
  return std::string(TAILOR_TEST_SOURCE) + "/tensors/fixtures/" + name;
}

}  // namespace tailor::testing

// What the tests of checks share.
#pragma once

#include <stdexcept>
#include <string>

#include "support/rooms.h"
#include "tailor/check/check.h"

namespace tailor::testing {

inline const CheckStep& step(const CheckReport& report, const std::string& name) {
  for (const CheckStep& s : report.steps) {
    if (s.name == name) return s;
  }
  throw std::runtime_error("no step " + name);
}

/// The compiler is asked to be quick: these networks are small.
inline CheckOptions quick_options() {
  CheckOptions options;
  options.compiler = "c++ -O0";
  return options;
}

}  // namespace tailor::testing

// A run's JSON-lines files as a test compares them: every line, without what the clock decides.
#pragma once

#include <string>
#include <vector>

#include "support/rooms.h"
#include "tailor/core/files.h"
#include "tailor/core/json.h"
#include "tailor/core/strings.h"

namespace tailor::testing {

inline std::vector<std::string> read_records(const std::string& path) {
  std::vector<std::string> lines;
  for (const std::string& line : split(read_file(path), '\n')) {
    if (line.empty()) continue;
    Json json = Json::parse(line, path);
    json.erase("seconds");
    for (const char* unit : {"images", "utterances", "chunks"})
      json.erase(fmt::format("{}_per_s", unit));
    lines.push_back(json.dump());
  }
  return lines;
}

}  // namespace tailor::testing

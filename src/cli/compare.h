// What `tailor compare` finds, for other commands.
#pragma once

#include <string>
#include <vector>

#include "tailor/core/json.h"

namespace tailor::cli {

/// The rows of `tailor compare --json`, of runs in these folders.
Json comparison_of(const std::vector<std::string>& folders);

}  // namespace tailor::cli

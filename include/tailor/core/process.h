// Runs another program without a shell and waits for it; Ctrl-C ends both.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tailor/core/rooms.h"

namespace tailor::core {

struct ProcessResult {
  int status = 0;      // exit status, or 128 + signal
  std::string output;  // standard output and error together
};

/// Starts argv[0] (looked up in PATH) in `folder` with additional environment variables. Throws
/// ExternalTool if it cannot be started.
ProcessResult run_process(const std::vector<std::string>& argv, const std::string& folder,
                          const std::vector<std::pair<std::string, std::string>>& environment = {});

}  // namespace tailor::core

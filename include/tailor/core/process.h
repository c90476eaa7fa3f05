// Runs other programs without a shell: one that is waited for, Ctrl-C ends both; or one that runs
// beside this process and hears of Ctrl-C from it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tailor/core/rooms.h"

namespace tailor::core {

struct ProcessResult {
  int status = 0;      // exit status, or 128 + signal
  std::string output;  // standard output and error together
};

/// Additional variables.
using ProcessVariables = std::vector<std::pair<std::string, std::string>>;

/// Starts argv[0] (looked up in PATH) in `folder` with additional environment variables. Throws
/// ExternalTool if it cannot be started.
ProcessResult run_process(const std::vector<std::string>& argv, const std::string& folder,
                          const ProcessVariables& environment = {});

/// A program that runs beside this one, in a process group of its own: a terminal's Ctrl-C reaches
/// it only as `signal`. When this process or this object ends first, it is sent SIGTERM.
class BackgroundProcess {
 public:
  /// Standard output and error are appended to the file `log`, standard input is empty. Throws
  /// Data where `log` cannot be written and ExternalTool if argv[0] cannot be started.
  BackgroundProcess(const std::vector<std::string>& argv, const std::string& log,
                    const ProcessVariables& environment = {});
  ~BackgroundProcess();
  BackgroundProcess(const BackgroundProcess&) = delete;
  BackgroundProcess& operator=(const BackgroundProcess&) = delete;

  void signal(int number);
  /// Exit status, or 128 + signal; nothing while it runs.
  std::optional<int> status();

 private:
  pid_t process_ = 0;
  std::optional<int> status_;
};

}  // namespace tailor::core

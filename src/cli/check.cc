// tailor check: the project against the network, step by step.
#include "tailor/check/check.h"
#include "tailor/cli/commands.h"

namespace tailor {

int run_check(const CheckCommandOptions& options) {
  CheckOptions check;
  check.compiler = options.compiler;
  check.vectors = options.vectors;
  auto progress = make_stderr_progress();
  CheckReport report = check_project(options.project, check, *progress);
  if (options.json) {
    fmt::print("{}\n", report.to_json().dump(2));
  } else {
    for (const CheckStep& step : report.steps)
      fmt::print("{}  {:12}  {}\n",
                 !step.passed ? "FAIL"
                 : step.warns ? "warn"
                              : "pass",
                 step.name, step.detail);
    fmt::print("{}: {}\n", report.project, report.passed() ? "pass" : "FAIL");
  }
  return report.passed() ? 0 : exit_code(ErrorKind::Mismatch);
}

}  // namespace tailor

// tailor check: the project against the network, step by step.
#include <unistd.h>

#include "tailor/check/check.h"
#include "tailor/cli/commands.h"

namespace tailor::cli {
namespace {

/// "pass", "warn" or "FAIL", green, yellow or red on a terminal.
std::string verdict(bool passed, bool warns = false) {
  const char* word = !passed ? "FAIL" : warns ? "warn" : "pass";
  if (!takes_escapes(STDOUT_FILENO)) return word;
  return fmt::format("\x1b[{}m{}\x1b[0m", !passed ? 31 : warns ? 33 : 32, word);
}

}  // namespace

int run_check(const CheckCommandOptions& options) {
  CheckOptions check;
  check.compiler = options.compiler;
  check.vectors = options.vectors;
  auto progress = make_stderr_progress();
  CheckReport report = check_project(options.project, check, *progress);
  if (options.json) {
    fmt::print("{}\n", write_record([&](RecordVisitor& v) { report.describe(v); }).dump(2));
  } else {
    for (const CheckStep& step : report.steps)
      fmt::print("{}  {:12}  {}\n", verdict(step.passed, step.warns), step.name, step.detail);
    fmt::print("{}: {}\n", report.project, verdict(report.passed()));
  }
  return report.passed() ? 0 : exit_code(ErrorKind::Mismatch);
}

}  // namespace tailor::cli

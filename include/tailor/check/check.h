// Proves that a project computes what the network computes: LibTorch's stored outputs, the graph in
// float64, the design in float64 and in integers, and the compiled C++, each against the next.
// Whatever differs is said with the first stage and pixel where it does.
#pragma once

#include <string>
#include <vector>

#include "tailor/core/progress.h"
#include "tailor/core/record.h"

namespace tailor::check {

struct CheckOptions {
  std::string compiler;  // empty: $CXX, else c++
  int64_t vectors = 0;   // only the first N; 0: all in the project
  int threads = 0;
  bool compile = true;  // for tests of the other steps
};

struct CheckStep {
  std::string name;
  bool passed = false;
  std::string detail;
  bool warns = false;  // passed, with something to look at
};

struct CheckReport {
  std::string project;
  int64_t vectors = 0;
  std::vector<CheckStep> steps;
  bool passed() const;
  void describe(RecordVisitor& v);
};

/// Runs every step it can, also behind a failed one. Throws Data when the folder is no project,
/// ExternalTool when the compiler fails.
CheckReport check_project(const std::string& folder, const CheckOptions& options = {},
                          Progress& progress = null_progress());

}  // namespace tailor::check

// Networks all the way to compiled C++: a project of each layout, written and checked.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "support/projects.h"
#include "support/rooms.h"
#include "tailor/check/check.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"

namespace tailor::testing {

/// Every layout, and of the fused one every form of skips.
inline const std::vector<std::pair<Layout, SkipForm>>& layouts() {
  static const std::vector<std::pair<Layout, SkipForm>> all = {{Layout::Fused, SkipForm::Folded},
                                                               {Layout::Fused, SkipForm::Window},
                                                               {Layout::Fused, SkipForm::Cloned},
                                                               {Layout::Stock, SkipForm::Folded}};
  return all;
}

/// The steps that do not pass in the projects of all but one of them, a line each; empty: all do.
/// (What `window` does alone, `folded` does too where a skip cannot fold.)
inline std::string project_findings(const Graph& lowered, const std::string& folder) {
  CheckOptions options;
  options.compiler = "c++ -O0";
  std::string findings;
  for (const auto& [layout, skips] : layouts()) {
    if (skips == SkipForm::Window) continue;
    const std::string name = fmt::format("{}-{}", to_string(layout), to_string(skips));
    const std::string project = path_join(folder, name);
    DesignOptions design;
    design.layout = layout;
    design.skips = skips;
    write_parts(project_parts(lowered, design, /*count=*/3), project);
    for (const CheckStep& s : check_project(project, options).steps) {
      if (!s.passed || s.warns) findings += fmt::format("{}: {}: {}\n", name, s.name, s.detail);
    }
  }
  return findings;
}

}  // namespace tailor::testing

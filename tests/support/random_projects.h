// Networks all the way to compiled C++: a project of each layout, written and checked.
#pragma once

#include <string>

#include "support/projects.h"
#include "support/rooms.h"
#include "tailor/check/check.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"

namespace tailor::testing {

/// The steps that do not pass in the layouts' projects, a line each; empty: all do.
inline std::string project_findings(const Graph& lowered, const std::string& folder,
                                    DesignOptions design = {}) {
  CheckOptions options;
  options.compiler = "c++ -O0";
  std::string findings;
  for (const Layout layout : {Layout::Fused, Layout::Stock}) {
    const std::string project = path_join(folder, to_string(layout));
    design.layout = layout;
    write_parts(project_parts(lowered, design, /*count=*/3), project);
    for (const CheckStep& s : check_project(project, options).steps) {
      if (!s.passed || s.warns)
        findings += fmt::format("{}: {}: {}\n", to_string(layout), s.name, s.detail);
    }
  }
  return findings;
}

}  // namespace tailor::testing

// What a page shows of answers that other commands printed with --json: how often a network is
// right in floats, as its casts and its integers have it, what it is taken for, and what a check
// found.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tailor/core/json.h"
#include "tailor/report/page.h"
#include "tailor/report/projects.h"
#include "tailor/report/runs.h"

namespace tailor::report {

/// Of `tailor evaluate --json`.
struct ReportedEvaluation {
  std::string name;  // its file's
  Json answer;
};
/// Of `tailor check --json`.
struct ReportedCheck {
  std::string name;
  Json answer;
};
bool is_evaluation(const Json& json);
bool is_check(const Json& json);

/// Accuracies by what computed them, of runs and of the weights in projects too, and the confusion
/// matrices; nothing where there is none. Throws Data where an answer is damaged.
std::optional<Section> answers_section(const std::vector<ReportedRun>& runs,
                                       const std::vector<ReportedProject>& projects,
                                       const std::vector<ReportedEvaluation>& evaluations);
std::optional<Section> checks_section(const std::vector<ReportedCheck>& checks);

}  // namespace tailor::report

// What a page shows of exported projects: a table of them all, what each needs side by side, and
// each one's dataflow. Every figure is the manifest's own, a model or a rule, none a vendor tool's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tailor/ir/graph.h"
#include "tailor/report/dataflow.h"
#include "tailor/report/page.h"
#include "tailor/target/manifest.h"

namespace tailor::report {

struct ReportedProject {
  std::string name;
  Manifest manifest;
  Dataflow flow;
};
/// Stages and streams of a design, and what its manifest says of them. Ports are left out.
Dataflow dataflow_of(const Graph& design, const Manifest& manifest);

DataTable projects_table(const std::vector<ReportedProject>& projects);
/// Bars of what two or more need; nothing of fewer.
std::optional<Section> projects_side_by_side(const std::vector<ReportedProject>& projects);
Section project_section(const ReportedProject& project);

}  // namespace tailor::report

// What a page shows of runs: a table of them all, each one's curves with its alterations, and
// finished ones beside each other.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tailor/report/page.h"
#include "tailor/run/results.h"

namespace tailor::report {

struct ReportedPhase {
  std::string what;         // "trained on with flip"
  int64_t first_epoch = 0;  // of the run's
};
/// A run as far as it got.
struct ReportedRun {
  std::string name, network, data, method;  // method: "remove, solve, every 3 epochs"
  /// Trainings of its recipe, if there are several; this run is the last. Epochs are counted
  /// through all of them.
  std::vector<ReportedPhase> phases = {};
  int64_t epochs_planned = 0;  // of all
  int64_t skips_before = 0, skips = 0, parameters = 0;
  std::vector<EpochMetrics> epochs;
  std::vector<AlterationLine> alterations;
  std::optional<RunSummary> summary;  // none: not finished
};
/// Those before the last phase, as planned.
int64_t earlier_epochs(const ReportedRun& run);
/// Of how many epochs of the last phase, or of the only one, there are lines.
int64_t last_epochs_told(const ReportedRun& run);
/// The figure that the run is judged by: "accuracy".
std::string figure_of(const ReportedRun& run);
/// What its summary says of the teacher's test.
std::optional<double> teacher_of(const RunSummary& summary);

DataTable runs_table(const std::vector<ReportedRun>& runs);
/// The figure on the validation split, and on what is trained on, against epochs. What epoch i
/// ended with stands at i + 1; alterations before epoch i, at i, where several share the time until
/// the next epoch.
Drawing accuracy_figure(const ReportedRun& run);
/// Tables and figures of one run; a paragraph where no epoch is complete yet.
Section run_section(const ReportedRun& run);

/// Of what some runs have measured.
struct Spread {
  int64_t count = 0;
  double mean = 0, deviation = 0;  // of the sample; 0 of a single one
};
Spread spread_of(const std::vector<double>& values);

/// Runs that differ by their seeds alone.
struct RunGroup {
  std::string name;  // of the first, and how many others there are
  std::string method, network;
  std::optional<int64_t> depth;        // of a ResNet
  std::vector<double> test;            // the figure of each, in per cent
  std::optional<double> teacher;       // mean
  std::vector<std::string> runs = {};  // names
};
/// Of several runs: the validation figure of all, of a group its mean, in one chart; of several
/// groups with a test figure: each beside its teacher, and against depth where there are several
/// depths. Nothing where there is nothing to compare.
std::optional<Section> runs_side_by_side(const std::vector<ReportedRun>& runs,
                                         const std::vector<RunGroup>& groups);

}  // namespace tailor::report

// What the vendor's tools write about a project, read back: high-level synthesis (XML, and text),
// co-simulation, utilisation and timing of logic synthesis or of place and route. What a report
// leaves open ("undef", "?", "-") stays empty.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tailor/core/record.h"

namespace tailor::target {

/// Of an FPGA. Block RAMs are counted in halves: one of 36 Kbit is two of 18.
struct Resources {
  std::optional<double> lut, ff, dsp, bram18, uram;
  void describe(RecordVisitor& v);
};

/// A function as high-level synthesis sees it; cycles.
struct SynthesisedModule {
  std::string name;
  std::optional<double> latency_min, latency_max, interval_min, interval_max;
  Resources resources;
};
struct SynthesisReport {
  std::string version, part;  // of the tool; of the FPGA
  std::optional<double> clock_ns, estimated_ns;
  SynthesisedModule top;
  std::vector<SynthesisedModule> modules;  // that it calls, as far as the report has them
  Resources available;
};
struct CosimulationReport {
  std::string rtl, status;                                             // "Verilog", "Pass"
  std::optional<double> latency_min, latency_average, latency_max;     // cycles of a call
  std::optional<double> interval_min, interval_average, interval_max;  // between two calls
};
struct UtilisationReport {
  Resources used, available;
};
/// A cell of the netlist, with all below it.
struct UtilisationRow {
  int depth = 0;  // of indentation: 0 is the top
  std::string instance, module;
  Resources used;
};
struct TimingReport {
  double worst_slack_ns = 0, total_slack_ns = 0;
  int64_t failing = 0, endpoints = 0;
  std::optional<double> clock_ns;  // of the first clock
};

/// `where` names the report in errors. All throw Data: what was expected, what was found, in which
/// line.
SynthesisReport read_synthesis_xml(std::string_view text, const std::string& where);
SynthesisReport read_synthesis_text(std::string_view text, const std::string& where);
/// Of the RTL that was simulated; throws where none was.
CosimulationReport read_cosimulation(std::string_view text, const std::string& where);
UtilisationReport read_utilisation(std::string_view text, const std::string& where);
std::vector<UtilisationRow> read_hierarchy(std::string_view text, const std::string& where);
TimingReport read_timing(std::string_view text, const std::string& where);

/// One stage, or what stands around the stages: the model's figures beside the tools'.
struct MeasuredStage {
  std::string name, op;
  std::optional<double> model_cycles, cycles;  // an image; high-level synthesis: its interval
  std::optional<double> model_dsp;
  Resources synthesised, logic;  // by high-level synthesis, and in the netlist
  void describe(RecordVisitor& v);
};
struct MeasuredFifo {
  std::string name, storage;  // as the project says
  double depth = 0, bits = 0;
  Resources logic;
  void describe(RecordVisitor& v);
};
/// A phase of the vendor's flow: synthesis or place and route.
struct MeasuredPhase {
  std::string phase;  // "high-level synthesis", "logic synthesis", "place and route"
  Resources used, available;
  std::optional<double> clock_ns, slack_ns;  // asked for; left over at the worst path
  std::optional<double> images_per_s;        // at the best clock that the slack leaves
  void describe(RecordVisitor& v);
};
/// A project's reports beside its model.
struct ReportSummary {
  std::string project, tool;
  double clock_ns = 0;
  double model_interval = 0, model_latency = 0, model_dsp = 0;
  std::optional<double> interval, latency;              // high-level synthesis, cycles
  std::optional<double> cosim_interval, cosim_latency;  // RTL, cycles
  std::string cosim_status;
  std::vector<MeasuredPhase> phases;
  std::vector<MeasuredStage> stages;
  std::vector<MeasuredFifo> fifos;  // that the netlist still shows
  std::vector<std::string> files, notes;
  void describe(RecordVisitor& v);
};
/// Looks in the project's folder (and in all below) for reports as its scripts write them. Throws
/// Data where a report is damaged, or there is none.
ReportSummary import_reports(const std::string& project);

}  // namespace tailor::target

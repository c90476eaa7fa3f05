// tailor import-reports: what the vendor's tools measured, beside the model's figures.
#include "cli/table.h"
#include "tailor/cli/commands.h"
#include "tailor/target/reports.h"

namespace tailor::cli {
namespace {

std::string figure(std::optional<double> value) {
  if (!value) return "";
  const auto whole = static_cast<int64_t>(*value);
  if (static_cast<double>(whole) == *value) return with_commas(whole);
  return fmt::format("{:.1f}", *value);
}

std::string nanoseconds(std::optional<double> value) {
  return value ? fmt::format("{:.3f}", *value) : "";
}

std::string stage_report(const ReportSummary& s) {
  Table table({"stage", "cycles (model)", "cycles (HLS)", "DSP (rule)", "DSP (HLS)", "LUT (HLS)",
               "BRAM18 (HLS)", "DSP", "LUT", "FF", "BRAM18"});
  for (const MeasuredStage& m : s.stages) {
    table.add({m.name, figure(m.model_cycles), figure(m.cycles), figure(m.model_dsp),
               figure(m.synthesised.dsp), figure(m.synthesised.lut), figure(m.synthesised.bram18),
               figure(m.logic.dsp), figure(m.logic.lut), figure(m.logic.ff),
               figure(m.logic.bram18)});
  }
  return table.text();
}

std::string phase_report(const ReportSummary& s) {
  Table table(
      {"phase", "DSP", "LUT", "FF", "BRAM18", "URAM", "clock (ns)", "slack (ns)", "images/s"});
  for (const MeasuredPhase& p : s.phases) {
    table.add({p.phase, figure(p.used.dsp), figure(p.used.lut), figure(p.used.ff),
               figure(p.used.bram18), figure(p.used.uram), nanoseconds(p.clock_ns),
               nanoseconds(p.slack_ns), figure(p.images_per_s)});
  }
  return table.text();
}

std::string interval_report(const ReportSummary& s) {
  Table table({"cycles", "model", "HLS", "RTL simulation"});
  table.add(
      {"between images", figure(s.model_interval), figure(s.interval), figure(s.cosim_interval)});
  table.add({"of an image", figure(s.model_latency), figure(s.latency), figure(s.cosim_latency)});
  return table.text();
}

std::string fifo_report(const ReportSummary& s) {
  Table table({"FIFO", "tokens", "bits a token", "storage", "LUT", "FF", "BRAM18"});
  for (const MeasuredFifo& f : s.fifos) {
    table.add({f.name, figure(f.depth), figure(f.bits), f.storage, figure(f.logic.lut),
               figure(f.logic.ff), figure(f.logic.bram18)});
  }
  return table.text();
}

}  // namespace

int run_import_reports(const ImportReportsOptions& options) {
  ReportSummary s = import_reports(options.project);
  if (options.json) {
    fmt::print("{}\n", write_record([&](RecordVisitor& v) { s.describe(v); }).dump(2));
    return 0;
  }
  fmt::print("{}: {} reports{}{}\n\n{}\n{}\n{}", s.project, s.files.size(),
             s.tool.empty() ? "" : " of " + s.tool,
             s.cosim_status.empty() ? "" : ", co-simulation: " + s.cosim_status, stage_report(s),
             phase_report(s), interval_report(s));
  if (!s.fifos.empty()) fmt::print("\n{}", fifo_report(s));
  for (const std::string& note : s.notes) fmt::print("note: {}\n", note);
  return 0;
}

}  // namespace tailor::cli

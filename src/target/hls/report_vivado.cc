// Reports of Vivado (report_utilization, report_timing_summary) and of co-simulation. Columns are
// found by their titles, which differ little from release to release.
#include <algorithm>

#include "tailor/core/error.h"
#include "tailor/core/strings.h"
#include "tailor/target/reports.h"
#include "target/hls/report_text.h"

namespace tailor::target {
namespace {

using Cells = std::vector<std::string_view>;
constexpr size_t kNoColumn = static_cast<size_t>(-1);

size_t column_of(const Cells& titles, std::initializer_list<std::string_view> names) {
  for (size_t i = 0; i < titles.size(); ++i) {
    if (std::find(names.begin(), names.end(), titles[i]) != names.end()) return i;
  }
  return kNoColumn;
}

std::optional<double> twice(std::optional<double> value) {
  return value ? std::optional<double>(2 * *value) : value;
}

/// The resource that a row of report_utilization counts, or none.
std::optional<double>* site_of(Resources& r, std::string_view site, bool& halves) {
  halves = false;
  while (!site.empty() && site.back() == '*') site.remove_suffix(1);
  if (site == "CLB LUTs" || site == "Slice LUTs") return &r.lut;
  if (site == "CLB Registers" || site == "Slice Registers") return &r.ff;
  if (site == "DSPs" || site == "DSP Slices") return &r.dsp;
  if (site == "URAM") return &r.uram;
  halves = true;
  return site == "Block RAM Tile" ? &r.bram18 : nullptr;
}

}  // namespace

CosimulationReport read_cosimulation(std::string_view text, const std::string& where) {
  const ReportLines lines(text, where);
  for (size_t i = 0; i < lines.size(); ++i) {
    const Cells cells = lines.cells(i);
    if (cells.size() < 8 || (cells[0] != "Verilog" && cells[0] != "VHDL")) continue;
    if (cells[1] == "NA") continue;
    if (cells[1] != "Pass" && cells[1] != "Fail")
      lines.fail_at(i, "Pass, Fail or NA", quoted_excerpt(cells[1]));
    CosimulationReport report;
    report.rtl = cells[0];
    report.status = cells[1];
    report.latency_min = lines.figure(i, cells[2]);
    report.latency_average = lines.figure(i, cells[3]);
    report.latency_max = lines.figure(i, cells[4]);
    report.interval_min = lines.figure(i, cells[5]);
    report.interval_average = lines.figure(i, cells[6]);
    report.interval_max = lines.figure(i, cells[7]);
    return report;
  }
  lines.fail_whole("a row of Verilog or VHDL with a status and latencies");
}

UtilisationReport read_utilisation(std::string_view text, const std::string& where) {
  const ReportLines lines(text, where);
  UtilisationReport report;
  size_t used = kNoColumn, available = kNoColumn, width = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    const Cells cells = lines.cells(i);
    if (cells.empty()) continue;
    if (cells[0] == "Site Type") {
      used = column_of(cells, {"Used"});
      available = column_of(cells, {"Available"});
      width = cells.size();
      continue;
    }
    bool halves = false;
    std::optional<double>* count = site_of(report.used, cells[0], halves);
    if (!count || count->has_value() || used == kNoColumn) continue;
    if (cells.size() != width) {
      lines.fail_at(i, fmt::format("{} cells as in the table's first row", width),
                    fmt::format("{}", cells.size()));
    }
    *count = halves ? twice(lines.figure(i, cells[used])) : lines.figure(i, cells[used]);
    if (available == kNoColumn) continue;
    std::optional<double>* all = site_of(report.available, cells[0], halves);
    *all = halves ? twice(lines.figure(i, cells[available])) : lines.figure(i, cells[available]);
  }
  if (!report.used.lut || !report.used.dsp)
    lines.fail_whole("tables of Site Type, Used and Available with CLB LUTs and DSPs");
  return report;
}

std::vector<UtilisationRow> read_hierarchy(std::string_view text, const std::string& where) {
  const ReportLines lines(text, where);
  std::vector<UtilisationRow> rows;
  Cells titles;
  size_t lut = kNoColumn, ff = kNoColumn, ramb36 = kNoColumn, ramb18 = kNoColumn;
  size_t uram = kNoColumn, dsp = kNoColumn;
  for (size_t i = 0; i < lines.size(); ++i) {
    const Cells cells = lines.cells(i);
    if (cells.size() > 2 && cells[0] == "Instance" && cells[1] == "Module") {
      titles = cells;
      lut = column_of(cells, {"Total LUTs"});
      ff = column_of(cells, {"FFs"});
      ramb36 = column_of(cells, {"RAMB36"});
      ramb18 = column_of(cells, {"RAMB18"});
      uram = column_of(cells, {"URAM"});
      dsp = column_of(cells, {"DSP Blocks", "DSP48 Blocks", "DSPs", "DSP"});
      if (lut == kNoColumn || ff == kNoColumn || dsp == kNoColumn)
        lines.fail_at(i, "columns Total LUTs, FFs and DSP Blocks", "others");
      continue;
    }
    if (titles.empty() || cells.empty()) continue;
    if (cells.size() != titles.size()) {
      lines.fail_at(i, fmt::format("{} cells as in the table's first row", titles.size()),
                    fmt::format("{}", cells.size()));
    }
    if (!cells[0].empty() && cells[0][0] == '(') continue;  // what a cell has beside its children
    UtilisationRow row;
    const std::string_view raw = lines[i].substr(lines[i].find('|') + 1);
    const size_t indent = raw.find_first_not_of(' ');
    row.depth = static_cast<int>(std::min<size_t>(indent, 400) / 2);
    row.instance = cells[0];
    row.module = cells[1];
    auto count = [&](size_t column) {
      return column == kNoColumn ? std::nullopt : lines.figure(i, cells[column]);
    };
    row.used.lut = count(lut);
    row.used.ff = count(ff);
    row.used.dsp = count(dsp);
    row.used.uram = count(uram);
    const std::optional<double> whole = twice(count(ramb36)), half = count(ramb18);
    if (whole || half) row.used.bram18 = whole.value_or(0) + half.value_or(0);
    rows.push_back(std::move(row));
  }
  if (rows.empty()) lines.fail_whole("a table of Instance, Module and Total LUTs");
  return rows;
}

static std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (line = trim(line); !line.empty(); line = trim(line)) {
    const size_t end = std::min(line.find_first_of(" \t"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  return words;
}

/// "ap_clk  {0.000 2.500}  5.000  200.000" behind its two lines of titles.
static std::optional<double> first_clock(const ReportLines& lines) {
  for (size_t i = 0; i + 2 < lines.size(); ++i) {
    if (lines[i].find("Waveform(ns)") == std::string_view::npos) continue;
    const std::string_view row = lines[i + 2];
    const size_t brace = row.find('}');
    if (brace == std::string_view::npos) return {};
    const auto words = words_of(row.substr(brace + 1));
    return words.empty() ? std::nullopt : lines.figure(i + 2, words[0]);
  }
  return {};
}

TimingReport read_timing(std::string_view text, const std::string& where) {
  const ReportLines lines(text, where);
  for (size_t i = 0; i + 2 < lines.size(); ++i) {
    const auto titles = words_of(lines[i]);
    if (titles.empty() || titles[0] != "WNS(ns)") continue;
    const auto row = words_of(lines[i + 2]);
    if (row.size() < 4)
      lines.fail_at(i + 2, "WNS, TNS and two counts of endpoints", quoted_excerpt(lines[i + 2]));
    if (row[0] == "NA") lines.fail_at(i + 2, "a worst slack", "NA: no clock was constrained");
    double values[4];
    for (size_t k = 0; k < 4; ++k) {
      const std::optional<double> value = parse_number(row[k]);
      if (!value || !(*value > -1e15 && *value < 1e15))
        lines.fail_at(i + 2, "a number", quoted_excerpt(row[k]));
      values[k] = *value;
    }
    TimingReport report;
    report.worst_slack_ns = values[0];
    report.total_slack_ns = values[1];
    report.failing = static_cast<int64_t>(values[2]);
    report.endpoints = static_cast<int64_t>(values[3]);
    report.clock_ns = first_clock(lines);
    return report;
  }
  lines.fail_whole("a Design Timing Summary with WNS(ns)");
}

}  // namespace tailor::target

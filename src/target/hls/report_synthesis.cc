// Reports of high-level synthesis: csynth.xml (Vivado HLS and Vitis HLS), and the text of the same.
#include "tailor/core/error.h"
#include "tailor/core/strings.h"
#include "tailor/target/reports.h"
#include "target/hls/report_text.h"
#include "target/hls/xml.h"

namespace tailor::target {
namespace {

using Names = std::initializer_list<const char*>;
/// What the releases call the cycles between two calls.
constexpr const char* kThroughput = "DataflowPipelineThroughput";
constexpr const char* kInitiation = "PipelineInitiationInterval";

class XmlReport {
 public:
  XmlReport(const XmlFile& file, const std::string& where) : file_(file), where_(where) {}

  static std::string text(const pugi::xml_node& parent, const char* name) {
    return parent.child(name).text().get();
  }
  /// The first of these elements that is there.
  std::optional<double> figure(const pugi::xml_node& parent, Names names) const {
    for (const char* name : names) {
      const pugi::xml_node e = parent.child(name);
      if (!e) continue;
      const std::string found = e.text().get();
      bool valid = false;
      const std::optional<double> value = tool_figure(found, valid);
      if (!valid) {
        fail(ErrorKind::Data, "{}: line {}: {}: expected a number of 0 or more, got {}", where_,
             file_.line(e), name, quoted_excerpt(found));
      }
      if (value) return value;
    }
    return {};
  }
  Resources resources(const pugi::xml_node& e) const {
    Resources r;
    r.lut = figure(e, {"LUT"});
    r.ff = figure(e, {"FF"});
    r.dsp = figure(e, {"DSP", "DSP48E"});
    r.bram18 = figure(e, {"BRAM_18K"});
    r.uram = figure(e, {"URAM"});
    return r;
  }
  SynthesisedModule module(const pugi::xml_node& e, std::string name) const {
    SynthesisedModule m;
    m.name = std::move(name);
    if (const pugi::xml_node performance = e.child("PerformanceEstimates")) {
      const pugi::xml_node summary = performance.child("SummaryOfOverallLatency");
      m.latency_min = figure(summary, {"Best-caseLatency"});
      m.latency_max = figure(summary, {"Worst-caseLatency"});
      m.interval_min = figure(summary, {"Interval-min", kThroughput, kInitiation});
      m.interval_max = figure(summary, {"Interval-max", kThroughput, kInitiation});
    }
    if (const pugi::xml_node area = e.child("AreaEstimates")) {
      // Vitis HLS leaves out the inner element in its list of modules.
      const pugi::xml_node inner = area.child("Resources");
      m.resources = resources(inner ? inner : area);
    }
    return m;
  }

 private:
  const XmlFile& file_;
  const std::string& where_;
};

/// "Vivado HLS Report for 'name'" in a report's head.
std::string quoted_name(std::string_view line) {
  const size_t begin = line.find('\''), end = line.rfind('\'');
  return begin < end ? std::string(line.substr(begin + 1, end - begin - 1)) : "";
}

/// Reads the text form line by line; which table a row belongs to, the titles above it say.
class TextReport {
 public:
  TextReport(std::string_view text, const std::string& where) : lines_(text, where) {}

  SynthesisReport read() {
    for (size_t i = 0; i < lines_.size(); ++i) {
      const std::string_view line = trim(lines_[i]);
      if (line.empty() || line[0] == '+') {
        if (starts_with(line, "+ Timing")) part_ = Part::Timing, table_ = Table::Other;
        if (starts_with(line, "+ Latency")) part_ = Part::Latency, table_ = Table::Other;
      } else if (starts_with(line, "==")) {
        title(line);
      } else if (line[0] == '*') {
        bullet(line);
      } else if (const auto cells = lines_.cells(i); !cells.empty()) {
        row(i, cells);
      }
    }
    if (report_.top.name.empty()) lines_.fail_whole("a title \"... HLS Report for 'NAME'\"");
    if (!report_.top.resources.lut) lines_.fail_whole("a summary of utilization with a Total");
    return std::move(report_);
  }

 private:
  enum class Part { None, Timing, Latency, Area };
  enum class Table { Other, Summary, Instance };
  using Cells = std::vector<std::string_view>;

  void title(std::string_view line) {
    if (line.find("Report for '") != std::string_view::npos) report_.top.name = quoted_name(line);
    if (line.find("Utilization Estimates") != std::string_view::npos) part_ = Part::Area;
    if (line.find("Interface") != std::string_view::npos) part_ = Part::None;
    table_ = Table::Other;
  }
  void bullet(std::string_view line) {
    table_ = starts_with(line, "* Summary")    ? Table::Summary
             : starts_with(line, "* Instance") ? Table::Instance
                                               : Table::Other;
    titles_.clear();
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return;
    const std::string value(trim(line.substr(colon + 1)));
    if (starts_with(line, "* Version")) report_.version = value.substr(0, value.find(' '));
    if (starts_with(line, "* Target device")) report_.part = value;
  }
  void row(size_t i, const Cells& cells) {
    if (table_ == Table::Other || part_ == Part::None) return;
    if (part_ == Part::Timing && table_ == Table::Summary) return clock_row(i, cells);
    if (part_ == Part::Latency) return latency_row(i, cells);
    if (part_ == Part::Area) area_row(i, cells);
  }
  void clock_row(size_t i, const Cells& cells) {
    if (cells.size() < 3 || cells[0] == "Clock" || report_.clock_ns) return;
    report_.clock_ns = lines_.figure(i, cells[1]);
    report_.estimated_ns = lines_.figure(i, cells[2]);
  }
  /// | min | max | (absolute) | min | max | type |, in front of it an instance and its module.
  void latency_row(size_t i, const Cells& cells) {
    const size_t first = table_ == Table::Instance ? 2 : 0;
    if (cells.size() < first + 5) return;  // the upper of two rows of titles
    if (cells[first] == "min" || cells[first].find("Latency") != std::string_view::npos) return;
    SynthesisedModule* module = &report_.top;
    if (first > 0) {
      report_.modules.push_back({std::string(cells[1]), {}, {}, {}, {}, {}});
      module = &report_.modules.back();
    }
    module->latency_min = lines_.figure(i, cells[first]);
    module->latency_max = lines_.figure(i, cells[first + 1]);
    module->interval_min = lines_.figure(i, cells[cells.size() - 3]);
    module->interval_max = lines_.figure(i, cells[cells.size() - 2]);
  }
  void area_row(size_t i, const Cells& cells) {
    if (titles_.empty()) {  // "Instance" is a row of the summary, too
      if (cells[0] == "Name" || cells[0] == "Instance") titles_ = cells;
      return;
    }
    if (cells.size() != titles_.size()) {
      lines_.fail_at(i, fmt::format("{} cells as in the table's first row", titles_.size()),
                     fmt::format("{}", cells.size()));
    }
    if (table_ == Table::Summary && cells[0] == "Total")
      report_.top.resources = resources(i, cells);
    if (table_ == Table::Summary && cells[0] == "Available")
      report_.available = resources(i, cells);
    if (table_ == Table::Instance && cells[0] != "Total" && titles_.size() > 1 &&
        titles_[1] == "Module")
      module_of(cells[1]).resources = resources(i, cells);
  }
  SynthesisedModule& module_of(std::string_view name) {
    for (SynthesisedModule& m : report_.modules) {
      if (m.name == name) return m;
    }
    report_.modules.push_back({std::string(name), {}, {}, {}, {}, {}});
    return report_.modules.back();
  }
  Resources resources(size_t i, const Cells& cells) const {
    Resources r;
    for (size_t c = 0; c < cells.size(); ++c) {
      const std::string_view title = titles_[c];
      if (title == "LUT") r.lut = lines_.figure(i, cells[c]);
      if (title == "FF") r.ff = lines_.figure(i, cells[c]);
      if (title == "DSP" || title == "DSP48E") r.dsp = lines_.figure(i, cells[c]);
      if (title == "BRAM_18K") r.bram18 = lines_.figure(i, cells[c]);
      if (title == "URAM") r.uram = lines_.figure(i, cells[c]);
    }
    return r;
  }

  ReportLines lines_;
  SynthesisReport report_;
  Part part_ = Part::None;
  Table table_ = Table::Other;
  Cells titles_;
};

}  // namespace

SynthesisReport read_synthesis_xml(std::string_view text, const std::string& where) {
  const XmlFile file(text, where);
  const XmlReport xml(file, where);
  const pugi::xml_node root = file.root();
  const pugi::xml_node user = root.child("UserAssignments");
  const pugi::xml_node performance = root.child("PerformanceEstimates");
  if (std::string_view(root.name()) != "profile" || !user || !performance) {
    fail(ErrorKind::Data,
         "{}: line {}: expected <profile> with <UserAssignments> and <PerformanceEstimates>, got "
         "{}",
         where, file.line(root), quoted_excerpt(root.name()));
  }
  SynthesisReport report;
  report.version = XmlReport::text(root.child("ReportVersion"), "Version");
  report.part = XmlReport::text(user, "Part");
  report.clock_ns = xml.figure(user, {"TargetClockPeriod"});
  report.estimated_ns =
      xml.figure(performance.child("SummaryOfTimingAnalysis"), {"EstimatedClockPeriod"});
  report.top = xml.module(root, XmlReport::text(user, "TopModelName"));
  if (report.top.name.empty())
    fail(ErrorKind::Data, "{}: line {}: expected <TopModelName>, got none", where, file.line(user));
  report.available = xml.resources(root.child("AreaEstimates").child("AvailableResources"));
  for (const pugi::xml_node& e : root.child("ModuleInformation").children("Module"))
    report.modules.push_back(xml.module(e, XmlReport::text(e, "Name")));
  return report;
}

SynthesisReport read_synthesis_text(std::string_view text, const std::string& where) {
  return TextReport(text, where).read();
}

}  // namespace tailor::target

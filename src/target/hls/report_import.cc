// Finds the reports that a project's own scripts leave, and lays their figures beside the model's.
#include <algorithm>
#include <map>

#include "tailor/core/error.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/target/reports.h"
#include "tailor/target/target.h"

namespace tailor::target {
namespace {

constexpr double kAnyFigure = 1e18;

void figure_field(RecordVisitor& v, const char* key, std::optional<double>& value,
                  const char* doc) {
  v.optional_number(key, value, -kAnyFigure, kAnyFigure, doc);
}

void resources_field(RecordVisitor& v, const char* key, Resources& resources, const char* doc) {
  v.record(
      key, [&](RecordVisitor& r) { resources.describe(r); }, doc);
}

bool in_folder(const std::string& path, std::string_view folder) {
  return starts_with(path, folder) || path.find("/" + std::string(folder)) != std::string::npos;
}

/// Reports by what they are; two of a kind are refused, because nobody knows which is meant.
struct ReportFiles {
  std::map<std::string, std::string> synthesis_xml, synthesis_text;  // by module
  std::map<std::string, std::string> others;                         // by kind

  explicit ReportFiles(const std::string& project) {
    for (const std::string& path : list_files_recursively(project)) {
      const std::string name = file_name(path);
      if (in_folder(path, "syn/report/")) {
        if (name == "csynth.xml") put(others, "csynth", path);
        if (ends_with(name, "_csynth.xml"))
          put(synthesis_xml, name.substr(0, name.size() - 11), path);
        if (ends_with(name, "_csynth.rpt"))
          put(synthesis_text, name.substr(0, name.size() - 11), path);
      }
      if (in_folder(path, "sim/report/") && ends_with(name, "_cosim.rpt"))
        put(others, "cosim", path);
      for (const char* kind : {"utilisation_synth", "utilisation_synth_hierarchy", "timing_synth",
                               "utilisation_impl", "utilisation_impl_hierarchy", "timing_impl"}) {
        if (name == std::string(kind) + ".rpt") put(others, kind, path);
      }
    }
  }
  const std::string* find(const std::string& kind) const {
    const auto at = others.find(kind);
    return at == others.end() ? nullptr : &at->second;
  }

 private:
  static void put(std::map<std::string, std::string>& files, const std::string& key,
                  const std::string& path) {
    const auto [at, fresh] = files.emplace(key, path);
    if (!fresh) {
      fail(ErrorKind::Data, "{} and {}: expected one report of that kind, got two; remove the old",
           at->second, path);
    }
  }
};

/// Whether a tool's name for a function or a cell is the stage's: with the top's name in front,
/// "_U0" or "_s" behind.
bool is_named_after(std::string_view name, std::string_view stage, std::string_view top) {
  if (name == stage) return true;
  if (name.size() > top.size() + 1 && starts_with(name, top) && name[top.size()] == '_')
    return is_named_after(name.substr(top.size() + 1), stage, "/");
  if (!starts_with(name, stage)) return false;
  std::string_view rest = name.substr(stage.size());
  if (rest == "_s") return true;
  if (!starts_with(rest, "_U")) return false;
  rest.remove_prefix(2);
  return std::all_of(rest.begin(), rest.end(), [](char c) { return c >= '0' && c <= '9'; });
}

class Importer {
 public:
  explicit Importer(const std::string& project)
      : project_(project), manifest_(read_manifest(project)), files_(project) {
    top_ = manifest_.has_kernel ? manifest_.kernel.name : manifest_.top;
  }

  ReportSummary summary() {
    begin();
    synthesis();
    cosimulation();
    phase("logic synthesis", "synth");
    phase("place and route", "impl");
    if (s_.files.empty()) {
      fail(ErrorKind::Data,
           "{}: expected reports of its scripts (syn/report/*_csynth.xml, sim/report/*_cosim.rpt, "
           "utilisation_*.rpt, timing_*.rpt), found none; run `make synth` there first",
           project_);
    }
    for (MeasuredPhase& p : s_.phases) rate(p);
    if (!s_.cosim_status.empty() && s_.cosim_status != "Pass")
      s_.notes.push_back("co-simulation FAILED: the RTL does not compute what the C++ computes");
    return std::move(s_);
  }

 private:
  void begin() {
    s_.project = project_;
    s_.clock_ns = manifest_.clock_ns;
    const Cost& cost = manifest_.cost.cost;
    s_.model_interval = static_cast<double>(cost.interval_cycles);
    s_.model_latency = static_cast<double>(cost.latency_cycles);
    s_.model_dsp = static_cast<double>(cost.dsp);
    for (const Manifest::Layer& layer : manifest_.layers) {
      MeasuredStage stage;
      stage.name = layer.stage;
      stage.op = layer.op;
      if (layer.cycles > 0) stage.model_cycles = static_cast<double>(layer.cycles);
      if (layer.multipliers > 0) stage.model_dsp = static_cast<double>(layer.dsp);
      s_.stages.push_back(std::move(stage));
    }
  }
  std::string read(const std::string& path) {
    s_.files.push_back(path);
    return read_file(path_join(project_, path), "report");
  }
  std::string where(const std::string& path) const { return path_join(project_, path); }

  MeasuredStage* stage_of(std::string_view name) {
    for (MeasuredStage& stage : s_.stages) {
      if (is_named_after(name, stage.name, top_) || is_named_after(name, stage.name, manifest_.top))
        return &stage;
    }
    return nullptr;
  }

  /// Of the XML and the text of one module, the first is read; both hold the same.
  std::vector<SynthesisReport> synthesis_reports() {
    std::vector<SynthesisReport> reports;
    if (const std::string* whole = files_.find("csynth"))
      reports.push_back(read_synthesis_xml(read(*whole), where(*whole)));
    for (const auto& [module, path] : files_.synthesis_xml) {
      reports.push_back(read_synthesis_xml(read(path), where(path)));
      reports.back().top.name = module;
    }
    for (const auto& [module, path] : files_.synthesis_text) {
      if (files_.synthesis_xml.count(module) > 0) continue;
      reports.push_back(read_synthesis_text(read(path), where(path)));
      reports.back().top.name = module;
    }
    return reports;
  }
  void synthesis() {
    const std::vector<SynthesisReport> reports = synthesis_reports();
    if (reports.empty()) return;
    bool seen = false;
    for (const SynthesisReport& report : reports) {
      take_module(report.top);
      for (const SynthesisedModule& m : report.modules) take_module(m);
      if (report.top.name != top_ || seen) continue;
      seen = true;
      s_.tool = "HLS " + report.version;
      if (!report.part.empty() && report.part != manifest_.part) {
        s_.notes.push_back(fmt::format("the reports are for {}, the project is for {}", report.part,
                                       manifest_.part));
      }
      MeasuredPhase phase{
          "high-level synthesis", report.top.resources, report.available, report.clock_ns, {}, {}};
      if (report.clock_ns && report.estimated_ns)
        phase.slack_ns = *report.clock_ns - *report.estimated_ns;
      s_.phases.push_back(phase);
    }
    if (!seen)
      s_.notes.push_back(fmt::format("no synthesis report of the top function {} is there", top_));
  }
  void take_module(const SynthesisedModule& m) {
    if (m.name == manifest_.top) {  // inside a kernel too
      if (m.interval_max) s_.interval = m.interval_max;
      if (m.latency_max) s_.latency = m.latency_max;
    }
    MeasuredStage* stage = stage_of(m.name);
    if (!stage) return;
    if (m.interval_max || m.latency_max) {
      // A stage that is no pipeline begins the next image when it is done.
      stage->cycles = m.interval_max ? m.interval_max : m.latency_max;
    }
    if (m.resources.lut) stage->synthesised = m.resources;
  }
  void cosimulation() {
    const std::string* path = files_.find("cosim");
    if (!path) return;
    const CosimulationReport report = read_cosimulation(read(*path), where(*path));
    s_.cosim_status = report.status;
    if (!manifest_.has_kernel) {
      s_.cosim_interval = report.interval_average;
      s_.cosim_latency = report.latency_average;
    } else if (report.latency_average && manifest_.vectors_count > 0) {
      s_.cosim_interval = *report.latency_average / static_cast<double>(manifest_.vectors_count);
      s_.notes.push_back(fmt::format(
          "co-simulation ran all {} images in one call of the kernel: its interval is the mean",
          manifest_.vectors_count));
    }
  }
  void phase(const char* name, const std::string& suffix) {
    const std::string* used = files_.find("utilisation_" + suffix);
    const std::string* timing = files_.find("timing_" + suffix);
    const std::string* rows = files_.find("utilisation_" + suffix + "_hierarchy");
    MeasuredPhase p;
    p.phase = name;
    if (used) {
      const UtilisationReport report = read_utilisation(read(*used), where(*used));
      p.used = report.used;
      p.available = report.available;
    }
    if (timing) {
      const TimingReport report = read_timing(read(*timing), where(*timing));
      p.clock_ns = report.clock_ns ? report.clock_ns : std::optional<double>(manifest_.clock_ns);
      p.slack_ns = report.worst_slack_ns;
      if (report.failing > 0) {
        s_.notes.push_back(fmt::format("{}: timing is not met on {} of {} endpoints", name,
                                       report.failing, report.endpoints));
      }
    }
    if (used || timing) s_.phases.push_back(p);
    if (rows) hierarchy(read_hierarchy(read(*rows), where(*rows)));
  }
  /// Of two phases the later one stays.
  void hierarchy(const std::vector<UtilisationRow>& rows) {
    s_.fifos.clear();
    for (const UtilisationRow& row : rows) {
      if (MeasuredStage* stage = stage_of(row.instance)) stage->logic = row.used;
      for (const Manifest::Fifo& fifo : manifest_.fifos) {
        if (!is_named_after(row.instance, fifo.name, top_)) continue;
        s_.fifos.push_back({fifo.name, fifo.storage, static_cast<double>(fifo.depth),
                            static_cast<double>(fifo.bits), row.used});
      }
    }
  }
  void rate(MeasuredPhase& p) const {
    const double interval = s_.cosim_interval ? *s_.cosim_interval
                            : s_.interval     ? *s_.interval
                                              : s_.model_interval;
    if (!p.clock_ns || !p.slack_ns || interval <= 0) return;
    const double period_ns = *p.clock_ns - *p.slack_ns;
    if (period_ns > 0) p.images_per_s = six_digits(1e9 / (period_ns * interval));
  }

  std::string project_, top_;
  Manifest manifest_;
  ReportFiles files_;
  ReportSummary s_;
};

}  // namespace

void Resources::describe(RecordVisitor& v) {
  figure_field(v, "lut", lut, "Look-up tables.");
  figure_field(v, "ff", ff, "Flip-flops.");
  figure_field(v, "dsp", dsp, "DSP slices.");
  figure_field(v, "bram18", bram18, "Block RAMs of 18 Kbit; one of 36 counts as two.");
  figure_field(v, "uram", uram, "UltraRAMs.");
}

void MeasuredStage::describe(RecordVisitor& v) {
  v.text("stage", name, "C++ name of the stage.");
  v.text("op", op, "Its operation.");
  figure_field(v, "cycles_model", model_cycles, "Clock cycles of an image (model).");
  figure_field(v, "cycles", cycles, "The same as high-level synthesis reports it.");
  figure_field(v, "dsp_model", model_dsp, "DSP slices (rule).");
  resources_field(v, "synthesised", synthesised, "As high-level synthesis estimates.");
  resources_field(v, "logic", logic, "In the netlist of the last phase that has one.");
}

void MeasuredFifo::describe(RecordVisitor& v) {
  v.text("fifo", name, "C++ name of the stream.");
  v.text("storage", storage, "Where the project says that it lies.");
  v.number("depth", depth, 0, kAnyFigure, "Tokens.");
  v.number("bits", bits, 0, kAnyFigure, "Bits of a token.");
  resources_field(v, "logic", logic, "What it takes in the netlist.");
}

void MeasuredPhase::describe(RecordVisitor& v) {
  v.text("phase", phase, "`high-level synthesis`, `logic synthesis` or `place and route`.");
  resources_field(v, "used", used, "What the design takes.");
  resources_field(v, "available", available, "What the device has.");
  figure_field(v, "clock_ns", clock_ns, "Clock period asked for, in nanoseconds.");
  figure_field(v, "slack_ns", slack_ns, "Left over at the worst path; below 0: not met.");
  figure_field(v, "images_per_s", images_per_s,
               "At the period that the slack leaves, and at the best interval known.");
}

void ReportSummary::describe(RecordVisitor& v) {
  v.text("project", project, "The folder.");
  v.text("tool", tool, "The HLS tool and its version; empty: no report says.");
  v.number("clock_ns", clock_ns, 0, kAnyFigure, "Clock period of the project.");
  v.number("interval_cycles_model", model_interval, 0, kAnyFigure, "As the manifest has it.");
  v.number("latency_cycles_model", model_latency, 0, kAnyFigure, "As the manifest has it.");
  v.number("dsp_model", model_dsp, 0, kAnyFigure, "As the manifest has it.");
  figure_field(v, "interval_cycles", interval, "Between images: high-level synthesis.");
  figure_field(v, "latency_cycles", latency, "Of an image: high-level synthesis.");
  figure_field(v, "cosim_interval_cycles", cosim_interval, "Between images: RTL simulation.");
  figure_field(v, "cosim_latency_cycles", cosim_latency, "Of an image: RTL simulation.");
  v.text("cosim", cosim_status, "`Pass`, `Fail`, or empty: not run.");
  auto list = [&](const char* key, auto& items, const char* doc) {
    v.list(
        key, items.size(), [&](size_t n) { items.resize(n); },
        [&](RecordVisitor& r, size_t i) { items[i].describe(r); }, doc);
  };
  list("phases", phases, "Each phase that has been run.");
  list("stages", stages, "Each stage.");
  list("fifos", fifos, "FIFOs that are cells of the netlist.");
  v.texts("files", files, "Reports that were read.");
  v.texts("notes", notes, "What to look at, in sentences.");
}

ReportSummary import_reports(const std::string& project) { return Importer(project).summary(); }

}  // namespace tailor::target

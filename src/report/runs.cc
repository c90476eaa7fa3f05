#include "tailor/report/runs.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "tailor/core/strings.h"
#include "tailor/report/chart.h"

namespace tailor::report {
namespace {

constexpr size_t kMostTogether = 20;  // strokes and markers repeat beyond

std::string percent(const std::optional<double>& value) {
  return value ? fmt::format("{:.2f}", *value) : "–";
}

/// Of a figure that is named so; none where it was not measured.
std::optional<double> value_of(const std::vector<RecordedFigure>& figures,
                               const std::string& name) {
  for (const RecordedFigure& f : figures) {
    if (f.name == name) return f.value;
  }
  return std::nullopt;
}

double end_of(const EpochMetrics& metrics) { return static_cast<double>(metrics.epoch + 1); }

/// Examples of an epoch: of one that no interruption cut into pieces.
double examples_an_epoch(const ReportedRun& run) {
  double most = 0;
  for (const EpochMetrics& m : run.epochs) most = std::max(most, m.seconds * m.examples_per_s);
  return most;
}

double seconds_of(const ReportedRun& run) {
  if (run.summary) return run.summary->seconds + run.summary->earlier.seconds;
  double sum = 0;
  for (const EpochMetrics& m : run.epochs) sum += m.seconds;
  return sum;
}

std::string epochs_text(const ReportedRun& run) {
  if (run.summary) return with_commas(run.summary->epochs + run.summary->earlier.epochs);
  return fmt::format("{} of {}", run.epochs.size(), run.epochs_planned);
}

std::string change_text(int64_t before, int64_t after) {
  return before == after ? with_commas(after)
                         : fmt::format("{} → {}", with_commas(before), with_commas(after));
}

/// Where each alteration stands: those before one epoch share four fifths of the time until the
/// next.
std::vector<double> places(const std::vector<AlterationLine>& alterations) {
  std::map<int64_t, size_t> counts;
  for (const AlterationLine& a : alterations) ++counts[a.epoch];
  std::map<int64_t, size_t> seen;
  std::vector<double> at;
  at.reserve(alterations.size());
  for (const AlterationLine& a : alterations) {
    at.push_back(static_cast<double>(a.epoch) +
                 0.8 * static_cast<double>(seen[a.epoch]++) / static_cast<double>(counts[a.epoch]));
  }
  return at;
}

std::string edit_text(const AlterationLine& a) {
  std::string text = fmt::format("{}, before epoch {}", a.text, a.epoch);
  if (a.validation_before.value && a.validation_after.value) {
    text += fmt::format(": {} to {} %", percent(a.validation_before.value),
                        percent(a.validation_after.value));
    if (a.validation_stale.value && *a.validation_stale.value != *a.validation_after.value)
      text += fmt::format(", stale {}", percent(a.validation_stale.value));
  }
  return text;
}

/// What fades does so over epochs: there is no jump to show where it ends.
bool jumps(const AlterationLine& a) {
  return a.edit != "fade" && a.validation_before.value && a.validation_after.value;
}

std::vector<EditMark> edit_marks(const ReportedRun& run, bool with_values) {
  std::vector<EditMark> marks;
  marks.reserve(run.alterations.size() + run.phases.size());
  for (size_t i = 1; i < run.phases.size(); ++i) {
    const ReportedPhase& phase = run.phases[i];
    EditMark mark{static_cast<double>(phase.first_epoch), "", {}, {}, {}};
    mark.title = fmt::format("phase {}: {}", i + 1, phase.what);
    mark.label = std::to_string(i + 1);
    marks.push_back(std::move(mark));
  }
  const std::vector<double> at = places(run.alterations);
  for (size_t i = 0; i < run.alterations.size(); ++i) {
    const AlterationLine& a = run.alterations[i];
    EditMark mark{at[i], edit_text(a), {}, {}, {}};
    if (with_values && jumps(a)) {
      mark.before = a.validation_before.value, mark.after = a.validation_after.value;
      if (a.validation_stale.value != a.validation_after.value)
        mark.stale = a.validation_stale.value;
    }
    marks.push_back(std::move(mark));
  }
  return marks;
}

/// The validation figure, broken where an alteration has measured it before and after.
Series validation_series(const ReportedRun& run, const std::string& name) {
  Series series{name, {{}}};
  const std::vector<double> at = places(run.alterations);
  const std::string figure = figure_of(run);
  size_t next = 0;
  auto alter_until = [&](double x) {
    for (; next < at.size() && at[next] < x; ++next) {
      const AlterationLine& a = run.alterations[next];
      if (!jumps(a)) continue;
      auto& line = series.lines.back();
      if (line.empty() || line.back().x < at[next])
        line.push_back({at[next], *a.validation_before.value});
      series.lines.push_back({{at[next], *a.validation_after.value}});
    }
  };
  for (const EpochMetrics& m : run.epochs) {
    alter_until(end_of(m));
    if (const auto value = value_of(m.validation, figure))
      series.lines.back().push_back({end_of(m), *value});
  }
  alter_until(HUGE_VAL);
  return series;
}

template <class Of>
void add_series(std::vector<Series>& to, const std::string& name, const ReportedRun& run, Of of) {
  Series series{name, {{}}};
  for (const EpochMetrics& m : run.epochs) {
    if (const std::optional<double> value = of(m))
      series.lines.back().push_back({end_of(m), *value});
  }
  if (!series.lines.back().empty()) to.push_back(std::move(series));
}

Axis epochs_axis(const ReportedRun& run) {
  return {"epochs", false, true, 0.0,
          static_cast<double>(std::max<int64_t>(run.epochs_planned, 1))};
}

/// "resnet20: 91.40 % at the end" for who hears the page.
std::string ends_text(const std::vector<Series>& series) {
  std::string text;
  for (const Series& s : series) {
    if (s.lines.empty() || s.lines.back().empty()) continue;
    text += fmt::format("{}{}: {:.4g} at {:g} epochs", text.empty() ? "" : "; ", s.name,
                        s.lines.back().back().y, s.lines.back().back().x);
  }
  return text;
}

Drawing figure_with(const std::string& caption, LineChart chart, bool full = false) {
  chart.description = ends_text(chart.series);
  return make_figure(
      caption, [&](int64_t width) { return emit_line_chart(chart, width); }, full);
}

std::vector<Drawing> loss_figures(const ReportedRun& run) {
  LineChart loss{"Loss of " + run.name, "", epochs_axis(run), {}, {}, edit_marks(run, false), {}};
  add_series(loss.series, "training, all terms", run,
             [](const EpochMetrics& m) { return value_of(m.train, "loss"); });
  add_series(loss.series, "its objective", run, [](const EpochMetrics& m) { return m.objective; });
  add_series(loss.series, "its distance to the teacher", run,
             [](const EpochMetrics& m) { return m.distance; });
  add_series(loss.series, "validation", run,
             [](const EpochMetrics& m) { return value_of(m.validation, "loss"); });
  double low = HUGE_VAL, high = 0;
  for (const Series& s : loss.series) {
    for (const Point& p : s.lines[0]) low = std::min(low, p.y), high = std::max(high, p.y);
  }
  loss.y = {"mean of an example", low > 0 && high > 8 * low, false, {}, {}};
  if (!loss.y.logarithmic) loss.y.least = 0.0;
  std::vector<Drawing> figures;
  if (!loss.series.empty()) {
    figures.push_back(figure_with(
        loss.y.logarithmic ? "Loss and its parts, logarithmic" : "Loss and its parts", loss));
  }
  LineChart rate{"Learning rate of " + run.name,
                 "",
                 epochs_axis(run),
                 {"at an epoch's first step", false, false, 0.0, {}},
                 {},
                 edit_marks(run, false),
                 {}};
  Series series{"learning rate", {{}}};
  for (const EpochMetrics& m : run.epochs)
    series.lines[0].push_back({static_cast<double>(m.epoch), m.lr});
  rate.series.push_back(std::move(series));
  figures.push_back(figure_with("Learning rate", rate));
  return figures;
}

DataTable alterations_table(const ReportedRun& run) {
  const std::string figure = figure_of(run);
  std::set<std::string> skips;  // what fades has two lines
  for (const AlterationLine& a : run.alterations) skips.insert(a.skip);
  DataTable table{
      fmt::format("{} of {}, validation {} in per cent",
                  counted(static_cast<int64_t>(skips.size()), "alteration"), run.name, figure),
      {"skip", "epoch", "kind", "edit", "before", "stale", "after", "change", "parameters",
       "block error"},
      {},
      true};
  for (const AlterationLine& a : run.alterations) {
    const auto &before = a.validation_before.value, &after = a.validation_after.value;
    table.rows.push_back({a.skip, with_commas(a.epoch), a.kind, a.edit, percent(before),
                          percent(a.validation_stale.value), percent(after),
                          before && after ? fmt::format("{:+.2f}", *after - *before) : "–",
                          with_commas(a.parameters),
                          a.block_error ? fmt::format("{:.4f}", *a.block_error) : "–"});
  }
  return table;
}

}  // namespace

int64_t earlier_epochs(const ReportedRun& run) {
  return run.phases.empty() ? 0 : run.phases.back().first_epoch;
}

int64_t last_epochs_told(const ReportedRun& run) {
  return std::count_if(run.epochs.begin(), run.epochs.end(),
                       [&](const EpochMetrics& m) { return m.epoch >= earlier_epochs(run); });
}

std::string figure_of(const ReportedRun& run) {
  if (run.summary) return run.summary->last.test.name;
  if (!run.alterations.empty()) return run.alterations[0].validation_before.name;
  if (!run.epochs.empty() && !run.epochs[0].validation.empty())
    return run.epochs[0].validation.back().name;
  return "accuracy";
}

std::optional<double> teacher_of(const RunSummary& summary) {
  const Json* value = summary.teacher.is_object()
                          ? summary.teacher.find("test_" + summary.last.test.name)
                          : nullptr;
  return value && value->is_number() ? std::optional(value->as_number()) : std::nullopt;
}

DataTable runs_table(const std::vector<ReportedRun>& runs) {
  // Where all are judged by one figure, the caption names it.
  const bool alike = std::all_of(runs.begin(), runs.end(), [&](const ReportedRun& run) {
    return figure_of(run) == figure_of(runs[0]);
  });
  const bool one_set = runs.size() > 1 && std::all_of(runs.begin(), runs.end(), [&](auto& run) {
                         return run.data == runs[0].data;
                       });
  DataTable table{fmt::format("Runs{}; teacher, last and best: {} on the test split, in per cent",
                              one_set ? " on " + runs[0].data : "",
                              alike ? figure_of(runs.at(0)) : "what they are judged by"),
                  {"run", "network", "data", "method", "skips", "judged by", "teacher", "last",
                   "best", "parameters", "epochs", "examples", "seconds"},
                  {}};
  for (const ReportedRun& run : runs) {
    // Those before the last phase may have no lines here.
    const int64_t epochs = run.summary ? last_epochs_told(run) + run.summary->earlier.epochs
                                       : static_cast<int64_t>(run.epochs.size());
    const double examples = examples_an_epoch(run) * static_cast<double>(epochs);
    const RunSummary* s = run.summary ? &*run.summary : nullptr;
    table.rows.push_back({run.name, run.network, one_set ? "" : run.data, run.method,
                          change_text(run.skips_before, run.skips), alike ? "" : figure_of(run),
                          s ? percent(teacher_of(*s)) : "–", s ? percent(s->last.test.value) : "–",
                          s && s->best ? percent(s->best->test.value) : "–",
                          run.parameters > 0 ? with_commas(run.parameters) : "–", epochs_text(run),
                          with_commas(std::llround(examples)),
                          with_commas(std::llround(seconds_of(run)))});
  }
  return without_empty_columns(std::move(table));
}

Drawing accuracy_figure(const ReportedRun& run) {
  const std::string figure = figure_of(run);
  LineChart chart{fmt::format("{} of {}", figure, run.name),
                  "",
                  epochs_axis(run),
                  {figure + " (%)", false, false, {}, {}},
                  {},
                  edit_marks(run, true),
                  {}};
  if (figure == "accuracy") chart.y.most = 100.0;
  Series validation = validation_series(run, "validation");
  const bool has_validation = std::any_of(validation.lines.begin(), validation.lines.end(),
                                          [](const auto& line) { return !line.empty(); });
  if (has_validation) chart.series.push_back(std::move(validation));
  add_series(chart.series, "training, as augmented", run,
             [&](const EpochMetrics& m) { return value_of(m.train, figure); });
  if (run.summary) {
    if (const auto teacher = teacher_of(*run.summary))
      chart.levels.push_back({fmt::format("teacher, test: {:.2f}", *teacher), *teacher});
    if (const auto& test = run.summary->last.test.value) {
      chart.series.push_back(
          {fmt::format("test: {:.2f}", *test),
           {{{static_cast<double>(earlier_epochs(run) + run.summary->epochs), *test}}}});
    }
  }
  return figure_with("Validation and training " + figure + ", and what each alteration did to it",
                     chart, true);
}

/// Where the phases of a run begin, and which of them are not here.
std::string phases_text(const ReportedRun& run) {
  std::string text = fmt::format(
      "It has {} phases; epochs and alterations are counted through all of them, and a numbered "
      "line stands where one begins. What it is held against as its teacher can be one of them.",
      run.phases.size());
  const int64_t earlier = static_cast<int64_t>(run.epochs.size()) - last_epochs_told(run);
  if (run.summary && earlier < run.summary->earlier.epochs)
    text += " Not all that went before its last phase is linked from the run, so it is not shown.";
  return text;
}

Section run_section(const ReportedRun& run) {
  Section section{run.name, {}};
  const auto told = static_cast<int64_t>(run.epochs.size());
  const auto phase = std::count_if(run.phases.begin(), run.phases.end(),
                                   [&](const ReportedPhase& p) { return p.first_epoch <= told; });
  const std::string in_phase =
      run.phases.empty() ? "" : fmt::format(", in phase {} of {}", phase, run.phases.size());
  section.parts.emplace_back(fmt::format(
      "{} on {}: {}. {}", run.network, run.data, run.method,
      run.summary
          ? fmt::format("Finished after {}.",
                        counted(run.summary->epochs + run.summary->earlier.epochs, "epoch"))
          : fmt::format("Not finished: {} of {} epochs{}.", told, run.epochs_planned, in_phase)));
  if (!run.phases.empty()) section.parts.emplace_back(phases_text(run));
  const bool altered =
      std::any_of(run.alterations.begin(), run.alterations.end(), [](const AlterationLine& a) {
        return a.validation_before.value && a.validation_after.value;
      });
  if (!run.epochs.empty() || altered) section.parts.emplace_back(accuracy_figure(run));
  if (!run.epochs.empty()) {
    for (Drawing& f : loss_figures(run)) section.parts.emplace_back(std::move(f));
  }
  if (!run.alterations.empty()) section.parts.emplace_back(alterations_table(run));
  return section;
}

Spread spread_of(const std::vector<double>& values) {
  Spread s;
  s.count = static_cast<int64_t>(values.size());
  for (const double v : values) s.mean += v / static_cast<double>(s.count);
  double squares = 0;
  for (const double v : values) squares += (v - s.mean) * (v - s.mean);
  if (s.count > 1) s.deviation = std::sqrt(squares / static_cast<double>(s.count - 1));
  return s;
}

namespace {

/// The mean at each epoch that all of them have.
Series mean_of(const std::string& name, const std::vector<Series>& series) {
  Series mean{name, {{}}};
  for (const Point& p : series[0].lines[0]) {
    Point sum{p.x, 0};
    const bool all = std::all_of(series.begin(), series.end(), [&](const Series& s) {
      const auto& line = s.lines[0];
      const auto same = std::find_if(line.begin(), line.end(),
                                     [&](const Point& other) { return other.x == p.x; });
      if (same == line.end()) return false;
      sum.y += same->y / static_cast<double>(series.size());
      return true;
    });
    if (all) mean.lines[0].push_back(sum);
  }
  return mean;
}

std::optional<Drawing> together_figure(const std::vector<ReportedRun>& runs,
                                       const std::vector<RunGroup>& groups) {
  LineChart chart{"Validation of all runs", "", {"epochs", false, true, 0.0, {}}, {}, {}, {}, {}};
  const std::string figure = figure_of(runs[0]);
  std::vector<std::pair<std::string, std::vector<Series>>> curves;
  for (const ReportedRun& run : runs) {
    if (figure_of(run) != figure) continue;
    const auto group = std::find_if(groups.begin(), groups.end(), [&](const RunGroup& g) {
      return std::count(g.runs.begin(), g.runs.end(), run.name) > 0;
    });
    auto curve = curves.end();
    if (group != groups.end()) {
      curve = std::find_if(curves.begin(), curves.end(),
                           [&](const auto& c) { return c.first == group->name; });
    }
    if (curve == curves.end())
      curve = curves.insert(curve, {group == groups.end() ? run.name : group->name, {}});
    add_series(curve->second, run.name, run,
               [&](const EpochMetrics& m) { return value_of(m.validation, figure); });
  }
  curves.erase(
      std::remove_if(curves.begin(), curves.end(), [](const auto& c) { return c.second.empty(); }),
      curves.end());
  const bool means =
      std::any_of(curves.begin(), curves.end(), [](const auto& c) { return c.second.size() > 1; });
  for (const auto& [name, series] : curves) {
    if (chart.series.size() == kMostTogether) break;
    Series mean = mean_of(name, series);
    if (!mean.lines[0].empty()) chart.series.push_back(std::move(mean));
  }
  if (chart.series.size() < 2) {  // seeds of one method, each by itself
    return means ? together_figure(runs, {}) : std::nullopt;
  }
  chart.y = {figure + " on the validation split (%)", false, false, {}, {}};
  chart.description = ends_text(chart.series);
  std::string caption = curves.size() > kMostTogether
                            ? fmt::format("The first {} of {} curves", kMostTogether, curves.size())
                            : "All runs";
  if (means) caption += ", those of several seeds by their mean";
  return make_figure(
      caption, [&](int64_t width) { return emit_line_chart(chart, width); }, true);
}

Drawing methods_figure(const std::vector<RunGroup>& groups, const std::string& figure) {
  DotChart chart{"Test " + figure + " by method",
                 "",
                 {"test " + figure + " (%)", false, false, {}, {}},
                 {},
                 "a run",
                 "mean",
                 "teacher"};
  for (const RunGroup& g : groups) {
    const Spread test = spread_of(g.test);
    const std::string deviation = test.count > 1 ? fmt::format(" ± {:.2f}", test.deviation) : "";
    chart.rows.push_back({fmt::format("{}: {}, {}", g.name, g.network, g.method),
                          fmt::format("{:.2f}{}", test.mean, deviation), g.test, test.mean,
                          test.deviation, g.teacher});
  }
  return make_figure(
      "Test " + figure + " by method, with the deviation over seeds",
      [&](int64_t width) { return emit_dot_chart(chart, width); }, true);
}

/// Where a method was taken to several depths, and no two groups are the same point.
std::optional<Drawing> depths_figure(const std::vector<RunGroup>& groups,
                                     const std::string& figure) {
  std::map<std::string, std::map<int64_t, Point>> methods;
  for (const RunGroup& g : groups) {
    if (!g.depth) continue;
    const Spread test = spread_of(g.test);
    const Point point{static_cast<double>(*g.depth), test.mean, test.deviation};
    if (!methods[g.method].emplace(*g.depth, point).second) return std::nullopt;
  }
  LineChart chart{"Test " + figure + " by depth",
                  "",
                  {"layers", false, true, {}, {}},
                  {"test " + figure + " (%)", false, false, {}, {}},
                  {},
                  {},
                  {}};
  size_t most = 0;
  for (const auto& [method, points] : methods) {
    Series series{method, {{}}};
    for (const auto& [depth, point] : points) series.lines[0].push_back(point);
    most = std::max(most, points.size());
    chart.series.push_back(std::move(series));
  }
  if (most < 2) return std::nullopt;
  chart.description = ends_text(chart.series);
  return make_figure(
      "Test " + figure + " by depth", [&](int64_t width) { return emit_line_chart(chart, width); },
      true);
}

}  // namespace

std::optional<Section> runs_side_by_side(const std::vector<ReportedRun>& runs,
                                         const std::vector<RunGroup>& groups) {
  if (runs.size() < 2) return std::nullopt;
  Section section{"Runs side by side", {}};
  const std::string figure = figure_of(runs[0]);
  if (groups.size() > 1) {
    section.parts.emplace_back(methods_figure(groups, figure));
    if (auto depths = depths_figure(groups, figure)) section.parts.emplace_back(*std::move(depths));
  }
  if (auto together = together_figure(runs, groups))
    section.parts.emplace_back(*std::move(together));
  if (section.parts.empty()) return std::nullopt;
  return section;
}

}  // namespace tailor::report

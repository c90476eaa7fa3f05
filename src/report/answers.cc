#include "tailor/report/answers.h"

#include <algorithm>

#include "tailor/core/strings.h"
#include "tailor/report/chart.h"
#include "tailor/report/confusion.h"

namespace tailor::report {
namespace {

constexpr const char* kTrained = "training, floating point";

/// One measured accuracy.
struct Accuracy {
  std::string of, computed_by, data, figure;
  int64_t examples = 0;  // 0: not said
  double value = 0;      // per cent
  std::string more;
};

std::string backend_text(const Json& answer) {
  const std::string backend = answer.get_string("backend", "");
  if (backend == "emulator") return "integers, " + answer.get_string("type", "fixed point");
  if (backend == "float64") return "float64";
  return "LibTorch, float32";
}

Accuracy read_evaluation(const ReportedEvaluation& e) {
  Accuracy a;
  a.of = e.answer.at("checkpoint").as_string();
  a.computed_by = backend_text(e.answer);
  a.data = e.answer.at("data").as_string() + ", " + e.answer.at("split").as_string();
  for (const char* const figure : {"accuracy", "wer", "mean_accuracy"}) {
    const Json* value = e.answer.find(figure);
    if (!value || !value->is_number()) continue;
    a.figure = figure, a.value = value->as_number();
    break;
  }
  a.examples = e.answer.get_int("images", 0);
  if (const Json* overflows = e.answer.find("overflows"))
    a.more = with_commas(overflows->as_int()) + " overflows";
  return a;
}

std::optional<Accuracy> accuracy_of(const ReportedRun& run) {
  if (!run.summary || !run.summary->last.test.value) return std::nullopt;
  const auto& last = run.summary->last;
  Accuracy a{run.name, kTrained, run.data + ", test", last.test.name, 0, *last.test.value, ""};
  if (last.mean_bits) {
    a.computed_by = "training, quantised";
    a.more = fmt::format("{:.2f} bits on average", *last.mean_bits);
  }
  return a;
}

/// Of the weights that a project was made from.
std::optional<Accuracy> accuracy_of(const ReportedProject& project) {
  const Json* metrics =
      project.manifest.source.is_object() ? project.manifest.source.find("metrics") : nullptr;
  const Json* value = metrics && metrics->is_object() ? metrics->find("test_accuracy") : nullptr;
  if (!value || !value->is_number()) return std::nullopt;
  return Accuracy{
      project.name, "training, before the export", "test", "accuracy", 0, value->as_number(), ""};
}

Drawing confusion_figure(const ReportedEvaluation& e) {
  const Json::Array& classes = e.answer.at("per_class").as_array();
  std::vector<std::string> names;
  names.reserve(classes.size());
  for (const Json& c : classes) names.push_back(c.at("name").as_string());
  const auto count = static_cast<int64_t>(names.size());
  ConfusionMatrix matrix(count);
  for (const Json& cell : e.answer.at("confusion").as_array()) {
    const Json::Array& c = cell.as_array();
    const bool fits = c.size() == 3 && c[0].as_int() >= 0 && c[0].as_int() < count &&
                      c[1].as_int() >= 0 && c[1].as_int() < count;
    if (!fits) {
      fail(ErrorKind::Data, "{}: expected cells [label, prediction, images] of {} classes, got {}",
           e.name, count, cell.dump());
    }
    for (int64_t i = 0; i < c[2].as_int(); ++i) matrix.add(c[0].as_int(), c[1].as_int());
  }
  const std::string title =
      fmt::format("{}: which class was taken for which ({})", e.answer.at("checkpoint").as_string(),
                  backend_text(e.answer));
  return {"Confusion matrix", emit_confusion_svg(matrix, names, title), "", false};
}

}  // namespace

bool is_evaluation(const Json& json) {
  return json.is_object() && json.find("checkpoint") && json.find("split") && json.find("backend");
}
bool is_check(const Json& json) {
  return json.is_object() && json.find("project") && json.find("passed") && json.find("steps");
}

std::optional<Section> answers_section(const std::vector<ReportedRun>& runs,
                                       const std::vector<ReportedProject>& projects,
                                       const std::vector<ReportedEvaluation>& evaluations) {
  std::vector<Accuracy> found;
  for (const ReportedRun& run : runs) {
    if (auto a = accuracy_of(run)) found.push_back(*std::move(a));
  }
  for (const ReportedProject& project : projects) {
    if (auto a = accuracy_of(project)) found.push_back(*std::move(a));
  }
  for (const ReportedEvaluation& e : evaluations) found.push_back(read_evaluation(e));
  // What runs in floating point say is in their own table already.
  const bool says_more = std::any_of(found.begin(), found.end(),
                                     [](const Accuracy& a) { return a.computed_by != kTrained; });
  if (!says_more) return std::nullopt;
  Section section{"Floating point, quantised, emulated", {}};
  DataTable table{"By what computed it, in per cent",
                  {"of", "computed by", "data", "examples", "figure", "per cent", "more"},
                  {}};
  for (const Accuracy& a : found) {
    table.rows.push_back({a.of, a.computed_by, a.data,
                          a.examples > 0 ? with_commas(a.examples) : "–", a.figure,
                          fmt::format("{:.2f}", a.value), a.more});
  }
  section.parts.emplace_back(without_empty_columns(std::move(table)));
  for (const ReportedEvaluation& e : evaluations) {
    if (e.answer.find("confusion") && e.answer.find("per_class"))
      section.parts.emplace_back(confusion_figure(e));
  }
  return section;
}

std::optional<Section> checks_section(const std::vector<ReportedCheck>& checks) {
  if (checks.empty()) return std::nullopt;
  Section section{"Checks", {}};
  for (const ReportedCheck& check : checks) {
    const bool passed = check.answer.at("passed").as_bool();
    DataTable table{
        fmt::format("{}: {}", check.answer.at("project").as_string(), passed ? "passed" : "FAILED"),
        {"step", "result", "what was compared"},
        {}};
    for (const Json& step : check.answer.at("steps").as_array()) {
      const Json* warns = step.find("warning");
      table.rows.push_back({step.at("step").as_string(),
                            !step.at("passed").as_bool() ? "FAILED"
                            : warns && warns->as_bool()  ? "warns"
                                                         : "passed",
                            step.at("detail").as_string()});
    }
    section.parts.emplace_back(std::move(table));
  }
  return section;
}

}  // namespace tailor::report

#include "tailor/run/results.h"

#include <cmath>
#include <functional>

#include "tailor/core/files.h"
#include "tailor/core/strings.h"

namespace tailor::run {
namespace {

constexpr double kAny = HUGE_VAL;

void count(RecordVisitor& v, const char* key, int64_t& value, const char* doc) {
  v.integer(key, value, 0, INT64_MAX, doc);
}

void measured(RecordVisitor& v, const std::string& when, RecordedFigure& f, const char* doc,
              const char* suffix = "") {
  const std::string text = (f.is_share ? "Per cent. " : "") + std::string(doc);
  v.optional_number((when + f.name + suffix).c_str(), f.value, f.is_share ? 0 : -kAny,
                    f.name == "accuracy" ? 100 : kAny, text.c_str());
}

void speed(RecordVisitor& v, const std::string& unit, double& value, const char* doc) {
  v.number((unit + "s_per_s").c_str(), value, 0, kAny, doc);
}

/// Its keys have the names of one of the task's examples ("images_per_s") …
void find_unit(const Json& json, std::string& unit) {
  constexpr std::string_view kSpeed = "s_per_s";
  if (!json.is_object()) return;
  for (const auto& [key, value] : json.as_object()) {
    if (key.size() > kSpeed.size() && ends_with(key, kSpeed))
      unit = key.substr(0, key.size() - kSpeed.size());
  }
}
/// … and of its figures: what stands behind `start` (and in front of `end`), in order.
std::vector<RecordedFigure> find_figures(const Json& json, std::string_view start,
                                         std::string_view end = "") {
  std::vector<RecordedFigure> figures;
  if (!json.is_object()) return figures;
  for (const auto& [key, value] : json.as_object()) {
    if (key.size() <= start.size() + end.size() || !starts_with(key, start) || !ends_with(key, end))
      continue;
    const std::string name = key.substr(start.size(), key.size() - start.size() - end.size());
    if (name == "objective" || name == "distance") continue;  // parts of the loss
    figures.push_back({name, name != "loss", {}});
  }
  return figures;
}

/// `read` takes each whole line, and what names it in errors.
void for_each_line(const std::string& path,
                   const std::function<void(const Json&, const std::string&)>& read) {
  if (!path_exists(path)) return;
  const std::string text = read_file(path);
  int64_t number = 0;
  size_t at = 0;
  for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', at)) {
    const std::string source = fmt::format("{} (line {})", path, ++number);
    read(Json::parse(std::string_view(text).substr(at, end - at), source), source);
    at = end + 1;
  }
}

}  // namespace

RecordedFigure recorded(const Figure& figure) {
  return {figure.name, figure.is_share, figure.recorded()};
}

RecordedFigure recorded(const std::optional<Figure>& figure, const Figure& kind) {
  return figure ? recorded(*figure) : RecordedFigure{kind.name, kind.is_share, {}};
}

void EpochMetrics::describe(RecordVisitor& v) {
  count(v, "epoch", epoch, "The epoch that ended. Line *i* has epoch *i*.");
  v.number("lr", lr, 0, kAny, "Learning rate at the epoch's first step.");
  for (RecordedFigure& figure : train) {
    measured(v, "train_", figure,
             figure.is_share
                 ? "Of the epoch's examples as augmented, while training."
                 : "Mean over the epoch's examples as augmented, while training, of what "
                   "is minimised, the teacher's term included.");
  }
  for (RecordedFigure& figure : validation)
    measured(v, "validation_", figure, "Over the validation split, eval mode.");
  if (v.wants(objective.has_value())) {
    v.optional_number("train_objective", objective, -kAny, kAny,
                      "With a teacher: mean of the task's own loss, before it is weighted.");
    v.optional_number(
        "train_distance", distance, 0, kAny,
        "With a teacher: mean of the distance to its outputs, before it is weighted.");
  }
  count(v, "skips", skips, "Skip connections the network has.");
  v.number("seconds", seconds, 0, kAny,
           "Wall time of the training steps, without validation; after a resume only this "
           "process's part.");
  speed(v, unit, examples_per_s,
        "Training examples of this process in this epoch, divided by `seconds`.");
}

void AlterationLine::describe(RecordVisitor& v) {
  count(v, "epoch", epoch, "The alteration was made before this epoch trained.");
  v.text("text", text,
         "`removed ID (L of N left)` or `shortened …`: L of the run's N alterations are still to "
         "come.");
  v.text("kind", kind, "`remove` or `shorten`.");
  v.text("skip", skip, "Id of the skip that was altered.");
  v.json("before", before,
         "Array: the block's skips before, each `{id, from, to, kind}` as in section 2.");
  v.json("after", after, "Array: the block's skips after.");
  v.texts("erased", erased, "Tensors that went, named as in section 2 without `model.`.");
  v.texts("added", added, "Tensors that came.");
  count(v, "parameters", parameters, "Trained parameters of the network afterwards.");
  measured(v, "validation_", validation_before, "Before the alteration.", "_before");
  measured(v, "validation_", validation_stale,
           "After it, with the running statistics of the network before it.", "_stale");
  count(v, "statistics_images", statistics_images,
        "Training examples on which the running statistics were then estimated again "
        "(`surgery.statistics_images`); 0: they were not.");
  measured(v, "validation_", validation_after,
           "With the statistics estimated again; as `_stale` where they were not.", "_after");
  if (v.wants(edit != "cut")) {
    v.text("edit", edit,
           "`solve` or `fade` (`surgery.edit`; what fades has two lines, where it begins and where "
           "it ends); absent where the skip was cut.");
  }
  if (!v.wants(block_error.has_value())) return;
  v.optional_number(
      "block_error", block_error, 0, kAny,
      "Of one that solves: squared distance of the block's output to that of the teacher's "
      "(or the student's own before, where the teacher is of other blocks), relative "
      "to the square of that, on the images that it was solved on.");
}

void RunSummary::describe(RecordVisitor& v) {
  auto judgement = [](RecordVisitor& r, Judgement& j) {
    measured(r, "validation_", j.validation, "On the validation split.");
    measured(r, "test_", j.test, "On the test split.");
    if (!r.wants(j.mean_bits.has_value())) return;
    r.optional_number(
        "mean_bits", j.mean_bits, 0, kAny,
        "Of a network trained quantised: products of weights and activations have "
        "mean_bits x mean_bits bits on average, over all multiplications of an image; "
        "absent: it is not.");
  };
  v.text("run", run, "Name of the run: its folder's name.");
  v.text("network", network, "`resnet20` …");
  v.text("join", join, "`before_activation` or `after_activation`.");
  count(v, "alterations", alterations, "Alterations of the run, those of earlier phases included.");
  count(v, "skips", skips, "Skip connections at the end.");
  count(v, "skips_before", skips_before,
        "Skip connections at the start, of the first phase where there are several.");
  count(v, "parameters", parameters, "Trained parameters at the end.");
  count(v, "epochs", epochs, "Epochs of the run.");
  if (v.wants(earlier.phases > 0)) {
    count(v, "phases_before", earlier.phases,
          "Phases before this one (`phases`), of which the next two keys are; absent: none.");
    count(v, "epochs_before", earlier.epochs, "Their epochs.");
    v.number("seconds_before", earlier.seconds, 0, kAny, "Their `seconds`.");
  }
  v.record(
      "last", [&](RecordVisitor& r) { judgement(r, last); }, "Of `last.ckpt`.");
  bool has_best = best.has_value();
  Best found = best.value_or(Best());
  v.optional_record(
      "best", has_best,
      [&](RecordVisitor& r) {
        count(r, "epoch", found.epoch, "Its epoch.");
        judgement(r, found);
      },
      "Of `best.ckpt`.");
  best = has_best ? std::optional<Best>(found) : std::nullopt;
  v.json("teacher", teacher,
         "Object: `run`, `checkpoint` (file name), `test_accuracy` and, where known, "
         "`validation_accuracy` of the teacher; null without one.");
  v.number("seconds", seconds, 0, kAny,
           "Wall time of all processes of the run, validation and checkpoints included, the last "
           "test and the teacher's training not.");
  speed(v, unit, examples_per_s, "Training examples × epochs / `seconds`.");
  v.text("weights_sha256", weights_sha256, "Digest of the weights of `last.ckpt` (section 2).");
}

void EarlierPhases::add(const RunSummary& phase) {
  if (phases == 0) skips_before = phase.skips_before;
  phases += 1, epochs += phase.epochs;
  alterations += phase.alterations, seconds += phase.seconds;
}

RunSummary read_summary(const std::string& path) {
  RunSummary summary;
  const Json json = Json::parse(read_file(path), path);
  find_unit(json, summary.unit);
  if (const Json* last = json.find("last")) {
    for (const RecordedFigure& judged : find_figures(*last, "test_")) {
      summary.best = RunSummary::Best{};
      for (RecordedFigure* f : {&summary.last.validation, &summary.last.test,
                                &summary.best->validation, &summary.best->test})
        f->name = judged.name;
    }
  }
  read_record(json, path, [&](RecordVisitor& v) { summary.describe(v); });
  if (summary.network.empty())
    fail(ErrorKind::Data, "{}: expected the summary of a run, got one without a network", path);
  return summary;
}

std::vector<EpochMetrics> read_metrics(const std::string& path) {
  std::vector<EpochMetrics> epochs;
  for_each_line(path, [&](const Json& json, const std::string& source) {
    EpochMetrics& metrics = epochs.emplace_back();
    find_unit(json, metrics.unit);
    metrics.train = find_figures(json, "train_");
    metrics.validation = find_figures(json, "validation_");
    read_record(json, source, [&](RecordVisitor& v) { metrics.describe(v); });
    const auto expected = static_cast<int64_t>(epochs.size()) - 1;
    if (metrics.epoch != expected) {
      fail(ErrorKind::Data, "{}: expected epoch {}, got {}: lines are missing or stand twice",
           source, expected, metrics.epoch);
    }
  });
  return epochs;
}

std::vector<AlterationLine> read_alterations(const std::string& path) {
  std::vector<AlterationLine> alterations;
  for_each_line(path, [&](const Json& json, const std::string& source) {
    AlterationLine& line = alterations.emplace_back();
    for (const RecordedFigure& judged : find_figures(json, "validation_", "_before")) {
      for (RecordedFigure* f :
           {&line.validation_before, &line.validation_stale, &line.validation_after})
        f->name = judged.name;
    }
    read_record(json, source, [&](RecordVisitor& v) { line.describe(v); });
  });
  // What has faded is one alteration, from where it began to where it ended.
  for (size_t end = 0; end < alterations.size(); ++end) {
    for (size_t begin = 0; begin < end; ++begin) {
      if (alterations[end].edit != "fade" || alterations[begin].skip != alterations[end].skip)
        continue;
      alterations[end].validation_before = alterations[begin].validation_before;
      alterations[end].validation_stale = alterations[end].validation_after;
      alterations.erase(alterations.begin() + static_cast<std::ptrdiff_t>(begin));
      --end;
      break;
    }
  }
  return alterations;
}

}  // namespace tailor::run

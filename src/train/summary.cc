#include <algorithm>

#include "tailor/core/files.h"
#include "train/session.h"

namespace tailor::train {
namespace {

Json recorded(const std::optional<Figure>& figure) {
  return figure ? Json(figure->recorded()) : Json();
}

}  // namespace

RunResult summarise(Session& run, Saver& saver) {
  run.stamp();
  RunResult result;
  auto test = [&](Model& model) {
    return judged_by(evaluate_split(model, *run.task, Split::Test, 0, run.progress, "test"));
  };
  auto load = [&](const Checkpoint& c) { return Model(c.network, c.tensors, run.device); };
  result.test = test(run.model());
  if (!run.validation) run.validation = run.validate();
  result.validation = run.validation;
  if (path_exists(run.folder.best())) {
    Model model = load(load_checkpoint(run.folder.best()));
    result.best_test = test(model);
    result.best_validation = result.test;
    result.best_validation->value = run.position.best;
  }
  const std::string judged = result.test.name, of_test = "test_" + judged,
                    of_validation = "validation_" + judged;
  Json teacher;
  if (run.spec.teacher) {
    teacher = run.spec.teacher->metrics;
    if (!teacher.find(of_test)) {  // imported weights were never tested here
      Model model = load(*run.spec.teacher);
      teacher.set(of_test, test(model).recorded());
    }
  }
  run.position.finished = true;
  result.last = saver.checkpoint();
  result.last.metrics.set(of_test, result.test.recorded());
  save_checkpoint(run.folder.last(), result.last);
  result.seconds = run.position.seconds;
  Json best;
  if (result.best_test) {
    best = Json::object({{"epoch", run.position.best_epoch},
                         {of_validation, recorded(result.best_validation)},
                         {of_test, recorded(result.best_test)}});
  }
  const double examples = static_cast<double>(run.task->size(Split::Train) * run.config.epochs);
  run.folder.write(
      "summary.json",
      Json::object(
          {{"run", run.spec.name},
           {"network", run.model().network().name},
           {"join", to_string(run.model().network().join)},
           {"alterations", run.edits.size()},
           {"skips", skip_ids(run.model().network()).size()},
           {"skips_before", run.total_skips},
           {"parameters", run.model().parameters().count()},
           {"epochs", run.config.epochs},
           {"last", Json::object({{of_validation, recorded(result.validation)},
                                  {of_test, recorded(result.test)}})},
           {"best", best},
           {"teacher", teacher},
           {"seconds", result.seconds},
           {std::string(run.task->unit()) + "s_per_s", examples / std::max(result.seconds, 1e-9)},
           {"weights_sha256", weights_digest(result.last.tensors)}}));
  return result;
}

}  // namespace tailor::train

#include "tailor/core/log.h"
#include "tailor/run/results.h"
#include "train/session.h"

namespace tailor::train {
namespace {

/// How the network was judged around an edit: before it, after it with the old statistics, and with
/// new ones.
struct Judgement {
  std::optional<Figure> before, stale, after;
  int64_t statistics_images = 0;
};

void record(Session& run, const Alteration& a, const std::string& text, const Judgement& j) {
  const Figure kind = judged_by(run.task->meter()->summary());
  AlterationLine line;
  line.epoch = run.position.epoch;
  line.text = text, line.kind = to_string(a.kind), line.skip = a.skip_id;
  line.before = a.before, line.after = a.after;
  line.erased = a.erased;
  for (const TensorSpec& tensor : a.added) line.added.push_back(tensor.name);
  line.parameters = run.model().parameters().count();
  line.validation_before = recorded(j.before, kind);
  line.validation_stale = recorded(j.stale, kind);
  line.statistics_images = j.statistics_images;
  line.validation_after = recorded(j.after, kind);
  run.folder->append("alterations.jsonl",
                     write_record([&](RecordVisitor& v) { line.describe(v); }));
}

std::string effect_of(const Alteration& a, const Judgement& j) {
  std::string effect;
  if (j.before) {
    effect = fmt::format("; validation {} before, {} after", j.before->text(2), j.after->text(2));
  }
  if (j.before && j.statistics_images > 0) {
    effect += fmt::format(" ({} before statistics were estimated on {} examples)", j.stale->text(2),
                          j.statistics_images);
  }
  if (a.added_parameters > 0)
    effect += fmt::format("; {} parameters of new projections", a.added_parameters);
  if (a.erased_parameters > 0)
    effect += fmt::format("; {} parameters of its projection are gone", a.erased_parameters);
  return effect;
}

}  // namespace

void alter_due_skips(Session& run) {
  Position& at = run.position;
  const auto count = static_cast<int64_t>(run.edits.size());
  std::optional<Figure> now;
  while (at.edits_applied < count &&
         run.edits[static_cast<size_t>(at.edits_applied)].epoch <= at.epoch) {
    const PlannedEdit& edit = run.edits[static_cast<size_t>(at.edits_applied)];
    Judgement j;
    j.before = now ? now : run.validate();
    const Alteration a = run.learner->alter(edit.skip_id, edit.kind, run.config.seed);
    ++at.edits_applied;
    j.stale = run.validate();
    j.statistics_images = estimate_statistics(run.model(), *run.task, run.config.seed, at.epoch,
                                              run.spec.config.surgery.statistics_images);
    if (j.statistics_images > 0) average_statistics(run.model(), run.group);  // alike to the bit
    const bool calibrated = run.calibrate_again();
    j.after = calibrated || j.statistics_images > 0 ? run.validate() : j.stale;
    const std::string text = alteration_text(a, count - at.edits_applied, count);
    if (run.folder) record(run, a, text, j);
    log_info("train", "epoch {}: {}{}", at.epoch, text, effect_of(a, j));
    now = j.after;
  }
}

}  // namespace tailor::train

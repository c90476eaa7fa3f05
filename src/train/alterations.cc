#include "tailor/core/interrupt.h"
#include "tailor/core/log.h"
#include "tailor/nn/host.h"
#include "tailor/run/results.h"
#include "train/session.h"
#include "train/solve_block.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

namespace tailor::train {
namespace {

/// The first training examples of the epoch's order, as they are without augmentation.
at::Tensor images_of(Session& run, int64_t count) {
  constexpr int64_t kAtOnce = 256;
  const int64_t all = run.task->size(Split::Train);
  std::vector<int64_t> order =
      run.task->order(run.config.seed, run.position.epoch, run.config.batch_size);
  order.resize(static_cast<size_t>(std::min(count, all)));
  std::vector<at::Tensor> images;
  Batch batch;
  for (size_t i = 0; i < order.size(); i += kAtOnce) {
    const Span<const int64_t> indices(order.data() + i,
                                      std::min<size_t>(kAtOnce, order.size() - i));
    run.task->collate(Split::Train, indices, std::nullopt, batch);
    images.push_back(to_device(batch, run.model()).inputs);
  }
  return at::cat(images);
}

/// The leader's solution is that of all: sums on other processes may round otherwise.
void share(BlockSolution& solution, Group& group, at::Device device) {
  if (!group.is_shared()) return;
  at::NoGradGuard no_grad;
  for (auto& [name, tensor] : solution.tensors) {
    const at::Tensor values = host_view(tensor), sent = values.to(device);
    group.broadcast(sent);
    values.copy_(sent);
  }
}

/// Of a removal, where the run solves.
std::optional<BlockSolution> solve(Session& run, const PlannedEdit& edit) {
  const SurgeryConfig& surgery = run.spec.config.surgery;
  if (surgery.edit != EditKind::Solve || edit.kind != AlterationKind::Remove) return std::nullopt;
  const TensorMap tensors = run.model().tensors();
  const TrainedNetwork student{run.model().network(), tensors};
  const auto& teacher = run.spec.teacher;
  // What was saved last is from before this alteration. Several processes do not stop here: they
  // agree on signals between steps.
  const Pause pause = [&] {
    if (!run.group.is_shared()) throw_if_interrupted();
  };
  BlockSolution solution = solve_block(
      student, teacher ? TrainedNetwork{teacher->network, teacher->tensors} : student, edit.skip_id,
      surgery.solve, run.config.seed, images_of(run, surgery.solve.images), pause);
  share(solution, run.group, run.device);
  return solution;
}

/// How the network was judged around an edit: before it, after it with the old statistics, and with
/// new ones.
struct Judgement {
  std::optional<Figure> before, stale, after;
  int64_t statistics_images = 0;
  std::optional<double> block_error;  // of an edit that solved
  bool of_teacher = true;             // else from what its own block gave
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
  line.edit = to_string(j.block_error               ? EditKind::Solve
                        : a.part != EditPart::Whole ? EditKind::Fade
                                                    : EditKind::Cut);
  line.block_error = j.block_error;
  run.folder->append("alterations.jsonl",
                     write_record([&](RecordVisitor& v) { line.describe(v); }));
}

std::string effect_of(const Alteration& a, const Judgement& j) {
  std::string effect;
  if (j.before) {
    effect = a.part == EditPart::Whole ? fmt::format("; validation {} before, {} after",
                                                     j.before->text(2), j.after->text(2))
                                       : "; validation " + j.before->text(2);
  }
  if (j.before && j.statistics_images > 0) {
    effect += fmt::format(" ({} before statistics were estimated on {} examples)", j.stale->text(2),
                          j.statistics_images);
  }
  if (j.block_error) {
    effect += fmt::format("; solved, {:.4f} from {}", *j.block_error,
                          j.of_teacher ? "the teacher's block" : "what the block gave with it");
  }
  if (a.added_parameters > 0)
    effect += fmt::format("; {} parameters of new projections", a.added_parameters);
  if (a.erased_parameters > 0)
    effect += fmt::format("; {} parameters of its projection are gone", a.erased_parameters);
  return effect;
}

/// Behind the edit. What begins or ends to fade has no weight, and changes nothing.
void judge_after(Session& run, const PlannedEdit& edit, Judgement& j) {
  j.stale = j.after = j.before;
  if (edit.part != EditPart::Whole) return;
  j.stale = run.validate();
  j.statistics_images = run.estimate_statistics(run.spec.config.surgery.statistics_images);
  const bool calibrated = run.calibrate_again();
  j.after = calibrated || j.statistics_images > 0 ? run.validate() : j.stale;
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
    const std::optional<BlockSolution> solved = solve(run, edit);
    if (solved) j.block_error = solved->error, j.of_teacher = solved->of_teacher;
    const Alteration a =
        run.learner->alter(edit, run.config.seed, solved ? solved->tensors : TensorMap(),
                           run.spec.config.surgery.optimizer);
    ++at.edits_applied;
    judge_after(run, edit, j);
    const auto [left, total] = run.alterations_left();
    const std::string text = alteration_text(a, left, total);
    if (run.folder) record(run, a, text, j);
    log_info("train", "epoch {}: {}{}", at.epoch, text, effect_of(a, j));
    now = j.after;
  }
}

}  // namespace tailor::train

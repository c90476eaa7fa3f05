#include "tailor/train/sensitivity.h"

#include "tailor/surgery/surgery.h"
#include "tailor/train/device.h"
#include "train/evaluation.h"

namespace tailor::train {

AlteredNetwork judge_altered(const Network& network, const TensorMap& tensors,
                             const std::vector<SkipPlan>& plan, const AlterationJudge& judge,
                             Progress& progress, const std::string& label) {
  AlteredNetwork altered{network, tensors, {}};
  for (const SkipPlan& skip : plan) {
    if (skip.kind == AlterationKind::Keep) continue;
    const Alteration alteration = apply_alteration(altered.network, skip.skip, skip.kind);
    TensorMap added = added_tensors(alteration, altered.network, altered.tensors, judge.seed);
    for (const std::string& name : alteration.erased) altered.tensors.erase(name);
    altered.tensors.merge(added);
  }
  Model model(altered.network, altered.tensors,
              resolve_device(judge.device == "cpu" ? "cpu" : "auto", ""));
  estimate_statistics(model, judge.task, judge.seed, 0, judge.statistics);
  const LogitsSink none = [](Span<const float>, Span<const int64_t>) {};  // stops at a signal
  altered.figure = judged_by(
      evaluate_split(model, judge.task, judge.split, judge.examples, progress, label, none));
  altered.tensors = model.tensors();
  return altered;
}

}  // namespace tailor::train

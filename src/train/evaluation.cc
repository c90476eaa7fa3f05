#include "train/evaluation.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "tailor/core/interrupt.h"
#include "tailor/nn/host.h"
#include "tailor/task/prefetch.h"
#include "train/score.h"

namespace tailor::train {
namespace {

constexpr int64_t kEvaluationBatch = 250;
/// Fewer at once where images are larger than 3x64x64: memory grows with their pixels.
constexpr int64_t kEvaluationFloats = 250 * 3 * 64 * 64;
/// Batches of this many in which statistics are estimated again.
constexpr int64_t kStatisticsBatch = 64;

}  // namespace

std::vector<Figure> evaluate_split(Model& model, const Task& task, Split split, int64_t limit,
                                   Progress& progress, const std::string& label,
                                   const LogitsSink& sink) {
  at::NoGradGuard no_grad;
  ObjectiveSpec spec = task.objective();
  spec.skips_impossible = true;  // the loss is the mean over the others; the tally counts all
  const Objective& objective = find_objective(spec.name);
  const int64_t count = limit > 0 ? std::min(limit, task.size(split)) : task.size(split);
  const int64_t at_once =
      std::clamp<int64_t>(kEvaluationFloats / model.network().input.size(), 1, kEvaluationBatch);
  const auto meter = task.meter();
  Score score(task, split, *meter, model.device());
  Prefetcher ahead(
      0, (count + at_once - 1) / at_once, kPrefetchDepth, 1, [&](int64_t step, Batch& batch) {
        std::vector<int64_t> indices;
        for (int64_t i = step * at_once; i < std::min((step + 1) * at_once, count); ++i)
          indices.push_back(i);
        task.collate(split, indices, std::nullopt, batch);
      });
  progress.begin(label, count, task.unit());
  for (int64_t first = 0; first < count; first += at_once) {
    if (sink) throw_if_interrupted();
    const Batch& batch = ahead.next();
    const DeviceBatch examples = to_device(batch, model);
    const at::Tensor outputs = model.forward(examples.inputs, /*training=*/false, examples.lengths);
    StepResult result;
    result.loss = objective.loss(outputs, examples, spec);
    if (objective.tally) result.tally = objective.tally(outputs, examples);
    result.outputs = outputs, result.positions = examples.positions;
    score.add(result, batch);
    progress.advance(batch.count);
    if (sink) sink(to_host(outputs).as<float>(), batch.targets.as<int64_t>());
  }
  score.read();
  progress.end();
  return meter->summary();
}

int64_t estimate_statistics(Model& model, const Task& task, int64_t seed, int64_t epoch,
                            int64_t examples) {
  const int64_t all = task.size(Split::Train);
  const EpochBatches batches{std::min(examples, all), std::min(kStatisticsBatch, all)};
  if (batches.images < 2) return 0;
  const EpochExamples order(task, seed, epoch, batches);
  Batch batch;
  for (int64_t step = 0; step < batches.count(); ++step) {
    order.collate(step, batch);
    const DeviceBatch on_device = to_device(batch, model);
    model.absorb_statistics(on_device.inputs, 1.0 / static_cast<double>(step + 1),
                            on_device.lengths);
  }
  return batches.images;
}

}  // namespace tailor::train

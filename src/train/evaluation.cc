#include "train/evaluation.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

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

/// A meter's state is sums: each becomes that over all processes.
void sum_meters(Meter& meter, Group& group) {
  if (!group.is_shared()) return;
  Json state = meter.state();
  std::vector<double> numbers;
  for (const auto& [key, value] : state.as_object()) numbers.push_back(value.as_number());
  const at::Tensor sums = at::tensor(numbers, at::kDouble).to(group.device());
  group.sum(sums);
  const at::Tensor host = sums.cpu();
  const double* sum = host.data_ptr<double>();
  Json whole = Json::object({});
  for (const auto& [key, value] : state.as_object())
    whole.set(key, value.is_int() ? Json(static_cast<int64_t>(*sum++)) : Json(*sum++));
  meter.restore(whole);
}

}  // namespace

void average_statistics(Model& model, Group& group) {
  if (!group.is_shared()) return;
  at::NoGradGuard no_grad;
  std::vector<at::Tensor> all;
  for (const auto& [name, buffer] : model.parameters().buffers()) all.push_back(buffer.flatten());
  if (all.empty()) return;
  const at::Tensor sums = at::cat(all);
  group.sum(sums);
  sums.div_(group.size());
  int64_t at = 0;
  for (const auto& [name, buffer] : model.parameters().buffers()) {
    buffer.copy_(sums.narrow(0, at, buffer.numel()).view(buffer.sizes()));
    at += buffer.numel();
  }
}

std::vector<Figure> evaluate_split(Model& model, const Task& task, Split split, int64_t limit,
                                   Progress& progress, const std::string& label,
                                   const LogitsSink& sink, Group& group) {
  at::NoGradGuard no_grad;
  ObjectiveSpec spec = task.objective();
  spec.skips_impossible = true;  // the loss is the mean over the others; the tally counts all
  const Objective& objective = find_objective(spec.name);
  const int64_t count = limit > 0 ? std::min(limit, task.size(split)) : task.size(split);
  const int64_t at_once =
      std::clamp<int64_t>(kEvaluationFloats / model.network().input.size(), 1, kEvaluationBatch);
  const auto meter = task.meter();
  Score score(task, split, *meter, model.device());
  // Of the batches every size-th, from the rank-th on.
  const int64_t batches = (count + at_once - 1) / at_once,
                own = (batches - group.rank() + group.size() - 1) / group.size();
  Prefetcher ahead(0, own, kPrefetchDepth, 1, [&](int64_t step, Batch& batch) {
    const int64_t first = (step * group.size() + group.rank()) * at_once;
    std::vector<int64_t> indices;
    for (int64_t i = first; i < std::min(first + at_once, count); ++i) indices.push_back(i);
    task.collate(split, indices, std::nullopt, batch);
  });
  progress.begin(label, count, task.unit());
  for (int64_t step = 0; step < own; ++step) {
    if (sink) throw_if_interrupted();
    const Batch& batch = ahead.next();
    const DeviceBatch examples = to_device(batch, model);
    const at::Tensor outputs = model.forward(examples.inputs, /*training=*/false, examples.lengths);
    StepResult result;
    result.loss = objective.loss(outputs, examples, spec);
    if (objective.tally) result.tally = objective.tally(outputs, examples);
    result.outputs = outputs, result.positions = examples.positions;
    score.add(result, batch);
    progress.advance(std::min(batch.count * group.size(), count - step * group.size() * at_once));
    if (sink) sink(to_host(outputs).as<float>(), batch.targets.as<int64_t>());
  }
  score.read();
  sum_meters(*meter, group);
  progress.end();
  return meter->summary();
}

int64_t estimate_statistics(Model& model, const Task& task, int64_t seed, int64_t epoch,
                            int64_t examples) {
  const int64_t all = task.size(Split::Train);
  const EpochBatches batches{std::min(examples, all), std::min(kStatisticsBatch, all)};
  if (batches.images < 2 || model.parameters().buffers().empty()) return 0;
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

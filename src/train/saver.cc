#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>

#include <algorithm>

#include "tailor/core/interrupt.h"
#include "tailor/core/log.h"
#include "tailor/nn/host.h"
#include "train/score.h"
#include "train/session.h"

namespace tailor::train {
namespace {

constexpr int64_t kWitnessImages = 4;

/// All columns are taken for an example's own: what is masked is no part of the network in
/// hardware.
void fit_columns(Batch& batch, int64_t columns) {
  const Shape shape = batch.inputs.shape();
  batch.lengths.clear();
  if (shape[2] == columns) return;
  Tensor fitted(DType::F32, {shape[0], shape[1], columns, shape[3]});
  const auto from = batch.inputs.as<float>(), to = fitted.as<float>();
  const auto row = static_cast<size_t>(shape[2] * shape[3]),
             fitted_row = static_cast<size_t>(columns * shape[3]);
  for (size_t r = 0; r < static_cast<size_t>(shape[0] * shape[1]); ++r) {
    std::copy_n(from.data() + r * row, std::min(row, fitted_row), to.data() + r * fitted_row);
  }
  batch.inputs = std::move(fitted);
}

/// A few inputs with the network's own outputs.
CheckpointWitness make_witness(Session& run) {
  at::NoGradGuard no_grad;
  const bool validation = run.task->size(Split::Validation) > 0;
  const Split split = validation ? Split::Validation : Split::Train;
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < std::min(kWitnessImages, run.task->size(split)); ++i)
    indices.push_back(i);
  Batch batch;
  run.task->collate(split, indices, std::nullopt, batch);
  fit_columns(batch, run.model().network().input.width);
  const at::Tensor inputs = to_device(batch, run.model()).inputs;
  CheckpointWitness witness{
      fmt::format("{} {} {}s of {}", indices.size(), validation ? "validation" : "training",
                  run.task->unit(), run.spec.data.name),
      batch.inputs, to_host(run.model().forward_unquantised(inputs)), Tensor()};
  if (run.model().trained()) witness.quantised = to_host(run.model().forward_exactly(inputs));
  return witness;
}

}  // namespace

Checkpoint Saver::checkpoint() {
  Checkpoint c;
  c.network = run_.model().network();
  c.preprocessing = run_.preprocessing();
  c.position = run_.position;
  c.config = write_run_config(run_.spec.config);
  c.run = run_.spec.name;
  c.class_names = run_.spec.data.class_names;
  c.metrics = Json::object({{"validation_" + judged_by(run_.task->meter()->summary()).name,
                             run_.validation ? Json(run_.validation->recorded()) : Json()}});
  c.tensors = run_.model().tensors();
  c.slots = run_.learner->slots();
  c.witness = make_witness(run_);
  if (const TrainedPrecision* trained = run_.model().trained()) c.precision = *trained;
  return c;
}

void Saver::save(const std::string& path) {
  save_checkpoint(path, checkpoint());
  last_saved_ = Clock::now();
}

bool Saver::due() {
  const double minutes = run_.spec.config.runtime.checkpoint_minutes;
  const bool late = minutes > 0 && seconds_since(last_saved_) > 60 * minutes;
  signal_ = pending_interrupt();
  if (!run_.group.is_shared()) return signal_ != 0 || late;
  // To ask means to wait for a GPU, so there it is asked where results are read anyway.
  if (!run_.device.is_cpu() && run_.position.step % static_cast<int64_t>(Score::kWaiting) != 0)
    return false;
  const at::Tensor wishes =
      at::tensor({int64_t{signal_}, int64_t{run_.group.leads() && late}}, at::kLong)
          .to(run_.device);
  run_.group.take_largest(wishes);
  const at::Tensor agreed = wishes.cpu();
  signal_ = static_cast<int>(agreed.data_ptr<int64_t>()[0]);
  return signal_ != 0 || agreed.data_ptr<int64_t>()[1] != 0;
}

void Saver::save_within_epoch(Observer& observers) {
  if (signal_ != 0) observers.steps_end();
  run_.stamp();
  run_.settle_statistics();
  if (run_.folder) save(run_.folder->last());
  if (signal_ == 0) return;
  log_info("train", "saved at epoch {}, step {}", run_.position.epoch, run_.position.step);
  throw Interrupted(signal_);
}

void Saver::save_epoch(const std::optional<Figure>& validation) {
  Position& at = run_.position;
  run_.settle_statistics();
  if (validation) at.figure = validation->name;
  const auto is_best = [&] {
    Figure best = *validation;
    best.value = at.best;
    return at.best_epoch < 0 || validation->better_than(best);
  };
  if (validation && run_.is_settled() && is_best()) {
    at.best = validation->value;
    at.best_epoch = at.epoch - 1;
    if (run_.folder) save(run_.folder->best());
  }
  if (run_.folder) save(run_.folder->last());
}

}  // namespace tailor::train

#include "tailor/train/trainer.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/add.h>
#include <ATen/ops/mse_loss.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "tailor/core/files.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/nn/model.h"
#include "tailor/nn/witness.h"
#include "tailor/run/schedule.h"
#include "tailor/task/classification.h"
#include "train/batch_buffer.h"

namespace tailor {
namespace {

constexpr int64_t kEvaluationBatch = 250;
/// Fewer at once where images are larger than 3x64x64: memory grows with their pixels.
constexpr int64_t kEvaluationFloats = 250 * 3 * 64 * 64;
constexpr int64_t kWitnessImages = 4;
/// The training witness takes this many images, fewer where a network has many
/// multiply-accumulates: it is to cost a fraction of a second.
constexpr int64_t kTrainingWitnessImages = 16, kTrainingWitnessMacs = 600'000'000;
/// Batches of this many in which statistics are estimated again.
constexpr int64_t kStatisticsBatch = 64;
/// Logits beyond this are of no trained network.
constexpr double kWildLogit = 1e5;

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Span<const float> values(const at::Tensor& contiguous) {
  return {contiguous.data_ptr<float>(), static_cast<size_t>(contiguous.numel())};
}

/// Share of right answers and mean cross-entropy.
struct Evaluation {
  int64_t images = 0;
  double accuracy_frac = 0, loss = 0;
};

/// A run goes through its evaluations, which are part of a step that is saved as a whole; on its
/// own, with a `sink`, one stops at a signal.
Evaluation evaluate_model(Model& model, const ImageDataset& images, int64_t limit,
                          const MapShape& shape, const Preprocessing& preprocessing,
                          Progress& progress, const std::string& label,
                          const LogitsSink& sink = {}) {
  at::NoGradGuard no_grad;
  const int64_t count = limit > 0 ? std::min(limit, images.size()) : images.size();
  const int64_t at_once =
      std::clamp<int64_t>(kEvaluationFloats / shape.size(), 1, kEvaluationBatch);
  BatchBuffer batch(at_once, shape, preprocessing);
  ClassificationMeter meter;
  std::vector<int64_t> indices;
  progress.begin(label, count, "image");
  for (int64_t first = 0; first < count; first += at_once) {
    if (sink) throw_if_interrupted();
    indices.clear();
    for (int64_t i = first; i < std::min(first + at_once, count); ++i) indices.push_back(i);
    batch.fill(images, indices, std::nullopt, 0);
    at::Tensor logits = model.forward(batch.pixels(), /*training=*/false).contiguous();
    meter.add(values(logits), batch.label_values());
    meter.loss_sum +=
        batch.cross_entropy(logits).item<double>() * static_cast<double>(indices.size());
    progress.advance(static_cast<int64_t>(indices.size()));
    if (sink) sink(values(logits), batch.label_values());
  }
  progress.end();
  return {count, meter.accuracy_frac(), meter.mean_loss()};
}

class Run {
 public:
  Run(const RunSpec& spec, RunFolder& folder, Progress& progress)
      : spec_(spec), folder_(folder), progress_(progress), config_(spec.config.train) {
    start();
  }

  RunResult train() {
    // What came before this process, if the run was resumed.
    const double seconds_before = position_.seconds;
    const auto began = Clock::now();
    last_saved_ = began;
    auto stamp = [&] { position_.seconds = seconds_before + seconds_since(began); };
    while (position_.epoch < config_.epochs) {
      if (position_.step == 0) alter_due_skips();
      train_epoch(stamp);
      finish_epoch(stamp);
    }
    stamp();
    return summarise();
  }

 private:
  const MapShape& shape() const { return spec_.data.shape; }
  /// Mean and deviation belong to the weights, the range of the values to the data: an import knows
  /// none.
  Preprocessing preprocessing() const {
    Preprocessing p = spec_.teacher ? spec_.teacher->preprocessing
                      : spec_.start ? spec_.start->preprocessing
                                    : spec_.data.preprocessing;
    p.low = spec_.data.preprocessing.low;
    p.high = spec_.data.preprocessing.high;
    return p;
  }

  void start() {
    Network network = spec_.teacher
                          ? spec_.teacher->network
                          : make_network(spec_.config.network, shape(), spec_.data.classes);
    // Edits are planned from the topology that the run begins with, whatever has been applied
    // since.
    total_skips_ = static_cast<int64_t>(skip_ids(network).size());
    edits_ = plan_edits(spec_.config.surgery, network, config_.epochs, spec_.source);
    hold_epochs_ =
        resolve_hold_epochs(config_.schedule, config_.epochs,
                            settled_epoch(spec_.config.surgery, edits_), !edits_.empty());
    if (spec_.config.surgery.kind != SurgeryKind::None && edits_.empty()) {
      log_warn("train",
               "surgery.kind is {}, but there is nothing to alter: {} begins with {} skips, and "
               "none of them is due",
               spec_.config.surgery.kind == SurgeryKind::Remove ? "remove" : "shorten",
               network.name, total_skips_);
    }
    if (path_exists(folder_.last())) {
      Checkpoint c = load_last();
      if (c.position.epoch > config_.epochs ||
          c.position.edits_applied > static_cast<int64_t>(edits_.size())) {
        fail(ErrorKind::Data,
             "{}: it stands at epoch {} after {} alterations, the configuration has {} and {}",
             folder_.last(), c.position.epoch, c.position.edits_applied, config_.epochs,
             edits_.size());
      }
      position_ = c.position;
      model_.emplace(c.network, c.tensors, c.momentum);
      folder_.truncate("metrics.jsonl", position_.epoch);
      folder_.truncate("alterations.jsonl", position_.edits_applied);
      log_info("train", "{}: going on at epoch {}, step {}", folder_.path(), position_.epoch,
               position_.step);
    } else {
      model_.emplace(network, spec_.teacher ? spec_.teacher->tensors
                              : spec_.start ? spec_.start->tensors
                                            : initial_tensors(network, config_.seed));
      folder_.truncate("metrics.jsonl", 0);
      folder_.truncate("alterations.jsonl", 0);
    }
    if (spec_.teacher && spec_.config.distill.beta > 0)
      teacher_.emplace(spec_.teacher->network, spec_.teacher->tensors);
    verify_batches(config_, network, spec_.data.train->size(), "/train", spec_.source);
    if (position_.epoch < config_.epochs) testify();
  }

  Checkpoint load_last() const {
    try {
      return load_checkpoint(folder_.last());
    } catch (const Error& e) {
      fail(e.kind(),
           "{}; the run cannot go on from it: copy it back from where it is whole, or begin again "
           "with tailor train --force",
           e.what());
    }
  }

  /// The witness of training, on the network as it stands and, once altered, on its teacher.
  void testify() {
    const auto began = Clock::now();
    const int64_t most = std::clamp<int64_t>(kTrainingWitnessMacs / mac_count(model_->network()), 4,
                                             kTrainingWitnessImages);
    const EpochBatches batches{std::min(spec_.data.train->size(), most), most};
    BatchBuffer batch(batches.images, shape(), preprocessing());
    fill_batch(batch, batches, 0);
    WitnessErrors errors = verify_kernels(model_->network(), model_->tensors(), batch.pixels());
    if (teacher_ && position_.edits_applied > 0)
      verify_kernels(spec_.teacher->network, spec_.teacher->tensors, batch.pixels());
    log_info("train",
             "every convolution checked against plain ones on {} images: outputs within {:.1e}, "
             "gradients within {:.1e} ({:.2f} s)",
             batches.images, errors.output, errors.gradient, seconds_since(began));
  }

  /// Batch `step` of this epoch's first images, augmented as in training.
  void fill_batch(BatchBuffer& batch, const EpochBatches& batches, int64_t step) {
    if (order_epoch_ != position_.epoch) {
      order_ = epoch_order(spec_.data.train->size(), config_.seed, position_.epoch);
      order_epoch_ = position_.epoch;
    }
    batch.fill(*spec_.data.train,
               {order_.data() + batches.first(step), static_cast<size_t>(batches.size(step))},
               make_augmentation(spec_.config.data, config_.seed), position_.epoch);
  }

  /// Running statistics of the network as it now is: means over batches of training images.
  int64_t estimate_statistics() {
    const EpochBatches batches{
        std::min(spec_.config.surgery.statistics_images, spec_.data.train->size()),
        std::min(kStatisticsBatch, spec_.data.train->size())};
    if (batches.images < 2) return 0;
    BatchBuffer batch(batches.largest(), shape(), preprocessing());
    for (int64_t step = 0; step < batches.count(); ++step) {
      fill_batch(batch, batches, step);
      model_->absorb_statistics(batch.pixels(), 1.0 / static_cast<double>(step + 1));
    }
    return batches.images;
  }

  std::optional<double> validate() {
    if (!spec_.data.validation) return std::nullopt;
    return evaluate_model(*model_, *spec_.data.validation, 0, shape(), preprocessing(), progress_,
                          "validation")
        .accuracy_frac;
  }

  void alter_due_skips() {
    std::optional<double> before;
    while (position_.edits_applied < static_cast<int64_t>(edits_.size()) &&
           edits_[static_cast<size_t>(position_.edits_applied)].epoch <= position_.epoch) {
      const PlannedEdit& edit = edits_[static_cast<size_t>(position_.edits_applied)];
      if (!before) before = validate();
      Network network = model_->network();
      const Alteration alteration = apply_alteration(network, edit.skip_id, edit.kind);
      model_->alter(network, added_tensors(alteration, config_.seed));
      ++position_.edits_applied;
      const std::optional<double> stale = validate();
      const int64_t statistics_images = estimate_statistics();
      const std::optional<double> after = statistics_images > 0 ? validate() : stale;
      const std::string text =
          alteration_text(alteration, static_cast<int64_t>(edits_.size()) - position_.edits_applied,
                          static_cast<int64_t>(edits_.size()));
      std::vector<std::string> added;
      for (const TensorSpec& tensor : alteration.added) added.push_back(tensor.name);
      folder_.append(
          "alterations.jsonl",
          Json::object({{"epoch", position_.epoch},
                        {"text", text},
                        {"kind", to_string(alteration.kind)},
                        {"skip", alteration.skip_id},
                        {"before", alteration.before},
                        {"after", alteration.after},
                        {"erased", Json::array(alteration.erased)},
                        {"added", Json::array(added)},
                        {"parameters", model_->parameter_count()},
                        {"validation_accuracy_before", before ? Json(to_percent(*before)) : Json()},
                        {"validation_accuracy_stale", stale ? Json(to_percent(*stale)) : Json()},
                        {"statistics_images", statistics_images},
                        {"validation_accuracy_after", after ? Json(to_percent(*after)) : Json()}}));
      std::string effect;
      if (before) {
        effect = fmt::format("; validation {:.2f} % before, {:.2f} % after", 100 * *before,
                             100 * *after);
      }
      if (before && statistics_images > 0) {
        effect += fmt::format(" ({:.2f} % before statistics were estimated on {} images)",
                              100 * *stale, statistics_images);
      }
      if (alteration.added_parameters > 0)
        effect += fmt::format("; {} parameters of new projections", alteration.added_parameters);
      if (alteration.erased_parameters > 0) {
        effect +=
            fmt::format("; {} parameters of its projection are gone", alteration.erased_parameters);
      }
      log_info("train", "epoch {}: {}{}", position_.epoch, text, effect);
      before = after;
    }
  }

  template <class Stamp>
  void train_epoch(const Stamp& stamp) {
    const EpochBatches batches{spec_.data.train->size(), config_.batch_size};
    const double step_epochs = 1.0 / static_cast<double>(batches.count());
    const double beta = teacher_ ? spec_.config.distill.beta : 0;
    const OptimizerConfig& sgd = config_.optimizer;
    BatchBuffer batch(batches.largest(), shape(), preprocessing());
    epoch_began_ = Clock::now();
    epoch_images_ = 0;
    progress_.begin(epoch_text(), batches.images, "image");
    progress_.place(batches.first(position_.step),
                    (config_.epochs - position_.epoch - 1) * batches.images + spec_.images_after);
    while (position_.step < batches.count()) {
      const int64_t count = batches.size(position_.step);
      const double at =
          static_cast<double>(position_.epoch) + static_cast<double>(position_.step) * step_epochs;
      const double rate =
          learning_rate(config_.schedule, sgd.lr, at, step_epochs, config_.epochs, hold_epochs_);
      fill_batch(batch, batches, position_.step);

      model_->zero_gradients();
      at::Tensor logits = model_->forward(batch.pixels(), /*training=*/true);
      at::Tensor loss = batch.cross_entropy(logits);
      if (beta > 0) {
        loss = at::add(loss.mul(1 - beta), at::mse_loss(logits, teacher_->forward(batch.pixels())),
                       beta);
      }
      loss.backward();
      model_->sgd_step(rate, sgd.momentum, sgd.weight_decay, sgd.nesterov);

      const double value = loss.item<double>();
      if (!std::isfinite(value)) {
        progress_.end();
        diverged("the loss", value, rate,
                 fmt::format("epoch {}, step {}", position_.epoch, position_.step));
      }
      ClassificationMeter meter;
      at::Tensor host = logits.detach().contiguous();
      meter.add(values(host), batch.label_values());
      position_.images += count;
      position_.correct += meter.correct;
      position_.loss_sum += value * static_cast<double>(count);
      ++position_.step;
      epoch_images_ += count;
      progress_.note(fmt::format(
          "loss {:.3f}, accuracy {:.1f} %",
          position_.loss_sum / static_cast<double>(position_.images),
          100.0 * static_cast<double>(position_.correct) / static_cast<double>(position_.images)));
      progress_.advance(count);

      if (int signal = pending_interrupt(); signal != 0) {
        progress_.end();
        stamp();
        save(folder_.last());
        log_info("train",
                 "stopped by signal {} at epoch {}, step {}; go on with: tailor train --resume {}",
                 signal, position_.epoch, position_.step,
                 shell_quote(spec_.resume.empty() ? folder_.path() : spec_.resume));
        throw Interrupted(signal);
      }
      const double minutes = spec_.config.runtime.checkpoint_minutes;
      if (minutes > 0 && seconds_since(last_saved_) > 60 * minutes) {
        stamp();
        save(folder_.last());
      }
    }
    epoch_seconds_ = seconds_since(epoch_began_);
    progress_.end();
  }

  template <class Stamp>
  void finish_epoch(const Stamp& stamp) {
    std::optional<Evaluation> validation;
    if (spec_.data.validation) {
      validation = evaluate_model(*model_, *spec_.data.validation, 0, shape(), preprocessing(),
                                  progress_, "validation");
      if (!std::isfinite(validation->loss)) {
        diverged("the validation loss", validation->loss, epoch_rate(),
                 fmt::format("the end of epoch {}", position_.epoch));
      }
    }
    const double count = static_cast<double>(std::max<int64_t>(position_.images, 1));
    const double train_loss = position_.loss_sum / count,
                 train_accuracy = to_percent(static_cast<double>(position_.correct) / count);
    const double images_per_s = static_cast<double>(epoch_images_) / std::max(epoch_seconds_, 1e-9);
    const double rate = epoch_rate();
    const int64_t skips = static_cast<int64_t>(skip_ids(model_->network()).size());
    folder_.append(
        "metrics.jsonl",
        Json::object({{"epoch", position_.epoch},
                      {"lr", rate},
                      {"train_loss", train_loss},
                      {"train_accuracy", train_accuracy},
                      {"validation_loss", validation ? Json(validation->loss) : Json()},
                      {"validation_accuracy",
                       validation ? Json(to_percent(validation->accuracy_frac)) : Json()},
                      {"skips", skips},
                      {"seconds", epoch_seconds_},
                      {"images_per_s", images_per_s}}));
    std::string text =
        fmt::format("{}: loss {:.4f}, train {:.2f} %", epoch_text(), train_loss, train_accuracy);
    if (validation) text += fmt::format(", validation {:.2f} %", 100 * validation->accuracy_frac);
    log_info("train", "{}, lr {:.4g}, {:.0f} images/s", text, rate, images_per_s);

    ++position_.epoch;
    position_.step = position_.images = position_.correct = 0;
    position_.loss_sum = 0;
    if (validation) validation_accuracy_ = validation->accuracy_frac;
    stamp();
    const bool settled = position_.edits_applied == static_cast<int64_t>(edits_.size());
    if (validation && settled && validation->accuracy_frac > position_.best_accuracy) {
      position_.best_accuracy = validation->accuracy_frac;
      position_.best_epoch = position_.epoch - 1;
      save(folder_.best());
    }
    save(folder_.last());
  }

  Checkpoint checkpoint() {
    Checkpoint c;
    c.network = model_->network();
    c.preprocessing = preprocessing();
    c.position = position_;
    c.config = write_run_config(spec_.config);
    c.run = spec_.name;
    c.class_names = spec_.data.class_names;
    c.metrics =
        Json::object({{"validation_accuracy",
                       validation_accuracy_ ? Json(to_percent(*validation_accuracy_)) : Json()}});
    c.tensors = model_->tensors();
    c.momentum = model_->momentum();
    c.witness = witness();
    return c;
  }

  CheckpointWitness witness() {
    at::NoGradGuard no_grad;
    const bool validation = spec_.data.validation != nullptr;
    const ImageDataset& images = validation ? *spec_.data.validation : *spec_.data.train;
    std::vector<int64_t> indices;
    for (int64_t i = 0; i < std::min(kWitnessImages, images.size()); ++i) indices.push_back(i);
    BatchBuffer batch(kWitnessImages, shape(), preprocessing());
    batch.fill(images, indices, std::nullopt, 0);
    const auto n = static_cast<int64_t>(indices.size());
    at::Tensor logits = model_->forward(batch.pixels(), /*training=*/false).contiguous();
    CheckpointWitness w;
    w.source = fmt::format("{} {} images of {}", n, validation ? "validation" : "training",
                           spec_.data.name);
    w.inputs = Tensor(DType::F32, {n, shape().height, shape().width, shape().channels});
    w.outputs = Tensor(DType::F32, {n, spec_.data.classes});
    at::Tensor plain = batch.pixels().permute({0, 2, 3, 1}).contiguous();
    std::copy_n(plain.data_ptr<float>(), plain.numel(), w.inputs.as<float>().data());
    std::copy_n(logits.data_ptr<float>(), logits.numel(), w.outputs.as<float>().data());
    return w;
  }

  /// Says why a loss is no number. Until the first step it is of the weights that the run began
  /// with.
  [[noreturn]] void diverged(const std::string& what, double value, double rate,
                             const std::string& where) {
    std::string why = fmt::format("the learning rate {} is too high for this network", rate);
    if (teacher_) {
      at::NoGradGuard no_grad;
      const EpochBatches batches{std::min(config_.batch_size, spec_.data.train->size()),
                                 config_.batch_size};
      BatchBuffer batch(batches.images, shape(), preprocessing());
      fill_batch(batch, batches, 0);
      const double largest = teacher_->forward(batch.pixels()).abs().max().item<double>();
      if (!(largest < kWildLogit)) {
        why = fmt::format(
            "the teacher's outputs reach {:.3g}, so it has not learnt; train it longer or at a "
            "lower learning rate",
            largest);
      }
    } else if (position_.epoch == 0 && position_.step == 0) {
      why = "the weights that it began with are at fault";
    }
    fail(ErrorKind::Data, "{} became {} at {}: {}{}", what, value, where, why,
         path_exists(folder_.last()) ? "; " + folder_.last() + " is as it was last saved" : "");
  }

  /// "epoch 2 (3 of 16)": epochs count from 0 in every file and every message.
  std::string epoch_text() const {
    return fmt::format("{}epoch {} ({} of {})", spec_.role, position_.epoch, position_.epoch + 1,
                       config_.epochs);
  }
  /// The rate at this epoch's beginning.
  double epoch_rate() const {
    const EpochBatches batches{spec_.data.train->size(), config_.batch_size};
    return learning_rate(config_.schedule, config_.optimizer.lr,
                         static_cast<double>(position_.epoch),
                         1.0 / static_cast<double>(batches.count()), config_.epochs, hold_epochs_);
  }

  void save(const std::string& path) {
    save_checkpoint(path, checkpoint());
    last_saved_ = Clock::now();
  }

  RunResult summarise() {
    RunResult result;
    auto test = [&](Model& model) {
      return evaluate_model(model, *spec_.data.test, 0, shape(), preprocessing(), progress_, "test")
          .accuracy_frac;
    };
    result.test_accuracy = test(*model_);
    if (!validation_accuracy_) validation_accuracy_ = validate();
    result.validation_accuracy = validation_accuracy_;
    if (path_exists(folder_.best())) {
      Checkpoint best = load_checkpoint(folder_.best());
      Model model(best.network, best.tensors);
      result.best_test_accuracy = test(model);
      result.best_validation_accuracy = position_.best_accuracy;
    }
    Json teacher;
    if (spec_.teacher) {
      teacher = spec_.teacher->metrics;
      if (!teacher.find("test_accuracy")) {  // imported weights were never tested here
        Model model(spec_.teacher->network, spec_.teacher->tensors);
        teacher.set("test_accuracy", to_percent(test(model)));
      }
    }
    position_.finished = true;
    result.last = checkpoint();
    result.last.metrics.set("test_accuracy", to_percent(result.test_accuracy));
    save_checkpoint(folder_.last(), result.last);
    result.seconds = position_.seconds;

    auto accuracy = [](std::optional<double> frac) {
      return frac ? Json(to_percent(*frac)) : Json();
    };
    Json summary = Json::object(
        {{"run", spec_.name},
         {"network", model_->network().name},
         {"join", to_string(model_->network().join)},
         {"alterations", edits_.size()},
         {"skips", skip_ids(model_->network()).size()},
         {"skips_before", total_skips_},
         {"parameters", model_->parameter_count()},
         {"epochs", config_.epochs},
         {"last", Json::object({{"validation_accuracy", accuracy(result.validation_accuracy)},
                                {"test_accuracy", to_percent(result.test_accuracy)}})},
         {"best", Json()},
         {"teacher", teacher},
         {"seconds", result.seconds},
         {"images_per_s", static_cast<double>(spec_.data.train->size() * config_.epochs) /
                              std::max(result.seconds, 1e-9)},
         {"weights_sha256", weights_digest(result.last.tensors)}});
    if (result.best_test_accuracy) {
      summary.set("best",
                  Json::object({{"epoch", position_.best_epoch},
                                {"validation_accuracy", accuracy(result.best_validation_accuracy)},
                                {"test_accuracy", accuracy(result.best_test_accuracy)}}));
    }
    folder_.write("summary.json", summary);
    return result;
  }

  const RunSpec& spec_;
  RunFolder& folder_;
  Progress& progress_;
  const TrainConfig& config_;
  std::vector<PlannedEdit> edits_;
  int64_t total_skips_ = 0, hold_epochs_ = 0;
  std::optional<Model> model_;
  std::optional<FrozenModel> teacher_;
  Position position_;
  std::optional<double> validation_accuracy_;
  Clock::time_point epoch_began_, last_saved_;
  int64_t epoch_images_ = 0;
  double epoch_seconds_ = 0;
  std::vector<int64_t> order_;  // of the training images in epoch order_epoch_
  int64_t order_epoch_ = -1;
};

}  // namespace

void verify_batches(const TrainConfig& config, const Network& network, int64_t images,
                    const std::string& pointer, const std::string& source) {
  if (images < 1) fail(ErrorKind::Data, "{}: there are no training images", source);
  const int64_t smallest = EpochBatches{images, config.batch_size}.smallest();
  const std::string layer = smallest == 1 ? single_pixel_batch_norm(network) : "";
  if (layer.empty()) return;
  if (images == 1) {
    fail(ErrorKind::Data,
         "{}: expected at least 2 training images, got 1: {} sees one pixel of an image, and one "
         "value has no variance",
         source, layer);
  }
  fail_config(
      pointer + "/batch_size",
      fmt::format("at least 2: {} sees one pixel of an image, and one value has no variance",
                  layer),
      "1", source);
}

RunResult train_run(const RunSpec& spec, RunFolder& folder, Progress& progress) {
  return Run(spec, folder, progress).train();
}

void evaluate_network(const Network& network, const TensorMap& tensors, const ImageDataset& images,
                      int64_t limit, const MapShape& shape, const Preprocessing& preprocessing,
                      Progress& progress, const LogitsSink& sink) {
  Model model(network, tensors);
  evaluate_model(model, images, limit, shape, preprocessing, progress, "evaluating", sink);
}

}  // namespace tailor

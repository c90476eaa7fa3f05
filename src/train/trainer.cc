#include "tailor/train/trainer.h"

#include <algorithm>
#include <cmath>

#include "tailor/core/log.h"
#include "tailor/nn/model.h"
#include "tailor/run/shared_run.h"
#include "tailor/task/classification.h"
#include "tailor/task/prefetch.h"
#include "tailor/train/device.h"
#include "tailor/train/observers.h"
#include "train/score.h"
#include "train/session.h"

namespace tailor::train {
namespace {

/// Everyone who watches, as one.
class Observers : public Observer {
 public:
  explicit Observers(std::vector<Observer*> all) : all_(std::move(all)) {}
  void epoch_begins(const EpochBegin& epoch) override {
    for (Observer* o : all_) o->epoch_begins(epoch);
  }
  void stepped(int64_t count, const Meter& meter) override {
    for (Observer* o : all_) o->stepped(count, meter);
  }
  void steps_end() override {
    for (Observer* o : all_) o->steps_end();
  }
  void epoch_ends(const EpochEnd& epoch) override {
    for (Observer* o : all_) o->epoch_ends(epoch);
  }

 private:
  std::vector<Observer*> all_;
};

/// Figures of the validation split after an epoch. Throws Data if its loss is no number.
std::optional<std::vector<Figure>> validate_epoch(Session& run) {
  if (run.task->size(Split::Validation) == 0) return std::nullopt;
  std::vector<Figure> figures = run.evaluate(Split::Validation, "validation");
  if (const double loss = find_figure(figures, "loss").value; !std::isfinite(loss)) {
    run.diverged("the validation loss", loss, run.rate(0),
                 fmt::format("the end of epoch {}", run.position.epoch));
  }
  return figures;
}

/// Where widths are learned.
std::optional<EpochEnd::Bits> learnt_bits(Session& run) {
  const TrainedPrecision* types = run.model().trained();
  if (!types || types->mean_bits == 0) return std::nullopt;
  return EpochEnd::Bits{*run.model().mean_bits(), types->mean_bits};
}

std::optional<EpochEnd::Parts> means_of(const LossParts& parts) {
  if (parts.examples == 0) return std::nullopt;
  const auto count = static_cast<double>(parts.examples);
  return EpochEnd::Parts{parts.objective / count, parts.distance / count};
}

/// Throws Data if a loss that was read is no number; `last_step` is the last one that was taken.
void expect_finite(Session& run, Observer& observers, const std::optional<BadLoss>& bad,
                   int64_t last_step) {
  if (!bad) return;
  observers.steps_end();
  Position& at = run.position;
  at.step = last_step - bad->steps_back;
  run.diverged("the loss", bad->value, run.rate(at.step),
               fmt::format("epoch {}, step {}", at.epoch, at.step));
}

/// The steps of an epoch that are left.
struct EpochSteps {
  int64_t examples = 0;  // of all processes, in this process's lifetime
  double seconds = 0;
  std::optional<EpochEnd::Parts> parts;
};
EpochSteps run_steps(Session& run, Saver& saver, Observer& observers, Meter& meter) {
  const auto began = Clock::now();
  Position& at = run.position;
  const EpochBatches batches = run.batches();
  meter.restore(at.meter);
  Score score(*run.task, Split::Train, meter, run.device, Score::kWaiting, run.group);
  score.parts = LossParts::read(at.meter);
  const EpochExamples examples = run.examples(batches);
  Prefetcher ahead(at.step, batches.count(), kPrefetchDepth, 1,
                   [&](int64_t step, Batch& batch) { examples.collate(step, batch); });
  observers.epoch_begins(
      {run.title(), run.task->unit(), batches.images, batches.first(at.step),
       (run.config.epochs - at.epoch - 1) * batches.images + run.spec.images_after});
  EpochSteps done;
  while (at.step < batches.count()) {
    const Batch& batch = ahead.next();
    run.learner->weigh_skips(fading_weights(run.spec.config.surgery, run.edits,
                                            run.model().network(), at.epoch, at.step,
                                            batches.count()));
    const StepResult result = run.learner->step(batch, run.rate(at.step));
    expect_finite(run, observers, score.add(result, batch), at.step);
    const int64_t count = batches.size(at.step++);
    done.examples += count;
    observers.stepped(count, meter);
    if (!saver.due()) continue;
    expect_finite(run, observers, score.read(), at.step - 1);
    at.meter = meter.state();
    score.parts.write(at.meter);
    saver.save_within_epoch(observers);
  }
  expect_finite(run, observers, score.read(), at.step - 1);
  observers.steps_end();
  done.seconds = seconds_since(began);
  done.parts = means_of(score.parts);
  return done;
}

}  // namespace

void train_epochs(Session& run, Saver& saver, Observer& observers) {
  Position& at = run.position;
  const auto meter = run.task->meter();
  while (at.epoch < run.config.epochs) {
    // What is quantised is the altered network, so that its types are looked for once.
    if (at.step == 0) alter_due_skips(run);
    run.quantise_if_due();
    const EpochSteps steps = run_steps(run, saver, observers, *meter);
    if (at.epoch + 1 == run.config.epochs && !run.model().trained()) {
      const int64_t read = run.estimate_statistics(run.config.statistics_images);
      if (read > 0) log_info("train", "statistics taken anew from {} examples", read);
    }
    const auto validation = validate_epoch(run);
    observers.epoch_ends({run.title(), run.task->unit(), at.epoch,
                          static_cast<int64_t>(skip_ids(run.model().network()).size()), run.rate(0),
                          meter->summary(), validation, steps.parts, steps.seconds,
                          static_cast<double>(steps.examples) / std::max(steps.seconds, 1e-9),
                          learnt_bits(run)});
    if (validation) run.validation = judged_by(*validation);
    ++at.epoch;
    at.step = 0;
    meter->restore(Json::object({}));
    at.meter = meter->state();
    run.stamp();
    saver.save_epoch(validation ? std::optional(judged_by(*validation)) : std::nullopt);
  }
}

RunResult train_run(const RunSpec& spec, RunFolder& folder, Progress& progress, Group& group) {
  const std::optional<Checkpoint> last = load_last(folder);
  if (last) check_same_order(*last, folder, spec.data);
  if (group.is_shared()) send_run(spec, last, group);
  Session run(spec, &folder, progress, group, last);
  Saver saver(run);
  ProgressBar bar(progress);
  MetricsFile metrics(folder);
  EpochLog log;
  std::vector<Observer*> all = {&bar, &metrics, &log};
  std::optional<TensorBoardFile> events;
  if (spec.config.runtime.tensorboard && run.position.epoch < run.config.epochs)
    all.push_back(&events.emplace(folder, run.position.epoch));
  Observers observers(all);
  train_epochs(run, saver, observers);
  return summarise(run, saver);
}

void verify_batches(const TrainConfig& config, const Network& network, int64_t images,
                    const std::string& pointer, const std::string& source, int64_t workers) {
  if (images < 1) fail(ErrorKind::Data, "{}: there are no training examples", source);
  const EpochBatches batches{images, config.batch_size};
  const int64_t steps = config.epochs * batches.count();
  if (config.schedule.warmup_steps > 0 && config.schedule.warmup_steps >= steps) {
    fail_config(pointer + "/schedule/warmup_steps",
                fmt::format("less than the {} steps of {} epochs", steps, config.epochs),
                std::to_string(config.schedule.warmup_steps), source);
  }
  const int64_t smallest = BatchShare{0, workers}.smallest(batches.smallest());
  if (workers > 1 && smallest == 0) {
    fail_config(pointer + "/batch_size",
                fmt::format("one that leaves a pair of examples in every batch for each of {} "
                            "workers, or fewer workers (the smallest batch of {} examples has {})",
                            workers, images, batches.smallest()),
                std::to_string(config.batch_size), source);
  }
  const std::string layer = smallest == 1 ? single_pixel_batch_norm(network) : "";
  if (layer.empty()) return;
  if (images == 1) {
    fail(ErrorKind::Data,
         "{}: expected at least 2 training examples, got 1: {} sees one pixel of an example, and "
         "one "
         "value has no variance",
         source, layer);
  }
  fail_config(
      pointer + "/batch_size",
      fmt::format("at least 2{}: {} sees one pixel of an example, and one value has no variance",
                  workers > 1 ? " of every batch for each of the workers" : "", layer),
      workers > 1 ? std::to_string(config.batch_size) : "1", source);
}

void evaluate_network(const Network& network, const TensorMap& tensors,
                      const std::optional<TrainedPrecision>& trained, const ImageDataset& images,
                      int64_t limit, const MapShape& shape, const Preprocessing& preprocessing,
                      const std::string& device, Progress& progress, const LogitsSink& sink) {
  DataSplits data;
  data.shape = shape;
  data.test = Images(Images(), &images);  // whoever called owns them
  Model model(network, tensors, resolve_device(device == "cpu" ? "cpu" : "auto", ""));
  if (trained) model.quantise(*trained);
  evaluate_split(model, Classification(data, preprocessing, {}), Split::Test, limit, progress,
                 "evaluating", sink);
}

}  // namespace tailor::train

#include "train/session.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/design/lower.h"
#include "tailor/nn/witness.h"
#include "tailor/run/quantization.h"
#include "tailor/run/recipe.h"
#include "tailor/run/schedule.h"
#include "tailor/train/device.h"
#include "train/teacher_cache.h"

namespace tailor::train {
namespace {

/// The training witness takes this many images, fewer where a network has many
/// multiply-accumulates: it is to cost a fraction of a second.
constexpr int64_t kTrainingWitnessImages = 16, kTrainingWitnessMacs = 600'000'000;
/// Logits beyond this are of no trained network.
constexpr double kWildLogit = 1e5;

}  // namespace

const Checkpoint* RunSpec::begins_as() const {
  if (start) return &*start;
  return teacher && config.train.start != kInitial ? &*teacher : nullptr;
}

Network RunSpec::begins_with() const {
  if (network) return *network;
  const Checkpoint* origin = begins_as();
  return origin ? origin->network : initial_network(config, data.shape, data.classes);
}

std::optional<Checkpoint> load_last(const RunFolder& folder) {
  if (!path_exists(folder.last())) return std::nullopt;
  try {
    return load_checkpoint(folder.last());
  } catch (const Error& e) {
    fail(e.kind(),
         "{}; the run cannot go on from it: copy it back from where it is whole, or begin again "
         "with tailor train --force",
         e.what());
  }
}

Session::Session(const RunSpec& s, RunFolder* f, Progress& p, Group& g,
                 const std::optional<Checkpoint>& last)
    : spec(s),
      folder(f),
      progress(p),
      config(s.config.train),
      group(g),
      begins_with(s.begins_with()),
      task(s.task ? s.task
                  : make_task(s.data, preprocessing(), s.config.data, s.config.ctc,
                              s.config.train.seed,
                              [this](int64_t n) { return output_length(begins_with, n); })),
      device(resolve_device(s.config.runtime.device, g.launch(), s.source)) {
  if (!device.is_cpu()) current_.reset_device(device);
  choose_algorithms(s.config.runtime);
  verify_precision(config.precision, s.config.quantization.has_value(), device, "/train", s.source);
  const Network& network = begins_with;
  if (!s.task) {
    verify_answers(s.data.kind, network.answers_per_position(), output_shape(network),
                   network.name);
  }
  plan();
  if (last) {
    go_on(*last);
  } else {
    const Checkpoint* origin = spec.begins_as();
    learner.emplace(Model(network, origin ? origin->tensors : initial_tensors(network, config.seed),
                          device, compute()),
                    task->objective(), config.optimizer, spec.slots, group);
  }
  if (folder) {
    folder->truncate("metrics.jsonl", position.epoch);
    folder->truncate("alterations.jsonl", position.edits_applied);
  }
  if (group.is_shared() && config.batch_norm == "synchronised")
    model().share_statistics([&g](const at::Tensor& sums) { g.sum(sums); });
  if (spec.teacher && spec.config.distill.beta > 0) {
    learner->follow(FrozenModel(spec.teacher->network, spec.teacher->tensors, device, compute()),
                    spec.config.distill, plan_teacher_cache(spec, *task, begins_with, device),
                    compared_blocks(spec.config.distill.features, begins_with,
                                    spec.teacher->network, spec.source),
                    spec.config.distill.through_weight > 0
                        ? through_blocks(begins_with, spec.teacher->network, spec.source)
                        : ComparedBlocks());
  }
  verify_batches(config, network, task->size(Split::Train), "/train", spec.source, group.size());
  if (position.epoch < config.epochs) testify();
  seconds_before_ = position.seconds;
  began_ = Clock::now();
}

/// What happens in which epoch.
void Session::plan() {
  const Network& network = begins_with;
  total_skips = static_cast<int64_t>(skip_ids(network).size());
  edits = plan_edits(spec.config.surgery, network, config.epochs, spec.source);
  hold_epochs = resolve_hold_epochs(config.schedule, config.epochs,
                                    settled_epoch(spec.config.surgery, edits), !edits.empty());
  if (spec.config.surgery.kind != SurgeryKind::None && edits.empty()) {
    log_warn("train",
             "surgery.kind is {}, but there is nothing to alter: {} begins with {} skips, and "
             "none of them is due",
             spec.config.surgery.kind == SurgeryKind::Remove ? "remove" : "shorten", network.name,
             total_skips);
  }
  const SurgeryConfig& surgery = spec.config.surgery;
  const int64_t between =
      surgery.alpha * EpochBatches{task->size(Split::Train), config.batch_size}.count();
  if (!edits.empty() && surgery.warmup_steps > between) {
    log_warn("train",
             "surgery.warmup_steps is {}, and {} steps lie between two alterations: the rate never "
             "reaches what the schedule says",
             surgery.warmup_steps, between);
  }
  if (const auto& q = spec.config.quantization) {
    precision =
        resolve_precision(*q, spec.config.exporting, network, input_magnitude(), spec.source);
    quantized_epoch = quantized_from(*q, spec.config.surgery, edits, config.epochs, spec.source);
    QuantisedForm(network, *precision);  // what cannot be is said here
  }
}

void Session::go_on(const Checkpoint& c) {
  if (c.position.epoch > config.epochs ||
      c.position.edits_applied > static_cast<int64_t>(edits.size())) {
    fail(ErrorKind::Data,
         "{}: it stands at epoch {} after {} alterations, the configuration has {} and {}",
         spec.name, c.position.epoch, c.position.edits_applied, config.epochs, edits.size());
  }
  position = c.position;
  learner.emplace(Model(c.network, c.tensors, device, compute()), task->objective(),
                  config.optimizer, c.slots, group);
  if (c.precision) model().quantise(*c.precision);
  if (folder) {
    log_info("train", "{}: going on at epoch {}, step {}", folder->path(), position.epoch,
             position.step);
  }
}

/// The witness of training, on the network as it stands and, if that is another one, on its
/// teacher.
void Session::testify() {
  const auto began = Clock::now();
  const int64_t most = std::clamp<int64_t>(kTrainingWitnessMacs / mac_count(model().network()), 4,
                                           kTrainingWitnessImages);
  const EpochBatches first{std::min(task->size(Split::Train), most), most};
  Batch batch;
  examples(first).collate(0, batch);
  const at::Tensor inputs = to_device(batch, model()).inputs;
  const WitnessErrors errors = verify_kernels(model().network(), model().tensors(), inputs);
  if (learner->teacher() && (position.edits_applied > 0 || spec.begins_as() != &*spec.teacher))
    verify_kernels(spec.teacher->network, spec.teacher->tensors, inputs);
  log_info("train",
           "every convolution checked against plain ones on {} {}s: outputs within {:.1e}, "
           "gradients within {:.1e} ({:.2f} s)",
           first.images, task->unit(), errors.output, errors.gradient, seconds_since(began));
}

Preprocessing Session::preprocessing() const {
  Preprocessing p = spec.teacher ? spec.teacher->preprocessing
                    : spec.start ? spec.start->preprocessing
                                 : spec.data.preprocessing;
  p.low = spec.data.preprocessing.low;
  p.high = spec.data.preprocessing.high;
  return p;
}

at::ScalarType Session::compute() const { return compute_type(config.precision); }

double Session::input_magnitude() const {
  const Preprocessing p = preprocessing();
  const bool images = spec.data.kind == ExampleKind::Images && !p.mean.empty();
  return images ? p.magnitude() : kSequenceMagnitude;
}

namespace {

/// Widths that training has learnt outlast a calibration.
void keep_widths(const TrainedPrecision& learnt, CalibrationRequest& request) {
  auto width = [](const std::string& type) {
    return type.empty() || type == kBinary ? 0 : parse_precision(type, "", true).width;
  };
  for (const StageTypes& s : learnt.stages)
    request.stages.push_back({s.stage, width(s.weights), width(s.activations)});
}

}  // namespace

TrainedPrecision Session::types_now() {
  TrainedPrecision types = *precision;
  const QuantizationConfig& q = *spec.config.quantization;
  if (q.points == Points::Fixed) return types;
  CalibrationRequest request = calibration_request(q, types, model().network());
  if (q.mean_bits && model().trained()) keep_widths(*model().trained(), request);
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < std::min(q.calibration_images, task->size(Split::Train)); ++i)
    indices.push_back(i);
  Batch batch;
  task->collate(Split::Train, indices, std::nullopt, batch);
  const auto inputs = batch.inputs.as<float>();
  const size_t size = inputs.size() / indices.size();
  std::vector<std::vector<double>> images;
  for (size_t i = 0; i < indices.size(); ++i)
    images.emplace_back(inputs.begin() + i * size, inputs.begin() + (i + 1) * size);
  const TypeCalibration c = calibrate(
      lower(model().network(), model().tensors(), model().network().name), request, images);
  types.weights = c.types.weights, types.activations = c.types.activations;
  types.stages = c.types.stages;
  return types;
}

int64_t Session::estimate_statistics(int64_t examples) {
  const int64_t read =
      train::estimate_statistics(model(), *task, config.seed, position.epoch, examples);
  if (read > 0) average_statistics(model(), group);  // alike to the bit
  return read;
}

bool Session::calibrate_again() {
  if (!model().trained() || spec.config.quantization->points == Points::Fixed) return false;
  model().quantise(types_now());
  return true;
}

void Session::quantise_if_due() {
  if (!precision || position.epoch < quantized_epoch) return;
  if (!model().trained()) {
    const std::optional<Figure> before = validate();
    model().quantise(types_now());
    const std::optional<Figure> after = validate();
    log_info("train", "epoch {}: quantised to {}{}", position.epoch, model().trained()->text(),
             before
                 ? fmt::format("; validation {} before, {} after", before->text(2), after->text(2))
                 : "");
    say_generous_budget();
  }
  const auto& freeze = spec.config.quantization->freeze_statistics;
  model().freeze_statistics(freeze && position.epoch >= *freeze);
}

/// A budget above the bits that there are is paid for with more of them.
void Session::say_generous_budget() {
  const auto& budget = spec.config.quantization->mean_bits;
  const double bits = *model().mean_bits();
  if (!budget || *budget <= bits) return;
  log_warn("train",
           "quantization.mean_bits is {:g}, more than the {:.2f} x {:.2f} bits that products begin "
           "with: widths will grow; expected a budget below that, or more bits to begin with "
           "(quantization.precision)",
           *budget, bits, bits);
}

bool Session::is_settled() const {
  return position.edits_applied == static_cast<int64_t>(edits.size()) &&
         (!precision || learner->model().trained());
}

std::string Session::title() const {
  return fmt::format("{}epoch {} ({} of {})", spec.role, position.epoch, position.epoch + 1,
                     config.epochs);
}

double Session::rate(int64_t step) const {
  const double step_epochs = 1.0 / static_cast<double>(batches().count());
  const double at = static_cast<double>(position.epoch) + static_cast<double>(step) * step_epochs;
  return learning_rate(config.schedule, config.optimizer.lr, at, step_epochs, config.epochs,
                       hold_epochs) *
         warmup_factor(spec.config.surgery, edits, position.epoch, step, batches().count());
}

Session::Alterations Session::alterations_left() const {
  Alterations count;
  for (size_t i = 0; i < edits.size(); ++i) {
    if (edits[i].part == EditPart::Begin) continue;
    ++count.total;
    if (static_cast<int64_t>(i) >= position.edits_applied) ++count.left;
  }
  return count;
}

void Session::settle_statistics() {
  if (config.batch_norm == "local") average_statistics(model(), group);
}

std::vector<Figure> Session::evaluate(Split split, const std::string& label) {
  settle_statistics();
  return evaluate_split(model(), *task, split, 0, progress, label, {}, group);
}

std::optional<Figure> Session::validate() {
  if (task->size(Split::Validation) == 0) return std::nullopt;
  return judged_by(evaluate(Split::Validation, "validation"));
}

void Session::diverged(const std::string& what, double value, double rate,
                       const std::string& where) {
  if (!folder) throw LeaderSaysIt{exit_code(ErrorKind::Data)};
  std::string why = fmt::format(
      "the learning rate {} is too high for this network{}; lower train.optimizer.lr, or set "
      "train.optimizer.clip_norm",
      rate,
      spec.config.distill.features != Features::None || spec.config.distill.through_weight > 0
          ? " (or a weight of distill is)"
          : "");
  if (const FrozenModel* teacher = learner->teacher()) {
    at::NoGradGuard no_grad;
    Batch batch;
    examples({std::min(config.batch_size, task->size(Split::Train)), config.batch_size})
        .collate(0, batch);
    const double largest =
        teacher->forward(to_device(batch, model()).inputs).abs().max().item<double>();
    if (!(largest < kWildLogit)) {
      why = fmt::format(
          "the teacher's outputs reach {:.3g}, so it has not learnt; train it longer or at a "
          "lower learning rate",
          largest);
    }
  } else if (position.epoch == 0 && position.step == 0) {
    why = "the weights that it began with are at fault";
  }
  fail(ErrorKind::Data, "{} became {} at {}: {}{}", what, value, where, why,
       path_exists(folder->last()) ? "; " + folder->last() + " is as it was last saved" : "");
}

}  // namespace tailor::train

#include "tailor/train/recipe.h"

#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/nn/quantised.h"
#include "tailor/run/origin.h"
#include "tailor/run/shared_run.h"
#include "tailor/task/task.h"
#include "tailor/train/device.h"
#include "train/teacher_cache.h"

namespace tailor::train {
namespace {

bool is_named(const std::string& origin) { return !origin.empty() && origin != kPrevious; }

/// A binding that the run has made already, and whoever asks for it again does not know.
void adopt_binding(RunConfig& config, const RunFolder& folder) {
  const std::string file = folder.file("config.json");
  if (!config.teacher || !config.teacher->weights_sha256.empty() || !path_exists(file)) return;
  const RunConfig begun = read_run_config(Json::parse(read_file(file), file), file);
  if (begun.teacher) config.teacher->weights_sha256 = begun.teacher->weights_sha256;
}

/// A configuration can say that its teacher is to be trained, if that begins from weights that have
/// a name; any other teacher it names.
bool can_be_said(const Phase& teacher) {
  return teacher.teacher.empty() && teacher.start != kPrevious;
}

}  // namespace

RecipeRun::RecipeRun(const RunConfig& config, Recipe recipe, std::string source,
                     const std::string& folder, bool goes_on, Group& group)
    : config_(config),
      recipe_(std::move(recipe)),
      source_(std::move(source)),
      goes_on_(goes_on),
      group_(group) {
  verify_recipe(recipe_, source_);
  data_ = open_data(config_.data);
  if (group_.is_shared()) verify_group(config_);
  std::optional<Network> altered;  // by the phases so far
  for (size_t i = 0; i < recipe_.phases.size(); ++i) {
    const Phase& phase = recipe_.phases[i];
    const RunConfig c = phase_config(config_, recipe_, i);
    std::optional<Checkpoint>& named = named_.emplace_back();
    if (is_named(phase.teacher)) {
      named = load_named_teacher(c, data_, source_);
      altered = named->network;
    } else if (is_named(phase.start)) {
      const char* last = is_last(i) ? "last.ckpt" : "teacher/last.ckpt";
      named = load_start(config_, c.train, data_, source_, goes_on ? path_join(folder, last) : "");
      warn_of_assumptions(*named, phase.start);
    }
    if (!altered || (phase.teacher.empty() && phase.start != kPrevious))
      altered = make_network(config_.network, data_.shape, data_.classes);
    verify_answers(data_.kind, altered->answers_per_position(), output_shape(*altered),
                   altered->name);
    networks_.push_back(*altered);
    const auto edits = plan_edits(phase.surgery, *altered, phase.train.epochs, source_);
    if (c.quantization) verify_quantization(c, edits);
    const char* pointer = is_last(i) || !config_.teacher ? "/train" : "/teacher";
    verify_precision(phase.train.precision, c.quantization.has_value(),
                     resolve_device(c.runtime.device, source_), pointer, source_);
    verify_batches(phase.train, *altered, data_.train->size(), pointer, source_, group_.size());
    if (phase.teacher.empty()) continue;
    verify_teacher_cache(c, data_.kind == ExampleKind::Images, *altered,
                         resolve_device(c.runtime.device, source_), source_);
    for (const PlannedEdit& edit : edits)
      apply_alteration(*altered, edit.skip_id, edit.kind, edit.part);
  }
}

/// What several processes cannot share.
void RecipeRun::verify_group(const RunConfig& c) const {
  if (c.quantization) {
    fail_config("/quantization",
                fmt::format("none with {} workers: the types that quantised training learns are "
                            "those of one process; train with one",
                            group_.size()),
                "a section", source_);
  }
  if (data_.kind == ExampleKind::Images) return;
  fail(ErrorKind::Unsupported,
       "{}: expected images for {} workers, got {}, whose examples differ in length and are padded "
       "together; train with one process",
       source_, group_.size(), to_string(data_.kind));
}

/// Of a phase that begins with the last of the networks.
void RecipeRun::verify_quantization(const RunConfig& c,
                                    const std::vector<PlannedEdit>& edits) const {
  const QuantizationConfig& q = *c.quantization;
  const Network& network = networks_.back();
  const TrainedPrecision types =
      resolve_precision(q, c.exporting, network, /*input_magnitude=*/0, source_);
  quantized_from(q, c.surgery, edits, c.train.epochs, source_);
  if (!goes_on_) refuse_vain_types(q, network, c.train.epochs, source_);
  nn::QuantisedForm(network, types);  // what cannot be is said here
}

void RecipeRun::begin(RunFolder& folder) {
  adopt_binding(config_, folder);
  write_config(folder, config_, make_network(config_.network, data_.shape, data_.classes));
}

void RecipeRun::say_seen() const {
  const std::string& start = recipe_.phases.back().start;
  if (!goes_on_ && is_named(start))
    check_unseen(config_, data_, *named_.back(), "train.start " + start);
}

RunSpec RecipeRun::prepare(size_t i, const std::optional<Done>& before, std::string& origin) const {
  const Phase& phase = recipe_.phases[i];
  const std::string role = phase_role(recipe_, i);
  RunSpec spec;
  spec.config = phase_config(config_, recipe_, i);
  spec.source = source_;
  spec.data = data_;
  if (!role.empty()) spec.role = role + ", ";
  spec.images_after = recipe_images(config_, recipe_, i + 1, data_.train->size());
  const bool follows = phase.teacher == kPrevious;
  origin = follows ? before->where : phase.teacher;
  (phase.teacher.empty() ? spec.start : spec.teacher) =
      follows || phase.start == kPrevious ? before->checkpoint : named_[i];
  if (is_named(phase.teacher)) check_unseen(config_, data_, *spec.teacher, "teacher " + origin);
  if (follows || phase.start == kPrevious) {
    const std::string file = named_file("phase", before->where);
    if (phase.start == kPrevious) spec.config.train.start = file;
    if (follows && !can_be_said(recipe_.phases[i - 1])) {
      spec.config.teacher->checkpoint = file;
      spec.config.teacher->train = {};
    }
    if (phase.keep_optimizer) spec.slots = before->checkpoint.slots;
    if (write_network(make_network(config_.network, data_.shape, data_.classes)) !=
        write_network(networks_[i])) {
      NetworkConfig described;
      described.family = "file";
      spec.config.network = resolve_network_config(described);
    }
  }
  if (const auto& weights = spec.teacher ? spec.teacher : spec.start)
    order_classes(spec.data, weights->class_names);
  if (spec.teacher && !is_last(i))  // part of its name
    spec.config.teacher->weights_sha256 = weights_digest(spec.teacher->tensors);
  return spec;
}

void RecipeRun::settle(RunSpec& spec, size_t i, RunFolder& folder,
                       const std::string& origin) const {
  if (spec.teacher) {
    check_bound(spec.config, *spec.teacher, origin);
    std::string& bound = spec.config.teacher->weights_sha256;
    if (bound.empty() && path_exists(folder.last())) {
      log_warn(
          "train",
          "{}: the run, of an older version, does not say which teacher it began with; it goes "
          "on with {}",
          folder.path(), origin);
    }
    bound = weights_digest(spec.teacher->tensors);
    spec.teacher->metrics.set("weights_sha256", bound);
    folder.link_teacher(origin);
  }
  write_config(folder, spec.config, networks_[i]);
}

/// The one that the last phase has begun with, whatever its name; else by what decides its weights.
std::string RecipeRun::find_folder(size_t i, const RunSpec& spec, const RunFolder& last) const {
  const std::string linked = is_last(i + 1) ? last.linked_teacher() : "";
  const std::string where =
      !linked.empty() && RunFolder::is_run(linked)
          ? linked
          : shared_folder(last.path(), recipe_.phases[i], spec.config, networks_[i], data_);
  if (!is_last(i + 1)) return where;
  const bool bound = config_.teacher && !config_.teacher->weights_sha256.empty() && !linked.empty();
  const bool begun = path_exists(last.last()) || (bound && !RunFolder::is_run(where));
  if (begun && !path_exists(path_join(where, "summary.json"))) {
    fail(ErrorKind::Data,
         "the {} of {} is not in {}, or not finished there: the run was copied or moved without "
         "it; put it there (the folder teachers belongs beside the run), or begin again with "
         "--force",
         phase_role(recipe_, i), last.path(), where);
  }
  return where;
}

RecipeRun::Done RecipeRun::obtain(size_t i, const std::optional<Done>& before, RunFolder& last,
                                  const SumOrder& order, Progress& progress) const {
  const std::string role = phase_role(recipe_, i);
  std::string origin;
  RunSpec spec = prepare(i, before, origin);
  const std::string where = find_folder(i, spec, last);
  spec.name = file_name(where);
  RunFolder folder(where, /*wait=*/true);
  check_same_run(spec.config, folder);
  if (folder.finished()) {
    log_info("train", "{}: reusing {}", role, where);
    return {load_finished(folder), where};
  }
  const bool begun = path_exists(folder.last());
  if (is_named(recipe_.phases[i].start)) {
    spec.start = load_start(spec.config, spec.config.train, spec.data, source_, folder.last());
    if (!begun)
      check_unseen(config_, data_, *spec.start, "teacher.start " + spec.config.train.start);
  }
  log_info("train", "{}: {} {}", role, begun ? "going on with" : "training", where);
  folder.sign(order);
  settle(spec, i, folder, origin);
  if (is_last(i + 1)) last.link_teacher(where);
  const RunResult result = train_run(spec, folder, progress, group_);
  log_info("train", "{}: done in {:.0f} s, {}test {}; the {} begins", role, result.seconds,
           result.validation ? "validation " + result.validation->text(2) + ", " : "",
           result.test.text(2), phase_role(recipe_, i + 1));
  return {load_finished(folder), where};
}

RunResult RecipeRun::run(RunFolder& folder, const SumOrder& order, Progress& progress) {
  const size_t last = recipe_.phases.size() - 1;
  std::optional<Done> before;
  for (size_t i = 0; i < last; ++i) before = obtain(i, before, folder, order, progress);
  std::string origin;
  RunSpec spec = prepare(last, before, origin);
  spec.name = file_name(folder.path());
  settle(spec, last, folder, origin);
  return train_run(spec, folder, progress, group_);
}

}  // namespace tailor::train

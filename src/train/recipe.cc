#include "tailor/train/recipe.h"

#include <algorithm>

#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/nn/quantised.h"
#include "tailor/run/origin.h"
#include "tailor/run/shared_run.h"
#include "tailor/task/task.h"
#include "tailor/train/device.h"
#include "tailor/train/objective.h"
#include "train/teacher_cache.h"

namespace tailor::train {
namespace {

/// A binding that the run has made already, and whoever asks for it again does not know.
void adopt_binding(RunConfig& config, const RunFolder& folder) {
  const std::string file = folder.file("config.json");
  if (!path_exists(file)) return;
  const RunConfig begun = read_run_config(Json::parse(read_file(file), file), file);
  if (config.teacher && begun.teacher && config.teacher->weights_sha256.empty())
    config.teacher->weights_sha256 = begun.teacher->weights_sha256;
  for (size_t i = 0; i < std::min(config.phases.size(), begun.phases.size()); ++i) {
    if (config.phases[i].weights_sha256.empty())
      config.phases[i].weights_sha256 = begun.phases[i].weights_sha256;
  }
}

/// Where a phase's keys stand, as the user has it: "phases.1"; empty where it is the run itself.
std::string place_of(const Phase& phase) {
  std::string place = phase.at.value_or("");
  if (!place.empty()) place.erase(0, 1);
  std::replace(place.begin(), place.end(), '/', '.');
  return place;
}
std::string start_key(const Phase& phase) {
  const std::string place = place_of(phase);
  return place.empty() ? "train.start" : place + ".start";
}

/// Whether a phase of a configuration is taught by another checkpoint than the run's teacher.
bool names_its_own(const Phase& phase, const RunConfig& run) {
  return is_named(phase.teacher) && !(run.teacher && run.teacher->checkpoint == phase.teacher);
}
std::string teacher_key(const Phase& phase, const RunConfig& run) {
  return names_its_own(phase, run) ? place_of(phase) + ".teacher" : "teacher.checkpoint";
}

/// A student and its teacher read the same examples, and mean the same by them.
void expect_alike(bool alike, const char* what, const std::string& key, const std::string& source) {
  if (alike) return;
  fail(ErrorKind::Data,
       "{}: {}: expected a start with the {} of its teacher, got others; start from a run that "
       "has that teacher, or from initial weights",
       source, key, what);
}

/// Whether the maps are there that are compared, or go on through the teacher.
void check_teacher(const RunConfig& c, const Network& student, const Network& teacher,
                   const std::string& source, const std::string& at) {
  if (c.distill.beta == 0) return;
  compared_blocks(c.distill.features, student, teacher, source, at);
  if (c.distill.through_weight > 0) through_blocks(student, teacher, source, at);
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
  if (!goes_on_) refuse_vain_phases(config_, recipe_, source_);
  data_ = open_data(config_.data);
  if (group_.is_shared()) verify_group(config_);
  for (size_t i = 0; i < recipe_.phases.size(); ++i)
    named_.push_back(load_named(i, goes_on ? folder : ""));
  if (const DataSplits* order = order_for_first()) data_ = *order;
  std::vector<Network> ends_with;
  for (size_t i = 0; i < recipe_.phases.size(); ++i) {
    const Phase& phase = recipe_.phases[i];
    const RunConfig c = phase_config(config_, recipe_, i);
    networks_.push_back(network_of(i, c, ends_with));
    readings_.push_back(reading_of(i));
    const auto edits =
        plan_edits(phase.surgery, networks_[i], phase.train.epochs, source_, phase.at.value_or(""));
    check_phase(i, c, edits);
    if (const Network* teacher = teacher_of(i, ends_with))
      check_teacher(c, networks_[i], *teacher, source_, phase.at.value_or(""));
    Network& altered = ends_with.emplace_back(networks_[i]);
    for (const PlannedEdit& edit : edits)
      apply_alteration(altered, edit.skip_id, edit.kind, edit.part);
  }
}

/// What is each phase's to ask of one teacher: one that says no start begins as it.
void RecipeRun::check_named_teacher(const Checkpoint& teacher, const RunConfig& c,
                                    const Phase& phase, const DataSplits& data) const {
  check_bound(c, teacher, phase.teacher);
  if (!phase.start.empty()) return;
  if (!names_its_own(phase, config_))
    return check_network(c, data, teacher, source_, "the teacher " + phase.teacher);
  const Network mine = make_network(c.network, data.shape, data.classes);
  if (write_network(mine) == write_network(teacher.network)) return;
  const bool is_first = &phase == &recipe_.phases.front();
  fail_config(phase.at.value_or("") + "/start",
              fmt::format("{}, because its teacher {} ({}) is another network than the run's {}",
                          is_first ? "\"initial\" or a checkpoint" : "\"previous\" or \"initial\"",
                          phase.teacher, teacher.network.name, mine.name),
              "none, which begins as its teacher", source_);
}

/// Phases of one teacher have one copy of it. A start that is gone was read when its run began.
RecipeRun::Named RecipeRun::load_named(size_t i, const std::string& folder) const {
  const Phase& phase = recipe_.phases[i];
  const RunConfig c = phase_config(config_, recipe_, i);
  Named named;
  for (size_t j = 0; j < i && is_named(phase.teacher); ++j) {
    if (recipe_.phases[j].teacher != phase.teacher) continue;
    named.teacher = named_[j].teacher, named.teacher_data = named_[j].teacher_data;
  }
  if (is_named(phase.teacher) && !named.teacher) {
    named.teacher_data = data_;
    named.teacher = std::make_shared<const Checkpoint>(
        load_named_teacher(c, teacher_key(phase, config_), named.teacher_data, source_));
  }
  if (named.teacher) check_named_teacher(*named.teacher, c, phase, named.teacher_data);
  if (!is_named(phase.start)) return named;
  std::string last;
  if (!folder.empty() && phase.teacher.empty() && (is_last(i) || is_last(i + 1)))
    last = path_join(folder, is_last(i) ? "last.ckpt" : "teacher/last.ckpt");
  named.start_data = data_;
  named.start = std::make_shared<const Checkpoint>(
      *load_start(c, start_key(phase), named.start_data, source_, last));
  if (!starts_as_teacher(phase)) {
    warn_of_assumptions(*named.start, phase.start);
    return named;
  }
  RunConfig run = c;  // it is the run's teacher, so it is looked at as one
  run.teacher = config_.teacher;
  DataSplits data = named.start_data;
  load_named_teacher(run, "teacher.checkpoint", data, source_);
  return named;
}

/// Whether it begins as the run's teacher, a checkpoint, that no phase follows.
bool RecipeRun::starts_as_teacher(const Phase& phase) const {
  if (!config_.teacher || !is_named(phase.start) || phase.start != config_.teacher->checkpoint)
    return false;
  return std::none_of(recipe_.phases.begin(), recipe_.phases.end(),
                      [&](const Phase& p) { return p.teacher == phase.start; });
}

/// The first phase may have no weights. Then it has the classes in the order of the first ones that
/// must agree with it: those of who begins as it or as its student, or is taught by it. Null: none.
const DataSplits* RecipeRun::order_for_first() const {
  if (named_.empty() || named_[0].teacher || named_[0].start) return nullptr;
  bool as_first = true;  // the phase before reads as the first does
  for (size_t i = 1; i < recipe_.phases.size(); ++i) {
    const Phase& phase = recipe_.phases[i];
    const Named& named = named_[i];
    if (named.teacher && as_first && phase.start == kPrevious) return &named.teacher_data;
    as_first =
        !named.teacher && (phase.teacher == kFirst ||
                           (as_first && (phase.teacher == kPrevious || phase.start == kPrevious)));
    if (as_first && named.start) return &named.start_data;
  }
  return nullptr;
}

/// What the phase begins with, after the others have ended with theirs.
Network RecipeRun::network_of(size_t i, const RunConfig& c,
                              const std::vector<Network>& ends_with) const {
  const Phase& phase = recipe_.phases[i];
  if (named_[i].start) return named_[i].start->network;
  if (phase.start == kPrevious) return ends_with.back();
  if (phase.start == kInitial || phase.teacher.empty())
    return initial_network(c, data_.shape, data_.classes);
  if (named_[i].teacher) return named_[i].teacher->network;
  return phase.teacher == kFirst ? ends_with.front() : ends_with.back();
}

/// Null: none.
const Network* RecipeRun::teacher_of(size_t i, const std::vector<Network>& ends_with) const {
  const Phase& phase = recipe_.phases[i];
  if (phase.teacher.empty()) return nullptr;
  if (named_[i].teacher) return &named_[i].teacher->network;
  return phase.teacher == kFirst ? &ends_with.front() : &ends_with.back();
}

/// As its teacher has them, else its start, else the data.
RecipeRun::Reading RecipeRun::reading_of(size_t i) const {
  const Phase& phase = recipe_.phases[i];
  const Named& named = named_[i];
  if (named.teacher) return {named.teacher->preprocessing, named.teacher_data};
  if (phase.teacher == kFirst) return readings_.front();
  if (phase.teacher == kPrevious || phase.start == kPrevious) return readings_.back();
  if (named.start) return {named.start->preprocessing, named.start_data};
  return {data_.preprocessing, data_};
}

void RecipeRun::check_start(size_t i) const {
  const Reading& mine = readings_[i];
  auto expect = [&](const Preprocessing& preprocessing, const DataSplits& data) {
    const std::string key = start_key(recipe_.phases[i]);
    expect_alike(preprocessing == mine.preprocessing, "preprocessing", key, source_);
    expect_alike(label_names(data) == label_names(mine.data), "order of classes", key, source_);
  };
  if (named_[i].start) {
    expect(named_[i].start->preprocessing, named_[i].start_data);
  } else if (recipe_.phases[i].start == kPrevious) {
    expect(readings_[i - 1].preprocessing, readings_[i - 1].data);
  }
}

void RecipeRun::check_phase(size_t i, const RunConfig& c,
                            const std::vector<PlannedEdit>& edits) const {
  const Phase& phase = recipe_.phases[i];
  const Network& network = networks_[i];
  verify_answers(data_.kind, network.answers_per_position(), output_shape(network), network.name);
  if (c.quantization) verify_quantization(c, edits);
  const std::string at = phase.at.value_or("");
  const std::string pointer = at == "/teacher" ? at : at + "/train";
  verify_precision(phase.train.precision, c.quantization.has_value(),
                   resolve_device(c.runtime.device, source_), pointer, source_);
  verify_batches(phase.train, network, data_.train->size(), pointer, source_, group_.size());
  if (phase.data) verify_augmentation_fits(c.data, data_, at + "/data");
  if (phase.teacher.empty()) return;
  check_start(i);
  verify_teacher_cache(c, data_.kind == ExampleKind::Images, network,
                       resolve_device(c.runtime.device, source_), source_, at);
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

/// Whether the last phase has phase i as its teacher or, without one, as its start.
bool RecipeRun::teaches_last(size_t i) const {
  const Phase& last = recipe_.phases.back();
  if (last.teacher == kFirst) return i == 0;
  return is_last(i + 1) && (last.teacher == kPrevious || last.teacher.empty());
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

/// To the teachers that they name. The run's own is bound as the last phase begins, which is when
/// whoever teaches it is there, or here, if the last phase names another.
void RecipeRun::bind_phases() {
  auto bind = [&](const std::string& key, std::string& bound, const std::string& teacher) {
    for (size_t j = 0; j < recipe_.phases.size(); ++j) {
      const bool follows = recipe_.phases[j].teacher == teacher;
      if (!follows && recipe_.phases[j].start != teacher) continue;
      const std::string digest =
          weights_digest((follows ? named_[j].teacher : named_[j].start)->tensors);
      check_digest(key, bound, digest, teacher);
      bound = digest;
      break;
    }
  };
  for (size_t i = 0; i < config_.phases.size(); ++i) {
    PhaseConfig& phase = config_.phases[i];
    if (!phase.names_teacher()) continue;
    bind(fmt::format("phases.{}.weights_sha256", i), phase.weights_sha256, phase.teacher);
  }
  if (config_.teacher && is_named(config_.teacher->checkpoint) &&
      names_its_own(recipe_.phases.back(), config_)) {
    bind("teacher.weights_sha256", config_.teacher->weights_sha256, config_.teacher->checkpoint);
  }
}

void RecipeRun::begin(RunFolder& folder) {
  adopt_binding(config_, folder);
  bind_phases();
  write_config(folder, config_, make_network(config_.network, data_.shape, data_.classes));
}

void RecipeRun::say_seen() const {
  const std::string& start = recipe_.phases.back().start;
  if (!goes_on_ && is_named(start)) {
    check_unseen(config_, data_, *named_.back().start,
                 start_key(recipe_.phases.back()) + " " + start);
  }
}

/// A network that the configuration does not lead to is described beside it.
void RecipeRun::describe_network(RunSpec& spec) const {
  const Network said = initial_network(spec.config, data_.shape, data_.classes);
  if (write_network(said) == write_network(*spec.network)) return;
  NetworkConfig described;
  described.family = "file";
  spec.config.network = resolve_network_config(described);
}

RunSpec RecipeRun::prepare(size_t i, const Chain& done, std::string& origin) const {
  const Phase& phase = recipe_.phases[i];
  const std::string role = phase_role(recipe_, i);
  RunSpec spec;
  spec.config = phase_config(config_, recipe_, i);
  spec.source = source_;
  spec.data = readings_[i].data;
  if (!role.empty()) spec.role = role + ", ";
  spec.images_after = recipe_images(recipe_, i + 1, data_.train->size());
  spec.network = networks_[i];
  origin = phase.teacher;
  if (named_[i].teacher) spec.teacher = *named_[i].teacher;
  if (named_[i].start) spec.start = *named_[i].start;
  const auto same_seen = [&](const Phase& p) {
    return p.teacher == phase.teacher && p.start.empty();
  };
  const auto here = recipe_.phases.begin() + static_cast<std::ptrdiff_t>(i);
  if (named_[i].teacher && phase.start.empty() &&
      std::none_of(recipe_.phases.begin(), here, same_seen)) {
    check_unseen(config_, data_, *spec.teacher, "teacher " + origin);
  }
  if (phase.teacher == kPrevious || phase.teacher == kFirst) {
    const Done& taught = phase.teacher == kFirst ? *done.first : *done.previous;
    origin = taught.where;
    spec.teacher = taught.checkpoint;
    if (!can_be_said(recipe_.phases[phase.teacher == kFirst ? 0 : i - 1])) {
      spec.config.teacher->checkpoint = named_file("phase", taught.where);
      spec.config.teacher->train = {};
    }
  }
  if (phase.start == kPrevious) {
    spec.start = done.previous->checkpoint;
    spec.config.train.start = named_file("phase", done.previous->where);
  }
  if (phase.keep_optimizer) spec.slots = done.previous->checkpoint.slots;
  if (!is_said(i)) describe_network(spec);
  // Part of its name; or the phase's own key has been held against it.
  if (spec.teacher && (!is_last(i) || names_its_own(phase, config_)))
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
  if (!is_said(i)) return write_config(folder, spec.config, networks_[i]);
  RunConfig whole = config_;
  if (whole.teacher && spec.teacher && !names_its_own(recipe_.phases[i], config_))
    whole.teacher->weights_sha256 = spec.config.teacher->weights_sha256;
  write_config(folder, whole, make_network(config_.network, data_.shape, data_.classes));
  spec.config.network = whole.network;
}

/// From 1 on among those that the configuration's `phases` say; 0: none of them.
int64_t RecipeRun::phase_number(size_t i) const {
  auto counts = [](const Phase& p) { return starts_with(p.at.value_or(""), "/phases"); };
  if (!counts(recipe_.phases.at(i))) return 0;
  const auto begin = recipe_.phases.begin();
  return std::count_if(begin, begin + static_cast<std::ptrdiff_t>(i) + 1, counts);
}

/// The one that the last phase has begun with, whatever its name; else by what decides its weights.
std::string RecipeRun::find_folder(size_t i, const RunSpec& spec, const RunFolder& last) const {
  const std::string linked = teaches_last(i) ? last.linked_teacher() : "";
  const std::string where =
      !linked.empty() && RunFolder::is_run(linked)
          ? linked
          : shared_folder(last.path(), recipe_.phases[i], spec.config, networks_[i], spec.data);
  if (!teaches_last(i) && !is_last(i + 1)) return where;
  const bool bound = config_.teacher && !config_.teacher->weights_sha256.empty() && !linked.empty();
  const bool begun = path_exists(last.last()) || (bound && !RunFolder::is_run(where));
  if (begun && !path_exists(path_join(where, "summary.json"))) {
    fail(ErrorKind::Data,
         "the {} of {} is not in {}, or not finished there: the run was copied or moved without "
         "it, or who taught it is another one now; put it there (the folder teachers belongs "
         "beside the run), or begin again with --force",
         phase_role(recipe_, i), last.path(), where);
  }
  return where;
}

RecipeRun::Done RecipeRun::obtain(size_t i, const Chain& done, RunFolder& last,
                                  const SumOrder& order, Progress& progress) const {
  const std::string role = phase_role(recipe_, i);
  std::string origin;
  RunSpec spec = prepare(i, done, origin);
  const std::string where = find_folder(i, spec, last);
  if (const int64_t number = phase_number(i); number > 0) last.link_phase(number, where);
  spec.name = file_name(where);
  RunFolder folder(where, /*wait=*/true);
  check_same_run(spec.config, folder);
  if (folder.finished()) {
    Checkpoint done_before = load_finished(folder);
    check_same_order(done_before, folder, spec.data);
    log_info("train", "{}: reusing {}", role, where);
    return {std::move(done_before), where};
  }
  const bool begun = path_exists(folder.last());
  if (const Phase& phase = recipe_.phases[i]; is_named(phase.start)) {
    if (phase.teacher.empty())
      spec.start = load_start(spec.config, start_key(phase), spec.data, source_, folder.last());
    if (!begun)
      check_unseen(config_, data_, *spec.start, start_key(phase) + " " + spec.config.train.start);
  }
  log_info("train", "{}: {} {}", role, begun ? "going on with" : "training", where);
  folder.sign(
      {order.threads, order.workers,
       kernels_in_words(spec.config.runtime, spec.config.train.precision, group_.device())});
  settle(spec, i, folder, origin);
  if (teaches_last(i)) last.link_teacher(where);
  const RunResult result = train_run(spec, folder, progress, group_);
  log_info("train", "{}: done in {:.0f} s, {}test {}; the {} begins", role, result.seconds,
           result.validation ? "validation " + result.validation->text(2) + ", " : "",
           result.test.text(2), phase_role(recipe_, i + 1));
  return {load_finished(folder), where};
}

RunResult RecipeRun::run(RunFolder& folder, const SumOrder& order, Progress& progress) {
  const size_t last = recipe_.phases.size() - 1;
  Chain done;
  EarlierPhases earlier;
  for (size_t i = 0; i < last; ++i) {
    done.previous = obtain(i, done, folder, order, progress);
    if (i == 0) done.first = done.previous;
    if (phase_number(i) > 0)
      earlier.add(read_summary(path_join(done.previous->where, "summary.json")));
  }
  std::string origin;
  RunSpec spec = prepare(last, done, origin);
  spec.earlier = earlier;
  spec.name = file_name(folder.path());
  settle(spec, last, folder, origin);
  return train_run(spec, folder, progress, group_);
}

}  // namespace tailor::train

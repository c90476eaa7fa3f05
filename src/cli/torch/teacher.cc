#include "cli/torch/teacher.h"

#include <unordered_set>

#include "cli/source.h"
#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/data/source.h"
#include "tailor/run/results.h"
#include "tailor/train/trainer.h"

namespace tailor {
namespace {

/// The teacher as a run of its own: same network and data, no surgery.
RunConfig teacher_config(const RunConfig& config) {
  RunConfig teacher;
  teacher.network = config.network;
  teacher.data = config.data;
  teacher.train = config.teacher->train;
  teacher.runtime = config.runtime;
  teacher.distill.beta = 0;
  return teacher;
}

/// Without what says the same as `defaults`: a key that a later version adds changes no name.
Json without_defaults(const Json& value, const Json& defaults) {
  Json rest = Json::object({});
  for (const auto& [key, member] : value.as_object()) {
    const Json* other = defaults.find(key);
    if (other && *other == member) continue;
    rest.set(key, other && other->is_object() && member.is_object()
                      ? without_defaults(member, *other)
                      : member);
  }
  return rest;
}

/// Names the teacher by what decides its weights: of a described network the description, of a
/// user's own data set the place and the names in it; where an official set lies says nothing.
std::string teacher_key(const RunConfig& teacher, const DataSplits& data) {
  RunConfig key = teacher;
  if (!key.data.is_own()) key.data.root.clear();
  key.network.file.clear();
  key.runtime = {};
  key.exporting = {};
  if (!key.train.start.empty())
    key.train.start = weights_digest(load_checkpoint(key.train.start).tensors);
  std::string text = without_defaults(write_run_config(key), write_run_config({})).dump();
  if (teacher.network.family == "file")
    text += write_network(make_network(teacher.network, data.shape, data.classes)).dump();
  if (key.data.is_own()) text += names_digest(data);
  return sha256(text).substr(0, 10);
}

/// A student must be its teacher's network, and a run its start's; says the first field that is
/// not.
void check_agreement(const RunConfig& config, const DataSplits& data, const Checkpoint& teacher,
                     const std::string& source, const std::string& teacher_name) {
  const bool same = write_network(make_network(config.network, data.shape, data.classes)) ==
                    write_network(teacher.network);
  if (config.network.family == "file" && !same)
    fail_config("/network/file", "the description of " + teacher_name, config.network.file, source);
  const Json mine = write_network_config(config.network);
  const Json* run = teacher.config.find("network");
  for (const auto& [key, value] : mine.as_object()) {
    const Json* theirs = run && !same ? run->find(key) : nullptr;
    if (theirs && *theirs != value) {
      fail_config("/network/" + key, theirs->dump() + ", as " + teacher_name + " has it",
                  value.dump(), source);
    }
  }
  if (!config.data.mean.empty() &&
      !(Preprocessing{config.data.mean, config.data.deviation} == teacher.preprocessing)) {
    fail_config("/data/mean",
                "the preprocessing of " + teacher_name + " (leave mean and deviation out)",
                Json::array(config.data.mean).dump(), source);
  }
}

std::string skips_text(const Network& network) {
  constexpr size_t kNamed = 3;
  std::vector<std::string> ids = skip_ids(network);
  const size_t count = ids.size();
  if (count == 0) return "no skips";
  if (count > kNamed) {
    ids.resize(kNamed);
    ids.emplace_back("...");
  }
  return fmt::format("{} skips ({})", count, join(ids, ", "));
}

/// An altered run's weights fit the unaltered network, whose skips they have learnt to do without.
void check_same_skips(const RunConfig& config, const DataSplits& data, const Network& start,
                      const std::string& file, const std::string& source) {
  const Network mine = make_network(config.network, data.shape, data.classes);
  if (write_network(mine) == write_network(start)) return;
  fail_config(config.teacher ? "/teacher/start" : "/train/start",
              fmt::format("a start with the network of the configuration, {} with {}", mine.name,
                          skips_text(mine)),
              fmt::format("{}, which is altered and has {}", file, skips_text(start)),
              fmt::format("{} (to train the altered network: tailor inspect {} --as-json > "
                          "altered.json, with network.family=file and network.file=altered.json; "
                          "else start from an unaltered run, such as its teacher)",
                          source, shell_quote(file)));
}

/// The best, else the last, with what is known of its accuracy.
Checkpoint finished_teacher(const RunFolder& folder) {
  const std::string path = path_exists(folder.best()) ? folder.best() : folder.last();
  Checkpoint c = load_checkpoint(path);
  const RunSummary summary = read_summary(folder.file("summary.json"));
  const bool best = path == folder.best();
  if (best && !summary.best)
    fail(ErrorKind::Data, "{}: it says nothing of {}", folder.file("summary.json"), path);
  const RunSummary::Judgement& found = best ? *summary.best : summary.last;
  auto value = [](const RecordedFigure& f) { return f.value ? Json(*f.value) : Json(); };
  c.metrics = Json::object({{"run", c.run},
                            {"checkpoint", file_name(path)},
                            {"validation_accuracy", value(found.validation)},
                            {"test_accuracy", value(found.test)}});
  return c;
}

/// tailor import's: its data section says what it may be used with, not what it was trained on.
bool is_imported(const Checkpoint& c) { return c.position.epoch == 0 && c.position.step == 0; }

/// Another official set has other images and other classes, even where it has as many.
void check_same_set(const RunConfig& config, const Checkpoint& teacher, const std::string& source,
                    const std::string& file) {
  const DataConfig theirs = read_run_config(teacher.config, file).data, &mine = config.data;
  if (theirs.name == mine.name || theirs.is_own() || mine.is_own() || is_imported(teacher)) return;
  fail_config("/data/name",
              fmt::format("\"{}\", as the teacher {} was trained on", theirs.name, file),
              fmt::format("\"{}\"", mine.name), source);
}

/// A checkpoint in a run that goes on changes under the student; one alone may be of any epoch.
void check_finished(const Checkpoint& teacher, const std::string& file) {
  if (teacher.position.finished) return;
  const std::string run = parent_path(file);
  const int64_t epochs = read_run_config(teacher.config, file).train.epochs;
  if (!RunFolder::is_run(run)) {
    if (teacher.position.epoch < epochs) {
      log_warn(
          "train",
          "teacher.checkpoint {}: it is of epoch {} of {}, and no run beside it says that this "
          "was its best one",
          file, teacher.position.epoch, epochs);
    }
  } else if (!path_exists(path_join(run, "summary.json"))) {
    fail(ErrorKind::Data,
         "teacher.checkpoint {}: expected a finished teacher, but its run stands at epoch {} of "
         "{}; finish it with: tailor train --resume {}",
         file, teacher.position.epoch, epochs, shell_quote(run));
  }
}

/// How many of `images` are among the training images of `other`, by name.
int64_t count_common(const Images& images, const DataSplits& other) {
  std::unordered_set<std::string> names;
  for (int64_t i = 0; i < other.train->size(); ++i) names.insert(other.train->name(i));
  int64_t count = 0;
  for (int64_t i = 0; images && i < images->size(); ++i)
    count += static_cast<int64_t>(names.count(images->name(i)));
  return count;
}

/// A run goes on with the very weights that it began with.
void check_bound(const RunConfig& config, const Checkpoint& teacher, const std::string& where) {
  const std::string &bound = config.teacher->weights_sha256, is = weights_digest(teacher.tensors);
  if (bound.empty() || bound == is) return;
  fail(ErrorKind::Data,
       "the teacher {} is not the one that the run is bound to: teacher.weights_sha256 is {}, the "
       "teacher there has {}; put that one back, or begin again with --force and without that key",
       where, bound, is);
}

/// The one that the run has begun with, whatever its name; else beside the run, named by what
/// decides its weights.
std::string teacher_folder(const RunConfig& config, const RunConfig& teacher,
                           const DataSplits& data, const RunFolder& student) {
  const std::string linked = student.linked_teacher();
  if (!linked.empty() && RunFolder::is_run(linked)) return linked;
  const std::string parent = parent_path(student.path());
  return path_join(
      path_join(parent.empty() ? "." : parent, "teachers"),
      fmt::format("{}-{}-teacher-{}", make_network(config.network, data.shape, data.classes).name,
                  config.data.name, teacher_key(teacher, data)));
}

/// A name leaves defaults out, so a teacher of a version with another default may have the same.
void check_same_teacher(const RunConfig& teacher, const RunFolder& folder) {
  if (!RunFolder::is_run(folder.path())) return;
  const std::string file = folder.file("config.json");
  auto deciding = [](RunConfig c) {
    c.runtime = {};
    c.exporting = {};
    c.data.root.clear();
    c.network.file.clear();
    c.train.start.clear();
    return write_run_config(c);
  };
  const Json rest = without_defaults(
      deciding(read_run_config(Json::parse(read_file(file), file), file)), deciding(teacher));
  if (rest.as_object().empty()) return;
  fail(ErrorKind::Data,
       "{}: expected the teacher that the run asks for, got one with {}; move it away, and it is "
       "trained anew",
       folder.path(), rest.dump());
}

/// Trains it, goes on with it or reuses it; `where` is its folder.
Checkpoint trained_teacher(const RunConfig& config, const DataSplits& data,
                           const std::string& source, RunFolder& student, int64_t threads,
                           Progress& progress, std::string& where) {
  RunSpec spec;
  spec.config = teacher_config(config);
  spec.source = source;
  spec.data = data;
  spec.resume = student.path();
  spec.role = "teacher, ";
  spec.images_after = student_images(config, data);
  where = teacher_folder(config, spec.config, data, student);
  spec.name = file_name(where);
  const bool bound = !config.teacher->weights_sha256.empty() && !student.linked_teacher().empty();
  const bool begun = path_exists(student.last()) || (bound && !RunFolder::is_run(where));
  if (begun && !path_exists(path_join(where, "summary.json"))) {
    fail(ErrorKind::Data,
         "the teacher of {} is not in {}, or not finished there: the run was copied or moved "
         "without "
         "it; put it there (the folder teachers belongs beside the run), or begin again with "
         "--force",
         student.path(), where);
  }
  RunFolder folder(where, /*wait=*/true);
  check_same_teacher(spec.config, folder);
  if (folder.finished()) {
    log_info("train", "teacher: reusing {}", where);
    return finished_teacher(folder);
  }
  spec.start = load_start(spec.config, spec.config.train, spec.data, source, folder.last());
  if (spec.start && !path_exists(folder.last()))
    check_unseen(config, data, *spec.start, "teacher.start " + spec.config.train.start);
  log_info("train", "teacher: {} {}", path_exists(folder.last()) ? "going on with" : "training",
           where);
  folder.sign(threads);
  write_config(folder, spec.config, data);
  student.link_teacher(where);
  const RunResult result = train_run(spec, folder, progress);
  log_info("train", "teacher: done in {:.0f} s, {}test {}; the student begins", result.seconds,
           result.validation ? "validation " + result.validation->text(2) + ", " : "",
           result.test.text(2));
  return finished_teacher(folder);
}

}  // namespace

void write_config(RunFolder& folder, RunConfig& config, const DataSplits& data) {
  RunConfig written = config;
  if (config.network.family == "file") {
    folder.write(kDescription,
                 write_network(make_network(config.network, data.shape, data.classes)));
    config.network.file = absolute_path(folder.file(kDescription));
    written.network.file = kDescription;
  }
  folder.write("config.json", write_run_config(written));
}

std::optional<Checkpoint> load_start(const RunConfig& config, const TrainConfig& train,
                                     DataSplits& data, const std::string& source,
                                     const std::string& last) {
  if (train.start.empty()) return std::nullopt;
  const std::string file =
      path_exists(last) ? last
                        : named_file(config.teacher ? "teacher.start" : "train.start", train.start);
  Checkpoint start = load_checkpoint(file);
  order_classes(data, start.class_names);
  verify_data_fits(data, start.network.input, start.network.classes(), "the start " + file,
                   start.class_names);
  check_agreement(config, data, start, source, "the start " + file);
  if (file != last) check_same_skips(config, data, start.network, file, source);
  return start;
}

void check_unseen(const RunConfig& config, const DataSplits& data, const Checkpoint& before,
                  const std::string& who) {
  const DataConfig theirs = read_run_config(before.config, who).data, &mine = config.data;
  const std::string too_high =
      "the run starts from its weights, so validation accuracy reads too high and best.ckpt is "
      "chosen by it";
  if (is_imported(before)) {
    if (data.validation && !before.metrics.find("new_head")) {
      log_warn("train",
               "{}: it was trained elsewhere; if that was with all of {}'s training images, "
               "the {} validation images are among them: {}",
               who, data.name, data.validation->size(), too_high);
    }
    return;
  }
  if (theirs.name != mine.name || (mine.is_own() && theirs.root != mine.root)) {
    log_warn("train",
             "{}: it was trained on {} ({}), the run is on {} ({}): if it has seen the "
             "run's validation or test images, their accuracy reads too high",
             who, theirs.name, theirs.root, mine.name, mine.root);
    return;
  }
  if (traits_of(theirs).in_memory && theirs.seed != mine.seed) {
    log_warn("train", "{}: its images are others, made of data.seed {}, the run's of {}", who,
             theirs.seed, mine.seed);
    return;
  }
  if (theirs.seed == mine.seed && theirs.validation == mine.validation &&
      theirs.train_size == mine.train_size && theirs.test_size == mine.test_size &&
      theirs.extra == mine.extra)
    return;
  DataConfig there = theirs;
  there.root = mine.root;
  const DataSplits seen = open_data(there);
  if (const int64_t count = count_common(data.validation, seen); count > 0) {
    log_warn("train",
             "{}: it was trained on {} of the run's {} validation images (its data.seed is "
             "{} and its data.validation {}, the run's {} and {}): {}",
             who, count, data.validation->size(), theirs.seed, theirs.validation, mine.seed,
             mine.validation, too_high);
  }
  // Only a folder's test images may be drawn from the training ones.
  const int64_t count = traits_of(mine).pictures ? count_common(data.test, seen) : 0;
  if (count > 0) {
    log_warn("train",
             "{}: it was trained on {} of the run's {} test images (its data.seed is {} and "
             "its data.test_size {}, the run's {} and {}): test accuracy reads too high",
             who, count, data.test->size(), theirs.seed, theirs.test_size, mine.seed,
             mine.test_size);
  }
}

std::string named_file(const std::string& key, const std::string& checkpoint) {
  if (!path_exists(checkpoint))
    fail(ErrorKind::Data, "{} {}: there is no such file or folder", key, checkpoint);
  return absolute_path(resolve_checkpoint(checkpoint, key.c_str()));
}

Checkpoint load_named_teacher(const RunConfig& config, DataSplits& data,
                              const std::string& source) {
  const std::string& file = config.teacher->checkpoint;
  Checkpoint teacher = load_checkpoint(file);
  if (teacher.metrics.find("new_head")) {
    fail_config("/teacher/checkpoint",
                "a trained teacher (to train one from these weights: /teacher/start)",
                file + ", whose last layer is new", source);
  }
  warn_of_assumptions(teacher, file);
  order_classes(data, teacher.class_names);
  verify_data_fits(data, teacher.network.input, teacher.network.classes(), "the teacher " + file,
                   teacher.class_names);
  check_agreement(config, data, teacher, source, "the teacher " + file);
  check_finished(teacher, file);
  check_bound(config, teacher, file);
  check_same_set(config, teacher, source, file);
  Json metrics = Json::object({{"run", teacher.run}, {"checkpoint", file_name(file)}});
  for (const auto& [key, value] : teacher.metrics.as_object()) metrics.set(key, value);
  teacher.metrics = metrics;
  return teacher;
}

Checkpoint obtain_teacher(RunConfig& config, const DataSplits& data, const std::string& source,
                          RunFolder& student, int64_t threads, std::optional<Checkpoint> named,
                          Progress& progress) {
  std::string where = config.teacher->checkpoint;
  if (named) check_unseen(config, data, *named, "teacher " + where);
  Checkpoint teacher =
      named ? std::move(*named)
            : trained_teacher(config, data, source, student, threads, progress, where);
  check_bound(config, teacher, where);
  if (config.teacher->weights_sha256.empty()) {
    if (path_exists(student.last())) {
      log_warn(
          "train",
          "{}: the run, of an older version, does not say which teacher it began with; it goes "
          "on with {}",
          student.path(), where);
    }
    config.teacher->weights_sha256 = weights_digest(teacher.tensors);
    write_config(student, config, data);
  }
  teacher.metrics.set("weights_sha256", config.teacher->weights_sha256);
  student.link_teacher(where);
  return teacher;
}

int64_t student_images(const RunConfig& config, const DataSplits& data) {
  const int64_t images = config.train.epochs * data.train->size();
  return config.distill.beta > 0 ? images * 4 / 3 : images;
}

}  // namespace tailor

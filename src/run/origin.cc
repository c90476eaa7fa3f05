#include "tailor/run/origin.h"

#include <algorithm>
#include <unordered_set>

#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/data/source.h"
#include "tailor/run/recipe.h"
#include "tailor/run/run_folder.h"

namespace tailor::run {
namespace {

/// Mean and deviation belong to the weights.
void check_preprocessing(const RunConfig& config, const Checkpoint& weights,
                         const std::string& source, const std::string& who) {
  if (config.data.mean.empty() ||
      Preprocessing{config.data.mean, config.data.deviation} == weights.preprocessing)
    return;
  fail_config("/data/mean", "the preprocessing of " + who + " (leave mean and deviation out)",
              Json::array(config.data.mean).dump(), source);
}

/// "train.start": /train/start.
std::string pointer_of(const std::string& key) {
  std::string pointer = "/" + key;
  std::replace(pointer.begin(), pointer.end(), '.', '/');
  return pointer;
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
                      const std::string& pointer, const std::string& file,
                      const std::string& source) {
  const Network mine = initial_network(config, data.shape, data.classes);
  if (write_network(mine) == write_network(start)) return;
  fail_config(pointer,
              fmt::format("a start with the network of the configuration, {} with {}", mine.name,
                          skips_text(mine)),
              fmt::format("{}, which is altered and has {}", file, skips_text(start)),
              fmt::format("{} (to train the altered network: tailor inspect {} --as-json > "
                          "altered.json, with network.family=file and network.file=altered.json, "
                          "or train.skips if all of them are altered; "
                          "else start from an unaltered run, such as its teacher)",
                          source, shell_quote(file)));
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
void check_finished(const Checkpoint& teacher, const std::string& key, const std::string& file) {
  if (teacher.position.finished) return;
  const std::string run = parent_path(file);
  const int64_t epochs = read_run_config(teacher.config, file).train.epochs;
  if (!RunFolder::is_run(run)) {
    if (teacher.position.epoch < epochs) {
      log_warn(
          "train",
          "{} {}: it is of epoch {} of {}, and no run beside it says that this was its best one",
          key, file, teacher.position.epoch, epochs);
    }
  } else if (!path_exists(path_join(run, "summary.json"))) {
    fail(
        ErrorKind::Data,
        "{} {}: expected a finished teacher, but its run stands at epoch {} of {}; finish it with: "
        "tailor train --resume {}",
        key, file, teacher.position.epoch, epochs, shell_quote(run));
  }
}

/// A network on sequences takes them of any length: it is as wide as the run's, not as those that
/// its weights come from.
void take_width(Checkpoint& c, const DataSplits& data) {
  if (data.kind != ExampleKind::Images) c.network.input.width = data.shape.width;
}

/// How many of `images` are among the training images of `other`, by name.
int64_t count_common(const ExampleSet& images, const DataSplits& other) {
  std::unordered_set<std::string> names;
  for (int64_t i = 0; i < other.train->size(); ++i) names.insert(other.train->name(i));
  int64_t count = 0;
  for (int64_t i = 0; images && i < images->size(); ++i)
    count += static_cast<int64_t>(names.count(images->name(i)));
  return count;
}

}  // namespace

void check_network(const RunConfig& config, const DataSplits& data, const Checkpoint& teacher,
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
}

void warn_of_assumptions(const Checkpoint& checkpoint, const std::string& path) {
  for (const std::string& text : checkpoint.assumptions)
    log_warn("cli", "{}: assumed {}", path, text);
}

std::string resolve_checkpoint(const std::string& path, const char* what) {
  if (!is_directory(path)) return path;
  for (const char* name : {"best.ckpt", "last.ckpt", "model.ckpt"}) {
    const std::string file = path_join(path, name);
    if (path_exists(file)) return file;
  }
  const bool begun = path_exists(path_join(path, "config.json"));
  fail(ErrorKind::Data, "{} {}: the folder has no best.ckpt, last.ckpt or model.ckpt{}", what, path,
       begun ? "; the run has not come to its own first epoch (go on with tailor train --resume " +
                   shell_quote(path) + ")"
             : "");
}

/// A run goes on with the very weights that it began with.
void check_digest(const std::string& key, const std::string& bound, const std::string& is,
                  const std::string& where) {
  if (bound.empty() || bound == is) return;
  fail(ErrorKind::Data,
       "the teacher {} is not the one that the run is bound to: {} is {}, the teacher there has "
       "{}; put that one back, or begin again with --force and without that key",
       where, key, bound, is);
}

void check_bound(const RunConfig& config, const Checkpoint& teacher, const std::string& where) {
  check_digest("teacher.weights_sha256", config.teacher->weights_sha256,
               weights_digest(teacher.tensors), where);
}

std::optional<Checkpoint> load_start(const RunConfig& config, const std::string& key,
                                     DataSplits& data, const std::string& source,
                                     const std::string& last) {
  if (!is_named(config.train.start)) return std::nullopt;
  const std::string file = path_exists(last) ? last : named_file(key, config.train.start);
  Checkpoint start = load_checkpoint(file);
  order_classes(data, start.class_names);
  verify_data_fits(data, start.network.input, start.network.classes(), "the start " + file,
                   start.class_names);
  take_width(start, data);
  check_preprocessing(config, start, source, "the start " + file);
  check_network(config, data, start, source, "the start " + file);
  if (file != last) {
    check_same_skips(config, data, start.network, pointer_of(key), file, source);
  }
  return start;
}

void check_unseen(const RunConfig& config, const DataSplits& data, const Checkpoint& before,
                  const std::string& who) {
  const DataConfig theirs = read_run_config(before.config, who).data, &mine = config.data;
  const char* units = data.kind == ExampleKind::Images   ? "images"
                      : data.kind == ExampleKind::Speech ? "utterances"
                                                         : "chunks";
  const std::string too_high =
      "the run starts from its weights, so validation accuracy reads too high and best.ckpt is "
      "chosen by it";
  if (is_imported(before)) {
    if (data.validation && !before.metrics.find("new_head")) {
      log_warn("train",
               "{}: it was trained elsewhere; if that was with all of {}'s training {}, the {} "
               "validation {} are among them: {}",
               who, data.name, units, data.validation->size(), units, too_high);
    }
    return;
  }
  if (theirs.name != mine.name || (mine.is_own() && theirs.root != mine.root)) {
    log_warn("train",
             "{}: it was trained on {} ({}), the run is on {} ({}): if it has seen the "
             "run's validation or test {}, their accuracy reads too high",
             who, theirs.name, theirs.root, mine.name, mine.root, units);
    return;
  }
  if (traits_of(theirs).in_memory && theirs.seed != mine.seed) {
    log_warn("train", "{}: its {} are others, made of data.seed {}, the run's of {}", who, units,
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
             "{}: it was trained on {} of the run's {} validation {} (its data.seed, train_size "
             "and validation are {}, {} and {}, the run's {}, {} and {}): {}",
             who, count, data.validation->size(), units, theirs.seed, theirs.train_size,
             theirs.validation, mine.seed, mine.train_size, mine.validation, too_high);
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
  if (!path_exists(checkpoint)) {
    fail(ErrorKind::Data, "{} {}: there is no such file or folder{}", key, checkpoint,
         absolute_path(checkpoint) == checkpoint ? "" : " in " + absolute_path("."));
  }
  return absolute_path(resolve_checkpoint(checkpoint, key.c_str()));
}

Checkpoint load_named_teacher(const RunConfig& config, const std::string& key, DataSplits& data,
                              const std::string& source) {
  const std::string& file = config.teacher->checkpoint;
  Checkpoint teacher = load_checkpoint(file);
  if (teacher.metrics.find("new_head")) {
    fail_config(pointer_of(key),
                "a trained teacher (to train one from these weights: /teacher/start)",
                file + ", whose last layer is new", source);
  }
  warn_of_assumptions(teacher, file);
  order_classes(data, teacher.class_names);
  verify_data_fits(data, teacher.network.input, teacher.network.classes(), "the teacher " + file,
                   teacher.class_names);
  take_width(teacher, data);
  check_preprocessing(config, teacher, source, "the teacher " + file);
  check_finished(teacher, key, file);
  check_same_set(config, teacher, source, file);
  Json metrics = Json::object({{"run", teacher.run}, {"checkpoint", file_name(file)}});
  for (const auto& [name, value] : teacher.metrics.as_object()) metrics.set(name, value);
  teacher.metrics = metrics;
  return teacher;
}

}  // namespace tailor::run

// tailor train: resolves the configuration, sees to the teacher, trains the student.
#include <filesystem>

#include "cli/torch/plugin.h"
#include "tailor/cli/commands.h"
#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
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

/// A described network is copied into the run, which then goes on whatever becomes of the original.
constexpr const char* kDescription = "network.json";

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

/// Names the teacher by what decides its weights: of a described network the description, of a
/// user's own data set the place and the names in it; where an official set lies says nothing.
std::string teacher_key(const RunConfig& teacher, const DataSplits& data) {
  RunConfig key = teacher;
  if (!key.data.is_own()) key.data.root.clear();
  key.network.file.clear();
  key.runtime = {};
  key.exporting = {};
  std::string text = write_run_config(key).dump();
  if (teacher.network.family == "file")
    text += write_network(make_network(teacher.network, data.shape, data.classes)).dump();
  if (key.data.is_own()) text += names_digest(data);
  return sha256(text).substr(0, 10);
}

/// A student must be its teacher's network; says the first field that is not.
void check_agreement(const RunConfig& config, const DataSplits& data, const Checkpoint& teacher,
                     const std::string& source, const std::string& teacher_name) {
  const bool same = write_network(make_network(config.network, data.shape, data.classes)) ==
                    write_network(teacher.network);
  if (config.network.family == "file" && !same)
    fail_config("/network/file", "the description of the teacher " + teacher_name,
                config.network.file, source);
  const Json mine = write_network_config(config.network);
  const Json* run = teacher.config.find("network");
  for (const auto& [key, value] : mine.as_object()) {
    const Json* theirs = run && !same ? run->find(key) : nullptr;
    if (theirs && *theirs != value)
      fail_config("/network/" + key,
                  theirs->dump() + ", as the teacher " + teacher_name + " has it", value.dump(),
                  source);
  }
  if (!config.data.mean.empty() &&
      !(Preprocessing{config.data.mean, config.data.deviation} == teacher.preprocessing))
    fail_config("/data/mean", "the teacher's preprocessing (leave mean and deviation out)",
                Json::array(config.data.mean).dump(), source);
}

Checkpoint finished_teacher(const RunFolder& folder) {
  const std::string path = path_exists(folder.best()) ? folder.best() : folder.last();
  Checkpoint c = load_checkpoint(path);
  const Json summary =
      Json::parse(read_file(folder.file("summary.json")), folder.file("summary.json"));
  const Json& part = summary.at(path == folder.best() ? "best" : "last");
  c.metrics = Json::object({{"run", c.run},
                            {"checkpoint", file_name(path)},
                            {"validation_accuracy", part.at("validation_accuracy")},
                            {"test_accuracy", part.at("test_accuracy")}});
  return c;
}

/// Trains, resumes or reuses the teacher; returns its checkpoint and where it is.
Checkpoint obtain_teacher(const RunConfig& config, const DataSplits& data, const std::string& runs,
                          const std::string& source, const std::string& student, Progress& progress,
                          std::string& where) {
  if (!config.teacher->checkpoint.empty()) {
    where = config.teacher->checkpoint;
    Checkpoint c = load_checkpoint(where);
    Json metrics = Json::object({{"run", c.run}, {"checkpoint", file_name(where)}});
    for (const auto& [key, value] : c.metrics.as_object()) metrics.set(key, value);
    c.metrics = metrics;
    return c;
  }
  RunSpec spec;
  spec.config = teacher_config(config);
  spec.source = source;
  spec.data = data;
  spec.resume = student;
  spec.name =
      fmt::format("{}-{}-teacher-{}", make_network(config.network, data.shape, data.classes).name,
                  config.data.name, teacher_key(spec.config, data));
  where = path_join(path_join(runs, "teachers"), spec.name);
  RunFolder folder(where, /*wait=*/true);
  if (folder.finished()) {
    log_info("train", "teacher: reusing {}", where);
  } else {
    log_info("train", "teacher: {} {}", path_exists(folder.last()) ? "going on with" : "training",
             where);
    write_config(folder, spec.config, data);
    train_run(spec, folder, progress);
  }
  return finished_teacher(folder);
}

std::string percent(const Json& value) {
  return value.is_null() ? "–" : fmt::format("{:.2f} %", value.as_number());
}

void print_summary(const RunFolder& folder, bool json) {
  const Json summary =
      Json::parse(read_file(folder.file("summary.json")), folder.file("summary.json"));
  if (json) {
    fmt::print("{}\n", summary.dump(2));
    return;
  }
  fmt::print("{}: {} with {} skips ({} before), {} parameters, {} epochs in {:.0f} s\n",
             folder.path(), summary.at("network").as_string(), summary.at("skips").as_int(),
             summary.at("skips_before").as_int(), summary.at("parameters").as_int(),
             summary.at("epochs").as_int(), summary.at("seconds").as_number());
  if (const Json& teacher = summary.at("teacher"); !teacher.is_null()) {
    const Json* validation = teacher.find("validation_accuracy");
    const Json* test = teacher.find("test_accuracy");
    fmt::print("teacher  validation {}  test {}\n", percent(validation ? *validation : Json()),
               percent(test ? *test : Json()));
  }
  for (const char* part : {"last", "best"}) {
    const Json& p = summary.at(part);
    if (!p.is_null())
      fmt::print("{}     validation {}  test {}\n", part, percent(p.at("validation_accuracy")),
                 percent(p.at("test_accuracy")));
  }
  fmt::print("next: tailor export --checkpoint {}\n", folder.path());
}

}  // namespace

int torch_train(const TrainOptions& options) {
  LoadedConfig loaded;
  std::string output;
  if (!options.resume.empty()) {
    if (!options.config.empty() || !options.set.empty() || !options.output.empty() || options.force)
      fail(ErrorKind::Usage,
           "--resume {}: the run knows its configuration; leave --config, --set, --output and "
           "--force out",
           options.resume);
    output = options.resume;
    while (output.size() > 1 && output.back() == '/') output.pop_back();
    const std::string file = path_join(output, "config.json");
    if (!path_exists(file))
      fail(ErrorKind::Usage, "--resume {}: there is no config.json: not a run folder",
           options.resume);
    loaded = load_run_config(file, {});
    loaded.name = file_name(output);
    if (std::string& description = loaded.config.network.file; description == kDescription)
      description = absolute_path(path_join(output, description));
  } else {
    if (options.config.empty())
      fail(ErrorKind::Usage,
           "expected --config NAME or FILE (such as quickstart; tailor config list prints all), or "
           "--resume RUN");
    loaded = load_run_config(options.config, options.set);
    output = options.output.empty() ? path_join("runs", loaded.name) : options.output;
    while (output.size() > 1 && output.back() == '/') output.pop_back();
    if (path_exists(output) && !is_empty_directory(output)) {
      if (!options.force)
        fail(ErrorKind::Usage,
             "{}: the folder is not empty; go on with --resume {}, or begin again with --force",
             output, output);
      if (!path_exists(path_join(output, "config.json")))
        fail(ErrorKind::Usage,
             "--force {}: the folder is no run (it has no config.json) and is left alone", output);
      remove_all(output);
    }
    // The folder may be resumed from anywhere.
    RunConfig& c = loaded.config;
    if (c.data.root.empty()) {
      const char* environment = std::getenv("TAILOR_DATA");
      c.data.root = environment && *environment ? environment : "data";
    }
    c.data.root = absolute_path(c.data.root);
    if (!c.network.file.empty()) c.network.file = absolute_path(c.network.file);
    if (c.teacher && !c.teacher->checkpoint.empty())
      c.teacher->checkpoint = absolute_path(c.teacher->checkpoint);
  }
  const RunConfig& config = loaded.config;
  RunSpec spec;
  spec.name = file_name(output);
  spec.config = config;
  spec.source = loaded.source;
  spec.data = open_data(config.data);
  if (config.teacher) {  // what cannot work is said before the teacher's hours and the run's folder
    const std::string& file = config.teacher->checkpoint;
    Network network;
    if (file.empty()) {
      network = make_network(config.network, spec.data.shape, spec.data.classes);
    } else {
      const Checkpoint teacher = load_checkpoint(file);
      network = teacher.network;
      verify_data_fits(spec.data, network.input, network.classes, "the teacher " + file,
                       teacher.class_names);
      check_agreement(config, spec.data, teacher, spec.source, file);
    }
    plan_edits(config.surgery, network, config.train.epochs, spec.source);
  }

  RunFolder folder(output, /*wait=*/false);
  if (folder.finished()) {
    log_info("train", "{} is finished already", output);
    print_summary(folder, options.json);
    return 0;
  }
  write_config(folder, spec.config, spec.data);
  set_log_file(folder.file("train.log"));
  const int threads = set_torch_threads(config.runtime.threads);
  log_info("train", "{}: {} on {}, {} training, {} validation, {} test images, {} threads", output,
           loaded.source, spec.data.name, spec.data.train->size(),
           spec.data.validation ? spec.data.validation->size() : 0, spec.data.test->size(),
           threads);
  auto progress = make_stderr_progress();
  if (config.teacher) {
    const std::string runs = parent_path(output).empty() ? "." : parent_path(output);
    std::string where;
    spec.teacher = obtain_teacher(config, spec.data, runs, loaded.source, output, *progress, where);
    folder.link_teacher(where);
  }
  train_run(spec, folder, *progress);
  set_log_file("");
  print_summary(folder, options.json);
  return 0;
}

}  // namespace tailor

// tailor train: resolves the configuration and has its recipe run.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "cli/source.h"
#include "cli/torch/plugin.h"
#include "tailor/cli/commands.h"
#include "tailor/core/files.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/data/source.h"
#include "tailor/run/launch.h"
#include "tailor/run/origin.h"
#include "tailor/run/results.h"
#include "tailor/run/shared_run.h"
#include "tailor/train/device.h"
#include "tailor/train/group.h"
#include "tailor/train/recipe.h"

namespace tailor::cli {
namespace {

std::string percent(const Json* value) {
  return value && !value->is_null() ? fmt::format("{:.2f} %", value->as_number()) : "–";
}

void print_part(const char* name, const RunSummary::Judgement& part) {
  auto text = [](const std::optional<double>& value) {
    return value ? fmt::format("{:.2f} %", *value) : "–";
  };
  fmt::print(
      "{}     validation {}  test {}{}\n", name, text(part.validation.value), text(part.test.value),
      part.mean_bits ? fmt::format("  products of {0:.2f} x {0:.2f} bits", *part.mean_bits) : "");
}

void print_summary(const std::string& folder, bool json) {
  const std::string file = path_join(folder, "summary.json");
  if (json) {
    fmt::print("{}\n", Json::parse(read_file(file), file).dump(2));
    return;
  }
  const RunSummary s = read_summary(file);
  fmt::print("{}: {} with {} ({} before), {}, {} in {:.0f} s\n", folder, s.network,
             counted(s.skips, "skip"), s.skips_before, counted(s.parameters, "parameter"),
             counted(s.epochs, "epoch"), s.seconds);
  if (!s.teacher.is_null()) {
    const std::string& figure = s.last.test.name;
    fmt::print("teacher  validation {}  test {}\n", percent(s.teacher.find("validation_" + figure)),
               percent(s.teacher.find("test_" + figure)));
  }
  if (const EarlierPhases& e = s.earlier; e.phases > 0) {
    fmt::print("and {} before it, {} in {:.0f} s\n", counted(e.phases, "phase"),
               counted(e.epochs, "epoch"), e.seconds);
  }
  print_part("last", s.last);
  if (s.best) print_part("best", *s.best);
  fmt::print("next: tailor export --checkpoint {}\n", shell_quote(folder));
}

/// What a command asks for: a run that begins, or one that goes on.
struct Request {
  LoadedConfig loaded;
  std::string output;
  bool goes_on = false;
  std::string stored;  // config.json as it was read
};

std::string without_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

/// A run may begin where nothing is, and with --force where a run is.
void check_place(const std::string& output, bool force) {
  if (RunFolder::is_free(output)) return;
  if (!is_directory(output))
    fail(ErrorKind::Usage, "{}: it is a file, expected a folder; name another --output", output);
  if (!RunFolder::is_run(output)) {
    if (force) {
      fail(ErrorKind::Usage,
           "--force {}: the folder is no run (it has no config.json) and is left alone", output);
    }
    fail(ErrorKind::Usage,
         "{}: the folder is not empty and no run (it has no config.json); name another --output",
         output);
  }
  if (!force) {
    fail(ErrorKind::Usage,
         "{}: the folder is not empty; go on with --resume {}, or begin again with --force", output,
         shell_quote(output));
  }
}

/// A run's config.json names the description beside it.
void find_description(NetworkConfig& network, const std::string& folder) {
  const std::string beside = path_join(folder, kDescription);
  if (network.file == kDescription && path_exists(beside)) network.file = absolute_path(beside);
}

/// The run in a folder as it was begun.
Request stored_run(const std::string& folder) {
  Request request;
  request.output = without_slash(folder);
  request.goes_on = true;
  const std::string file = path_join(request.output, "config.json");
  if (!path_exists(file)) {
    fail(ErrorKind::Usage, "--resume {}: {}", folder,
         path_exists(folder) ? "there is no config.json: not a run folder"
                             : "there is no such folder");
  }
  request.stored = read_file(file, "configuration");
  LoadedConfig& loaded = request.loaded;
  loaded = load_run_config(file, {});
  loaded.name = file_name(request.output);
  loaded.without_effect.clear();  // every key is in there, set by the user or not
  find_description(loaded.config.network, request.output);
  return request;
}

/// What makes the experiment: the machine's settings do not, nor where an official data set lies. A
/// device is such a setting as threads are: both round sums in an order of their own, and neither
/// changes what is asked for.
Json experiment(RunConfig config) {
  config.runtime = {};
  if (!config.data.is_own()) config.data.root.clear();
  Json description;
  if (std::string& file = config.network.file; !file.empty()) {
    description = write_network(read_network(Json::parse(read_file(file), file), file));
    file.clear();
  }
  Json json = write_run_config(config);
  json.find("network")->set("file", description);
  for (const char* optional : {"quantization", "phases"}) {
    if (!json.find(optional)) json.set(optional, Json());
  }
  return json;
}

/// A folder stands for the checkpoint that it had when the run began; the run may need neither now.
void settle_checkpoint(const std::string& key, std::string& asked, const std::string& stored) {
  if (!is_named(asked)) return;
  if (parent_path(stored) == asked) asked = stored;
  if (path_exists(asked)) asked = named_file(key, asked);
}

std::string phase_key(size_t index, const char* key) {
  return fmt::format("phases.{}.{}", index, key);
}

/// The stored run, if the command asks for the very same; else throws Config with the first key.
Request same_run(const Request& asked) {
  Request run = stored_run(asked.output);
  RunConfig &mine = run.loaded.config, now = asked.loaded.config;
  settle_checkpoint("train.start", now.train.start, mine.train.start);
  if (now.teacher && mine.teacher) {
    settle_checkpoint("teacher.checkpoint", now.teacher->checkpoint, mine.teacher->checkpoint);
    settle_checkpoint("teacher.start", now.teacher->train.start, mine.teacher->train.start);
  }
  for (size_t i = 0; i < std::min(now.phases.size(), mine.phases.size()); ++i) {
    PhaseConfig &asked_for = now.phases[i], &begun = mine.phases[i];
    settle_checkpoint(phase_key(i, "start"), asked_for.start, begun.start);
    if (!asked_for.names_teacher()) continue;
    settle_checkpoint(phase_key(i, "teacher"), asked_for.teacher, begun.teacher);
    if (asked_for.weights_sha256.empty()) asked_for.weights_sha256 = begun.weights_sha256;
  }
  if (std::string& file = now.network.file; !file.empty() && !path_exists(file)) {
    log_warn("train", "network.file {}: it is gone, and so not compared with the run's own copy",
             file);
    file = mine.network.file;
  }
  if (now.teacher && mine.teacher && now.teacher->weights_sha256.empty())
    now.teacher->weights_sha256 = mine.teacher->weights_sha256;
  const ConfigDifference d = first_difference(experiment(now), experiment(mine), "");
  if (!d.pointer.empty()) {
    fail_config(
        d.pointer, fmt::format("{}, as the run {} was begun with", d.theirs, asked.output), d.mine,
        asked.loaded.source +
            " (name another --output, or begin again with --force instead of --auto-resume)");
  }
  mine.runtime = now.runtime;
  mine.data.root = now.data.root;
  run.loaded.without_effect = asked.loaded.without_effect;
  return run;
}

Request read_request(const TrainOptions& options) {
  if (options.auto_resume && (options.force || !options.resume.empty()))
    fail(ErrorKind::Usage, "--auto-resume: leave --resume and --force out: it begins or goes on");
  if (!options.resume.empty()) {
    if (!options.config.empty() || !options.set.empty() || !options.output.empty() ||
        options.force) {
      fail(ErrorKind::Usage,
           "--resume {}: the run knows its configuration; leave --config, --set, --output and "
           "--force out (with other runtime settings it goes on by the command that began it, "
           "--auto-resume and --set runtime.KEY=VALUE)",
           options.resume);
    }
    return stored_run(options.resume);
  }
  if (options.config.empty()) {
    fail(ErrorKind::Usage,
         "expected --config NAME or FILE (such as quickstart; tailor config list prints all), or "
         "--resume RUN");
  }
  Request request;
  request.loaded = load_run_config(options.config, options.set);
  request.output = without_slash(options.output.empty() ? path_join("runs", request.loaded.name)
                                                        : options.output);
  const bool there = options.auto_resume && RunFolder::is_run(request.output);
  // Before --resume or --force is advised: neither is for a run that another process is training.
  if (!there && RunFolder::is_run(request.output)) RunFolder(request.output, /*wait=*/false);
  if (!there) check_place(request.output, options.force);
  // The folder may be resumed from anywhere.
  RunConfig& c = request.loaded.config;
  if (c.data.root.empty() && !traits_of(c.data).in_memory) {
    const char* environment = std::getenv("TAILOR_DATA");
    c.data.root = environment && *environment ? environment : "data";
  }
  c.data.root = absolute_path(c.data.root);
  if (file_name(options.config) == "config.json")
    find_description(c.network, parent_path(options.config));
  if (!c.network.file.empty()) c.network.file = absolute_path(c.network.file);
  auto name_file = [&](const std::string& key, std::string& checkpoint) {
    if (is_named(checkpoint))
      checkpoint = there ? absolute_path(checkpoint) : named_file(key, checkpoint);
  };
  name_file("train.start", c.train.start);
  if (c.teacher) {
    name_file("teacher.checkpoint", c.teacher->checkpoint);
    name_file("teacher.start", c.teacher->train.start);
  }
  for (size_t i = 0; i < c.phases.size(); ++i) {
    name_file(phase_key(i, "start"), c.phases[i].start);
    if (c.phases[i].names_teacher()) name_file(phase_key(i, "teacher"), c.phases[i].teacher);
  }
  return there ? same_run(request) : request;
}

/// Speech's networks have fine strides and long kernels for 10 ms frames, current's for samples.
void say_other_kind(const NetworkConfig& network, const DataSplits& data) {
  if (!network.quartznet) return;
  const bool dna = network.quartznet->kind == QuartzKind::Dna;
  const ExampleKind usual = dna ? ExampleKind::Signal : ExampleKind::Speech;
  if (data.kind == usual) return;
  log_warn("train", "network.quartznet.kind is {}, of networks on {}; {} has {}",
           dna ? "dna" : "speech", to_string(usual), data.name, to_string(data.kind));
}

/// Now that nobody else can: what was looked at before must still be so.
void claim(RunFolder& folder, const Request& request, bool force) {
  if (!request.goes_on) {
    check_place(folder.path(), force);
    if (force) folder.clear();
  } else if (!RunFolder::is_run(folder.path()) ||
             read_file(folder.file("config.json")) != request.stored) {
    fail(ErrorKind::Usage, "{}: another process began another run here meanwhile; try again",
         folder.path());
  }
}

}  // namespace

namespace {

const char* variable(const char* name) { return std::getenv(name); }

/// The leader's word to those who follow that nothing more comes: whatever has happened to it, they
/// do not wait.
class Ending {
 public:
  explicit Ending(Group& group) : group_(group) {}
  ~Ending() {
    try {
      group_.tell(Json::object({{"end", code_}}));
      group_.leave();
    } catch (const std::exception&) {
      // Nobody is there to be told.
    }
  }
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;
  int with(int code) {
    code_ = code;
    return code;
  }

 private:
  Group& group_;
  int64_t code_ = exit_code(ErrorKind::Worker);
};

/// Before any folder: what the processes cannot do together is said here.
c10::Device connect(Group& group, const TrainOptions& options, const LoadedConfig& loaded) {
  const std::string& asked = loaded.config.runtime.device;
  const c10::Device device = resolve_device(asked, group.launch(), loaded.source);
  if (options.gpus) {
    const auto gpus = static_cast<int64_t>(list_devices().size()) - 1;
    if (device.is_cpu() || gpus < *options.gpus) {
      fail(ErrorKind::Usage,
           "--gpus {}: LibTorch finds {} (runtime.device is {}); on the CPU: --workers {}",
           *options.gpus, counted(gpus, "GPU"), asked, *options.gpus);
    }
  }
  if (!group.is_shared()) return device;
  verify_sharing(group.launch(), device);
  group.tell(Json::object({{"connect", asked}}));
  group.connect(device);
  return device;
}

int lead(const TrainOptions& options, Group& group);

}  // namespace

int torch_train(const TrainOptions& options) {
  const Launch launch = read_launch(variable);
  if (launch.rank > 0) {
    set_error_origin(fmt::format("worker {}", launch.rank));
    set_log_levels("error");
    silence_interrupts();
  }
  try {
    const std::unique_ptr<Group> group = Group::open(launch);
    if (!group->leads()) return follow(*group);
    if (!group->is_shared()) return lead(options, *group);
    Ending ending(*group);
    return ending.with(lead(options, *group));
  } catch (const Error& e) {
    // Who started us sees which one is gone.
    if (e.kind() == ErrorKind::Worker && launch.is_own()) return exit_code(e.kind());
    throw;
  }
}

namespace {

int lead(const TrainOptions& options, Group& group) {
  const Request request = read_request(options);
  const LoadedConfig& loaded = request.loaded;
  const std::string& output = request.output;
  auto finished = [&] {
    log_info("train", "{} is finished already", output);
    print_summary(output, options.json);
    return 0;
  };
  if (request.goes_on && path_exists(path_join(output, "summary.json"))) return finished();
  const c10::Device device = connect(group, options, loaded);
  RecipeRun run(loaded.config, make_recipe(loaded.config), loaded.source, output, request.goes_on,
                group);
  RunFolder folder(output, /*wait=*/false);
  claim(folder, request, options.force);
  if (folder.finished()) return finished();
  run.begin(folder);
  set_log_file(folder.file("train.log"));
  for (const std::string& text : loaded.without_effect) log_warn("config", "{}", text);
  const int threads = set_torch_threads(loaded.config.runtime.threads, group.launch());
  const RunConfig& all = loaded.config;
  const TrainConfig last = all.phases.empty()
                               ? all.train
                               : resolve_phase(all, all.phases.size() - 1, loaded.source).train;
  const SumOrder order{threads, group.size(),
                       kernels_in_words(all.runtime, last.precision, device)};
  folder.sign(order);
  const DataSplits& data = run.data();
  log_info("train", "{}: {} on {}, {} training, {} validation, {} test examples, {}{} threads{}",
           output, loaded.source, data.name, data.train->size(),
           data.validation ? data.validation->size() : 0, data.test->size(),
           group.is_shared() ? fmt::format("{} workers, each with ", group.size()) : "", threads,
           device.is_cpu() ? "" : ", " + device.str());
  say_other_kind(loaded.config.network, data);
  run.say_seen();
  const Network network = initial_network(loaded.config, data.shape, data.classes);
  ExportConfig exporting = loaded.config.exporting;
  if (const auto& q = loaded.config.quantization) {
    exporting = with_precision(
        exporting, resolve_precision(*q, exporting, network, /*input_magnitude=*/0, loaded.source));
  }
  for (const Limit& limit : estimate_network(network, exporting).limits)
    log_warn("train", "exported with the settings of \"export\": {}", limit.text);
  try {
    run.run(folder, order, *make_stderr_progress());
  } catch (const Interrupted& e) {
    log_info("train", "stopped by signal {} ({}); go on with: tailor train --resume {}", e.signal(),
             ::strsignal(e.signal()), shell_quote(output));
    throw;
  }
  set_log_file("");
  print_summary(output, options.json);
  return 0;
}

}  // namespace
}  // namespace tailor::cli

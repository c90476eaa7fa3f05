#include "tailor/run/sweep.h"

#include <algorithm>

#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/run/recipe.h"
#include "tailor/run/run_folder.h"

namespace tailor::run {
namespace {

/// Without what may differ between a configuration and the config.json of its run.
Json without_places(RunConfig c) {
  c.runtime = {};
  if (!c.data.is_own()) c.data.root.clear();
  if (!c.data.root.empty()) c.data.root = absolute_path(c.data.root);
  c.network.file.clear();
  if (is_named(c.train.start)) c.train.start.clear();
  for (PhaseConfig& phase : c.phases) {
    if (is_named(phase.start)) phase.start.clear();
    if (phase.names_teacher()) phase.teacher = "named", phase.weights_sha256.clear();
  }
  if (c.teacher) {
    c.teacher->checkpoint.clear();
    c.teacher->weights_sha256.clear();
    c.teacher->train.start.clear();
  }
  return write_run_config(c);
}

/// It was checked as it was written: what is wrong with it now is damage.
RunConfig read_begun(const std::string& file) {
  try {
    return read_run_config(Json::parse(read_file(file), file), file);
  } catch (const Error& e) {
    fail(ErrorKind::Data, "{}; put the file back, or move the run away and it is begun again",
         e.what());
  }
}

}  // namespace

std::vector<SweepRun> load_sweep(const std::string& path, const std::vector<std::string>& overrides,
                                 const std::string& output, const std::string& only) {
  std::vector<SweepRun> runs;
  for (NamedConfig& named : load_run_configs(path, overrides, only)) {
    LoadedConfig& loaded = named.loaded;
    const std::string folder = path_join(output, loaded.name);
    if (loaded.name == "teachers" || ends_with(loaded.name, ".log")) {
      fail(ErrorKind::Config,
           "{}: expected another name than {}: runs lie beside the folder teachers/ and their logs",
           loaded.source, loaded.name);
    }
    runs.push_back({std::move(loaded.name), std::move(named.name), std::move(loaded.source), folder,
                    std::move(loaded.config)});
  }
  return runs;
}

RunState state_of(const SweepRun& run) {
  if (!RunFolder::is_run(run.folder)) return RunState::Waiting;
  return path_exists(path_join(run.folder, "summary.json")) ? RunState::Finished
                                                            : RunState::Interrupted;
}

void check_as_begun(const SweepRun& run) {
  if (state_of(run) == RunState::Waiting)
    return refuse_vain_phases(run.config, make_recipe(run.config), run.source);
  RunConfig begun = read_begun(path_join(run.folder, "config.json"));
  if (run.config.data.root.empty()) begun.data.root.clear();
  const ConfigDifference d =
      first_difference(without_places(run.config), without_places(begun), "");
  if (d.pointer.empty()) return;
  fail_config(d.pointer, fmt::format("{}, as the run {} was begun with", d.theirs, run.folder),
              d.mine,
              run.source + " (name another --output, or move the run away and it is begun again)");
}

SweepShare parse_share(const std::string& text) {
  const size_t slash = text.find('/');
  const auto number = parse_int(text.substr(0, slash)),
             count = slash == std::string::npos ? std::nullopt : parse_int(text.substr(slash + 1));
  if (!number || !count || *number < 1 || *number > *count) {
    fail(ErrorKind::Usage, "--task: expected I/N, the I-th of N tasks, from 1/N to N/N, got '{}'",
         text);
  }
  return {*number - 1, *count};
}

std::optional<SweepShare> share_of_task(const Environment& environment) {
  const auto value = [&](const char* name) {
    const char* text = environment(name);
    return std::string(text ? text : "");
  };
  const std::string id = value("SLURM_ARRAY_TASK_ID"), count = value("SLURM_ARRAY_TASK_COUNT");
  if (id.empty() || count.empty()) return std::nullopt;
  const std::optional<int64_t> task = parse_int(id), tasks = parse_int(count);
  const int64_t first = parse_int(value("SLURM_ARRAY_TASK_MIN")).value_or(0),
                step = std::max<int64_t>(1, parse_int(value("SLURM_ARRAY_TASK_STEP")).value_or(1));
  const int64_t offset = task ? *task - first : -1;
  if (!tasks || offset < 0 || offset % step != 0 || offset / step >= *tasks) {
    fail(ErrorKind::Usage,
         "task {} of a SLURM array of {}, the first of which is {}: expected an array without "
         "gaps, such as 1-{}; or say which share is this task's with --task I/N",
         id, count, first, count);
  }
  return SweepShare{offset / step, *tasks};
}

std::vector<SweepRun> take_share(const std::vector<SweepRun>& runs, SweepShare share) {
  std::vector<SweepRun> taken;
  for (size_t i = static_cast<size_t>(share.index); i < runs.size();
       i += static_cast<size_t>(share.count))
    taken.push_back(runs[i]);
  return taken;
}

std::string teacher_key(const RunConfig& config) {
  if (!config.teacher || !config.teacher->checkpoint.empty()) return "";
  RunConfig key;
  key.network = config.network, key.data = config.data, key.ctc = config.ctc;
  key.teacher = config.teacher;
  return write_run_config(key).dump();
}

bool has_teacher(const SweepRun& run) {
  return path_exists(path_join(run.folder, "teacher/summary.json"));
}

}  // namespace tailor::run

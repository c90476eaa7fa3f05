// tailor sweep: many trainings, each `tailor train --auto-resume` in a process of its own. This
// process holds no state that a second start would miss: what is done is in the run folders.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "cli/compare.h"
#include "cli/runs.h"
#include "tailor/cli/commands.h"
#include "tailor/cli/torch_plugin.h"
#include "tailor/core/error.h"
#include "tailor/core/files.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/log.h"
#include "tailor/core/process.h"
#include "tailor/core/strings.h"
#include "tailor/core/threads.h"
#include "tailor/run/results.h"
#include "tailor/run/run_folder.h"
#include "tailor/run/sweep.h"

namespace tailor::cli {
namespace {

using Clock = std::chrono::steady_clock;

const char* environment_value(const char* name) { return std::getenv(name); }

/// How many runs go on at once, and with how many threads each; 0: as LibTorch takes them.
struct Division {
  int64_t jobs = 1, threads = 0;
};

/// Sums are taken in the order of the threads, so a repeated command must divide alike whatever has
/// been finished meanwhile: by all `runs`, not by those that are left.
Division divide(const std::vector<SweepRun>& runs, const std::optional<int64_t>& asked) {
  const int64_t available = available_threads();
  int64_t most = 1;  // of what a configuration asks for
  bool on_gpu = false;
  for (const SweepRun& run : runs) {
    most = std::max(most, run.config.runtime.threads);
    on_gpu = on_gpu || (run.config.runtime.device != "cpu" && path_exists("/dev/nvidia0"));
  }
  Division d;
  d.jobs = asked    ? *asked
           : on_gpu ? 1
                    : std::max<int64_t>(
                          1, std::min(available / most, static_cast<int64_t>(runs.size())));
  d.threads = std::max<int64_t>(1, available / d.jobs);
  return d;
}

/// A run that is to be trained now.
struct Job {
  const SweepRun* run = nullptr;
  std::string log, teacher;  // the teacher's key
  std::unique_ptr<BackgroundProcess> process;
  Clock::time_point began;
  std::optional<int> status;  // once it has ended

  bool runs() const { return process && !status; }
};

std::string log_of(const SweepRun& run) { return run.folder + ".log"; }

/// A process that was told to stop, and has saved.
bool is_stopped(int status) {
  return status == 128 + SIGINT || status == 128 + SIGTERM || status == 128 + SIGUSR1;
}

/// The error that the program ended with, as its log has it.
std::string last_error(const std::string& log) {
  std::string error;
  if (!path_exists(log)) return error;
  for (const std::string& line : split(read_file(log), '\n')) {
    if (starts_with(line, "$ ")) error.clear();  // another start
    if (starts_with(line, "tailor: ")) error = line.substr(8);
  }
  return error;
}

std::string result_text(const SweepRun& run) {
  const RecordedFigure figure = read_summary(path_join(run.folder, "summary.json")).last.test;
  if (!figure.value) return "";
  return fmt::format(", test {} {:.2f}{}", figure.name, *figure.value, figure.is_share ? " %" : "");
}

class Sweep {
 public:
  Sweep(const std::vector<SweepRun>& runs, const SweepOptions& options)
      : options_(options), division_(divide(runs, options.jobs)) {
    for (const SweepRun& run : runs) {
      if (state_of(run) == RunState::Finished) continue;
      Job& job = jobs_.emplace_back();
      job.run = &run, job.log = log_of(run), job.teacher = teacher_key(run.config);
    }
    log_info(
        "sweep", "{}, {} to train{}", counted(static_cast<int64_t>(runs.size()), "run"),
        jobs_.size(),
        jobs_.empty()
            ? ""
            : fmt::format(", {} at a time, {} each",
                          std::min(division_.jobs, static_cast<int64_t>(jobs_.size())), threads()));
  }

  const std::vector<Job>& jobs() const { return jobs_; }

  /// Until nothing runs any more: all is done, or a signal or a failure stops it.
  void work() {
    if (!jobs_.empty() && !torch_is_built()) open_torch();  // says what it is
    int signal = 0;
    for (;;) {
      if (signal == 0 && (signal = pending_interrupt()) != 0) {
        for (Job& job : jobs_) {
          if (job.runs()) job.process->signal(signal);
        }
      }
      int64_t running = 0;
      for (Job& job : jobs_) {
        if (job.runs()) look(job);
        running += job.runs();
      }
      Job* next = nullptr;
      while (signal == 0 && !is_failed_ && running < division_.jobs && (next = next_job())) {
        begin(*next);
        ++running;
      }
      if (running == 0) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }

 private:
  /// The first that waits and whose teacher no other is training: it would only wait for that. If
  /// there are only such, the first of them.
  Job* next_job() {
    std::set<std::string> in_training;
    for (const Job& job : jobs_) {
      if (job.runs() && !job.teacher.empty() && !has_teacher(*job.run))
        in_training.insert(job.teacher);
    }
    Job* first = nullptr;
    for (Job& job : jobs_) {
      if (job.process) continue;
      if (in_training.count(job.teacher) == 0) return &job;
      if (!first) first = &job;
    }
    return first;
  }

  void begin(Job& job) {
    const SweepRun& run = *job.run;
    std::vector<std::string> command = {std::filesystem::read_symlink("/proc/self/exe").string(),
                                        "train",
                                        "--auto-resume",
                                        "--config",
                                        run.named,
                                        "--output",
                                        run.folder};
    for (const std::string& assignment : options_.set)
      command.insert(command.end(), {"--set", assignment});
    if (run.config.runtime.threads == 0) {
      command.insert(command.end(),
                     {"--set", fmt::format("runtime.threads={}", division_.threads)});
    }
    create_directories(options_.output);
    std::string said;
    for (const std::string& word : command) said += " " + shell_quote(word);
    append_line(job.log, "$" + said);
    ++begun_;
    log_info("sweep", "{} ({} of {}): {}", run.name, begun_, jobs_.size(),
             state_of(run) == RunState::Interrupted ? "going on" : "beginning");
    const std::string threads = std::to_string(threads_of(run));
    job.began = Clock::now();
    job.process = std::make_unique<BackgroundProcess>(
        command, job.log,
        ProcessVariables{{"OMP_NUM_THREADS", threads}, {"OPENBLAS_NUM_THREADS", threads}});
  }

  int64_t threads_of(const SweepRun& run) const {
    return run.config.runtime.threads > 0 ? run.config.runtime.threads : division_.threads;
  }
  /// Of the runs that are left: "1 thread", or "1 to 4 threads".
  std::string threads() const {
    int64_t least = threads_of(*jobs_.front().run), most = least;
    for (const Job& job : jobs_) {
      least = std::min(least, threads_of(*job.run));
      most = std::max(most, threads_of(*job.run));
    }
    return (least < most ? fmt::format("{} to ", least) : "") + counted(most, "thread");
  }

  static void append_line(const std::string& path, const std::string& line) {
    std::FILE* file = std::fopen(path.c_str(), "ae");
    const bool written =
        file && std::fprintf(file, "%s\n", line.c_str()) > 0 && std::fflush(file) == 0;
    if (file) std::fclose(file);
    if (!written) fail(ErrorKind::Data, "cannot write {}", path);
  }

  void look(Job& job) {
    job.status = job.process->status();
    if (!job.status) return;
    const SweepRun& run = *job.run;
    const double seconds = std::chrono::duration<double>(Clock::now() - job.began).count();
    if (*job.status == 0) {
      log_info("sweep", "{}: finished in {:.0f} s{}", run.name, seconds, result_text(run));
    } else if (is_stopped(*job.status)) {
      log_info("sweep", "{}: stopped after {:.0f} s", run.name, seconds);
    } else {
      log_warn("sweep", "{}: failed after {:.0f} s (exit code {})", run.name, seconds, *job.status);
      is_failed_ = options_.fail_fast;
    }
  }

  const SweepOptions& options_;
  Division division_;
  std::vector<Job> jobs_;
  size_t begun_ = 0;
  bool is_failed_ = false;
};

/// Says what failed, and why; the exit code of the first.
int conclude(const Sweep& sweep) {
  std::vector<const Job*> failed;
  size_t waiting = 0;
  for (const Job& job : sweep.jobs()) {
    if (!job.status) ++waiting;
    if (job.status.value_or(0) != 0) failed.push_back(&job);
  }
  if (failed.empty()) return 0;
  std::string text = fmt::format("tailor: sweep: {} of {} failed{}:\n", failed.size(),
                                 counted(static_cast<int64_t>(sweep.jobs().size()), "run"),
                                 waiting > 0 ? fmt::format(", {} were not begun", waiting) : "");
  for (const Job* job : failed) {
    const std::string error = last_error(job->log);
    text += fmt::format("  {}: exit code {}{}{} (see {})\n", job->run->name, *job->status,
                        error.empty() ? "" : ", ", error, job->log);
  }
  std::fputs(text.c_str(), stderr);
  return *failed[0]->status;
}

/// Of a run that was begun: what cannot be read of it; empty: nothing.
std::string damage_of(const SweepRun& run) {
  try {
    check_as_begun(run);
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::Data) return e.what();  // else it was begun with another one
  }
  if (state_of(run) != RunState::Finished) return "";
  try {
    read_summary(path_join(run.folder, "summary.json"));
    return "";
  } catch (const Error& e) {
    return e.what();
  }
}

/// Finished runs that nobody can read are not done.
int conclude_damaged(const std::vector<SweepRun>& runs) {
  std::vector<std::string> lines;
  for (const SweepRun& run : runs) {
    const std::string damage = state_of(run) == RunState::Finished ? damage_of(run) : "";
    if (!damage.empty()) lines.push_back(fmt::format("  {}: {}\n", run.name, damage));
  }
  if (lines.empty()) return 0;
  const std::string text =
      fmt::format("tailor: sweep: {} of {} damaged:\n{}", lines.size(),
                  counted(static_cast<int64_t>(runs.size()), "run"), join(lines, ""));
  std::fputs(text.c_str(), stderr);
  return exit_code(ErrorKind::Data);
}

/// A run that a process holds right now is not interrupted.
std::string state_text(const SweepRun& run) {
  if (!damage_of(run).empty()) return "damaged";
  const RunState state = state_of(run);
  const bool trains = state == RunState::Interrupted && RunFolder::is_held(run.folder);
  return trains ? "training" : to_string(state);
}

Json states_json(const std::vector<SweepRun>& runs) {
  Json::Array list;
  for (const SweepRun& run : runs) {
    list.push_back(Json::object({{"name", run.name},
                                 {"state", state_text(run)},
                                 {"config", run.named},
                                 {"run", run.folder}}));
  }
  return list;
}

int list_runs(const std::vector<SweepRun>& runs, bool json) {
  for (const SweepRun& run : runs) {
    try {
      check_as_begun(run);
    } catch (const Error& e) {
      log_warn("sweep", "{}: {}", run.name, e.what());
    }
  }
  if (json) {
    fmt::print("{}\n", Json::object({{"runs", states_json(runs)}}).dump(2));
    return 0;
  }
  size_t width = 0;
  for (const SweepRun& run : runs) width = std::max(width, run.name.size());
  for (const SweepRun& run : runs) fmt::print("{:{}}  {}\n", run.name, width, state_text(run));
  return 0;
}

/// What `tailor compare` says of the finished ones; runs of different tasks are different tables.
void print_comparison(const std::vector<SweepRun>& runs, bool json) {
  std::map<std::string, std::vector<std::string>> by_figure;
  DamageReport damage("sweep");
  for (const SweepRun& run : runs) {
    if (state_of(run) != RunState::Finished) continue;
    damage.read([&] {
      by_figure[read_summary(path_join(run.folder, "summary.json")).last.test.name].push_back(
          run.folder);
    });
  }
  Json::Array rows;
  for (const auto& [figure, folders] : by_figure) {
    damage.read([&, &shown = folders] {
      if (!json) {
        CompareOptions compare;
        compare.runs = shown;
        run_compare(compare);
        return;
      }
      const Json more = comparison_of(shown);
      rows.insert(rows.end(), more.as_array().begin(), more.as_array().end());
    });
  }
  damage.say(false);
  if (json) {
    fmt::print("{}\n", Json::object({{"runs", states_json(runs)}, {"rows", rows}}).dump(2));
  }
}

/// Those of the command: of the list, those that --only names, and of these this task's.
std::vector<SweepRun> runs_of(const SweepOptions& options) {
  const std::vector<SweepRun> all =
      load_sweep(options.path, options.set, options.output, options.only);
  std::map<std::string, std::string> first;  // by configuration
  for (const SweepRun& run : all) {
    const auto [same, is_new] = first.emplace(write_run_config(run.config).dump(), run.name);
    if (!is_new) log_warn("sweep", "{} is the same run as {}", run.name, same->second);
  }
  const std::optional<SweepShare> share =
      options.task.empty() ? share_of_task(environment_value) : parse_share(options.task);
  if (!share) return all;
  std::vector<SweepRun> runs = take_share(all, *share);
  log_info("sweep", "task {} of {}: {} of {} runs", share->index + 1, share->count, runs.size(),
           all.size());
  return runs;
}

}  // namespace

int run_sweep(const SweepOptions& options) {
  const std::vector<SweepRun> runs = runs_of(options);
  if (options.list) return list_runs(runs, options.json);
  for (const SweepRun& run : runs) {
    try {
      check_as_begun(run);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::Data) throw;
      log_warn("sweep", "{}: {}", run.name, e.what());  // its own training fails, no other one
    }
  }
  if (const Launch launch = read_launch(environment_value); launch.size > 1) {
    fail(ErrorKind::Usage,
         "this is process {} of {} that {} has started: expected one, which starts the trainings "
         "itself; a share for each of several is what --task says",
         launch.rank, launch.size, launch.by);
  }
  Sweep sweep(runs, options);
  sweep.work();
  if (pending_interrupt() != 0) {
    log_info("sweep", "stopped; the same command goes on");
    throw_if_interrupted();
  }
  print_comparison(runs, options.json);
  const int status = conclude(sweep);
  return status != 0 ? status : conclude_damaged(runs);
}

}  // namespace tailor::cli

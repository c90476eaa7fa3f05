// tailor report: runs and projects as one page. What is shown is the room report's; here the files
// are read, and the page is written until every run is finished.
#include <algorithm>
#include <chrono>
#include <ctime>
#include <iterator>
#include <map>
#include <set>
#include <thread>

#include "cli/runs.h"
#include "tailor/cli/commands.h"
#include "tailor/core/files.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/core/version.h"
#include "tailor/report/answers.h"
#include "tailor/report/projects.h"
#include "tailor/report/runs.h"
#include "tailor/run/checkpoint.h"
#include "tailor/run/run_folder.h"

namespace tailor::cli {
namespace {

/// A run with its folder, and the configuration that says how it differs from others.
struct WatchedRun {
  std::string path;
  RunConfig config;
  Settings settings;
  ReportedRun run;
};
/// More runs than these have their own sections folded.
constexpr size_t kMostOpen = 6;

struct Sources {
  std::vector<WatchedRun> runs;
  std::vector<ReportedProject> projects;
  std::vector<std::string> project_paths;
  std::set<std::string> seen;
  std::vector<ReportedEvaluation> evaluations;
  std::vector<ReportedCheck> checks;
};

std::string from_the_start(InitialSkips skips) {
  switch (skips) {
    case InitialSkips::Removed:
      return "no skips from the start";
    case InitialSkips::Shortened:
      return "short skips from the start";
    default:
      return fmt::format("{} from the start", to_string(skips));
  }
}

/// "remove, solve, α 3".
std::string alteration_of(const SurgeryConfig& s, InitialSkips skips) {
  const bool kept = skips == InitialSkips::Kept;
  if (!s.plan.empty()) return "plan of its own";
  if (s.kind == SurgeryKind::None) return kept ? "unaltered" : from_the_start(skips);
  std::vector<std::string> parts = {to_string(s.kind), to_string(s.edit),
                                    fmt::format("α {}", s.alpha)};
  if (s.at_once > 1) parts.push_back(fmt::format("{} at once", s.at_once));
  if (s.order == EditOrder::OutputFirst) parts.emplace_back("output first");
  if (s.optimizer == OptimizerState::Reset) parts.emplace_back("optimiser reset");
  if (!kept) parts.push_back(from_the_start(skips));
  return join(parts, ", ");
}

/// What phase `index` of the run does, which as a run is `c`.
std::string phase_in_words(const RunConfig& run, size_t index, const RunConfig& c) {
  const PhaseConfig& phase = run.phases[index];
  const bool as_before =
      phase.start == kPrevious || (phase.start.empty() && phase.teacher == kPrevious);
  const bool goes_on = index > 0 && as_before && c.surgery.kind == SurgeryKind::None &&
                       c.train.skips == InitialSkips::Kept;
  std::string text = goes_on ? "trained on" : alteration_of(c.surgery, c.train.skips);
  if (c.data.augment != run.data.augment) {
    text += fmt::format(" with {}",
                        c.data.augment.empty() ? "no augmentation" : join(c.data.augment, ", "));
  }
  if (phase.names_teacher())
    text += fmt::format(" under {}", file_name(parent_path(phase.teacher)));
  return text;
}

/// Each training of the configuration's phases, and where the last of them ends.
std::vector<ReportedPhase> phases_of(const RunConfig& run, const std::string& source,
                                     int64_t& end) {
  std::vector<ReportedPhase> phases;
  end = 0;
  for (size_t i = 0; i < run.phases.size(); ++i) {
    const RunConfig c = resolve_phase(run, i, source);
    for (int64_t n = 0; n < run.phases[i].repeat; ++n) {
      phases.push_back({phase_in_words(run, i, c), end});
      end += c.train.epochs;
    }
  }
  return phases;
}

/// "shorten, cut, α 3, then 3 times remove, cut, α 3": what each phase does.
std::string alterations_of(const std::vector<ReportedPhase>& phases) {
  std::vector<std::pair<std::string, int64_t>> steps;
  for (const ReportedPhase& phase : phases) {
    if (steps.empty() || steps.back().first != phase.what) steps.emplace_back(phase.what, 0);
    ++steps.back().second;
  }
  std::vector<std::string> texts;
  texts.reserve(steps.size());
  for (const auto& [what, times] : steps)
    texts.push_back(times > 1 ? fmt::format("{} times {}", times, what) : what);
  return join(texts, ", then ");
}

/// "remove, solve, α 3, features, kl"; `config` is of the last phase.
std::string method_of(const RunConfig& config, const std::string& alterations, bool follows) {
  const SurgeryConfig& s = config.surgery;
  std::vector<std::string> parts = {alterations};
  if (config.distill.features != Features::None) parts.emplace_back("features");
  if (config.distill.through_weight > 0) parts.emplace_back("through the teacher");
  if (!follows) {
    if (s.kind != SurgeryKind::None) parts.emplace_back("no teacher");
  } else if (config.distill.distance != Distance::Mse) {
    parts.emplace_back(to_string(config.distill.distance));
  } else if (s.kind == SurgeryKind::None) {
    parts.emplace_back("distilled");
  }
  if (config.train.optimizer.kind != "sgd") parts.push_back(config.train.optimizer.kind);
  if (config.quantization) parts.emplace_back("quantised");
  return join(parts, ", ");
}

/// The folders of a run's phases, its own behind them.
std::vector<std::string> phase_folders(const WatchedRun& watched) {
  std::vector<std::string> folders;
  for (size_t i = 1; i < watched.run.phases.size(); ++i)
    folders.push_back(RunFolder::phase(watched.path, static_cast<int64_t>(i)));
  folders.push_back(watched.path);
  return folders;
}

/// The lines of all phases that have begun, counted through.
void read_lines(WatchedRun& watched) {
  ReportedRun& run = watched.run;
  run.epochs.clear(), run.alterations.clear();
  const std::vector<std::string> folders = phase_folders(watched);
  for (size_t i = 0; i < folders.size(); ++i) {
    const int64_t first = run.phases.empty() ? 0 : run.phases[i].first_epoch;
    for (EpochMetrics& m : read_metrics(path_join(folders[i], "metrics.jsonl"))) {
      m.epoch += first;
      run.epochs.push_back(std::move(m));
    }
    for (AlterationLine& a : read_alterations(path_join(folders[i], "alterations.jsonl"))) {
      a.epoch += first;
      run.alterations.push_back(std::move(a));
    }
  }
}

/// Of one that is not finished, by what its newest checkpoint and its lines say.
void describe_unfinished(WatchedRun& watched) {
  ReportedRun& run = watched.run;
  run.network = watched.config.network.family;
  for (const std::string& folder : phase_folders(watched)) {
    const std::string last = path_join(folder, "last.ckpt");
    if (!path_exists(last)) continue;
    const Network network = load_checkpoint(last).network;
    run.network = network.name;
    run.skips = static_cast<int64_t>(skip_ids(network).size());
    run.parameters = parameter_count(network);
  }
  // An alteration is written as it is made, the checkpoint after its epoch.
  int64_t by_first = 0, behind_last = 0;  // epoch that there is a line of
  for (const AlterationLine& a : run.alterations) {
    const int64_t fewer = static_cast<int64_t>(a.before.as_array().size()) -
                          static_cast<int64_t>(a.after.as_array().size());
    if (run.epochs.empty() || a.epoch <= run.epochs.front().epoch) by_first += fewer;
    if (!run.epochs.empty() && a.epoch > run.epochs.back().epoch) behind_last += fewer;
  }
  run.skips_before = (run.epochs.empty() ? run.skips : run.epochs.front().skips) + by_first;
  if (!run.epochs.empty()) run.skips = run.epochs.back().skips - behind_last;
}

/// As far as it got; again while it goes on.
void update_run(WatchedRun& watched) {
  ReportedRun& run = watched.run;
  const std::string summary = path_join(watched.path, "summary.json");
  // What makes a run finished is written last, and so read first.
  run.summary.reset();
  if (path_exists(summary)) run.summary = read_summary(summary);
  read_lines(watched);
  if (!run.summary) return describe_unfinished(watched);
  run.network = run.summary->network;
  run.skips_before = run.summary->skips_before, run.skips = run.summary->skips;
  run.parameters = run.summary->parameters;
}

WatchedRun open_run(const std::string& path) {
  const std::string file = path_join(path, "config.json");
  WatchedRun watched{path, load_run_config(file, {}).config, {}, {}};
  const RunConfig& config = watched.config;
  watched.settings = settings_of(config, path);
  RunConfig last = config;
  std::string alterations = alteration_of(config.surgery, config.train.skips);
  watched.run.epochs_planned = config.train.epochs;
  if (!config.phases.empty()) {
    last = resolve_phase(config, config.phases.size() - 1, file);
    std::vector<ReportedPhase> phases = phases_of(config, file, watched.run.epochs_planned);
    alterations = alterations_of(phases);
    if (phases.size() > 1) watched.run.phases = std::move(phases);
  }
  watched.run.name = file_name(absolute_path(path));
  watched.run.data = config.data.name;
  watched.run.method = method_of(last, alterations, config.teacher || !watched.run.phases.empty());
  update_run(watched);
  const std::optional<RunSummary>& summary = watched.run.summary;
  const int64_t told = last_epochs_told(watched.run);
  if (summary && told < summary->epochs) {
    log_warn("report",
             "{}: {} tells of {} of the {} that summary.json has; the others are not shown", path,
             path_join(path, "metrics.jsonl"), told, counted(summary->epochs, "epoch"));
  }
  return watched;
}

/// One that is damaged meanwhile stays as it was last read.
void read_again(WatchedRun& watched) {
  WatchedRun fresh = watched;
  try {
    update_run(fresh);
    watched = std::move(fresh);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::Data && e.kind() != ErrorKind::Config) throw;
    log_warn("report", "{} stays as it was: {}", watched.path, e.what());
  }
}

ReportedProject open_reported_project(const std::string& path) {
  ReportedProject project{file_name(absolute_path(path)), read_manifest(path), {}};
  project.flow = dataflow_of(load_graph(path_join(path, "design.safetensors")), project.manifest);
  return project;
}

void open_answer(const std::string& path, Sources& sources) {
  Json json = Json::parse(read_file(path), path);
  if (is_evaluation(json)) {
    sources.evaluations.push_back({file_name(path), std::move(json)});
  } else if (is_check(json)) {
    sources.checks.push_back({file_name(path), std::move(json)});
  } else {
    fail(ErrorKind::Data,
         "{}: expected what tailor evaluate --json or tailor check --json printed, got other JSON",
         path);
  }
}

/// Where several have the name of their folder, each is called by its path.
void name_apart(Sources& sources) {
  std::map<std::string, int> count;
  auto folder = [](const std::string& path) { return file_name(absolute_path(path)); };
  for (const WatchedRun& w : sources.runs) ++count[folder(w.path)];
  for (const std::string& path : sources.project_paths) ++count[folder(path)];
  auto name = [&](const std::string& path) {
    return count[folder(path)] > 1 ? path : folder(path);
  };
  for (WatchedRun& w : sources.runs) w.run.name = name(w.path);
  for (size_t i = 0; i < sources.projects.size(); ++i)
    sources.projects[i].name = name(sources.project_paths[i]);
}

bool is_shown(const std::string& path) { return is_project(path) || RunFolder::is_run(path); }
bool is_folder_of_runs(const std::string& path) { return is_directory(path) && !is_shown(path); }

/// What has not been opened yet: at first, and of folders again as more begin in them. What is none
/// of these, as a pattern of the shell finds beside them, or damaged is warned of.
void open_new(const std::vector<std::string>& paths, Sources& sources, DamageReport& damage) {
  for (const std::string& path : open_folders(paths, is_shown)) {
    if (!path_exists(path)) fail(ErrorKind::Usage, "{}: there is no such file or folder", path);
    if (!sources.seen.insert(absolute_path(path)).second) continue;
    if (is_project(path)) {
      damage.read([&] {
        sources.projects.push_back(open_reported_project(path));
        sources.project_paths.push_back(path);
      });
    } else if (RunFolder::is_run(path)) {
      damage.read([&] { sources.runs.push_back(open_run(path)); });
    } else if (is_regular_file(path) && has_extension(path, ".json")) {
      damage.read([&] { open_answer(path, sources); });
    } else {
      log_warn("report",
               "{}: it is no run (config.json), no project (manifest.json) and no answer (.json), "
               "and left out",
               path);
    }
  }
  name_apart(sources);
}

Sources open_sources(const std::vector<std::string>& paths) {
  Sources sources;
  DamageReport damage("report");
  open_new(paths, sources, damage);
  const bool nothing = sources.runs.empty() && sources.projects.empty() &&
                       sources.evaluations.empty() && sources.checks.empty();
  damage.say(nothing);
  if (nothing) {
    fail(ErrorKind::Usage, "nothing to report in {}: expected run folders, projects or answers",
         join(paths, " "));
  }
  return sources;
}

/// Of the same paths later: a folder may be gone meanwhile.
void look_again(const std::vector<std::string>& paths, Sources& sources) {
  for (WatchedRun& watched : sources.runs) read_again(watched);
  std::vector<std::string> left;
  std::copy_if(paths.begin(), paths.end(), std::back_inserter(left), path_exists);
  DamageReport damage("report");
  open_new(left, sources, damage);
  damage.say(false);
}

std::vector<RunGroup> run_groups(const Sources& sources) {
  std::vector<FinishedRun> finished;
  std::map<std::string, const WatchedRun*> by_path;
  for (const WatchedRun& w : sources.runs) {
    if (!w.run.summary || !w.run.summary->last.test.value ||
        figure_of(w.run) != figure_of(sources.runs[0].run))
      continue;
    finished.push_back({w.path, *w.run.summary, w.settings, seeds_of(w.config), std::nullopt});
    by_path[w.path] = &w;
  }
  std::vector<RunGroup> groups;
  for (const Seeds& s : groups_of(finished)) {
    const WatchedRun& first = *by_path.at(s[0]->path);
    RunGroup group{first.run.name, first.run.method, first.run.network, {}, {}, {}, {}};
    if (s.size() > 1) group.name += fmt::format(" (+{})", s.size() - 1);
    if (starts_with(first.config.network.family, "resnet"))
      group.depth = first.config.network.depth;
    double sum = 0, teachers = 0;
    for (const FinishedRun* run : s) {
      group.test.push_back(*run->summary.last.test.value);
      group.runs.push_back(by_path.at(run->path)->run.name);
      if (const auto teacher = teacher_of(run->summary)) sum += *teacher, ++teachers;
    }
    if (teachers > 0) group.teacher = sum / teachers;
    groups.push_back(std::move(group));
  }
  return groups;
}

std::string now_text() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &utc);
  return text;
}

std::string counts_text(const Sources& sources) {
  std::vector<std::string> parts;
  for (const auto& [count, noun] : {std::pair{sources.runs.size(), "run"},
                                    {sources.projects.size(), "project"},
                                    {sources.evaluations.size(), "evaluation"},
                                    {sources.checks.size(), "check"}}) {
    if (count > 0) parts.push_back(counted(static_cast<int64_t>(count), noun));
  }
  return join(parts, ", ");
}

bool all_finished(const Sources& sources) {
  return std::all_of(sources.runs.begin(), sources.runs.end(),
                     [](const WatchedRun& w) { return w.run.summary.has_value(); });
}

std::string title_of(const Sources& sources) {
  if (sources.runs.size() == 1 && sources.projects.empty()) return sources.runs[0].run.name;
  if (sources.projects.size() == 1 && sources.runs.empty()) return sources.projects[0].name;
  return counts_text(sources);
}

Page make_page(const Sources& sources, std::optional<int64_t> refresh_s) {
  std::vector<ReportedRun> runs;
  runs.reserve(sources.runs.size());
  for (const WatchedRun& w : sources.runs) runs.push_back(w.run);
  Page page;
  page.title = "tailor report: " + title_of(sources);
  page.lead = {fmt::format("Written {} by tailor {}.", now_text(), version())};
  page.refresh_s = refresh_s;
  if (refresh_s) {
    page.lead.push_back(fmt::format("Written anew every {} until every run is finished.",
                                    counted(*refresh_s, "second")));
  }
  Section all{"Summary", {}};
  if (!runs.empty()) all.parts.emplace_back(runs_table(runs));
  if (!sources.projects.empty()) all.parts.emplace_back(projects_table(sources.projects));
  if (!all.parts.empty()) page.sections.push_back(std::move(all));
  auto add = [&](std::optional<Section> section) {
    if (section) page.sections.push_back(*std::move(section));
  };
  add(runs_side_by_side(runs, run_groups(sources)));
  add(projects_side_by_side(sources.projects));
  add(answers_section(runs, sources.projects, sources.evaluations));
  add(checks_section(sources.checks));
  for (const ReportedRun& run : runs) {
    page.sections.push_back(run_section(run));
    page.sections.back().folded = runs.size() > kMostOpen;
  }
  for (const ReportedProject& project : sources.projects)
    page.sections.push_back(project_section(project));
  return page;
}

/// A report is replaced by the next one.
void refuse_to_replace_others(const char* flag, const std::string& path, bool force) {
  if (path.empty()) return;
  const bool replaceable = is_regular_file(path) && is_report(read_beginning(path, 64));
  refuse_to_replace(flag, path, force || replaceable);
}

void write_page(const Page& page, const ReportOptions& options) {
  write_file(options.output, emit_html(page));
  if (!options.markdown.empty()) write_file(options.markdown, emit_markdown(page));
}

/// False as soon as a signal is pending.
bool wait_for_next(int64_t seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (std::chrono::steady_clock::now() < end && pending_interrupt() == 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  return pending_interrupt() == 0;
}

}  // namespace

int run_report(const ReportOptions& options) {
  if (!options.markdown.empty() &&
      absolute_path(options.markdown) == absolute_path(options.output)) {
    fail(ErrorKind::Usage, "--markdown {}: expected another file than --output", options.markdown);
  }
  refuse_to_replace_others("--output", options.output, options.force);
  refuse_to_replace_others("--markdown", options.markdown, options.force);
  Sources sources = open_sources(options.paths);
  // In a folder the next run may be about to begin as the one before ends.
  const bool may_grow = std::any_of(options.paths.begin(), options.paths.end(), is_folder_of_runs);
  for (bool ended = false; options.refresh_s;) {
    const bool ends = all_finished(sources);
    if (ends && (ended || !may_grow)) break;
    ended = ends;
    write_page(make_page(sources, options.refresh_s), options);
    const bool goes_on = wait_for_next(*options.refresh_s);
    look_again(options.paths, sources);
    if (!goes_on) break;
  }
  // The last page is not loaded again.
  write_page(make_page(sources, std::nullopt), options);
  throw_if_interrupted();
  if (options.json) {
    fmt::print(
        "{}\n",
        Json::object({{"output", options.output},
                      {"markdown", options.markdown.empty() ? Json() : Json(options.markdown)},
                      {"runs", sources.runs.size()},
                      {"projects", sources.projects.size()},
                      {"evaluations", sources.evaluations.size()},
                      {"checks", sources.checks.size()}})
            .dump(2));
    return 0;
  }
  fmt::print("{}: {}\n", options.output, counts_text(sources));
  return 0;
}

}  // namespace tailor::cli

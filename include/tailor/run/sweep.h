// A sweep: many configurations, each trained in a run folder of its name below one output folder.
// What is left to do is read from those folders alone, so whoever is asked again goes on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tailor/core/enumerators.h"
#include "tailor/run/launch.h"
#include "tailor/run/run_config.h"

namespace tailor::run {

struct SweepRun {
  std::string name;    // of the configuration
  std::string named;   // as `tailor train --config` takes it
  std::string source;  // for errors
  std::string folder;  // OUTPUT/NAME
  RunConfig config;
};

/// Interrupted: begun and not finished; another process may be training there.
enum class RunState { Waiting, Interrupted, Finished };
TAILOR_ENUMERATORS(RunState, "waiting", "interrupted", "finished")

/// Its runs, sorted by name: of the matrix or the folder at `path` (load_run_configs), those whose
/// name fits the pattern `only` of a shell (empty: all). Each of them is read and checked.
/// Throws Usage where there is none, and Config for the first that is wrong.
std::vector<SweepRun> load_sweep(const std::string& path, const std::vector<std::string>& overrides,
                                 const std::string& output, const std::string& only);

RunState state_of(const SweepRun& run);

/// Throws Config, with the key, where the run in the folder was begun with another configuration,
/// or is to begin with one that no run may begin with (refuse_vain_phases). The machine's settings
/// do not count, nor where files and official data sets lie, nor which checkpoint a key names:
/// `tailor train` knows that. Throws Data where its own cannot be read.
void check_as_begun(const SweepRun& run);

/// Of a list that `count` processes share: one run of `count`, beginning with the `index`-th. It
/// depends on the list alone, not on what is finished.
struct SweepShare {
  int64_t index = 0, count = 1;
};
/// "2/8", counted from 1. Throws Usage.
SweepShare parse_share(const std::string& text);
/// That of a task of a SLURM array (SLURM_ARRAY_TASK_ID, …_MIN, …_STEP, …_COUNT); nothing outside
/// of one. Throws Usage for an array with gaps.
std::optional<SweepShare> share_of_task(const Environment& environment);
std::vector<SweepRun> take_share(const std::vector<SweepRun>& runs, SweepShare share);

/// Equal for runs that may share a teacher which one of them trains; empty for one that trains
/// none.
std::string teacher_key(const RunConfig& config);
/// Whether the run in the folder has come past the training of its teacher.
bool has_teacher(const SweepRun& run);

}  // namespace tailor::run

// Runs a recipe: its phases in order, each in a run folder of its own. What was finished is reused,
// what was interrupted goes on, and a student is bound to its teacher's weights.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tailor/run/recipe.h"
#include "tailor/run/run_folder.h"
#include "tailor/train/trainer.h"

namespace tailor::train {

class RecipeRun {
 public:
  /// Opens the data and looks at every phase: what cannot work is said here, before a teacher's
  /// hours and any folder. `folder` will be the last phase's; `goes_on`: it has been begun. The
  /// phases before lie beside it (run/shared_run.h). Of `group`, which outlives it, the leader has
  /// it; the others are in follow().
  RecipeRun(const RunConfig& config, Recipe recipe, std::string source, const std::string& folder,
            bool goes_on, Group& group = Group::alone());

  const DataSplits& data() const { return data_; }
  /// Writes config.json of the last phase into its folder, which the caller has locked.
  void begin(RunFolder& folder);
  /// Warns of what the weights that the last phase starts from have seen, if it is yet to begin.
  void say_seen() const;
  /// Trains what is not finished. `order`: the last phase's, whose threads and workers all folders
  /// are signed with, each beside the kernels of its own precision. Throws Interrupted
  /// after saving when a signal is pending, and Data if a phase is not where the one after it was
  /// begun from.
  RunResult run(RunFolder& folder, const SumOrder& order, Progress& progress);

 private:
  /// A phase that is done, and where it lies: its folder, or the file that was named.
  struct Done {
    Checkpoint checkpoint;
    std::string where;
  };
  /// The phases that a later one can name.
  struct Chain {
    std::optional<Done> first, previous;
  };
  /// Weights from elsewhere; null: none. Data have the classes in the order of those beside them.
  struct Named {
    std::shared_ptr<const Checkpoint> teacher, start;
    DataSplits teacher_data, start_data;
  };
  /// How a phase reads its examples.
  struct Reading {
    Preprocessing preprocessing;
    DataSplits data;  // with the classes in its order
  };
  void verify_group(const RunConfig& c) const;
  void verify_quantization(const RunConfig& c, const std::vector<PlannedEdit>& edits) const;
  bool teaches_last(size_t i) const;
  bool is_last(size_t i) const { return i + 1 == recipe_.phases.size(); }
  /// Whether the whole configuration leads to it, so that its folder says no more than that.
  bool is_said(size_t i) const { return is_last(i) && recipe_.phases[i].at.has_value(); }
  void bind_phases();
  void check_named_teacher(const Checkpoint& teacher, const RunConfig& c, const Phase& phase,
                           const DataSplits& data) const;
  Named load_named(size_t i, const std::string& folder) const;
  bool starts_as_teacher(const Phase& phase) const;
  const DataSplits* order_for_first() const;
  Network network_of(size_t i, const RunConfig& c, const std::vector<Network>& ends_with) const;
  const Network* teacher_of(size_t i, const std::vector<Network>& ends_with) const;
  Reading reading_of(size_t i) const;
  void check_start(size_t i) const;
  void check_phase(size_t i, const RunConfig& c, const std::vector<PlannedEdit>& edits) const;
  void describe_network(RunSpec& spec) const;
  RunSpec prepare(size_t i, const Chain& done, std::string& origin) const;
  void settle(RunSpec& spec, size_t i, RunFolder& folder, const std::string& origin) const;
  int64_t phase_number(size_t i) const;
  std::string find_folder(size_t i, const RunSpec& spec, const RunFolder& last) const;
  Done obtain(size_t i, const Chain& done, RunFolder& last, const SumOrder& order,
              Progress& progress) const;

  RunConfig config_;
  Recipe recipe_;
  std::string source_;
  DataSplits data_;  // with the classes in the order of the first phase
  bool goes_on_;
  Group& group_;
  std::vector<Network> networks_;  // what each phase begins with
  std::vector<Reading> readings_;  // of each phase
  std::vector<Named> named_;
};

}  // namespace tailor::train

// A recipe: the trainings that make one network, in order. Teacher and student, three rounds, one
// run a skip, a sweep: each is a list of phases. A phase is a run of its own, with a folder that
// it is resumed from.
#pragma once

#include <string>
#include <vector>

#include "tailor/net/network.h"
#include "tailor/run/run_config.h"

namespace tailor::run {

/// As a teacher: the first phase, which is the run's own teacher. A checkpoint is an absolute path.
inline const std::string kFirst = "<first>";

struct Phase {
  /// A checkpoint, kPrevious or kInitial; empty: its teacher's weights, else initial ones.
  std::string start;
  std::string teacher;             // a checkpoint, kPrevious or kFirst; empty: none
  std::optional<DataConfig> data;  // the run's but for augmentation; none: the run's
  TrainConfig train;               // `start` above is used, not the one in here
  SurgeryConfig surgery;
  DistillConfig distill;
  /// Goes on with what the optimiser of the phase before remembers.
  bool keep_optimizer = false;
  /// Where its keys stand in the configuration, as a JSON Pointer; none: /phases/INDEX.
  std::optional<std::string> at;
};

/// Whether a start or a teacher is a checkpoint.
bool is_named(const std::string& origin);
struct Recipe {
  std::vector<Phase> phases;
};

/// The recipe of a configuration: its teacher, if that is to be trained, and the run itself, or its
/// phases.
Recipe make_recipe(const RunConfig& config);

/// Throws Config at the phase's key in `source`: no phase, one before the first, skips of a network
/// that begins as another one, surgery without a teacher, an optimiser of nothing.
void verify_recipe(const Recipe& recipe, const std::string& source);
/// Throws Config for what no run may begin with, though older versions have begun and finished such
/// runs: an optimiser kept by one of another kind, a teacher that nothing reads.
void refuse_vain_phases(const RunConfig& config, const Recipe& recipe, const std::string& source);

/// The configuration of a phase as a run: network, data (augmentation aside) and runtime are those
/// of the whole `run`, whose export and binding are the last phase's. What is kPrevious stands
/// empty until the phase before is there.
RunConfig phase_config(const RunConfig& run, const Recipe& recipe, size_t index);

/// What a training begins with where it begins with initial weights: the network of the
/// configuration with the skips that `train` says.
Network initial_network(const RunConfig& config, const MapShape& input, int64_t classes);

/// "teacher", "student", or "student 1" of several; empty for a network that is trained alone.
std::string phase_role(const Recipe& recipe, size_t index);

/// Training images that the phases from `first` on cost, in images of plain training of an epoch of
/// `images`: a teacher beside it adds a forward pass, a third of a step.
int64_t recipe_images(const Recipe& recipe, size_t first, int64_t images);

}  // namespace tailor::run

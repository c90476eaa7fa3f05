// A recipe: the trainings that make one network, in order. Teacher and student, three rounds, one
// run a skip, a sweep: each is a list of phases. A phase is a run of its own, with a folder that
// it is resumed from.
#pragma once

#include <string>
#include <vector>

#include "tailor/run/run_config.h"

namespace tailor::run {

/// The phase before, best checkpoint first, where a phase says what it takes weights from. A
/// checkpoint there is an absolute path.
inline const std::string kPrevious = "previous";

struct Phase {
  std::string start;  // a checkpoint or kPrevious; empty: its teacher's weights, else initial ones
  std::string teacher;  // a checkpoint or kPrevious; empty: none
  TrainConfig train;    // `start` above is used, not the one in here
  SurgeryConfig surgery;
  /// Goes on with what the optimiser of the phase before remembers.
  bool keep_optimizer = false;
};
struct Recipe {
  std::vector<Phase> phases;
};

/// The recipe of a configuration: its teacher, if that is to be trained, and the run itself.
Recipe make_recipe(const RunConfig& config);

/// Throws Config at /phases/N/KEY of `source`: no phase, one before the first, a start beside a
/// teacher, surgery without one, an optimiser of nothing.
void verify_recipe(const Recipe& recipe, const std::string& source);

/// The configuration of a phase as a run: network, data, runtime and distillation are those of the
/// whole `run`, whose export and binding are the last phase's. What is kPrevious stands empty until
/// the phase before is there.
RunConfig phase_config(const RunConfig& run, const Recipe& recipe, size_t index);

/// "teacher", "student", or "student 1" of several; empty for a network that is trained alone.
std::string phase_role(const Recipe& recipe, size_t index);

/// Training images that the phases from `first` on cost, in images of plain training of an epoch of
/// `images`: a teacher beside it adds a forward pass, a third of a step.
int64_t recipe_images(const RunConfig& run, const Recipe& recipe, size_t first, int64_t images);

}  // namespace tailor::run

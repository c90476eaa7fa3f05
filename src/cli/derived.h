// A checkpoint that is made of another one: its network is another, and stands beside it as a
// description, which training takes.
#pragma once

#include <string>

#include "tailor/core/json.h"
#include "tailor/run/checkpoint.h"

namespace tailor::cli {

struct DerivedFiles {
  std::string folder, checkpoint, description;
};
/// In `output`, or where that is empty in the folder `usual`. Throws Usage where a file is there
/// already and not to be replaced.
DerivedFiles derived_files(const std::string& output, const std::string& usual, bool force);

/// Writes both. What belonged to the run that trained the first is no more: the optimiser's slots,
/// and the configuration's network; `what` was done stands in the metrics.
void save_derived(Checkpoint c, const DerivedFiles& files, const char* what, const Json& done);

/// How training goes on from them, a line; under that teacher, or where it is "" under themselves.
std::string training_advice(const DerivedFiles& files, const std::string& teacher = "");

}  // namespace tailor::cli

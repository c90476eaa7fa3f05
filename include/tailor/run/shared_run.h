// Phases that other runs may need too, such as teachers: each lies beside the run that asked for it
// first, under a name made of what decides its weights, and is trained once.
#pragma once

#include <string>

#include "tailor/data/images.h"
#include "tailor/run/recipe.h"
#include "tailor/run/run_folder.h"

namespace tailor::run {

/// "teachers/resnet20-cifar10-teacher-0123456789" beside the folder `run`. `config` is the phase's,
/// bound to its teacher's weights if it has one; `network` is what it begins with.
std::string shared_folder(const std::string& run, const Phase& phase, const RunConfig& config,
                          const Network& network, const DataSplits& data);

/// A name leaves defaults out, so a run of a version with another default may have the same. Throws
/// Data if that is so.
void check_same_run(const RunConfig& config, const RunFolder& folder);

/// Throws Data where a run's checkpoint has learnt the classes of images in another order than the
/// data have.
void check_same_order(const Checkpoint& checkpoint, const RunFolder& folder,
                      const DataSplits& data);

/// The best checkpoint of a finished run, else the last, with what is known of its accuracy.
Checkpoint load_finished(const RunFolder& folder);

/// Writes config.json, and a described network beside it: the run goes on whatever becomes of the
/// original. `config` then names the copy.
void write_config(RunFolder& folder, RunConfig& config, const Network& network);
/// Name of the copy, as config.json has it.
constexpr const char* kDescription = "network.json";

}  // namespace tailor::run

// The teacher of a run: trained once and reused, or a finished one that the user names. A run is
// bound to its teacher's weights; another teacher later is an error.
#pragma once

#include <optional>
#include <string>

#include "tailor/core/progress.h"
#include "tailor/data/images.h"
#include "tailor/run/checkpoint.h"
#include "tailor/run/run_config.h"
#include "tailor/run/run_folder.h"

namespace tailor::cli {

/// Writes config.json, and a described network beside it: the run goes on whatever becomes of the
/// original. `config` then names the copy.
void write_config(RunFolder& folder, RunConfig& config, const DataSplits& data);
/// Name of the copy, as config.json has it.
constexpr const char* kDescription = "network.json";

/// The weights that training begins with: the run's own so far (`last`), else those that `train`
/// names; none if it names none. Throws Config unless those are of the run's network, skip by skip.
/// Brings the data's classes into their order.
std::optional<Checkpoint> load_start(const RunConfig& config, const TrainConfig& train,
                                     DataSplits& data, const std::string& source,
                                     const std::string& last);

/// Warns where `before`, whose weights the run starts from, was trained on images that the run is
/// judged by: what it has seen the run has seen. `who` names it.
void check_unseen(const RunConfig& config, const DataSplits& data, const Checkpoint& before,
                  const std::string& who);

/// The checkpoint that a key names, by its file or by its run's folder (best, else last), absolute.
std::string named_file(const std::string& key, const std::string& checkpoint);
/// What config.teacher->checkpoint holds. Throws Config unless it is a finished teacher of the
/// run's network and data. Brings the data's classes into its order.
Checkpoint load_named_teacher(const RunConfig& config, DataSplits& data, const std::string& source);

/// Trains, resumes or reuses the teacher of `student`, or takes the `named` one; binds the
/// student's configuration to its weights, writes that, and links the teacher. Throws Data if it is
/// not the one that the student is bound to.
Checkpoint obtain_teacher(RunConfig& config, const DataSplits& data, const std::string& source,
                          RunFolder& student, int64_t threads, std::optional<Checkpoint> named,
                          Progress& progress);

/// Training images that the student's epochs cost, in images of plain training: a teacher beside
/// it adds a forward pass, a third of a step.
int64_t student_images(const RunConfig& config, const DataSplits& data);

}  // namespace tailor::cli

// The weights that a run begins with or learns from, where they are from elsewhere: an earlier run
// or an import. They must be of the run's network and data, and what they have seen is said.
#pragma once

#include <optional>
#include <string>

#include "tailor/data/images.h"
#include "tailor/run/checkpoint.h"
#include "tailor/run/run_config.h"

namespace tailor::run {

/// A checkpoint, from the file or the run folder (best, else last) that a user names.
/// `what` names it in an error.
std::string resolve_checkpoint(const std::string& path, const char* what = "--checkpoint");
/// The checkpoint that a key names, absolute. Throws Data where there is nothing.
std::string named_file(const std::string& key, const std::string& checkpoint);

/// Warns of what was assumed when the weights were imported.
void warn_of_assumptions(const Checkpoint& checkpoint, const std::string& path);

/// The weights that training begins with: the run's own so far (`last`), else those that
/// config.train.start, which the user's `key` says, names; none if it names none. Throws Config
/// unless those are of the run's network, skip by skip. Brings the data's classes into their order.
std::optional<Checkpoint> load_start(const RunConfig& config, const std::string& key,
                                     DataSplits& data, const std::string& source,
                                     const std::string& last);

/// A run's network must be that of the weights which it begins with: throws Config at the first
/// field that is not. `name` says whose.
void check_network(const RunConfig& config, const DataSplits& data, const Checkpoint& weights,
                   const std::string& source, const std::string& name);

/// What config.teacher->checkpoint holds, which the user's `key` says. Throws Config unless it is a
/// finished teacher of the run's data. Brings the data's classes into its order.
Checkpoint load_named_teacher(const RunConfig& config, const std::string& key, DataSplits& data,
                              const std::string& source);

/// Throws Data if the `key` of a configuration binds to another teacher than the one at `where`,
/// whose digest is `is`; empty: to none.
void check_digest(const std::string& key, const std::string& bound, const std::string& is,
                  const std::string& where);
/// The same of config.teacher->weights_sha256.
void check_bound(const RunConfig& config, const Checkpoint& teacher, const std::string& where);

/// Warns where `before`, whose weights the run starts from, was trained on images that the run is
/// judged by: what it has seen the run has seen. `who` names it.
void check_unseen(const RunConfig& config, const DataSplits& data, const Checkpoint& before,
                  const std::string& who);

}  // namespace tailor::run

// Runs that are put side by side: what makes an experiment is read from their configurations, and
// those that differ by their seeds alone are one row.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tailor/core/error.h"
#include "tailor/design/design.h"
#include "tailor/run/results.h"
#include "tailor/run/run_config.h"

namespace tailor::cli {

using Settings = std::map<std::string, Json>;  // "surgery.kind": "remove"

/// What makes an experiment: neither its seeds (nor the weights of a teacher that they made) nor
/// the machine, nor where official data sets lie; of a network's description in the run's folder
/// its contents, and of a teacher that it names the weights.
Settings settings_of(const RunConfig& config, const std::string& folder);
Settings seeds_of(const RunConfig& config);

/// Of several things that are read: those that are damaged (Data, Config) are warned of and left
/// out, so that the others come out; where nothing is left, the first one's error is the whole's.
class DamageReport {
 public:
  explicit DamageReport(const char* command) : command_(command) {}
  void read(const std::function<void()>& thing);
  void say(bool nothing_left) const;

 private:
  const char* command_;
  std::vector<Error> damaged_;
};

struct FinishedRun {
  std::string path;
  RunSummary summary;
  Settings settings, seeds;
  std::optional<Cost> cost;  // none: its export is refused
};

/// Runs that differ by their seeds, each of which is there once.
using Seeds = std::vector<const FinishedRun*>;
std::vector<Seeds> groups_of(const std::vector<FinishedRun>& runs);
/// Keys that not all of them agree in. What a section has says nothing of a run without it, such as
/// one without a teacher.
std::vector<std::string> differing_keys(const std::vector<Seeds>& groups);
/// A setting as people read it: "given" of a section that others have as null, empty where the run
/// says none; nothing of what is in a section that the run has as null.
std::optional<std::string> setting_text(const Settings& settings, const std::string& key);

/// A folder that is no run but has some in it, such as a sweep's, stands for those that `wanted`
/// takes of what is in it, by name. A sweep's teachers are opened only by themselves; links, as a
/// run has one to its teacher, are not.
std::vector<std::string> open_folders(const std::vector<std::string>& paths,
                                      const std::function<bool(const std::string&)>& wanted);

}  // namespace tailor::cli

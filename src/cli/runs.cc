#include "cli/runs.h"

#include <algorithm>
#include <set>

#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"

namespace tailor::cli {
namespace {

void flatten(const Json& json, const std::string& key, Settings& settings) {
  if (!json.is_object()) {
    settings[key] = json;
    return;
  }
  for (const auto& [name, value] : json.as_object())
    flatten(value, key.empty() ? name : key + "." + name, settings);
}

bool is_seed(const std::string& key) { return key == "train.seed" || key == "teacher.seed"; }

}  // namespace

Settings settings_of(const RunConfig& config) {
  Settings settings;
  flatten(write_run_config(config), "", settings);
  for (auto it = settings.begin(); it != settings.end();) {
    const std::string& key = it->first;
    const bool apart = starts_with(key, "runtime.") || is_seed(key) ||
                       key == "teacher.weights_sha256" ||
                       (key == "data.root" && !config.data.is_own()),
               is_file = key == "teacher.checkpoint" || key == "teacher.start" ||
                         key == "train.start" || key == "network.file";
    if (is_file && it->second != Json("")) {
      const std::string path = it->second.as_string();
      it->second = path_join(file_name(parent_path(path)), file_name(path));
    }
    it = apart ? settings.erase(it) : std::next(it);
  }
  return settings;
}

Settings seeds_of(const RunConfig& config) {
  Settings all, seeds;
  flatten(write_run_config(config), "", all);
  for (const auto& [key, value] : all) {
    if (is_seed(key)) seeds[key] = value;
  }
  return seeds;
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.as_string() : value.dump();
}

void DamageReport::read(const std::function<void()>& thing) {
  try {
    thing();
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::Data && e.kind() != ErrorKind::Config) throw;
    damaged_.push_back(e);
  }
}

void DamageReport::say(bool nothing_left) const {
  if (nothing_left && !damaged_.empty()) throw Error(damaged_[0]);
  for (const Error& e : damaged_) log_warn(command_, "left out: {}", e.what());
}

std::vector<Seeds> groups_of(const std::vector<FinishedRun>& runs) {
  std::vector<Seeds> groups;
  for (const FinishedRun& run : runs) {
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const Seeds& g) {
      return g[0]->settings == run.settings &&
             std::none_of(g.begin(), g.end(),
                          [&](const FinishedRun* other) { return other->seeds == run.seeds; });
    });
    if (same == groups.end()) {
      groups.push_back({&run});
    } else {
      same->push_back(&run);
    }
  }
  return groups;
}

std::vector<std::string> differing_keys(const std::vector<Seeds>& groups) {
  std::map<std::string, std::set<std::string>> values;  // as texts
  std::map<std::string, size_t> counts;
  for (const Seeds& g : groups) {
    for (const auto& [key, value] : g[0]->settings) values[key].insert(value.dump()), ++counts[key];
  }
  std::vector<std::string> keys;
  for (const auto& [key, all] : values) {
    if (all.size() > 1 || counts[key] < groups.size()) keys.push_back(key);
  }
  return keys;
}

}  // namespace tailor::cli

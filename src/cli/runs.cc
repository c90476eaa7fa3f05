#include "cli/runs.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/run/recipe.h"

namespace tailor::cli {
namespace {

/// Of a list of records each has its number: "phases.1.train.epochs".
void flatten(const Json& json, const std::string& key, Settings& settings) {
  auto is_record = [](const Json& item) { return item.is_object(); };
  if (json.is_array() && !json.as_array().empty() &&
      std::all_of(json.as_array().begin(), json.as_array().end(), is_record)) {
    for (size_t i = 0; i < json.as_array().size(); ++i)
      flatten(json.as_array()[i], fmt::format("{}.{}", key, i), settings);
    return;
  }
  if (!json.is_object()) {
    settings[key] = json;
    return;
  }
  for (const auto& [name, value] : json.as_object())
    flatten(value, key.empty() ? name : key + "." + name, settings);
}

/// Whether a section that the key is in is a value of its own here, as null is, or of kind none.
bool is_in_a_value(const Settings& settings, const std::string& key) {
  for (size_t dot = key.rfind('.'); dot != std::string::npos && dot > 0;
       dot = key.rfind('.', dot - 1)) {
    const std::string section = key.substr(0, dot);
    const auto kind = settings.find(section + ".kind");
    if (settings.count(section) > 0 || (kind != settings.end() && kind->second == Json("none")))
      return true;
  }
  return false;
}
/// Whether the key is a section here.
bool is_section(const Settings& settings, const std::string& key) {
  const auto next = settings.lower_bound(key + ".");
  return next != settings.end() && starts_with(next->first, key + ".");
}

/// As a run has one to its teacher.
bool is_link(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_symlink(path, ignored);
}

/// None of a folder that cannot be read.
std::vector<std::string> names_in(const std::string& folder) {
  try {
    return list_directory(folder);
  } catch (const Error&) {
    return {};
  }
}

/// A teacher is who its weights say, in whatever folder: "r56/best.ckpt (0a1b2c3d)".
void name_by_weights(const std::string& key, const std::string& digest_key, Settings& settings) {
  const auto digest = settings.find(digest_key);
  if (digest == settings.end() || digest->second.as_string().empty()) return;
  const std::string path = settings[key].as_string();
  settings[key] = fmt::format("{} ({})", path_join(file_name(parent_path(path)), file_name(path)),
                              digest->second.as_string().substr(0, 8));
  settings.erase(digest);
}

bool is_seed(const std::string& key) { return key == "train.seed" || key == "teacher.seed"; }

}  // namespace

Settings settings_of(const RunConfig& config, const std::string& folder) {
  Settings settings;
  flatten(write_run_config(config), "", settings);
  if (!config.quantization) settings["quantization"] = Json();  // as a teacher that is not there
  // Of several trainings the last one's teacher can be the phase before, which the seed made.
  const bool names_its_teacher =
      config.teacher && !config.teacher->checkpoint.empty() &&
      make_recipe(config).phases.back().teacher == config.teacher->checkpoint;
  for (auto it = settings.begin(); it != settings.end();) {
    const std::string& key = it->first;
    const bool apart = starts_with(key, "runtime.") || is_seed(key) ||
                       (key == "teacher.weights_sha256" && !names_its_teacher) ||
                       (key == "data.root" && !config.data.is_own()) ||
                       (config.surgery.kind == SurgeryKind::None && config.phases.empty() &&
                        starts_with(key, "surgery.") && key != "surgery.kind");
    it = apart ? settings.erase(it) : std::next(it);
  }
  if (names_its_teacher) name_by_weights("teacher.checkpoint", "teacher.weights_sha256", settings);
  for (size_t i = 0; i < config.phases.size(); ++i) {
    if (!config.phases[i].names_teacher()) continue;
    const std::string phase = fmt::format("phases.{}.", i);
    name_by_weights(phase + "teacher", phase + "weights_sha256", settings);
  }
  if (const std::string& file = config.network.file; !file.empty()) {
    const std::string beside = path_join(folder, file_name(file));
    settings["network.file"] =
        fmt::format("{} ({})", file_name(file), sha256(read_file(beside, "network")).substr(0, 8));
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

std::optional<std::string> setting_text(const Settings& settings, const std::string& key) {
  const auto found = settings.find(key);
  if (found == settings.end()) {
    if (is_in_a_value(settings, key)) return std::nullopt;
    return is_section(settings, key) ? "given" : "";
  }
  return found->second.is_string() ? found->second.as_string() : found->second.dump();
}

std::vector<std::string> open_folders(const std::vector<std::string>& paths,
                                      const std::function<bool(const std::string&)>& wanted) {
  std::vector<std::string> opened;
  for (const std::string& path : paths) {
    const size_t before = opened.size();
    const bool by_a_pattern = paths.size() > 1 && file_name(absolute_path(path)) == "teachers";
    if (is_directory(path) && !wanted(path) && !by_a_pattern) {
      for (const std::string& name : names_in(path)) {
        const std::string inside = path_join(path, name);
        if (!is_link(inside) && wanted(inside)) opened.push_back(inside);
      }
    }
    if (opened.size() == before) opened.push_back(path);
  }
  return opened;
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
  for (const Seeds& g : groups) {
    for (const auto& [key, value] : g[0]->settings) values[key].insert(value.dump());
  }
  std::vector<std::string> keys;
  for (const auto& [key, all] : values) {
    const bool somebody_lacks =
        std::any_of(groups.begin(), groups.end(), [&, &name = key](auto& g) {
          const Settings& settings = g[0]->settings;
          return settings.count(name) == 0 && !is_in_a_value(settings, name);
        });
    if (all.size() > 1 || somebody_lacks) keys.push_back(key);
  }
  return keys;
}

}  // namespace tailor::cli

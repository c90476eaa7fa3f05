// Finds a configuration by path or by name, applies --set, and reads it.
#include <fnmatch.h>

#include <algorithm>

#include "tailor/core/embedded.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/run/matrix.h"
#include "tailor/run/run_config.h"

namespace tailor::run {
namespace {

/// A configuration as it was written.
struct WrittenConfig {
  std::string name, source;  // the source for errors
  Json json;
  bool own;  // the user's, not one inside the program
};

Json parse_config(std::string_view text, const std::string& source) {
  try {
    return Json::parse(text, source);
  } catch (const Error& e) {
    throw Error(ErrorKind::Config, fmt::format("config: {}", e.what()));
  }
}

/// Those of configs/*.json, sorted by name.
std::vector<WrittenConfig> written_configs() {
  std::vector<WrittenConfig> configs;
  auto add = [&](const std::string& name, Json json) {
    configs.push_back({name, "embedded:" + name + ".json", std::move(json), false});
  };
  for (const EmbeddedFile& file : embedded_configs()) {
    const std::string source = std::string("embedded:") + file.name;
    Json json = parse_config(file.text, source);
    if (is_matrix(json)) {
      for (MatrixMember& member : matrix_members(json, source))
        add(member.name, std::move(member.config));
    } else {
      add(without_extension(file.name, ".json"), std::move(json));
    }
  }
  std::sort(configs.begin(), configs.end(),
            [](const WrittenConfig& a, const WrittenConfig& b) { return a.name < b.name; });
  return configs;
}

std::vector<std::string> names_of(const std::vector<MatrixMember>& members) {
  std::vector<std::string> names;
  names.reserve(members.size());
  for (const MatrixMember& member : members) names.push_back(member.name);
  return names;
}

/// The file at `path`; of a matrix its member, which is empty where none was asked for.
WrittenConfig config_of_file(const std::string& path, const std::string& member) {
  Json json = parse_config(read_file(path, "configuration"), path);
  if (!is_matrix(json)) {
    if (member.empty())
      return {without_extension(file_name(path), ".json"), path, std::move(json), true};
    fail(ErrorKind::Usage, "--config: {} is one configuration, not a matrix: expected no ':{}'",
         path, member);
  }
  std::vector<MatrixMember> members = matrix_members(json, path);
  for (MatrixMember& m : members) {
    if (m.name == without_extension(member, ".json"))
      return {m.name, path + ":" + m.name, std::move(m.config), true};
  }
  const std::vector<std::string> names = names_of(members);
  fail(ErrorKind::Usage, "--config: {} is a matrix{}; give {}:NAME, which is one of {}", path,
       member.empty() ? "" : fmt::format(" without '{}'{}", member, did_you_mean(member, names)),
       path, join(names, ", "));
}

/// Of a matrix or a configuration in a folder: each as `--config` takes it.
void append_named(const std::string& path, std::vector<std::pair<std::string, WrittenConfig>>& to) {
  Json json = parse_config(read_file(path, "configuration"), path);
  if (!is_matrix(json)) {
    to.push_back(
        {path, {without_extension(file_name(path), ".json"), path, std::move(json), true}});
    return;
  }
  for (MatrixMember& m : matrix_members(json, path)) {
    const std::string named = path + ":" + m.name;
    to.push_back({named, {m.name, named, std::move(m.config), true}});
  }
}

/// The same of a matrix inside the program; false where none has the name.
bool append_embedded(const std::string& name,
                     std::vector<std::pair<std::string, WrittenConfig>>& to) {
  for (const EmbeddedFile& file : embedded_configs()) {
    if (without_extension(file.name, ".json") != without_extension(name, ".json")) continue;
    const std::string source = std::string("embedded:") + file.name;
    Json json = parse_config(file.text, source);
    if (!is_matrix(json)) return false;
    for (MatrixMember& m : matrix_members(json, source))
      to.push_back({m.name, {m.name, "embedded:" + m.name + ".json", std::move(m.config), false}});
    return true;
  }
  return false;
}

/// Where a matrix's path ends in "PATH:MEMBER", or nothing.
std::optional<size_t> end_of_path(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || !path_exists(text.substr(0, colon))) return std::nullopt;
  return colon;
}

WrittenConfig find_config(const std::string& name_or_path) {
  std::vector<WrittenConfig> embedded = written_configs();
  WrittenConfig* named = nullptr;
  for (WrittenConfig& config : embedded) {
    if (config.name == without_extension(name_or_path, ".json")) named = &config;
  }
  if (path_exists(name_or_path) && !(named && is_directory(name_or_path)))
    return config_of_file(name_or_path, "");
  if (named) return std::move(*named);
  if (const auto end = end_of_path(name_or_path))
    return config_of_file(name_or_path.substr(0, *end), name_or_path.substr(*end + 1));
  fail(ErrorKind::Usage, "--config: no file '{}' and no configuration of that name{}", name_or_path,
       offer_names(without_extension(name_or_path, ".json"), embedded_config_names(),
                   "tailor config list"));
}

}  // namespace

std::vector<std::string> embedded_config_names() {
  std::vector<std::string> names;
  for (WrittenConfig& config : written_configs()) names.push_back(std::move(config.name));
  return names;
}

static bool is_text_key(std::string_view name) {
  for (const ConfigKey& key : config_keys()) {
    if (key.name == name) return key.is_text;
  }
  return false;
}

void apply_override(Json& json, const std::string& assignment) {
  size_t equals = assignment.find('=');
  if (equals == 0 || equals == std::string::npos) {
    fail(ErrorKind::Usage, "--set: expected key=value (as in train.epochs=3), got '{}'",
         assignment);
  }
  std::string text = assignment.substr(equals + 1);
  Json value;
  try {
    value = Json::parse(text, "--set");
  } catch (const Error&) {
    value = Json(text);  // a bare word is a string
  }
  if (value.is_number() && is_text_key(assignment.substr(0, equals))) value = Json(text);
  Json* at = &json;
  auto keys = split(std::string_view(assignment).substr(0, equals), '.');
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!at->is_object() && !at->is_null()) {
      fail(ErrorKind::Usage, "--set {}: '{}' is not an object", assignment,
           join({keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(i)}, "."));
    }
    if (i + 1 == keys.size()) {
      at->set(keys[i], value);
    } else {
      Json* next = at->find(keys[i]);
      at = next ? next : &at->set(keys[i], Json::object());
    }
  }
}

/// "epochs=3": the last word of keys, and no key itself.
static void refuse_last_word(const std::string& assignment) {
  const std::string word = assignment.substr(0, assignment.find('='));
  if (word.size() == assignment.size() || word.find('.') != std::string::npos) return;
  std::vector<std::string> meant;
  for (const ConfigKey& key : config_keys()) {
    const size_t dot = key.name.rfind('.');
    if (key.name.substr(0, key.name.find('.')) == word) return;
    if (dot != std::string::npos && key.name.substr(dot + 1) == word) meant.push_back(key.name);
  }
  if (meant.empty()) return;
  fail(ErrorKind::Usage, "--set {}: there is no key '{}'; keys are whole paths: {}", assignment,
       word, join(meant, ", "));
}

/// --set FILE.json: a part of a configuration.
static std::optional<Json> part_of_file(const std::string& assignment) {
  if (assignment.find('=') != std::string::npos || !has_extension(assignment, ".json"))
    return std::nullopt;
  Json part = parse_config(read_file(assignment, "--set"), assignment);
  if (!part.is_object())
    fail(ErrorKind::Config, "config: {}: expected an object of sections", assignment);
  return part;
}

static LoadedConfig load(WrittenConfig written, const std::vector<std::string>& overrides) {
  LoadedConfig loaded;
  loaded.name = std::move(written.name);
  loaded.source = std::move(written.source);
  Json json = std::move(written.json);
  Json given = written.own ? json : Json::object();
  for (const std::string& assignment : overrides) {
    if (const std::optional<Json> part = part_of_file(assignment)) {
      lay_over(json, *part);
      lay_over(given, *part);
      continue;
    }
    refuse_last_word(assignment);
    apply_override(json, assignment);
    apply_override(given, assignment);
  }
  if (!overrides.empty()) loaded.source += " with --set";
  loaded.config = read_run_config(json, loaded.source);
  loaded.without_effect = keys_without_effect(loaded.config, given);
  return loaded;
}

LoadedConfig load_run_config(const std::string& name_or_path,
                             const std::vector<std::string>& overrides) {
  return load(find_config(name_or_path), overrides);
}

std::vector<NamedConfig> load_run_configs(const std::string& path,
                                          const std::vector<std::string>& overrides,
                                          const std::string& only) {
  std::vector<std::pair<std::string, WrittenConfig>> all;
  if (is_directory(path)) {
    for (const std::string& name : list_directory(path)) {
      if (has_extension(name, ".json")) append_named(path_join(path, name), all);
    }
    if (all.empty())
      fail(ErrorKind::Usage, "{}: expected a folder of configurations (*.json), got none", path);
  } else if (path_exists(path)) {
    append_named(path, all);
    if (all[0].first == path) {
      fail(ErrorKind::Usage,
           "{}: expected a matrix (with \"axes\") or a folder, got one configuration, which "
           "tailor train --config {} runs",
           path, shell_quote(path));
    }
  } else if (!append_embedded(path, all)) {
    fail(ErrorKind::Usage,
         "'{}': there is no such file or folder, and no matrix of that name inside the program "
         "(such as cifar_matrix)",
         path);
  }
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.second.name < b.second.name; });
  std::vector<NamedConfig> configs;
  for (size_t i = 0; i < all.size(); ++i) {
    auto& [named, written] = all[i];
    if (i > 0 && all[i - 1].second.name == written.name) {
      fail(ErrorKind::Usage,
           "{} and {}: expected configurations of different names, got '{}' twice",
           all[i - 1].first, named, written.name);
    }
    if (only.empty() || ::fnmatch(only.c_str(), written.name.c_str(), 0) == 0)
      configs.push_back({named, load(WrittenConfig(written), overrides)});
  }
  if (!configs.empty()) return configs;
  std::vector<std::string> names;
  names.reserve(all.size());
  for (const auto& [named, written] : all) names.push_back(written.name);
  fail(ErrorKind::Usage, "--only '{}': no configuration has such a name; {}", only,
       list_names(only, names, "tailor sweep --list"));
}

ConfigDifference first_difference(const Json& mine, const Json& theirs,
                                  const std::string& pointer) {
  if (mine == theirs) return {};
  if (!mine.is_object() || !theirs.is_object()) return {pointer, mine.dump(), theirs.dump()};
  for (const auto& [key, value] : mine.as_object()) {
    const Json* other = theirs.find(key);
    ConfigDifference d = first_difference(value, other ? *other : Json(), pointer + "/" + key);
    if (!d.pointer.empty()) return d;
  }
  for (const auto& [key, value] : theirs.as_object()) {
    if (!mine.find(key) && !value.is_null()) return {pointer + "/" + key, "null", value.dump()};
  }
  return {};
}

}  // namespace tailor::run

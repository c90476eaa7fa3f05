// Finds a configuration by path or by name, applies --set, and reads it.
#include "tailor/core/embedded.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/run/run_config.h"

namespace tailor {
namespace {

std::string without_json(std::string name) {
  if (name.size() > 5 && name.compare(name.size() - 5, 5, ".json") == 0)
    name.resize(name.size() - 5);
  return name;
}

}  // namespace

std::vector<std::string> embedded_config_names() {
  std::vector<std::string> names;
  for (const EmbeddedFile& file : embedded_configs()) names.push_back(without_json(file.name));
  return names;
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

LoadedConfig load_run_config(const std::string& name_or_path,
                             const std::vector<std::string>& overrides) {
  LoadedConfig loaded;
  loaded.name = without_json(file_name(name_or_path));
  const EmbeddedFile* embedded = nullptr;
  for (const EmbeddedFile& file : embedded_configs()) {
    if (without_json(file.name) == without_json(name_or_path)) embedded = &file;
  }
  std::string text;
  if (path_exists(name_or_path) && !(embedded && is_directory(name_or_path))) {
    loaded.source = name_or_path;
    text = read_file(name_or_path, "configuration");
  } else if (embedded) {
    loaded.source = std::string("embedded:") + embedded->name;
    text = embedded->text;
  } else {
    fail(ErrorKind::Usage, "--config: no file '{}' and no configuration of that name{}",
         name_or_path,
         offer_names(without_json(name_or_path), embedded_config_names(), "tailor config list"));
  }
  Json json;
  try {
    json = Json::parse(text, loaded.source);
  } catch (const Error& e) {
    throw Error(ErrorKind::Config, fmt::format("config: {}", e.what()));
  }
  const bool own = loaded.source == name_or_path;
  Json given = own ? json : Json::object();
  for (const std::string& assignment : overrides) {
    refuse_last_word(assignment);
    apply_override(json, assignment);
    apply_override(given, assignment);
  }
  if (!overrides.empty()) loaded.source += " with --set";
  loaded.config = read_run_config(json, loaded.source);
  loaded.without_effect = keys_without_effect(loaded.config, given);
  return loaded;
}

}  // namespace tailor

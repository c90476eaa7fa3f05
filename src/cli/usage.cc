// What is said to words that the program does not take: the commands there are, the flag or the key
// of the configuration that was meant.
#include <algorithm>

#include "cli/program.h"
#include "tailor/core/strings.h"
#include "tailor/run/run_config.h"

namespace tailor::cli {
namespace {

/// The commands, a line each.
std::string command_list(const ProgramDescription& program) {
  std::string out = "Commands:\n";
  for (const ProgramCommand& command : program.commands) {
    if (!command.hidden) out += fmt::format("  {:14} {}\n", command.name, command.about);
  }
  return out;
}

/// "--epochs 3": a key of the configuration, which --set takes. Nothing where it is none.
std::string key_advice(const ProgramCommand& command, const std::string& word,
                       const std::string& value) {
  auto takes_set = [](const ProgramFlag& flag) { return flag.name == "--set"; };
  if (std::none_of(command.flags.begin(), command.flags.end(), takes_set)) return "";
  std::string wanted = word.substr(2);
  std::replace(wanted.begin(), wanted.end(), '-', '_');
  std::vector<std::string> found;
  for (const ConfigKey& key : config_keys()) {
    if (command.name == "evaluate" && !starts_with(key.name, "data.")) continue;
    const size_t dot = key.name.rfind('.');
    if (key.name == wanted) {
      found = {key.name};
      break;
    }
    if (key.name.substr(dot + 1) != wanted) continue;
    // The student's own key before its teacher's.
    const bool teacher = starts_with(key.name, "teacher.");
    found.insert(teacher ? found.end() : found.begin(), key.name);
  }
  if (found.empty()) return "";
  const std::string others =
      found.size() > 1 ? " (or " + join({found.begin() + 1, found.end()}, ", ") + ")" : "";
  return fmt::format("; it is a key of the configuration: --set {}={}{}", found[0],
                     value.empty() ? "VALUE" : value, others);
}

const ProgramFlag* find_flag(const ProgramCommand& command, const std::string& word) {
  const std::string name = word.substr(0, word.find('='));
  for (const ProgramFlag& flag : command.flags) {
    if (!flag.positional && flag.name == name) return &flag;
  }
  return nullptr;
}

/// Whether a word stands alone: neither a flag nor what belongs to the one before it.
bool has_positional(const ProgramCommand& command, const std::vector<std::string>& words) {
  for (size_t i = 2; i < words.size(); ++i) {
    if (starts_with(words[i], "-")) continue;
    const std::string& before = words[i - 1];
    const ProgramFlag* flag = find_flag(command, before);
    const bool takes_value = starts_with(before, "--") && before.find('=') == std::string::npos &&
                             (!flag || !flag->value.empty());
    if (i == 2 || !takes_value) return true;
  }
  return false;
}

/// By its looks: "a/b", "a.pth", but no number.
bool is_path(const std::string& value) {
  return value.find_first_of("/.") != std::string::npos && !parse_number(value);
}

/// "--weights FILE", of a command whose file is given without a flag. Nothing where it is given, or
/// the value is none of its own.
std::string place_advice(const ProgramCommand& command, const std::vector<std::string>& words,
                         const std::string& value) {
  if (value.empty() || parse_number(value) || has_positional(command, words)) return "";
  for (const ProgramFlag& place : command.flags) {
    const auto& values = place.values;
    if (!place.positional ||
        (!values.empty() && std::find(values.begin(), values.end(), value) == values.end()))
      continue;
    return fmt::format("; its {} is given without a flag: tailor {} {}", place.name, command.name,
                       shell_quote(value));
  }
  return "";
}

/// "; tailor export takes it": the other commands that do.
std::string other_commands(const ProgramDescription& program, const std::string& flag) {
  std::vector<std::string> names;
  for (const ProgramCommand& other : program.commands) {
    if (find_flag(other, flag) && !other.hidden) names.push_back("tailor " + other.name);
  }
  if (names.empty()) return "";
  return fmt::format("; {} {} it", join(names, " and "), names.size() == 1 ? "takes" : "take");
}

/// The first word that looks like a flag and is none of the command's, and what to write instead.
std::string unknown_flag(const ProgramDescription& program, const ProgramCommand& command,
                         const std::vector<std::string>& words) {
  std::vector<std::string> known = {"--help"};
  for (const ProgramFlag& flag : command.flags) {
    if (!flag.positional) known.push_back(flag.name);
  }
  for (size_t i = 2; i < words.size() && words[i] != "--"; ++i) {
    const std::string flag = words[i].substr(0, words[i].find('='));
    if (!starts_with(flag, "--")) continue;
    if (std::find(known.begin(), known.end(), flag) != known.end()) continue;
    std::string value;
    if (flag.size() < words[i].size()) {
      value = words[i].substr(flag.size() + 1);
    } else if (i + 1 < words.size() && !starts_with(words[i + 1], "--")) {
      value = words[i + 1];
    }
    const std::string similar = did_you_mean(flag, known), key = key_advice(command, flag, value);
    std::string advice;
    if (similar.empty() && (key.empty() || is_path(value)))
      advice = place_advice(command, words, value);
    if (advice.empty()) advice = key.empty() ? similar : key;
    if (advice.empty()) advice = other_commands(program, flag);
    return fmt::format("tailor {} has no flag {}{}", command.name, flag, advice);
  }
  return "";
}

/// CLI11's "Could not convert: --clock-ns = abc".
std::string plain_error(const ProgramCommand& command, const std::string& error) {
  const std::string start = "Could not convert: ";
  const size_t equals = error.find(" = ");
  if (!starts_with(error, start) || equals == std::string::npos) return error;
  const std::string name = error.substr(start.size(), equals - start.size());
  const ProgramFlag* flag = find_flag(command, name);
  return fmt::format("{}: expected {}, got '{}'", name,
                     flag && flag->value.empty() ? "no value" : "a number",
                     error.substr(equals + 3));
}

}  // namespace

std::string explain_usage(const ProgramDescription& program, const std::string& error,
                          const std::vector<std::string>& words) {
  // tailor help COMMAND has the command in the next place.
  const size_t place = words.size() > 2 && words[1] == "help" ? 2 : 1;
  const std::string word = place < words.size() ? words[place] : "";
  std::vector<std::string> names;
  for (const ProgramCommand& command : program.commands) {
    if (command.name == word) {
      const std::string flag = unknown_flag(program, command, words);
      return fmt::format("tailor: usage: {}\nsee tailor {} --help\n",
                         flag.empty() ? plain_error(command, error) : flag, word);
    }
    if (!command.hidden) names.push_back(command.name);
  }
  std::string message = "expected a command";
  if (!word.empty()) {
    message = word[0] == '-'
                  ? fmt::format("expected a command, got the flag {}", word)
                  : fmt::format("there is no command {}{}", word, did_you_mean(word, names));
  }
  return fmt::format("tailor: usage: {}\n\n{}see tailor --help, or tailor help COMMAND\n", message,
                     command_list(program));
}

}  // namespace tailor::cli

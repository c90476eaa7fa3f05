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
    if (!command.hidden) out += fmt::format("  {:12} {}\n", command.name, command.about);
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
    if (command.name == "evaluate" && key.name.compare(0, 5, "data.") != 0) continue;
    const size_t dot = key.name.rfind('.');
    if (key.name == wanted) {
      found = {key.name};
      break;
    }
    if (key.name.substr(dot + 1) != wanted) continue;
    // The student's own key before its teacher's.
    const bool teacher = key.name.compare(0, 8, "teacher.") == 0;
    found.insert(teacher ? found.end() : found.begin(), key.name);
  }
  if (found.empty()) return "";
  const std::string others =
      found.size() > 1 ? " (or " + join({found.begin() + 1, found.end()}, ", ") + ")" : "";
  return fmt::format("; it is a key of the configuration: --set {}={}{}", found[0],
                     value.empty() ? "VALUE" : value, others);
}

/// The first word that looks like a flag and is none of the command's, and what to write instead.
std::string unknown_flag(const ProgramCommand& command, const std::vector<std::string>& words) {
  std::vector<std::string> known = {"--help"};
  for (const ProgramFlag& flag : command.flags) {
    if (!flag.positional) known.push_back(flag.name);
  }
  for (size_t i = 2; i < words.size() && words[i] != "--"; ++i) {
    const std::string flag = words[i].substr(0, words[i].find('='));
    if (flag.compare(0, 2, "--") != 0) continue;
    if (std::find(known.begin(), known.end(), flag) != known.end()) continue;
    std::string value;
    if (flag.size() < words[i].size()) {
      value = words[i].substr(flag.size() + 1);
    } else if (i + 1 < words.size() && words[i + 1].compare(0, 2, "--") != 0) {
      value = words[i + 1];
    }
    const std::string advice = key_advice(command, flag, value);
    return fmt::format("tailor {} has no flag {}{}", command.name, flag,
                       advice.empty() ? did_you_mean(flag, known) : advice);
  }
  return "";
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
      const std::string flag = unknown_flag(command, words);
      return fmt::format("tailor: usage: {}\nsee tailor {} --help\n", flag.empty() ? error : flag,
                         word);
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

// What the program takes, as plain data read from the flags that are parsed: the shells' completion
// and the man page are printed from it, so that they cannot say what --help does not.
#pragma once

#include <string>
#include <vector>

namespace tailor::cli {

struct ProgramFlag {
  enum class Paths { None, Files, Folders };
  std::string name;   // "--config", or of a positional argument "project"
  std::string value;  // "NAME|FILE"; empty: a switch
  std::string about;
  std::vector<std::string> values;  // what it takes by name
  Paths paths = Paths::None;        // what else it takes
  bool positional = false, required = false;
};

/// What a flag takes by name. CLI11 prints the sets that it checks itself as "TEXT:{a,b}".
std::vector<std::string> flag_values(const std::string& name, const std::string& type);
ProgramFlag::Paths flag_paths(const std::string& name, const std::string& type);

struct ProgramCommand {
  std::string name, about;
  std::vector<ProgramFlag> flags;
  bool hidden = false;
};

struct ProgramDescription {
  std::string about, exit_codes;  // "0 done, 1 internal, …"
  std::vector<ProgramCommand> commands;
};

/// The message for words (the program's name first) that could not be parsed for the reason
/// `error`; with the list of commands where none of them is meant.
std::string explain_usage(const ProgramDescription& program, const std::string& error,
                          const std::vector<std::string>& words);
/// A completion script for "bash", "zsh" or "fish". `--set` takes dotted keys, and values by name.
std::string completion_script(const ProgramDescription& program, const std::string& shell);
/// tailor(1) in roff's man macros.
std::string manual_page(const ProgramDescription& program);

}  // namespace tailor::cli

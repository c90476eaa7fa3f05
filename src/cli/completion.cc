// Completion scripts for bash, zsh and fish, printed from the description of the program. Every
// list of names is in the script: completing starts no program.
#include <map>

#include "cli/program.h"
#include "tailor/core/strings.h"
#include "tailor/run/run_config.h"

namespace tailor::cli {
namespace {

/// The keys that a command's --set takes.
std::vector<ConfigKey> keys_of(const ProgramCommand& command) {
  std::vector<ConfigKey> keys;
  for (ConfigKey& key : config_keys()) {
    const bool data_only = command.name == "evaluate" || command.name == "data";
    if (!data_only || key.name.compare(0, 5, "data.") == 0) keys.push_back(std::move(key));
  }
  return keys;
}

std::vector<std::string> names_with_equals(const std::vector<ConfigKey>& keys) {
  std::vector<std::string> names;
  names.reserve(keys.size());
  for (const ConfigKey& key : keys) names.push_back(key.name + "=");
  return names;
}

/// In single quotes, for every shell.
std::string quote_for_shell(const std::string& text, const char* quote) {
  std::string out = "'";
  for (char c : text) out += c == '\'' ? std::string(quote) : std::string(1, c);
  return out + "'";
}

const char* bash_paths(ProgramFlag::Paths paths) {
  switch (paths) {
    case ProgramFlag::Paths::None:
      return "";
    case ProgramFlag::Paths::Files:
      return " paths=-f";
    case ProgramFlag::Paths::Folders:
      return " paths=-d";
  }
  return "";
}

std::string bash_script(const ProgramDescription& program) {
  std::vector<std::string> commands;
  std::string flags, positionals;
  std::map<std::string, std::string> values;  // action → the patterns that have it
  for (const ProgramCommand& command : program.commands) {
    if (command.hidden) continue;
    commands.push_back(command.name);
    std::vector<std::string> names;
    for (const ProgramFlag& flag : command.flags) {
      if (flag.positional) {
        positionals += fmt::format("    {}) words=\"{}\"{} ;;\n", command.name,
                                   join(flag.values, " "), bash_paths(flag.paths));
        continue;
      }
      names.push_back(flag.name);
      if (flag.value.empty()) continue;
      std::string action =
          flag.name == "--set"
              ? fmt::format("words=\"{}\" space=no", join(names_with_equals(keys_of(command)), " "))
              : fmt::format("words=\"{}\"{}", join(flag.values, " "), bash_paths(flag.paths));
      std::string& patterns = values[action];
      patterns += fmt::format("{}\"{} {}\"", patterns.empty() ? "" : "|", command.name, flag.name);
    }
    flags += fmt::format("      {}) words=\"{}\" ;;\n", command.name, join(names, " "));
  }
  std::string cases;
  for (const auto& [action, patterns] : values)
    cases += fmt::format("    {}) {} ;;\n", patterns, action);
  for (const ConfigKey& key : config_keys()) {
    if (!key.values.empty())
      cases += fmt::format("    *\" {}\") words=\"{}\" ;;\n", key.name, join(key.values, " "));
  }
  return fmt::format(
      R"(# bash completion for tailor: tailor completion bash > FILE, then source FILE
_tailor() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
  local command=${{COMP_WORDS[1]}} words="" paths="" space=yes found=yes
  COMPREPLY=()
  # For bash the = of --flag=value and of key=value is a word.
  if [[ $current == "=" ]]; then
    current=""
  elif [[ $previous == "=" ]] && ((COMP_CWORD > 2)); then
    previous=${{COMP_WORDS[COMP_CWORD-2]}}
  fi
  if ((COMP_CWORD == 1)); then
    command="" previous="" words="{} --help --version"
  fi
  case "$command $previous" in
{}    *) found=no ;;
  esac
  if [[ $found == no && -n $command && $current == -* ]]; then
    case "$command" in
{}    esac
  elif [[ $found == no ]]; then
    case "$command" in
{}    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current"
    [[ -n $paths ]] && compgen "$paths" -- "$current")
  [[ -n $paths ]] && compopt -o filenames 2>/dev/null
  [[ $space == no ]] && compopt -o nospace 2>/dev/null
}}
complete -F _tailor tailor
)",
      join(commands, " "), cases, flags, positionals);
}

/// In a spec of _arguments: what would end the part that it stands in is escaped.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_action(const ProgramFlag& flag, const std::string& command) {
  if (flag.name == "--set") return "_tailor_set_" + command;
  const std::string paths = flag.paths == ProgramFlag::Paths::None    ? ""
                            : flag.paths == ProgramFlag::Paths::Files ? "_files"
                                                                      : "_files -/";
  if (flag.values.empty()) return paths.empty() ? " " : paths;
  if (paths.empty()) return "(" + join(flag.values, " ") + ")";
  return " _tailor_names_or_files " + join(flag.values, " ");
}

std::string zsh_flag(const ProgramFlag& flag, const std::string& command) {
  std::string spec;
  if (flag.positional) {
    spec = fmt::format("{}:{}:{}", flag.required ? "" : ":", flag.name, zsh_action(flag, command));
  } else {
    spec = fmt::format("{}{}{}[{}]", flag.name == "--set" ? "*" : "", flag.name,
                       flag.value.empty() ? "" : "=", zsh_text(flag.about));
    if (!flag.value.empty())
      spec += fmt::format(":{}:{}", zsh_text(flag.value), zsh_action(flag, command));
  }
  return quote_for_shell(spec, "'\\''");
}

std::string zsh_script(const ProgramDescription& program) {
  std::string commands, cases, sets;
  for (const ProgramCommand& command : program.commands) {
    if (command.hidden) continue;
    commands +=
        fmt::format("    {}\n", quote_for_shell(command.name + ":" + command.about, "'\\''"));
    cases += fmt::format("    {})\n      _arguments", command.name);
    for (const ProgramFlag& flag : command.flags) {
      cases += " \\\n        " + zsh_flag(flag, command.name);
      if (flag.name != "--set") continue;
      sets += fmt::format("_tailor_set_{}() {{\n  case $PREFIX in\n", command.name);
      for (const ConfigKey& key : keys_of(command)) {
        if (!key.values.empty()) {
          sets += fmt::format("    {0}=*) compset -P '{0}='; compadd -- {1}; return ;;\n", key.name,
                              join(key.values, " "));
        }
      }
      sets += fmt::format("  esac\n  compadd -S '' -- {}\n}}\n",
                          join(names_with_equals(keys_of(command)), " "));
    }
    cases += "\n      ;;\n";
  }
  return fmt::format(R"zsh(#compdef tailor
# zsh completion for tailor: tailor completion zsh > _tailor, in a folder of $fpath
_tailor_names_or_files() {{
  _alternative "names:name:($*)" "files:file:_files"
}}
{}_tailor() {{
  local -a commands
  commands=(
{}  )
  if ((CURRENT == 2)); then
    _describe -t commands command commands
    return
  fi
  local command=$words[2]
  shift words
  ((CURRENT--))
  case $command in
{}  esac
}}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _tailor "$@"; else compdef _tailor tailor; fi
)zsh",
                     sets, commands, cases);
}

std::string fish_script(const ProgramDescription& program) {
  std::string out = R"(# fish completion for tailor: tailor completion fish | source
function __tailor_command
    set -l words (commandline -opc)
    test (count $words) -ge 2; and test "$words[2]" = "$argv[1]"
end
complete -c tailor -f
)";
  auto quote = [](const std::string& text) { return quote_for_shell(text, "\\'"); };
  for (const ProgramCommand& command : program.commands) {
    if (command.hidden) continue;
    out += fmt::format("complete -c tailor -n __fish_use_subcommand -a {} -d {}\n", command.name,
                       quote(command.about));
    const std::string when =
        fmt::format("complete -c tailor -n '__tailor_command {}'", command.name);
    for (const ProgramFlag& flag : command.flags) {
      std::vector<std::string> values = flag.values;
      if (flag.name == "--set") {
        for (const ConfigKey& key : keys_of(command)) {
          values.push_back(key.name + "=");
          for (const std::string& value : key.values) values.push_back(key.name + "=" + value);
        }
      }
      out += when;
      if (!flag.positional) out += " -l " + flag.name.substr(2);
      if (!flag.positional && !flag.value.empty()) out += " -r";
      if (flag.paths != ProgramFlag::Paths::None) out += " -F";
      if (!values.empty()) out += " -a " + quote(join(values, " "));
      out += " -d " + quote(flag.about) + "\n";
    }
  }
  return out;
}

}  // namespace

std::string completion_script(const ProgramDescription& program, const std::string& shell) {
  if (shell == "zsh") return zsh_script(program);
  if (shell == "fish") return fish_script(program);
  TAILOR_CHECK(shell == "bash", "no completion for {}", shell);
  return bash_script(program);
}

}  // namespace tailor::cli

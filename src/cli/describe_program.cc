// The commands and flags that have been set up, as plain data: for completion and the manual page.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/flags.h"
#include "tailor/core/strings.h"
#include "tailor/design/device.h"
#include "tailor/net/network.h"
#include "tailor/net/weight_rules.h"
#include "tailor/run/run_config.h"
#include "tailor/target/target.h"

namespace tailor::cli {

/// What a flag takes by name. CLI11 prints the sets that it checks itself as "TEXT:{a,b}".
static std::vector<std::string> flag_values(const std::string& name, const std::string& type) {
  const size_t open = type.find('{'), close = type.rfind('}');
  if (open != std::string::npos && close != std::string::npos)
    return split(type.substr(open + 1, close - open - 1), ',');
  if (name == "--config") return embedded_config_names();
  if (name == "--network") return network_names();
  if (name == "--rules") return weight_rule_names();
  if (name == "--layout") return texts(enumerator_names<Layout>());
  if (name == "--skips") return texts(enumerator_names<SkipForm>());
  if (name == "--backend") return texts(enumerator_names<HlsBackend>());
  if (name == "--target") return texts(enumerator_names<HlsPackage>());
  if (name == "--rounding") return texts(enumerator_names<Rounding>());
  if (name == "--overflow") return texts(enumerator_names<Overflow>());
  if (name == "--fpga") return device_names();
  if (name == "--log") return {"trace", "debug", "info", "warn", "error", "off"};
  if (name == "--name") {
    for (const ConfigKey& key : config_keys()) {
      if (key.name == "data.name") return key.values;
    }
  }
  return {};
}

static ProgramFlag::Paths flag_paths(const std::string& name, const std::string& type) {
  if (type == "DIR" || type == "RUN") return ProgramFlag::Paths::Folders;
  // By name, or in a .json file.
  const bool by_name = name == "--network" || name == "--rules" || name == "--fpga";
  return by_name || type == "F" || type.find("FILE") != std::string::npos
             ? ProgramFlag::Paths::Files
             : ProgramFlag::Paths::None;
}

ProgramDescription describe_program(const CLI::App& app) {
  ProgramDescription program{app.get_description(), kExitCodes, {}};
  std::replace(program.about.begin(), program.about.end(), '\n', ' ');
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    ProgramCommand command{sub->get_name(), sub->get_description(), {}, sub->get_group().empty()};
    for (const CLI::Option* option : sub->get_options()) {
      ProgramFlag flag;
      flag.positional = option->nonpositional() ? false : option->get_positional();
      flag.name = flag.positional ? option->get_name() : "--" + option->get_lnames().front();
      flag.about = option->get_description();
      flag.required = option->get_required();
      if (option->get_expected_max() > 0) {
        const std::string type = option->get_type_name();
        flag.value = type.substr(0, type.find(':'));
        if (flag.value == "TEXT") flag.value = "VALUE";
        flag.values = flag_values(flag.name, type);
        flag.paths = flag_paths(flag.name, type);
      }
      command.flags.push_back(std::move(flag));
    }
    program.commands.push_back(std::move(command));
  }
  return program;
}

}  // namespace tailor::cli

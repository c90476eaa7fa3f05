// What a flag takes by name, and which paths: from its name and from what CLI11 calls its type.
#include "cli/program.h"
#include "tailor/core/strings.h"
#include "tailor/design/device.h"
#include "tailor/net/network.h"
#include "tailor/net/weight_rules.h"
#include "tailor/run/run_config.h"
#include "tailor/target/target.h"

namespace tailor::cli {

std::vector<std::string> flag_values(const std::string& name, const std::string& type) {
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

ProgramFlag::Paths flag_paths(const std::string& name, const std::string& type) {
  if (type == "DIR" || type == "RUN") return ProgramFlag::Paths::Folders;
  // By name, or in a .json file.
  const bool by_name = name == "--network" || name == "--rules" || name == "--fpga";
  return by_name || type == "F" || type.find("FILE") != std::string::npos
             ? ProgramFlag::Paths::Files
             : ProgramFlag::Paths::None;
}

}  // namespace tailor::cli

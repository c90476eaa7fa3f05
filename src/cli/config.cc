// tailor config: the embedded configurations, the schema and the reference page.
#include "tailor/cli/commands.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/net/network.h"
#include "tailor/net/weight_rules.h"
#include "tailor/run/recipe.h"

namespace tailor::cli {
namespace {

void print_names(const std::vector<std::string>& names, bool json) {
  if (json) fmt::print("{}\n", Json::array(names).dump(2));
  if (!json) fmt::print("{}\n", join(names, "\n"));
}

}  // namespace

int run_config(const ConfigOptions& options) {
  if (options.action == "list") {
    print_names(embedded_config_names(), options.json);
  } else if (options.action == "networks") {
    print_names(network_names(), options.json);
  } else if (options.action == "rules") {
    print_names(weight_rule_names(), options.json);
  } else if (options.action == "show") {
    if (options.name.empty()) fail(ErrorKind::Usage, "config show: expected --config NAME or FILE");
    const LoadedConfig loaded = load_run_config(options.name, options.set);
    refuse_vain_phases(loaded.config, make_recipe(loaded.config), loaded.source);
    for (const std::string& text : loaded.without_effect) log_warn("config", "{}", text);
    fmt::print("{}\n", write_run_config(loaded.config).dump_to_width(80));
  } else if (options.action == "schema") {
    fmt::print("{}\n", run_config_schema().dump(2));
  } else {
    fmt::print("{}", run_config_reference());
  }
  return 0;
}

}  // namespace tailor::cli

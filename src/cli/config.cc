// tailor config: the embedded configurations, the schema and the reference page.
#include "tailor/cli/commands.h"
#include "tailor/config/run_config.h"
#include "tailor/core/log.h"

namespace tailor {

int run_config(const ConfigOptions& options) {
  if (options.action == "list") {
    if (options.json) {
      fmt::print("{}\n", Json::array(embedded_config_names()).dump(2));
    } else {
      for (const std::string& name : embedded_config_names()) fmt::print("{}\n", name);
    }
  } else if (options.action == "show") {
    if (options.name.empty()) fail(ErrorKind::Usage, "config show: expected --config NAME or FILE");
    const LoadedConfig loaded = load_run_config(options.name, options.set);
    for (const std::string& text : loaded.without_effect) log_warn("config", "{}", text);
    fmt::print("{}\n", write_run_config(loaded.config).dump(2));
  } else if (options.action == "schema") {
    fmt::print("{}\n", run_config_schema().dump(2));
  } else {
    fmt::print("{}", run_config_reference());
  }
  return 0;
}

}  // namespace tailor

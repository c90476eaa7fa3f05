// Flags of the commands that make a checkpoint of another network.
#include <CLI/CLI.hpp>

#include "cli/flags.h"
#include "tailor/core/error.h"

namespace tailor::cli {

/// What both write.
static void add_output(CLI::App& app, CommonOptions& common, std::string& output, bool& force,
                       const char* folder) {
  app.add_option("--output", output,
                 fmt::format("Folder for model.ckpt and network.json (default {})", folder))
      ->type_name("DIR");
  app.add_flag("--force", force, "Replace these files if they exist");
  add_json(app, common);
}

void setup_widen(CLI::App& app, WidenOptions& o) {
  add_checkpoint(app, o.checkpoint);
  app.add_option("--skip", o.skips,
                 "Id of a skip that becomes channels (repeatable; default: all are)")
      ->type_name("ID")
      ->take_all()
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_flag(
      "--split-projections", o.split_projections,
      "A projection's input is carried twice, and its merged weights are sums of two: equal "
      "to 1e-9, where one rounding leaves 1e-7");
  app.add_option(
         "--training-images", o.images,
         "Images by which batch norms get the statistics that training begins with (default "
         "32; 0: none, to evaluate and export alone)")
      ->check(CLI::Range(int64_t{0}, int64_t{100'000}))
      ->type_name("N");
  app.add_option("--data", o.data, "Folder of the data set (default: as in the run)")
      ->type_name("DIR");
  add_output(app, o, o.output, o.force, "widened/RUN");
}

void setup_narrow(CLI::App& app, NarrowOptions& o) {
  add_checkpoint(app, o.checkpoint);
  app.add_option("--like", o.like,
                 "Network by name, a .json file that describes one, or a checkpoint: filters that "
                 "no skip reads go until there are as many as in it")
      ->required()
      ->type_name("NAME");
  app.add_option("--step", o.step, "Share of the way there, to be trained in between (default 1)")
      ->check(numbers_from(1e-6, 1))
      ->type_name("SHARE");
  add_output(app, o, o.output, o.force, "narrowed/RUN");
}

}  // namespace tailor::cli

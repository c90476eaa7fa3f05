// tailor evaluate --backend libtorch.
#include <chrono>

#include "cli/source.h"
#include "cli/torch/plugin.h"
#include "tailor/cli/commands.h"
#include "tailor/core/strings.h"
#include "tailor/train/trainer.h"

namespace tailor {

int torch_evaluate(const EvaluateOptions& options) {
  const Checkpoint c = load_checkpoint(options.checkpoint);
  RunConfig run = read_run_config(c.config, options.checkpoint);
  run.data = evaluation_data(run.data, options);
  const bool validation = options.split == "validation";
  DataSplits data = validation ? open_data(run.data) : open_test_data(run.data);
  warn_of_assumptions(c, options.checkpoint);
  order_classes(data, c.class_names);
  verify_data_fits(data, c.network.input, c.network.classes, "checkpoint " + options.checkpoint,
                   c.class_names);
  const Images images = validation ? data.validation : data.test;
  if (!images) {
    fail(ErrorKind::Usage,
         "--split validation: the run has no validation split (data.validation is 0)");
  }
  set_torch_threads(run.runtime.threads);
  auto progress = make_stderr_progress();
  const auto start = std::chrono::steady_clock::now();
  const Evaluation e = evaluate_network(c.network, c.tensors, *images, options.limit, data.shape,
                                        c.preprocessing, *progress);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (options.json) {
    fmt::print("{}\n", Json::object({{"checkpoint", options.checkpoint},
                                     {"data", data.name},
                                     {"split", options.split},
                                     {"images", e.images},
                                     {"accuracy", to_percent(e.accuracy_frac)},
                                     {"loss", e.loss},
                                     {"backend", "libtorch"},
                                     {"seconds", seconds}})
                           .dump(2));
  } else {
    fmt::print("accuracy {:.2f} % on {} {} images of {} (LibTorch, float32; {:.1f} s)\n",
               100 * e.accuracy_frac, e.images, options.split, data.name, seconds);
  }
  return 0;
}

}  // namespace tailor

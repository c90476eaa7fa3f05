// tailor evaluate: accuracy of a checkpoint, by LibTorch or by the emulators; only the first opens
// LibTorch.
#include <chrono>

#include "cli/source.h"
#include "tailor/cli/torch_plugin.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/progress.h"
#include "tailor/core/strings.h"
#include "tailor/core/threads.h"
#include "tailor/data/batch.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/integer.h"
#include "tailor/passes/passes.h"
#include "tailor/task/classification.h"

namespace tailor {
namespace {

Images choose_images(const GraphSource& source, const EvaluateOptions& options, std::string& name) {
  if (!source.data) {
    fail(ErrorKind::Usage,
         "{}: it does not say which data set it belongs to; evaluate a checkpoint", source.title);
  }
  const DataConfig config = evaluation_data(*source.data, options);
  name = config.name;
  const bool test = options.split == "test";
  DataSplits data = test ? open_test_data(config) : open_data(config);
  order_classes(data, source.class_names);
  verify_data_fits(data, source.graph.input_shape(), source.graph.classes(), source.title,
                   source.class_names);
  if (test) return data.test;
  if (!data.validation) {
    fail(ErrorKind::Usage,
         "--split validation: the run has no validation split (data.validation is 0)");
  }
  return data.validation;
}

int evaluate_emulator(const EvaluateOptions& options) {
  GraphSource source = open_graph_source(options.checkpoint, options.graph, "", false);
  const ExportConfig config = apply_hardware(source.exporting, options.hardware);
  std::string data_name;
  Images images = choose_images(source, options, data_name);
  const int64_t count =
      options.limit > 0 ? std::min(options.limit, images->size()) : images->size();

  DesignOptions design_options;
  design_options.type = config.type("--precision");
  design_options.input_magnitude = source.preprocessing.magnitude();
  design_options.layout = config.layout;
  const bool exact = options.engine == "float64";
  std::optional<Float64Emulator> float64;
  std::optional<IntegerEmulator> integers;
  if (exact) {
    float64.emplace(source.graph);
  } else {
    integers.emplace(make_design(source.graph, design_options));
  }

  auto progress = make_stderr_progress();
  progress->begin("evaluating", count, "image");
  constexpr int64_t kChunk = 64;
  ClassificationMeter meter;
  std::vector<int64_t> overflows;
  const MapShape shape = source.graph.input_shape();
  const auto start = std::chrono::steady_clock::now();
  for (int64_t first = 0; first < count; first += kChunk) {
    throw_if_interrupted();
    const int64_t n = std::min(kChunk, count - first);
    std::vector<int64_t> predicted(static_cast<size_t>(n)), labels(static_cast<size_t>(n));
    std::vector<int64_t> lost(static_cast<size_t>(n), 0);
    parallel_for(n, 0, [&](int64_t i) {
      const auto at = static_cast<size_t>(i);
      std::vector<float> chw =
          normalised_chw(*images, first + i, shape, source.preprocessing, &labels[at]);
      const std::vector<double> input(chw.begin(), chw.end());
      if (exact) {
        predicted[at] = predicted_class(Span<const double>(float64->run(input)));
      } else {
        IntegerResult r = integers->run(input);
        predicted[at] = predicted_class(Span<const double>(r.logits));
        for (int64_t o : r.overflows) lost[at] += o;
      }
    });
    for (size_t i = 0; i < predicted.size(); ++i) {
      meter.add_one(predicted[i], labels[i]);
      overflows.push_back(lost[i]);
    }
    progress->advance(n);
    progress->note(fmt::format("accuracy {:.2f} %", 100 * meter.accuracy_frac()));
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  progress->end();
  int64_t overflow_total = 0;
  for (int64_t o : overflows) overflow_total += o;
  const std::string how = exact ? "float64"
                                : fmt::format("emulator, {}, {}", to_string(design_options.type),
                                              to_string(config.layout));
  if (options.json) {
    Json answer = Json::object({{"checkpoint", source.title},
                                {"data", data_name},
                                {"split", options.split},
                                {"images", meter.images},
                                {"accuracy", to_percent(meter.accuracy_frac())},
                                {"backend", options.engine},
                                {"seconds", seconds}});
    if (!exact) {
      answer.set("type", to_string(design_options.type));
      answer.set("layout", to_string(config.layout));
      answer.set("overflows", overflow_total);
    }
    fmt::print("{}\n", answer.dump(2));
  } else {
    fmt::print("accuracy {:.2f} % on {} {} images of {} ({}; {:.1f} s)\n",
               100 * meter.accuracy_frac(), meter.images, options.split, data_name, how, seconds);
    if (overflow_total > 0) {
      fmt::print("{} outputs overflowed their type, {:.2g} an image\n", overflow_total,
                 static_cast<double>(overflow_total) / static_cast<double>(meter.images));
    }
  }
  return 0;
}

}  // namespace

int run_evaluate(const EvaluateOptions& options) {
  if (options.engine != "libtorch") return evaluate_emulator(options);
  const HardwareOptions& h = options.hardware;
  if (h.precision || h.layout || h.rounding || h.overflow) {
    fail(ErrorKind::Usage,
         "--precision, --layout, --rounding and --overflow need --backend emulator");
  }
  if (!options.graph.empty()) {
    fail(ErrorKind::Usage,
         "--graph needs --backend emulator or float64; LibTorch runs checkpoints");
  }
  EvaluateOptions resolved = options;
  resolved.checkpoint = options.checkpoint.empty() ? newest_finished_checkpoint("runs")
                                                   : resolve_checkpoint(options.checkpoint);
  return open_torch().evaluate(resolved);
}

int run_train(const TrainOptions& options) { return open_torch().train(options); }

}  // namespace tailor

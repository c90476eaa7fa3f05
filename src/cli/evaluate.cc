// tailor evaluate: what a network answers, by LibTorch or by the emulators; only the first opens
// LibTorch.
#include <algorithm>
#include <atomic>

#include "cli/evaluation.h"
#include "cli/sequences.h"
#include "cli/source.h"
#include "tailor/cli/torch_plugin.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/threads.h"
#include "tailor/data/batch.h"
#include "tailor/data/source.h"
#include "tailor/design/passes.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/integer.h"
#include "tailor/run/origin.h"
#include "tailor/task/classification.h"

namespace tailor::cli {
namespace {

/// "" where none did.
std::string overflow_text(int64_t overflows, int64_t examples, const char* unit) {
  if (overflows == 0) return "";
  return fmt::format("{} outputs overflowed their type, {:.1f} an {}", overflows,
                     static_cast<double>(overflows) / static_cast<double>(examples), unit);
}

/// A lowered network on the CPU without LibTorch, an image a thread.
class EmulatorEvaluator : public Evaluator {
 public:
  explicit EmulatorEvaluator(GraphSource& source) {
    title = source.title;
    input = source.lowered.graph().input_shape();
    const MapShape& answers = source.lowered.graph().output_shape();
    verify_answers(ExampleKind::Images, answers.pixels() > 1, answers, source.title);
    classes = answers.channels;
    class_names = source.class_names;
    preprocessing = source.preprocessing;
    data = source.data;
    if (const Json* texts = source.lowered.graph().provenance.find("assumptions")) {
      for (const Json& text : texts->as_array()) assumptions.push_back(text.as_string());
    }
  }

  void run(const ImageDataset& images, int64_t count, Progress& progress,
           const Sink& sink) override {
    constexpr int64_t kChunk = 64;
    const auto row = static_cast<size_t>(classes);
    progress.begin("evaluating", count, "image");
    for (int64_t first = 0; first < count; first += kChunk) {
      throw_if_interrupted();
      const int64_t n = std::min(kChunk, count - first);
      std::vector<int64_t> labels(static_cast<size_t>(n));
      std::vector<double> logits(labels.size() * row);
      parallel_for(n, 0, [&](int64_t i) {
        const auto at = static_cast<size_t>(i);
        const std::vector<float> image =
            normalised_hwc(images, first + i, input, preprocessing, &labels[at]);
        const std::vector<double> answer = logits_of({image.begin(), image.end()});
        TAILOR_CHECK(answer.size() == row, "{} logits for {} classes", answer.size(), row);
        std::copy(answer.begin(), answer.end(),
                  logits.begin() + static_cast<std::ptrdiff_t>(at * row));
      });
      sink(logits, labels);
      progress.advance(n);
    }
    progress.end();
  }

 private:
  /// Thread-safe.
  virtual std::vector<double> logits_of(const std::vector<double>& image) = 0;
};

class Float64Evaluator : public EmulatorEvaluator {
 public:
  explicit Float64Evaluator(GraphSource& source)
      : EmulatorEvaluator(source), emulator_(source.lowered) {
    backend = how = "float64";
  }

 private:
  std::vector<double> logits_of(const std::vector<double>& image) override {
    return emulator_.run(image);
  }
  Float64Emulator emulator_;
};

class IntegerEvaluator : public EmulatorEvaluator {
 public:
  IntegerEvaluator(GraphSource& source, const Plan& plan)
      : EmulatorEvaluator(source),
        type_(types_text(plan)),
        layout_(to_string(plan.layout())),
        emulator_(plan.graph()) {
    backend = "emulator";
    how = fmt::format("emulator, {}, {}", type_, layout_);
    if (plan.skip_form() != SkipForm::Folded)
      how += fmt::format(", skips {}", to_string(plan.skip_form()));
  }
  void describe(Json& answer) const override {
    answer.set("type", type_);
    answer.set("layout", layout_);
    answer.set("overflows", overflows_.load());
  }
  std::string remark(int64_t images) const override {
    return overflow_text(overflows_, images, "image");
  }

 private:
  std::vector<double> logits_of(const std::vector<double>& image) override {
    IntegerResult r = emulator_.run(image);
    for (int64_t count : r.overflows) overflows_ += count;
    return std::move(r.logits);
  }
  std::string type_, layout_;
  IntegerEmulator emulator_;
  std::atomic<int64_t> overflows_{0};
};

/// A lowered network on sequences: of its own width, so that shorter ones are padded with zeros.
class EmulatedSequences : public SequenceRunner {
 public:
  EmulatedSequences(const GraphSource& source, const Plan* plan) {
    const Graph& graph = source.lowered.graph();
    title = source.title;
    if (plan) {
      integer_.emplace(plan->graph());
      backend = "emulator";
      how = fmt::format("emulator, {}, {}", types_text(*plan), to_string(plan->layout()));
    } else {
      float64_.emplace(source.lowered);
      backend = how = "float64";
    }
    kind = traits_of(*source.data).kind;
    input = graph.input_shape();
    const MapShape& answers = graph.output_shape();
    verify_answers(kind, answers.pixels() > 1, answers, title);
    classes = answers.channels;
    stride = (input.width + answers.width - 1) / answers.width;
    data = *source.data;
    ctc = source.ctc;
  }
  Tensor run(const Tensor& inputs, const std::vector<int64_t>& /*lengths*/) override {
    const Shape& shape = inputs.shape();
    if (shape[2] > input.width) {
      fail(ErrorKind::Usage,
           "{}: the graph takes {} columns, the longest example has {}; evaluate it with --backend "
           "libtorch, or on shorter examples",
           title, input.width, shape[2]);
    }
    const int64_t positions = (input.width + stride - 1) / stride;
    Tensor outputs(DType::F32, {shape[0], positions, classes});
    const auto row = static_cast<size_t>(shape[2] * shape[3]),
               answer = static_cast<size_t>(positions * classes);
    parallel_for(shape[0], 0, [&](int64_t n) {
      const float* x = inputs.as<float>().data() + static_cast<size_t>(n) * row;
      std::vector<double> padded(static_cast<size_t>(input.size()), 0.0);
      std::copy(x, x + row, padded.begin());
      const std::vector<double> y = logits_of(padded);
      TAILOR_CHECK(y.size() == answer, "{} outputs", y.size());
      std::transform(y.begin(), y.end(),
                     outputs.as<float>().data() + static_cast<size_t>(n) * answer,
                     [](double v) { return static_cast<float>(v); });
    });
    return outputs;
  }
  int64_t positions(int64_t columns) const override { return (columns + stride - 1) / stride; }
  void describe(Json& answer) const override {
    if (integer_) answer.set("overflows", overflows_.load());
  }
  std::string remark(int64_t examples) const override {
    return overflow_text(overflows_, examples, "example");
  }

 private:
  std::vector<double> logits_of(const std::vector<double>& x) {
    if (float64_) return float64_->run(x);
    IntegerResult r = integer_->run(x);
    for (int64_t count : r.overflows) overflows_ += count;
    return std::move(r.logits);
  }
  std::optional<Float64Emulator> float64_;
  std::optional<IntegerEmulator> integer_;
  std::atomic<int64_t> overflows_{0};
};

bool is_on_sequences(const std::optional<DataConfig>& data) {
  return data && traits_of(*data).kind != ExampleKind::Images;
}

int evaluate_emulated(const EvaluateOptions& options) {
  GraphSource source = open_graph_source(options.checkpoint, options.graph, "", false);
  const ExportConfig config = apply_hardware(source.exporting, options.hardware);
  if (is_on_sequences(source.data)) {
    std::optional<Plan> plan;
    if (options.engine != "float64")
      plan = plan_export(source.lowered, config, magnitude_of(source));
    EmulatedSequences runner(source, plan ? &*plan : nullptr);
    return evaluate_sequences(runner, options);
  }
  if (options.engine == "float64") {
    Float64Evaluator evaluator(source);
    return evaluate_images(evaluator, options);
  }
  if (source.data) widen_value_range(source, evaluation_data(*source.data, options));
  IntegerEvaluator evaluator(source, plan_export(source.lowered, config, magnitude_of(source)));
  return evaluate_images(evaluator, options);
}

}  // namespace

int run_evaluate(const EvaluateOptions& options) {
  if (options.engine != "libtorch") return evaluate_emulated(options);
  const HardwareOptions& h = options.hardware;
  if (h.precision || h.layout || h.skips || h.rounding || h.overflow) {
    fail(ErrorKind::Usage,
         "--precision, --layout, --skips, --rounding and --overflow need --backend emulator");
  }
  if (!options.graph.empty()) {
    fail(ErrorKind::Usage,
         "--graph needs --backend emulator or float64; LibTorch runs checkpoints");
  }
  EvaluateOptions resolved = options;
  resolved.checkpoint = options.checkpoint.empty() ? newest_finished_checkpoint("runs")
                                                   : resolve_checkpoint(options.checkpoint);
  if (kind_of_checkpoint(resolved.checkpoint) != ExampleKind::Images)
    return evaluate_sequences(*open_sequence_network(resolved.checkpoint), resolved);
  return open_torch().evaluate(resolved);
}

int run_train(const TrainOptions& options) { return open_torch().train(options); }

}  // namespace tailor::cli

// tailor evaluate: what a network answers, by LibTorch or by the emulators; only the first opens
// LibTorch.
#include <algorithm>
#include <atomic>

#include "cli/evaluation.h"
#include "cli/sequences.h"
#include "cli/source.h"
#include "tailor/cli/torch_plugin.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/strings.h"
#include "tailor/core/threads.h"
#include "tailor/data/batch.h"
#include "tailor/data/source.h"
#include "tailor/design/passes.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/integer.h"
#include "tailor/run/origin.h"
#include "tailor/target/manifest.h"
#include "tailor/task/classification.h"

namespace tailor::cli {
namespace {

/// "" where none did.
std::string overflow_text(int64_t overflows, int64_t examples, const char* unit) {
  if (overflows == 0) return "";
  return fmt::format("{} overflowed their type, {:.1f} an {}", counted(overflows, "output"),
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

/// What the integers compute, and its types in words.
struct Hardware {
  Graph graph;
  std::string type, layout;
  std::string skips;  // empty: folded
  std::string text() const {
    return fmt::format("emulator, {}, {}{}", type, layout, skips.empty() ? "" : ", skips " + skips);
  }
};

Hardware hardware_of(const Plan& plan) {
  Hardware h{plan.graph(), types_text(plan), to_string(plan.layout()), ""};
  if (plan.skip_form() != SkipForm::Folded) h.skips = to_string(plan.skip_form());
  return h;
}

Hardware hardware_of(Graph design) {
  const Manifest::DesignOptions options = read_design_options(design.provenance.at("design"));
  return {std::move(design), options.type, options.layout, options.skips};
}

class IntegerEvaluator : public EmulatorEvaluator {
 public:
  IntegerEvaluator(GraphSource& source, const Hardware& hardware)
      : EmulatorEvaluator(source),
        type_(hardware.type),
        layout_(hardware.layout),
        emulator_(hardware.graph) {
    backend = "emulator";
    how = hardware.text();
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
  /// Without `hardware` in float64.
  EmulatedSequences(const GraphSource& source, const std::optional<Hardware>& hardware) {
    const Graph& graph = source.lowered.graph();
    title = source.title;
    if (hardware) {
      integer_.emplace(hardware->graph);
      backend = "emulator";
      how = hardware->text();
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

/// --layout and the like, beside --precision.
bool has_modes(const HardwareOptions& h) { return h.layout || h.skips || h.rounding || h.overflow; }

/// A graph of a project is computed as the project computes it, whose design lies beside it;
/// anything else as the flags say, or the training.
Hardware hardware_for(GraphSource& source, const EvaluateOptions& options) {
  const HardwareOptions& flags = options.hardware;
  std::optional<Graph> design;
  if (!options.graph.empty() && !flags.precision) design = design_beside(options.graph);
  if (design && has_modes(flags)) {
    fail(ErrorKind::Usage,
         "--layout, --skips, --rounding and --overflow: {} is of a project, whose design says "
         "them; expected --precision with them, which makes another one",
         options.graph);
  }
  if (design) return hardware_of(std::move(*design));
  const ExportConfig config = apply_hardware(source.exporting, flags);
  if (source.data && !is_on_sequences(source.data))
    widen_value_range(source, evaluation_data(*source.data, options));
  return hardware_of(plan_export(source.lowered, config, magnitude_of(source)));
}

int evaluate_emulated(const EvaluateOptions& options) {
  GraphSource source = open_graph_source(options.checkpoint, options.graph, "", false);
  std::optional<Hardware> hardware;
  if (options.engine != "float64") hardware = hardware_for(source, options);
  if (is_on_sequences(source.data)) {
    EmulatedSequences runner(source, hardware);
    return evaluate_sequences(runner, options);
  }
  if (!hardware) {
    Float64Evaluator evaluator(source);
    return evaluate_images(evaluator, options);
  }
  IntegerEvaluator evaluator(source, *hardware);
  return evaluate_images(evaluator, options);
}

}  // namespace

int run_evaluate(const EvaluateOptions& options) {
  if (options.engine != "emulator" && (options.hardware.precision || has_modes(options.hardware))) {
    fail(ErrorKind::Usage,
         "--precision, --layout, --skips, --rounding and --overflow need --backend emulator: "
         "libtorch "
         "computes as the network was trained, float64 rounds nothing");
  }
  if (options.engine != "libtorch") return evaluate_emulated(options);
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

int run_bench(const BenchOptions& options) { return open_torch().bench(options); }

}  // namespace tailor::cli

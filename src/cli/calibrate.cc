// tailor calibrate: which types the stages of a trained network need, as a table and as the file
// that --precision takes; and for those who do not retrain, biases that fit them.
#include <algorithm>
#include <atomic>

#include "cli/import.h"
#include "cli/ranges.h"
#include "cli/source.h"
#include "cli/table.h"
#include "tailor/cli/torch_plugin.h"
#include "tailor/core/files.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/core/threads.h"
#include "tailor/data/batch.h"
#include "tailor/data/source.h"
#include "tailor/design/correct_biases.h"
#include "tailor/design/fewest_bits.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/integer.h"
#include "tailor/run/quantization.h"
#include "tailor/task/classification.h"

namespace tailor::cli {
namespace {

constexpr int kLeastBits = 2;
constexpr size_t kProbes = 64;  // images by which stages are compared

/// How many images a network has right, be it in floating point or in integers. None of them is a
/// test image.
class Judge {
 public:
  Judge(const GraphSource& source, const DataSplits& data, const CalibrateOptions& options)
      : source_(source), images_(as_images(data.validation ? data.validation : data.train)) {
    if (!data.validation) first_ = std::min(options.images, images_->size());
    count_ = std::min(options.judged, images_->size() - first_);
    if (count_ < 1) {
      fail(ErrorKind::Usage,
           "--max-loss: all {} training images are looked at for types and none is left to measure "
           "the loss by; expected fewer --training-images",
           first_);
    }
    text_ = counted(count_, data.validation ? "validation image" : "training image");
  }
  /// "1,000 validation images".
  const std::string& text() const { return text_; }
  /// In per cent; `logits` is thread-safe.
  double accuracy(const std::function<std::vector<double>(const std::vector<double>&)>& logits) {
    std::atomic<int64_t> right{0};
    const MapShape shape = source_.lowered.graph().input_shape();
    parallel_for(count_, 0, [&](int64_t i) {
      if (pending_interrupt() != 0) return;
      int64_t label = 0;
      const std::vector<float> image =
          normalised_hwc(*images_, first_ + i, shape, source_.preprocessing, &label);
      if (top_classes(logits({image.begin(), image.end()}), 1).front().index == label) ++right;
    });
    throw_if_interrupted();
    return 100 * static_cast<double>(right) / static_cast<double>(count_);
  }
  double accuracy(const Plan& plan) {
    const IntegerEmulator emulator(plan.graph());
    return accuracy([&](const std::vector<double>& image) { return emulator.run(image).logits; });
  }

 private:
  const GraphSource& source_;
  Images images_;
  int64_t first_ = 0, count_ = 0;
  std::string text_;
};

/// What the widths of a loss are, beside those that the search began with.
struct Savings {
  std::string judged_by;
  double max_loss = 0, exact = 0, before = 0, after = 0;  // accuracies in per cent
  WidthCost cost_before, cost_after;
};

struct Answer {
  TypeCalibration types;
  std::optional<Savings> savings;
  BiasShifts shifts;  // empty: biases are as they were
};

/// With its biases corrected.
Plan plan_corrected(const Lowered& lowered, const TypeCalibration& c, const Inputs& images) {
  Graph graph = lowered.graph();
  const Plan plan = plan_trained(lowered, c.types);
  add_to_biases(graph.tensors, bias_corrections(lowered, plan, images));
  return plan_trained(Lowered(std::move(graph), "biases corrected"), c.types);
}

/// The fewest bits whose accuracy is within the loss.
Answer find_widths(const CalibrateOptions& options, const GraphSource& source,
                   const DataSplits& data, const CalibrationRequest& start, const Inputs& images) {
  Judge judge(source, data, options);
  Answer answer;
  Savings& s = answer.savings.emplace();
  s.judged_by = judge.text(), s.max_loss = *options.max_loss;
  const Float64Emulator exact(source.lowered);
  s.exact = judge.accuracy([&](const std::vector<double>& image) { return exact.run(image); });
  const StageRanges ranges(source.lowered, start, images, kLeastBits);
  const bool corrects = !options.corrected.empty();
  auto plan_of = [&](const TypeCalibration& types) {
    return corrects ? plan_corrected(source.lowered, types, images)
                    : plan_trained(source.lowered, types.types);
  };
  WidthRequest request{start, kLeastBits, corrects, [&](const TypeCalibration& types) {
                         const Plan plan = plan_of(types);
                         const double accuracy = judge.accuracy(plan);
                         log_info("cli", "{} bits of weights: {:.2f} % of {}",
                                  with_commas(width_cost(plan).weight_bits), accuracy,
                                  judge.text());
                         return s.exact - accuracy <= s.max_loss;
                       }};
  const Inputs probes(images.begin(), images.begin() + static_cast<std::ptrdiff_t>(
                                                           std::min(kProbes, images.size())));
  const CalibrationRequest fewest = fewest_bits(source.lowered, ranges, request, probes);
  answer.types = ranges.types(fewest);
  const Plan before = plan_of(ranges.types(start)), after = plan_of(answer.types);
  s.before = judge.accuracy(before), s.after = judge.accuracy(after);
  s.cost_before = width_cost(before), s.cost_after = width_cost(after);
  return answer;
}

/// The checkpoint with biases for these types.
void write_corrected(const CalibrateOptions& options, const GraphSource& source,
                     const TrainedPrecision& types, const BiasShifts& shifts, size_t images) {
  Checkpoint c = load_checkpoint(source.title);
  if (c.precision) {
    fail(ErrorKind::Usage,
         "--correct-biases: {} was trained quantised, so that its biases know its types",
         source.title);
  }
  add_to_biases(c.tensors, shifts);
  c.slots.clear();
  const Json& weights = source.lowered.graph().provenance.at("weights_sha256");
  const Json how = Json::object({{"weights_sha256", weights},
                                 {"types", write_trained_precision(types)},
                                 {"images", static_cast<int64_t>(images)}});
  c.metrics = Json::object({{"biases_corrected", how}});
  c.witness = make_witness(c, source.title);
  save_checkpoint(options.corrected, c);
}

/// "4 of 2,304, 0.17 %".
std::string saturated_text(const Range& range) {
  return fmt::format("{} of {}, {:.2f} %", with_commas(range.saturated), with_commas(range.count),
                     100 * range.saturated_frac());
}

std::string stages_text(const TypeCalibration& c) {
  const bool scales = std::any_of(c.types.stages.begin(), c.types.stages.end(),
                                  [](const StageTypes& t) { return !t.scales.empty(); });
  std::vector<std::string> head = {"stage"};
  if (scales) head.emplace_back("scales");
  head.insert(head.end(), {scales ? "largest in scales" : "largest weight", "weights", "saturate",
                           "largest value", "values", "saturate"});
  Table table(head);
  for (size_t i = 0; i < c.stages.size(); ++i) {
    const StageRange& s = c.stages[i];
    const StageTypes& t = c.types.stages[i];
    const bool logits = t.activations.empty();
    const bool ranges = s.has_weights && t.weights != kBinary;
    std::vector<std::string> row = {s.stage};
    if (scales) row.push_back(t.scales);
    row.insert(row.end(),
               {ranges ? fmt::format("{:.3g}", s.weights.largest) : "", t.weights,
                ranges ? saturated_text(s.weights) : "", fmt::format("{:.3g}", s.values.largest),
                logits ? "logits" : t.activations, logits ? "" : saturated_text(s.values)});
    table.add(row);
  }
  return table.text();
}

std::string savings_text(const Savings& s) {
  auto percent = [](double v) { return fmt::format("{:.2f} %", v); };
  Table table({"", "before", "after"});
  table.add({"bits of products, an image", with_commas(s.cost_before.product_bits),
             with_commas(s.cost_after.product_bits)});
  table.add({"bits of weights", with_commas(s.cost_before.weight_bits),
             with_commas(s.cost_after.weight_bits)});
  table.add({"accuracy", percent(s.before), percent(s.after)});
  return fmt::format("\n{}of {}; in floating point {:.2f} %, of which {:g} points may go\n",
                     table.text(), s.judged_by, s.exact, s.max_loss);
}

Json stages_json(const TypeCalibration& c) {
  std::vector<Json> list;
  for (size_t i = 0; i < c.stages.size(); ++i) {
    auto range = [](const std::string& type, const Range& r) {
      return Json::object(
          {{"type", type}, {"largest", r.largest}, {"count", r.count}, {"saturated", r.saturated}});
    };
    const StageRange& s = c.stages[i];
    const StageTypes& t = c.types.stages[i];
    Json stage = Json::object({{"stage", s.stage}});
    if (s.has_weights) stage.set("weights", range(t.weights, s.weights));
    if (!t.scales.empty()) stage.set("scales", t.scales);
    if (!t.activations.empty()) stage.set("values", range(t.activations, s.values));
    list.push_back(std::move(stage));
  }
  return Json::array(list);
}

Json savings_json(const Savings& s) {
  auto of = [](const WidthCost& cost, double accuracy) {
    return Json::object({{"product_bits", cost.product_bits},
                         {"weight_bits", cost.weight_bits},
                         {"accuracy", accuracy}});
  };
  return Json::object({{"images", s.judged_by},
                       {"max_loss", s.max_loss},
                       {"floating_point", s.exact},
                       {"before", of(s.cost_before, s.before)},
                       {"after", of(s.cost_after, s.after)}});
}

/// A configuration's section for training with these widths, whose points it learns.
Json quantization_json(const TypeCalibration& c) {
  QuantizationConfig config;
  auto bits = [](const std::string& type) {
    if (type == kBinary) return std::string("1");
    const std::string width(split(type, ',')[0]);
    return starts_with(width, "u") ? width.substr(1) : width;
  };
  if (!c.types.scales.empty()) config.scale_bits = parse_int(bits(c.types.scales));
  config.precision = bits(c.types.activations);
  config.points = Points::Learned;
  for (size_t i = 0; i < c.stages.size(); ++i) {
    const StageTypes& t = c.types.stages[i];
    if (c.stages[i].has_weights)
      config.stages.push_back({t.stage, bits(t.weights), bits(t.activations), ""});
  }
  const StageTypes& input = c.types.stages.back();
  config.stages.push_back({input.stage, "", bits(input.activations), ""});
  return write_record([&](RecordVisitor& v) { describe(v, config); });
}

void print_answer(const CalibrateOptions& options, const GraphSource& source, size_t images,
                  const Answer& answer) {
  if (options.json) {
    Json json = Json::object({{"checkpoint", source.title},
                              {"output", options.output},
                              {"images", static_cast<int64_t>(images)},
                              {"stages", stages_json(answer.types)},
                              {"quantization", quantization_json(answer.types)}});
    if (answer.savings) json.set("widths", savings_json(*answer.savings));
    if (!answer.shifts.empty()) json.set("corrected", options.corrected);
    fmt::print("{}\n", json.dump(2));
    return;
  }
  fmt::print("{}{}\ntypes of {} by {} of {}: {}\n", stages_text(answer.types),
             answer.savings ? savings_text(*answer.savings) : "", source.title,
             counted(static_cast<int64_t>(images), "training image"), source.data->name,
             options.output);
  const bool corrected = !answer.shifts.empty();
  if (corrected) {
    fmt::print("biases of {} corrected for them: {}\n",
               counted(static_cast<int64_t>(answer.shifts.size()), "layer"), options.corrected);
  }
  fmt::print("next: tailor evaluate --checkpoint {}{} --backend emulator --precision {}\n",
             shell_quote(corrected ? options.corrected : source.title),
             options.data.empty() ? "" : " --data " + shell_quote(options.data),
             shell_quote(options.output));
}

/// Before the work that ends in them.
void check_outputs(const CalibrateOptions& options) {
  if (!has_extension(options.output, ".json"))
    fail(ErrorKind::Usage, "--output {}: expected FILE.json", options.output);
  refuse_to_replace("--output", options.output, options.force);
  if (!options.plot.empty()) {
    if (!has_extension(options.plot, ".svg"))
      fail(ErrorKind::Usage, "--plot {}: expected FILE.svg", options.plot);
    refuse_to_replace("--plot", options.plot, options.force);
  }
  if (options.corrected.empty()) return;
  if (!has_extension(options.corrected, ".ckpt"))
    fail(ErrorKind::Usage, "--correct-biases {}: expected FILE.ckpt", options.corrected);
  refuse_to_replace("--correct-biases", options.corrected, options.force);
  open_torch();  // whose answers are the checkpoint's witness
}

}  // namespace

int run_calibrate(const CalibrateOptions& options) {
  check_outputs(options);
  const std::optional<Layout> layout = find_enumerator<Layout>(options.layout);
  if (!layout) {
    fail(ErrorKind::Usage, "--layout: expected fused or stock, got '{}'", options.layout);
  }
  const GraphSource source = open_graph_source(options.checkpoint, "", "", false);
  const DataSplits data = open_images(source, options.data, "calibrate");
  const Inputs images = training_images(source, data, options.images);
  CalibrationRequest request;
  request.layout = *layout;
  request.bits = static_cast<int>(options.bits);
  request.weight_bits = static_cast<int>(options.weight_bits.value_or(options.bits));
  request.scale_bits = static_cast<int>(options.scale_bits.value_or(0));
  request.stages = {{kInputStage, 0, std::max(request.bits, kPixelBits)}};
  request.input_magnitude = magnitude_of(source);
  Answer answer;
  request.holds_folded_skips = options.max_loss.has_value();
  if (options.max_loss) {
    answer = find_widths(options, source, data, request, images);
  } else {
    answer.types = calibrate(source.lowered, request, images);
  }
  const TrainedPrecision& types = answer.types.types;
  if (!options.corrected.empty()) {
    answer.shifts = bias_corrections(source.lowered, plan_trained(source.lowered, types), images);
    write_corrected(options, source, types, answer.shifts, images.size());
  }
  write_file(options.output, write_trained_precision(types).dump(2) + "\n");
  if (!options.plot.empty()) {
    write_file(
        options.plot,
        emit_ranges_svg(answer.types, fmt::format("{}, {} training images of {}", source.name,
                                                  images.size(), source.data->name)));
  }
  const std::string unfolded = unfolded_text(plan_trained(source.lowered, types));
  if (!unfolded.empty()) log_warn("cli", "{}", unfolded);
  print_answer(options, source, images.size(), answer);
  return 0;
}

}  // namespace tailor::cli

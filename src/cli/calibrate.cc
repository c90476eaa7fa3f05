// tailor calibrate: which types the stages of a trained network need, as a table and as the file
// that --precision takes.
#include <algorithm>

#include "cli/import.h"
#include "cli/source.h"
#include "cli/table.h"
#include "tailor/cli/torch_plugin.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/data/batch.h"
#include "tailor/data/source.h"
#include "tailor/design/calibrate.h"
#include "tailor/design/correct_biases.h"

namespace tailor::cli {
namespace {

/// Of the training set, so that no test image decides anything.
std::vector<std::vector<double>> training_images(const GraphSource& source,
                                                 const CalibrateOptions& options) {
  if (!source.data || traits_of(*source.data).kind != ExampleKind::Images) {
    fail(ErrorKind::Unsupported, "calibrate: {} is not of a data set of images", source.title);
  }
  DataConfig config = *source.data;
  if (!options.data.empty()) config.root = options.data;
  const DataSplits data = open_data(config);
  const MapShape shape = source.lowered.graph().input_shape();
  verify_data_fits(data, shape, source.lowered.graph().classes(), source.title);
  const Images images = as_images(data.train);
  std::vector<std::vector<double>> inputs;
  for (int64_t i = 0; i < std::min(options.images, images->size()); ++i) {
    const std::vector<float> image = normalised_hwc(*images, i, shape, source.preprocessing);
    inputs.emplace_back(image.begin(), image.end());
  }
  return inputs;
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

/// Of the answer of --json.
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

/// Writes the checkpoint with biases for these types; returns how many layers' they are.
size_t write_corrected(const CalibrateOptions& options, const GraphSource& source,
                       const TrainedPrecision& types,
                       const std::vector<std::vector<double>>& images) {
  Checkpoint c = load_checkpoint(source.title);
  if (c.precision) {
    fail(ErrorKind::Usage,
         "--correct-biases: {} was trained quantised, so that its biases know its types",
         source.title);
  }
  const auto shifts = bias_corrections(source.lowered, plan_trained(source.lowered, types), images);
  for (const auto& [name, shift] : shifts) {
    const auto bias = c.tensors.at(name).as<float>();
    TAILOR_CHECK(bias.size() == shift.size(), "{}: {} shifts", name, shift.size());
    for (size_t i = 0; i < shift.size(); ++i) bias[i] = static_cast<float>(bias[i] + shift[i]);
  }
  c.slots.clear();
  const Json& weights = source.lowered.graph().provenance.at("weights_sha256");
  const Json how = Json::object({{"weights_sha256", weights},
                                 {"types", write_trained_precision(types)},
                                 {"images", static_cast<int64_t>(images.size())}});
  c.metrics = Json::object({{"biases_corrected", how}});
  c.witness = make_witness(c, source.title);
  save_checkpoint(options.corrected, c);
  return shifts.size();
}

}  // namespace

int run_calibrate(const CalibrateOptions& options) {
  if (options.output.empty() || !has_extension(options.output, ".json"))
    fail(ErrorKind::Usage, "calibrate: expected --output FILE.json");
  refuse_to_replace("--output", options.output, options.force);
  if (!options.corrected.empty()) {
    if (!has_extension(options.corrected, ".ckpt"))
      fail(ErrorKind::Usage, "--correct-biases {}: expected FILE.ckpt", options.corrected);
    refuse_to_replace("--correct-biases", options.corrected, options.force);
    open_torch();  // whose answers are the checkpoint's witness
  }
  const GraphSource source = open_graph_source(options.checkpoint, "", "", false);
  const std::optional<Layout> layout = find_enumerator<Layout>(options.layout);
  if (!layout) {
    fail(ErrorKind::Usage, "--layout: expected fused or stock, got '{}'", options.layout);
  }
  const auto images = training_images(source, options);
  CalibrationRequest request;
  request.layout = *layout;
  request.bits = static_cast<int>(options.bits);
  request.weight_bits = static_cast<int>(options.weight_bits.value_or(options.bits));
  request.scale_bits = static_cast<int>(options.scale_bits.value_or(0));
  request.input_magnitude = magnitude_of(source);
  const TypeCalibration c = calibrate(source.lowered, request, images);
  size_t corrected = 0;
  if (!options.corrected.empty()) corrected = write_corrected(options, source, c.types, images);
  write_file(options.output, write_trained_precision(c.types).dump(2) + "\n");
  if (options.json) {
    Json answer = Json::object({{"checkpoint", source.title},
                                {"output", options.output},
                                {"images", static_cast<int64_t>(images.size())},
                                {"stages", stages_json(c)}});
    if (corrected > 0) answer.set("corrected", options.corrected);
    fmt::print("{}\n", answer.dump(2));
    return 0;
  }
  fmt::print("{}\ntypes of {} by {} training images of {}: {}\n", stages_text(c), source.title,
             images.size(), source.data->name, options.output);
  if (corrected > 0)
    fmt::print("biases of {} layers corrected for them: {}\n", corrected, options.corrected);
  fmt::print("next: tailor evaluate --checkpoint {} --backend emulator --precision {}\n",
             shell_quote(corrected > 0 ? options.corrected : source.title),
             shell_quote(options.output));
  return 0;
}

}  // namespace tailor::cli

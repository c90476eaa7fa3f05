// tailor calibrate: which types the stages of a trained network need, as a table and as the file
// that --precision takes.
#include <algorithm>

#include "cli/source.h"
#include "cli/table.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/data/batch.h"
#include "tailor/data/source.h"
#include "tailor/design/calibrate.h"

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
  Table table(
      {"stage", "largest weight", "weights", "saturate", "largest value", "values", "saturate"});
  for (size_t i = 0; i < c.stages.size(); ++i) {
    const StageRange& s = c.stages[i];
    const StageTypes& t = c.types.stages[i];
    const bool logits = t.activations.empty();
    table.add({s.stage, s.has_weights ? fmt::format("{:.3g}", s.weights.largest) : "", t.weights,
               s.has_weights ? saturated_text(s.weights) : "",
               fmt::format("{:.3g}", s.values.largest), logits ? "logits" : t.activations,
               logits ? "" : saturated_text(s.values)});
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
    if (!t.activations.empty()) stage.set("values", range(t.activations, s.values));
    list.push_back(std::move(stage));
  }
  return Json::array(list);
}

}  // namespace

int run_calibrate(const CalibrateOptions& options) {
  if (options.output.empty() || !has_extension(options.output, ".json"))
    fail(ErrorKind::Usage, "calibrate: expected --output FILE.json");
  refuse_to_replace("--output", options.output, options.force);
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
  request.input_magnitude = magnitude_of(source);
  const TypeCalibration c = calibrate(source.lowered, request, images);
  const Json types = write_trained_precision(c.types);
  write_file(options.output, types.dump(2) + "\n");
  if (options.json) {
    const Json answer = Json::object({{"checkpoint", source.title},
                                      {"output", options.output},
                                      {"images", static_cast<int64_t>(images.size())},
                                      {"stages", stages_json(c)}});
    fmt::print("{}\n", answer.dump(2));
    return 0;
  }
  fmt::print(
      "{}\ntypes of {} by {} training images of {}: {}\nnext: tailor evaluate --checkpoint {} "
      "--backend emulator --precision {}\n",
      stages_text(c), source.title, images.size(), source.data->name, options.output,
      shell_quote(source.title), shell_quote(options.output));
  return 0;
}

}  // namespace tailor::cli

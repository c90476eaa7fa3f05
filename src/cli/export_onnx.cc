// tailor export --format onnx: the network as an ONNX model, as trained, or where types are known,
// as its design with QONNX's quantisers.
#include "cli/source.h"
#include "cli/table.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/ir/onnx.h"

namespace tailor::cli {

int export_onnx(const ExportOptions& options, GraphSource source, const ExportConfig& config) {
  const bool typed =
      config.trained || options.hardware.precision.has_value() || !options.config.empty();
  if (!typed && (options.hardware.rounding || options.hardware.overflow || options.hardware.layout))
    fail(ErrorKind::Usage, "--format onnx: rounding, overflow and layout go with --precision");
  const std::string path = options.output.empty() ? source.name + ".onnx" : options.output;
  refuse_to_replace("--output", path, options.force);
  if (typed && source.data) {
    DataConfig data = *source.data;
    if (!options.data.empty()) data.root = options.data;
    widen_value_range(source, data);
  }
  OnnxExport exported =
      typed ? onnx_of(plan_export(source.lowered, config, magnitude_of(source)).graph())
            : onnx_of(source.lowered.graph());
  exported.model.metadata = {
      {"tailor.source", source.title},
      {"tailor.preprocessing", write_preprocessing(source.preprocessing).dump()}};
  write_file(path, print_onnx(exported.model));
  const std::string types = !typed           ? ""
                            : config.trained ? config.trained->text()
                                             : config.precision;
  if (options.json) {
    fmt::print("{}\n", Json::object({{"file", path},
                                     {"source", source.title},
                                     {"nodes", exported.model.nodes.size()},
                                     {"opset", kOnnxOpset},
                                     {"quantised", typed},
                                     {"types", types},
                                     {"warnings", Json::array(exported.warnings)}})
                           .dump(2));
    return 0;
  }
  fmt::print("{}: {} nodes of {}, opset {}{}\n", path, exported.model.nodes.size(), source.title,
             kOnnxOpset, typed ? fmt::format(", {} with QONNX's Quant nodes", types) : ", float32");
  for (const std::string& text : exported.warnings) fmt::print("warning: {}\n", text);
  fmt::print("in Python: onnx.checker.check_model({}, full_check=True)\n", Json(path).dump());
  return 0;
}

}  // namespace tailor::cli

// Where a command's network comes from: a checkpoint, a graph file, the newest finished run, or a
// name; and the images that go with it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tailor/cli/commands.h"
#include "tailor/data/examples.h"
#include "tailor/design/export.h"
#include "tailor/design/lower.h"
#include "tailor/design/passes.h"
#include "tailor/ir/graph.h"
#include "tailor/run/checkpoint.h"
#include "tailor/run/run_config.h"
#include "tailor/tensors/preprocessing.h"

namespace tailor::cli {

struct GraphSource {
  explicit GraphSource(Lowered graph) : lowered(std::move(graph)) {}
  Lowered lowered;    // checked against its witness
  std::string name;   // of the run or network, for default output folders
  std::string title;  // "runs/x/best.ckpt"
  Preprocessing preprocessing;
  std::vector<std::string> class_names;  // where the data set names them
  std::optional<DataConfig> data;
  CtcConfig ctc;           // the run's, or defaults
  ExportConfig exporting;  // the run's, or defaults
};

/// Exactly one of the three is not empty, or none: then the newest finished run in ./runs.
GraphSource open_graph_source(const std::string& checkpoint, const std::string& graph,
                              const std::string& network, bool untrained);

/// The checkpoint that the source is. Throws Unsupported where it was trained quantised: `command`
/// takes none of those because of `why`.
Checkpoint load_unquantised(const GraphSource& source, const char* command, const char* why);

/// An import knows no range of its arrays' values, which the set itself does: the source's range is
/// widened to the test images'. A set that is not there is a warning: then values are taken for
/// 0..1.
void widen_value_range(GraphSource& source, const DataConfig& config);

/// best.ckpt, else last.ckpt, of the newest run under `runs` that has a summary.json. Throws Usage
/// when there is none.
std::string newest_finished_checkpoint(const std::string& runs);

/// A mean or deviation by channel, as people read it: "0.49,0.48,0.45", "0 in each of 64 channels".
std::string channels_text(const std::vector<double>& values);

/// Uniform random pixels, preprocessed, HWC: what a network without data is looked at with.
std::vector<double> noise_image(const MapShape& shape, const Preprocessing& p, int64_t index);

/// The design of the project that a graph file is of, beside it; nothing where it is of none.
/// Throws Mismatch where one of the two was changed since the export.
std::optional<Graph> design_beside(const std::string& graph);

/// tailor export --format safetensors.
int export_weights(const ExportOptions& options);
/// tailor export --format onnx.
int export_onnx(const ExportOptions& options, GraphSource source, const ExportConfig& config);

/// The run's export section with the flags on top.
ExportConfig apply_hardware(ExportConfig base, const HardwareOptions& flags);

/// The run's export section, with the types that the weights were trained with.
ExportConfig export_of(const Checkpoint& c, const std::string& file);

/// A network whose weights are all 0: which limits its design meets depends on them little.
Lowered without_weights(const Network& network);

/// What the card and its tool could not do with a network, before it is trained: its design from
/// weights of 0, without FIFOs. An export that would be refused outright is one limit with its
/// error.
SizingEstimate estimate_network(const Network& network, const ExportConfig& config);

/// --set on a configuration with a `data` section. A picture's size belongs to the sets that have
/// pictures of any size: naming another set without one drops it.
void override_data(Json& config, const std::vector<std::string>& assignments);

/// Warns of each --set that a command which reads the section `data` alone has no use for: keys of
/// other sections, and those in `unread` (prefixes, each with the reason).
void warn_of_unread_keys(const std::vector<std::string>& assignments, const std::string& command,
                         const std::vector<std::pair<std::string, std::string>>& unread = {});

/// The run's sections data and ctc with --set and --data on top. Throws Usage for a --set of
/// another section, naming the command.
struct EvaluationConfig {
  DataConfig data;
  CtcConfig ctc;
};
EvaluationConfig evaluation_config(const DataConfig& data, const CtcConfig& ctc,
                                   const EvaluateOptions& options,
                                   const std::string& command = "tailor evaluate");
/// " that data.test_size lets in" where the test set has as many examples as that, else "".
std::string test_limit_text(const DataConfig& config, int64_t count);
/// Of images, which have no ctc.
DataConfig evaluation_data(const DataConfig& run, const EvaluateOptions& options);

/// The largest |input| of a network in hardware: of images what preprocessing says, of sequences,
/// which are normalised, a bound that outliers saturate at.
double magnitude_of(const GraphSource& source);

/// The data set of a network of images, in its run's folder or in `root`. Throws Unsupported where
/// it is of another kind; `command` says who asks.
DataSplits open_images(const GraphSource& source, const std::string& root, const char* command);
/// Preprocessed, HWC; of the training set, so that no test image decides anything.
using Inputs = std::vector<std::vector<double>>;
Inputs training_images(const GraphSource& source, const DataSplits& data, int64_t count);

/// Test vectors' inputs: the test set's first ones, else seeded noise; `source` says which.
TestVectors sample_vectors(const GraphSource& source, const std::string& data_root, int64_t count);

}  // namespace tailor::cli

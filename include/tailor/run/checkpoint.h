// The checkpoint file: weights and everything needed to go on with them, readable without LibTorch
// and by Python's `safetensors`. Topology is in the file (never in flags); a file is whole or not
// there (docs/formats.md).
#pragma once

#include <map>
#include <optional>
#include <string>

#include "tailor/design/trained_precision.h"
#include "tailor/net/network.h"
#include "tailor/tensors/preprocessing.h"

namespace tailor::run {

/// Where a run stands: epoch and step are the next ones to do.
struct Position {
  int64_t epoch = 0, step = 0;
  int64_t edits_applied = 0;
  bool finished = false;
  /// State of the task's meter over the unfinished epoch (task/task.h): in the file its keys stand
  /// beside those of the position.
  Json meter = Json::object({});
  // Best validation figure since the final topology ("best_accuracy" in the file), and its epoch;
  // -1: none yet.
  std::string figure = "accuracy";
  double best = -1;
  int64_t best_epoch = -1;
  double seconds = 0;  // spent so far
};

/// What an optimiser remembers, by the slot's name ("momentum") and the parameter's.
using OptimizerSlots = std::map<std::string, TensorMap>;

struct CheckpointWitness {
  std::string source;
  Tensor inputs;   // F32 [n, height, width, channels]
  Tensor outputs;  // F32 [n, classes] or [n, positions, classes]: LibTorch's own
  /// Of a network trained quantised: F64, alike, with its casts; otherwise of no dimension. The
  /// outputs above are then those without them.
  Tensor quantised = {};
};

struct Checkpoint {
  Network network;
  Preprocessing preprocessing;
  Position position;
  Json config;                           // resolved configuration of the run
  std::string run;                       // name of the run
  std::vector<std::string> class_names;  // in the order of the outputs, where the data names them
  Json metrics;                          // accuracies known when it was written
  /// Of imported weights: what their file did not say and somebody should know, a sentence each.
  std::vector<std::string> assumptions;
  TensorMap tensors;  // parameters and buffers, by their names in the description
  OptimizerSlots slots;
  std::optional<CheckpointWitness> witness;
  /// The types that the weights were trained with, once they were.
  std::optional<TrainedPrecision> precision;
};

/// Throws Data, and writes nothing, where a weight, statistic or slot is not a finite number.
void save_checkpoint(const std::string& path, const Checkpoint& checkpoint);
/// Throws Data on a truncated or foreign file or on weights that are not finite, Unsupported on
/// another version.
Checkpoint load_checkpoint(const std::string& path);
/// The file's bytes. `path` names it in errors, which are those of saving and loading.
std::string print_checkpoint(const Checkpoint& checkpoint, const std::string& path);
Checkpoint parse_checkpoint(std::string_view bytes, const std::string& path);
/// sha256 over names, shapes and bytes of parameters and buffers: two runs with equal weights have
/// equal digests.
std::string weights_digest(const TensorMap& tensors);

/// Version 1 has the witness's images as [n, channels, height, width].
constexpr int kCheckpointVersion = 2;

}  // namespace tailor::run

// The one training loop: a teacher, a student under distillation whose skips are altered on the
// way, or a plain network. One optimiser for the whole run; an interrupted run continues bit for
// bit on the CPU.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tailor/core/progress.h"
#include "tailor/data/images.h"
#include "tailor/run/checkpoint.h"
#include "tailor/run/results.h"
#include "tailor/run/run_config.h"
#include "tailor/run/run_folder.h"
#include "tailor/surgery/surgery.h"
#include "tailor/task/task.h"
#include "tailor/train/group.h"

namespace tailor::train {

/// Everything a run is made of. It begins as its start, else as its teacher; without them, or with
/// train.start "initial", with initial weights.
struct RunSpec {
  std::string name;
  RunConfig config;
  std::string source;  // of the configuration, for errors
  DataSplits data;
  std::optional<Network> network;  // that it begins with; none: as what it begins as has it
  std::optional<Checkpoint> teacher;
  std::optional<Checkpoint> start;
  OptimizerSlots slots;              // that the optimiser begins with; by default 0
  std::shared_ptr<const Task> task;  // null: classification of `data`
  std::string role;                  // "teacher, " or "student, " before "epoch 0", or empty
  EarlierPhases earlier;             // of the recipe that it ends
  int64_t images_after = 0;  // training images that follow when this run is done, for the time left

  /// Whose weights it begins with; null: initial ones.
  const Checkpoint* begins_as() const;
  Network begins_with() const;
};

/// The figures that count of the last network and of the best.
struct RunResult {
  Checkpoint last;
  std::optional<Figure> validation, best_validation;
  Figure test;
  std::optional<Figure> best_test;
  double seconds = 0;
};

/// A batch norm over one pixel needs batches of two images. Throws Config (or Data, of a single
/// training image) naming the layer; `pointer` is the training's place in the configuration. Config
/// also of a warm-up of steps that the training does not have, and of a batch that has nothing for
/// one of `workers`.
void verify_batches(const TrainConfig& config, const Network& network, int64_t images,
                    const std::string& pointer, const std::string& source, int64_t workers = 1);

/// Trains, or goes on from folder's last.ckpt, to the end; writes summary.json last. Throws
/// Interrupted after saving when a signal is pending. Of a group the leader calls it; the others
/// are in follow().
RunResult train_run(const RunSpec& spec, RunFolder& folder, Progress& progress,
                    Group& group = Group::alone());

/// What a process that does not lead does: connects, trains its share of every run that the leader
/// trains, and ends with the leader. Returns its exit code: of what the leader says itself nothing
/// is said here. Throws what is this process's own fault, and Worker where one is lost.
int follow(Group& group);

/// Logits of a batch, a row an image, and its labels.
using LogitsSink = std::function<void(Span<const float> logits, Span<const int64_t> labels)>;
/// Runs a checkpoint's network on the first `limit` images (0: all), in their order, in eval mode.
/// `device` is what the network was trained with: unless that is cpu, the best that there is. With
/// `trained` the network computes in these types.
void evaluate_network(const Network& network, const TensorMap& tensors,
                      const std::optional<TrainedPrecision>& trained, const ImageDataset& images,
                      int64_t limit, const MapShape& shape, const Preprocessing& preprocessing,
                      const std::string& device, Progress& progress, const LogitsSink& sink);

/// LibTorch's threads: `threads`, or all that affinity and quota allow, divided between processes
/// that see the same CPUs. Returns the number.
int set_torch_threads(int64_t threads, const Launch& launch = {});

/// Version, BLAS, threads and devices of the loaded LibTorch; "advice" lists what is missing and
/// what that costs.
Json describe_torch();

}  // namespace tailor::train

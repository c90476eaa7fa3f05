// A run under way: what its parts share. The position says where it stands; everything else follows
// from the specification and from what the checkpoint brought.
#pragma once

#include <c10/core/DeviceGuard.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tailor/task/task.h"
#include "tailor/train/learner.h"
#include "tailor/train/observers.h"
#include "tailor/train/trainer.h"
#include "train/evaluation.h"

namespace tailor::train {

using Clock = std::chrono::steady_clock;
inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// What a process that follows ends with where all do, and the leader says why.
struct LeaderSaysIt {
  int exit_code = 0;
};

class Session {
 public:
  const RunSpec& spec;
  RunFolder* const folder;  // null: of a process that follows, the leader has it
  Progress& progress;
  const TrainConfig& config;
  Group& group;
  const Network begins_with;  // of the run, whatever has been altered since
  std::shared_ptr<const Task> task;
  at::Device device;
  /// Planned from the topology that the run begins with, whatever has been applied since.
  std::vector<PlannedEdit> edits;
  int64_t total_skips = 0, hold_epochs = 0;
  /// Of quantised training: the types, and the epoch from which on it is.
  std::optional<TrainedPrecision> precision;
  int64_t quantized_epoch = 0;
  std::optional<Learner> learner;
  Position position;
  std::optional<Figure> validation;  // what the network was last judged by

  /// Begins, or goes on from `last`.
  Session(const RunSpec& spec, RunFolder* folder, Progress& progress, Group& group,
          const std::optional<Checkpoint>& last);

  Model& model() { return learner->model(); }
  /// Mean and deviation belong to the weights, the range of the values to the data: an import knows
  /// none.
  Preprocessing preprocessing() const;
  /// "epoch 2 (3 of 16)": epochs count from 0 in every file and every message.
  std::string title() const;
  EpochBatches batches() const { return {task->size(Split::Train), config.batch_size}; }
  /// Of this process.
  EpochExamples examples(EpochBatches batches) const {
    return {*task, config.seed, position.epoch, batches, {group.rank(), group.size()}};
  }
  /// What is saved or judged are one network: running statistics become the same on all processes.
  void settle_statistics();
  /// Running statistics become means over so many training examples of this epoch, the same on all
  /// processes; returns how many they were.
  int64_t estimate_statistics(int64_t examples);
  /// Quantises the network if this epoch is the first to be trained so, and freezes its statistics
  /// from the epoch on that is told.
  void quantise_if_due();
  /// Points that move stand where the altered network's data ask; false where none do.
  bool calibrate_again();
  /// Whether this epoch's network is of the topology and the types that the run is to end with.
  bool is_settled() const;
  /// Learning rate of this epoch's step.
  double rate(int64_t step) const;
  /// Alterations that are yet to come, and all: what fades is one.
  struct Alterations {
    int64_t left = 0, total = 0;
  };
  Alterations alterations_left() const;
  /// Brings position.seconds up to date.
  void stamp() { position.seconds = seconds_before_ + seconds_since(began_); }
  std::vector<Figure> evaluate(Split split, const std::string& label);
  /// The figure that counts, of the validation split; nothing without one.
  std::optional<Figure> validate();
  /// Says why a loss is no number. Until the first step it is of the weights that the run began
  /// with.
  [[noreturn]] void diverged(const std::string& what, double value, double rate,
                             const std::string& where);

 private:
  at::ScalarType compute() const;
  double input_magnitude() const;
  TrainedPrecision types_now();
  void say_generous_budget();
  void plan();
  void go_on(const Checkpoint& last);
  void testify();

  c10::OptionalDeviceGuard current_;
  Clock::time_point began_ = Clock::now();
  double seconds_before_ = 0;  // of the processes before this one
};

/// Applies the edits that are due before this epoch, estimates statistics again and writes a line
/// of alterations.jsonl for each.
void alter_due_skips(Session& run);

/// When and what is saved.
class Saver {
 public:
  explicit Saver(Session& run) : run_(run) {}
  Checkpoint checkpoint();
  /// A signal is pending, or runtime.checkpoint_minutes are over. All processes say the same: what
  /// one of them was told, and what the leader's clock says.
  bool due();
  /// In the middle of an epoch. Throws Interrupted, having saved, if a signal is pending.
  void save_within_epoch(Observer& observers);
  /// last.ckpt, and best.ckpt if this epoch's validation is the best since the last alteration.
  void save_epoch(const std::optional<Figure>& validation);

 private:
  void save(const std::string& path);

  Session& run_;
  int signal_ = 0;  // that all stop for
  Clock::time_point last_saved_ = Clock::now();
};

/// Everything up to the last epoch: of every process of a group.
void train_epochs(Session& run, Saver& saver, Observer& observers);

/// The leader's last.ckpt, or none. Throws what load_checkpoint does, with what to do.
std::optional<Checkpoint> load_last(const RunFolder& folder);

/// Tells the followers what the leader is about to train.
void send_run(const RunSpec& spec, const std::optional<Checkpoint>& last, Group& group);

/// Tests, saves the finished checkpoint and writes summary.json.
RunResult summarise(Session& run, Saver& saver);

}  // namespace tailor::train

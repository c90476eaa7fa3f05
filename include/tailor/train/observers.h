// Who watches a run: each looks at what the loop says and writes it somewhere. None changes the
// run, and none knows of another.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tailor/core/progress.h"
#include "tailor/run/event_file.h"
#include "tailor/run/run_folder.h"
#include "tailor/task/task.h"

namespace tailor::train {

struct EpochBegin {
  std::string title;               // "student, epoch 2 (3 of 16)"
  std::string unit;                // "image"
  int64_t examples = 0, done = 0;  // of this epoch, and how many were done before this process
  int64_t after = 0;               // examples of everything that follows this epoch
};
struct EpochEnd {
  std::string title, unit;
  int64_t epoch = 0, skips = 0;
  double lr = 0;  // at its first step
  std::vector<Figure> train;
  std::optional<std::vector<Figure>> validation;
  struct Parts {
    double objective = 0, distance = 0;
  };
  std::optional<Parts> parts;  // of the training loss, before they are weighted
  double seconds = 0;          // of training, in this process
  double examples_per_s = 0;
  /// Of learned widths: products of mean x mean bits, and as many as they may have.
  struct Bits {
    double mean = 0, budget = 0;
  };
  std::optional<Bits> bits = {};
};

class Observer {
 public:
  virtual ~Observer() = default;
  virtual void epoch_begins(const EpochBegin& /*epoch*/) {}
  /// After a step of `count` examples; `meter` has all of this epoch that was read so far.
  virtual void stepped(int64_t /*count*/, const Meter& /*meter*/) {}
  /// No further step comes: the epoch is done, or the run stops.
  virtual void steps_end() {}
  virtual void epoch_ends(const EpochEnd& /*epoch*/) {}
};

/// A bar an epoch, with the running figures behind it.
class ProgressBar : public Observer {
 public:
  explicit ProgressBar(Progress& progress) : progress_(progress) {}
  void epoch_begins(const EpochBegin& epoch) override;
  void stepped(int64_t count, const Meter& meter) override;
  void steps_end() override { progress_.end(); }

 private:
  Progress& progress_;
};

/// A line an epoch in metrics.jsonl.
class MetricsFile : public Observer {
 public:
  explicit MetricsFile(RunFolder& folder) : folder_(folder) {}
  void epoch_ends(const EpochEnd& epoch) override;

 private:
  RunFolder& folder_;
};

/// A record an epoch in a file of events for TensorBoard, whose steps are epochs: figures, the
/// parts of the loss, the learning rate, the skips, and the alterations that the epoch began with.
/// They come with its end, so that going on within an epoch voids none.
class TensorBoardFile : public Observer {
 public:
  /// A new file of a run that goes on with `epoch`.
  TensorBoardFile(const RunFolder& folder, int64_t epoch)
      : folder_(folder), file_(folder.path(), epoch) {}
  void epoch_ends(const EpochEnd& epoch) override;

 private:
  const RunFolder& folder_;
  EventFile file_;
};

/// A line an epoch in the log.
class EpochLog : public Observer {
 public:
  void epoch_ends(const EpochEnd& epoch) override;
};

}  // namespace tailor::train

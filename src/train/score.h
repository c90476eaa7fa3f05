// Feeds a meter with the results of steps. On the CPU each is read at once. A device would have to
// be waited for, so there several are read together. Of several workers every one reads all
// results, so that all see the same.
#pragma once

#include <optional>
#include <vector>

#include "tailor/train/learner.h"

namespace tailor::train {

/// A loss that is no finite number.
struct BadLoss {
  double value = 0;
  int64_t steps_back = 0;  // how many results came after it
};

/// Sums of the parts of the loss, where a teacher is followed.
struct LossParts {
  double objective = 0, distance = 0;
  int64_t examples = 0;
  /// Adds to, or reads from, a meter's state.
  void write(Json& state) const;
  static LossParts read(const Json& state);
};

class Score {
 public:
  /// Results that wait on a device until they are read.
  static constexpr size_t kWaiting = 20;

  /// The results of the processes of `group`, each on its share of a batch, are those of the whole.
  Score(const Task& task, Split split, Meter& meter, at::Device device, size_t waiting = kWaiting,
        Group& group = Group::alone())
      : task_(task),
        split_(split),
        meter_(meter),
        waiting_(device.is_cpu() ? 1 : waiting),
        group_(group) {}

  /// Says the first loss that was read now and is no finite number.
  std::optional<BadLoss> add(const StepResult& result, const Batch& batch);
  /// Reads what waits.
  std::optional<BadLoss> read();

  LossParts parts;  // of the results that were read

 private:
  struct Waiting {
    at::Tensor loss, tally, objective, distance;
    int64_t count;
  };
  const Task& task_;
  Split split_;
  Meter& meter_;
  size_t waiting_;
  Group& group_;
  std::vector<Waiting> results_;
};

}  // namespace tailor::train

// Examples through a network: what a split says of it, and its statistics of batch norm.
#pragma once

#include "tailor/core/progress.h"
#include "tailor/data/batch.h"
#include "tailor/nn/model.h"
#include "tailor/task/task.h"
#include "tailor/train/trainer.h"

namespace tailor::train {

/// The batches of an epoch: which example is where is a function of (seed, epoch). May be used from
/// several threads.
class EpochExamples {
 public:
  EpochExamples(const Task& task, int64_t seed, int64_t epoch, EpochBatches batches)
      : task_(task),
        epoch_(epoch),
        batches_(batches),
        order_(task.order(seed, epoch, batches.batch_size)) {}

  const EpochBatches& batches() const { return batches_; }
  /// Batch `step`, augmented as in its epoch.
  void collate(int64_t step, Batch& batch) const {
    task_.collate(Split::Train,
                  {order_.data() + batches_.first(step), static_cast<size_t>(batches_.size(step))},
                  epoch_, batch);
  }

 private:
  const Task& task_;
  int64_t epoch_;
  EpochBatches batches_;
  std::vector<int64_t> order_;
};

/// The first `limit` examples of a split (0: all) in their order, in eval mode. A run goes through
/// its evaluations, which are part of a step that is saved as a whole; on its own, with a `sink`,
/// one stops at a signal.
std::vector<Figure> evaluate_split(Model& model, const Task& task, Split split, int64_t limit,
                                   Progress& progress, const std::string& label,
                                   const LogitsSink& sink = {});

/// Sets the running statistics to means over the first `examples` training examples as they are in
/// this epoch; returns how many they were.
int64_t estimate_statistics(Model& model, const Task& task, int64_t seed, int64_t epoch,
                            int64_t examples);

}  // namespace tailor::train

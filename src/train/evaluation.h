// Examples through a network: what a split says of it, and its statistics of batch norm.
#pragma once

#include "tailor/core/progress.h"
#include "tailor/data/batch.h"
#include "tailor/nn/model.h"
#include "tailor/task/task.h"
#include "tailor/train/group.h"
#include "tailor/train/trainer.h"

namespace tailor::train {

/// The batches of an epoch: which example is where is a function of (seed, epoch). May be used from
/// several threads.
class EpochExamples {
 public:
  EpochExamples(const Task& task, int64_t seed, int64_t epoch, EpochBatches batches,
                const BatchShare& share = {})
      : task_(task),
        epoch_(epoch),
        batches_(batches),
        share_(share),
        order_(task.order(seed, epoch, batches.batch_size)) {}

  const EpochBatches& batches() const { return batches_; }
  /// Batch `step`, or this worker's share of it, augmented as in its epoch.
  void collate(int64_t step, Batch& batch) const {
    const Span<const int64_t> indices(order_.data() + batches_.first(step),
                                      static_cast<size_t>(batches_.size(step)));
    if (share_.size > 1) {
      task_.collate_share(indices, epoch_, share_, batch);
    } else {
      task_.collate(Split::Train, indices, epoch_, batch);
    }
  }

 private:
  const Task& task_;
  int64_t epoch_;
  EpochBatches batches_;
  BatchShare share_;
  std::vector<int64_t> order_;
};

/// The first `limit` examples of a split (0: all) in their order, in eval mode. A run goes through
/// its evaluations, which are part of a step that is saved as a whole; on its own, with a `sink`,
/// one stops at a signal. The processes of `group` go through some batches each, and all say the
/// same of the whole; none of them has a sink.
std::vector<Figure> evaluate_split(Model& model, const Task& task, Split split, int64_t limit,
                                   Progress& progress, const std::string& label,
                                   const LogitsSink& sink = {}, Group& group = Group::alone());

/// The running statistics become their means over all processes.
void average_statistics(Model& model, Group& group);

/// Sets the running statistics to means over the first `examples` training examples as they are in
/// this epoch; returns how many they were.
int64_t estimate_statistics(Model& model, const Task& task, int64_t seed, int64_t epoch,
                            int64_t examples);

}  // namespace tailor::train

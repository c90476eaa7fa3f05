// A trained network some of whose skips are altered, with nothing trained behind that: how much it
// depends on them.
#pragma once

#include <string>
#include <vector>

#include "tailor/core/progress.h"
#include "tailor/net/network.h"
#include "tailor/surgery/config.h"
#include "tailor/task/task.h"

namespace tailor::train {

/// What altered networks are judged by.
struct AlterationJudge {
  const Task& task;
  Split split = Split::Validation;
  int64_t examples = 0;         // the first of the split, as they are; 0: all
  int64_t statistics = 512;     // training examples that running statistics are estimated on
  int64_t seed = 1;             // of those, and of new projections
  std::string device = "auto";  // as of evaluate_network
};

struct AlteredNetwork {
  Network network;
  TensorMap tensors;  // with the running statistics that it was judged with
  Figure figure;      // what the task judges by
};

/// The plan's alterations on a copy, in their order; then the running statistics are estimated
/// again. Throws Config where an alteration cannot be made, Interrupted when a signal is pending.
AlteredNetwork judge_altered(const Network& network, const TensorMap& tensors,
                             const std::vector<SkipPlan>& plan, const AlterationJudge& judge,
                             Progress& progress, const std::string& label);

}  // namespace tailor::train

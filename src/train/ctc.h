// Connectionist temporal classification (Graves et al. 2006) as an objective: answers at every
// position, and labels whose places among them are not known.
#pragma once

#include "tailor/train/objective.h"

namespace tailor::train {

/// `loss`: outputs float32 [n, positions, classes], before the softmax; of an example only the
/// first batch.positions count. -ln p of its labels, reduced as spec.ctc.reduction says, and the
/// term of spec.ctc.smoothing. Infinite where an example has fewer positions than labels and
/// repeats among them.
/// `distance`: the mean squared error of the log-probabilities, over classes and own positions.
Objective ctc_objective();

}  // namespace tailor::train

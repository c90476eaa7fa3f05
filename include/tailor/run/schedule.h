// Learning rates as pure functions of the position in the run. An alteration never restarts one.
#pragma once

#include "tailor/run/run_config.h"

namespace tailor {

/// Rate of the step that begins at `position` epochs (fractional) of `epochs` and is `step` epochs
/// long. hold_epochs is used by hold_then_cosine. A warm-up rises linearly over its steps and ends
/// on the whole rate: of n steps the first has 1/n.
double learning_rate(const ScheduleConfig& schedule, double base, double position, double step,
                     int64_t epochs, int64_t hold_epochs);

/// Epochs at the base rate: as configured, else until the network has settled (surgery/surgery.h)
/// but at most all but the last, else half.
int64_t resolve_hold_epochs(const ScheduleConfig& schedule, int64_t epochs, int64_t settled_epoch,
                            bool alters);

}  // namespace tailor

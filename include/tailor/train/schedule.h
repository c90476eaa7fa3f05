// Learning rates as pure functions of the position in the run. An alteration never restarts one.
#pragma once

#include "tailor/config/run_config.h"

namespace tailor {

/// Rate at `position` epochs (fractional) of `epochs`. hold_epochs is used by hold_then_cosine.
double learning_rate(const ScheduleConfig& schedule, double base, double position, int64_t epochs,
                     int64_t hold_epochs);

/// Epochs at the base rate: as configured, else until the network has settled (surgery/surgery.h)
/// but at most all but the last, else half.
int64_t resolve_hold_epochs(const ScheduleConfig& schedule, int64_t epochs, int64_t settled_epoch,
                            bool alters);

}  // namespace tailor

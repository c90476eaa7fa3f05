// Learning rates as pure functions of the position in the run. An alteration never restarts one.
#pragma once

#include <functional>

#include "tailor/run/run_config.h"

namespace tailor::run {

/// Where in the run a step begins, in epochs.
struct SchedulePoint {
  double position = 0;
  int64_t epochs = 0, hold_epochs = 0;
  double warmup = 0;  // of ScheduleConfig::warmup_steps: here a schedule begins
};
/// The share of the base rate at a point.
using Schedule = std::function<double(const ScheduleConfig&, const SchedulePoint&)>;
/// Makes another kind known, to train and to configurations. `kind` must live on.
void register_schedule(const char* kind, Schedule schedule);

/// Rate of the step that begins at `position` epochs (fractional) of `epochs` and is `step` epochs
/// long. hold_epochs is used by hold_then_cosine. Throws Config for a kind that nobody registered.
/// A warm-up of epochs rises linearly over its steps and ends on the whole rate: of n steps the
/// first has 1/n. One of n steps rises from warmup_start, and step n, counted from 0, has the whole
/// rate; what falls as a cosine does so from there.
double learning_rate(const ScheduleConfig& schedule, double base, double position, double step,
                     int64_t epochs, int64_t hold_epochs);

/// Epochs at the base rate: as configured, else until the network has settled (surgery/surgery.h)
/// but at most all but the last, else half.
int64_t resolve_hold_epochs(const ScheduleConfig& schedule, int64_t epochs, int64_t settled_epoch,
                            bool alters);

}  // namespace tailor::run

#include "tailor/run/schedule.h"

#include <algorithm>
#include <cmath>

namespace tailor {

double learning_rate(const ScheduleConfig& schedule, double base, double position, double step,
                     int64_t epochs, int64_t hold_epochs) {
  auto cosine = [&](double from) {
    const double length = static_cast<double>(epochs) - from;
    const double at = length > 0 ? std::clamp((position - from) / length, 0.0, 1.0) : 1.0;
    return base * 0.5 * (1 + std::cos(3.14159265358979323846 * at));
  };
  double rate = base;
  switch (schedule.kind) {
    case ScheduleKind::Constant:
      break;
    case ScheduleKind::HoldThenCosine:
      rate = position < static_cast<double>(hold_epochs) ? base
                                                         : cosine(static_cast<double>(hold_epochs));
      break;
    case ScheduleKind::Cosine:
      rate = cosine(0);
      break;
    case ScheduleKind::Step:
      rate = base * std::pow(schedule.gamma,
                             std::floor(position / static_cast<double>(schedule.step_epochs)));
      break;
  }
  const auto warmup = static_cast<double>(schedule.warmup_epochs);
  return position < warmup ? rate * std::min(1.0, (position + step) / warmup) : rate;
}

int64_t resolve_hold_epochs(const ScheduleConfig& schedule, int64_t epochs, int64_t settled_epoch,
                            bool alters) {
  if (schedule.hold_epochs) return *schedule.hold_epochs;
  return alters ? std::min(settled_epoch, epochs - 1) : epochs / 2;
}

}  // namespace tailor

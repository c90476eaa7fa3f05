#include "tailor/run/schedule.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "tailor/core/strings.h"

namespace tailor::run {
namespace {

/// From 1 at epoch `from` to `end` at the end.
double cosine_from(double from, double end, const SchedulePoint& at) {
  const double length = static_cast<double>(at.epochs) - from;
  const double share = length > 0 ? std::clamp((at.position - from) / length, 0.0, 1.0) : 1.0;
  return end + (1 - end) * 0.5 * (1 + std::cos(3.14159265358979323846 * share));
}

double constant(const ScheduleConfig&, const SchedulePoint&) { return 1; }

double hold_then_cosine(const ScheduleConfig& schedule, const SchedulePoint& at) {
  const double hold = std::max(static_cast<double>(at.hold_epochs), at.warmup);
  return at.position < hold ? 1 : cosine_from(hold, schedule.end, at);
}

double cosine(const ScheduleConfig& schedule, const SchedulePoint& at) {
  return cosine_from(at.warmup, schedule.end, at);
}

double stepwise(const ScheduleConfig& schedule, const SchedulePoint& at) {
  return std::pow(schedule.gamma,
                  std::floor(at.position / static_cast<double>(schedule.step_epochs)));
}

std::map<std::string, Schedule>& schedules() {
  static std::map<std::string, Schedule> schedules = {{"constant", constant},
                                                      {"hold_then_cosine", hold_then_cosine},
                                                      {"cosine", cosine},
                                                      {"step", stepwise}};
  return schedules;
}

}  // namespace

void register_schedule(const char* kind, Schedule schedule) {
  if (schedules().count(kind) == 0) schedule_kinds().push_back(kind);
  schedules()[kind] = std::move(schedule);
}

double learning_rate(const ScheduleConfig& schedule, double base, double position, double step,
                     int64_t epochs, int64_t hold_epochs) {
  const auto found = schedules().find(schedule.kind);
  if (found == schedules().end()) {
    const auto& kinds = schedule_kinds();
    fail(ErrorKind::Config, "schedule.kind: expected one of {}, got {}",
         join(std::vector<std::string>(kinds.begin(), kinds.end()), ", "), schedule.kind);
  }
  const auto steps = static_cast<double>(schedule.warmup_steps);
  const double begin = steps * step;
  const double rate = base * found->second(schedule, {position, epochs, hold_epochs, begin});
  if (position < begin) {
    const double first = schedule.warmup_start.value_or(1 / (steps + 1));
    return rate * (first + (1 - first) * position / begin);
  }
  const auto warmup = static_cast<double>(schedule.warmup_epochs);
  return position < warmup ? rate * std::min(1.0, (position + step) / warmup) : rate;
}

int64_t resolve_hold_epochs(const ScheduleConfig& schedule, int64_t epochs, int64_t settled_epoch,
                            bool alters) {
  if (schedule.hold_epochs) return *schedule.hold_epochs;
  return alters ? std::min(settled_epoch, epochs - 1) : epochs / 2;
}

}  // namespace tailor::run

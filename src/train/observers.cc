#include "tailor/train/observers.h"

#include "tailor/core/log.h"

namespace tailor::train {

void ProgressBar::epoch_begins(const EpochBegin& epoch) {
  progress_.begin(epoch.title, epoch.examples, epoch.unit);
  progress_.place(epoch.done, epoch.after);
}

void ProgressBar::stepped(int64_t count, const Meter& meter) {
  if (meter.examples() > 0) {
    std::string note;
    for (const Figure& figure : meter.summary())
      note += (note.empty() ? "" : ", ") + figure.name + " " + figure.text(1);
    progress_.note(note);
  }
  progress_.advance(count);
}

void MetricsFile::epoch_ends(const EpochEnd& epoch) {
  Json line = Json::object({{"epoch", epoch.epoch}, {"lr", epoch.lr}});
  for (const Figure& figure : epoch.train) line.set("train_" + figure.name, figure.recorded());
  for (const Figure& figure : epoch.train) {
    line.set(
        "validation_" + figure.name,
        epoch.validation ? Json(find_figure(*epoch.validation, figure.name).recorded()) : Json());
  }
  line.set("skips", epoch.skips);
  line.set("seconds", epoch.seconds);
  line.set(epoch.unit + "s_per_s", epoch.examples_per_s);
  folder_.append("metrics.jsonl", line);
}

void EpochLog::epoch_ends(const EpochEnd& epoch) {
  std::string text =
      fmt::format("{}: loss {}, train {}", epoch.title, find_figure(epoch.train, "loss").text(2),
                  judged_by(epoch.train).text(2));
  if (epoch.validation) text += ", validation " + judged_by(*epoch.validation).text(2);
  log_info("train", "{}, lr {:.4g}, {:.0f} {}s/s", text, epoch.lr, epoch.examples_per_s,
           epoch.unit);
}

}  // namespace tailor::train

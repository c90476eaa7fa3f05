#include "tailor/train/observers.h"

#include "tailor/core/log.h"
#include "tailor/core/strings.h"
#include "tailor/run/results.h"

namespace tailor::train {
namespace {

/// Of the alterations that an epoch began with: their texts, and how the network was judged before
/// the first and after the last.
void append_alterations(const std::string& file, int64_t epoch, std::vector<EventValue>& values) {
  std::vector<std::string> texts;
  std::optional<double> before, after;
  for (const AlterationLine& line : read_alterations(file)) {
    if (line.epoch != epoch) continue;
    if (texts.empty()) before = line.validation_before.value;
    after = line.validation_after.value;
    texts.push_back(line.text);
  }
  if (texts.empty()) return;
  values.push_back({"alteration", join(texts, "  \n")});
  if (before) values.push_back({"alteration/before", *before});
  if (after) values.push_back({"alteration/after", *after});
}

}  // namespace

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
  EpochMetrics line;
  line.epoch = epoch.epoch, line.lr = epoch.lr;
  line.train.clear(), line.validation.clear();
  for (size_t i = 0; i < epoch.train.size(); ++i) {
    line.train.push_back(recorded(epoch.train[i]));
    line.validation.push_back(recorded(
        epoch.validation ? std::optional(epoch.validation->at(i)) : std::nullopt, epoch.train[i]));
  }
  if (epoch.parts) line.objective = epoch.parts->objective, line.distance = epoch.parts->distance;
  line.skips = epoch.skips, line.seconds = epoch.seconds;
  line.examples_per_s = epoch.examples_per_s, line.unit = epoch.unit;
  folder_.append("metrics.jsonl", write_record([&](RecordVisitor& v) { line.describe(v); }));
}

void TensorBoardFile::epoch_ends(const EpochEnd& epoch) {
  std::vector<EventValue> values;
  auto add = [&](const std::vector<Figure>& figures, const char* split) {
    for (const Figure& figure : figures) values.push_back({figure.name + split, figure.recorded()});
  };
  add(epoch.train, "/train");
  if (epoch.validation) add(*epoch.validation, "/validation");
  if (epoch.parts) {
    values.push_back({"loss/objective", epoch.parts->objective});
    values.push_back({"loss/distance", epoch.parts->distance});
  }
  values.push_back({"learning_rate", epoch.lr});
  values.push_back({"skips", static_cast<double>(epoch.skips)});
  append_alterations(folder_.file("alterations.jsonl"), epoch.epoch, values);
  file_.append(epoch.epoch, values);
}

void EpochLog::epoch_ends(const EpochEnd& epoch) {
  std::string text =
      fmt::format("{}: loss {}, train {}", epoch.title, find_figure(epoch.train, "loss").text(2),
                  judged_by(epoch.train).text(2));
  if (epoch.parts) {
    text += fmt::format(" (its own loss {:.4f}, distance to the teacher {:.4f})",
                        epoch.parts->objective, epoch.parts->distance);
  }
  if (epoch.validation) text += ", validation " + judged_by(*epoch.validation).text(2);
  if (epoch.bits) {
    text += fmt::format(", products of {0:.2f} x {0:.2f} bits (budget {1:g})", epoch.bits->mean,
                        epoch.bits->budget);
  }
  log_info("train", "{}, lr {:.4g}, {:.0f} {}s/s", text, epoch.lr, epoch.examples_per_s,
           epoch.unit);
}

}  // namespace tailor::train

#include "tailor/run/results.h"

#include <cmath>

namespace tailor::run {
namespace {

constexpr double kAny = HUGE_VAL;

void count(RecordVisitor& v, const char* key, int64_t& value, const char* doc) {
  v.integer(key, value, 0, INT64_MAX, doc);
}

void percent(RecordVisitor& v, const char* key, std::optional<double>& value, const char* doc) {
  v.optional_number(key, value, 0, 100, doc);
}

}  // namespace

void EpochMetrics::describe(RecordVisitor& v) {
  count(v, "epoch", epoch, "The epoch that ended. Line *i* has epoch *i*.");
  v.number("lr", lr, 0, kAny, "Learning rate at the epoch's first step.");
  v.number("train_loss", train_loss, -kAny, kAny,
           "Mean over the epoch's images of the loss that was minimised, the teacher's term "
           "included.");
  v.number("train_accuracy", train_accuracy, 0, 100,
           "Per cent of right answers on the training images as augmented, while training.");
  v.optional_number("validation_loss", validation_loss, -kAny, kAny,
                    "Mean cross-entropy on the validation split, eval mode.");
  percent(v, "validation_accuracy", validation_accuracy, "Per cent, eval mode.");
  count(v, "skips", skips, "Skip connections the network has.");
  v.number("seconds", seconds, 0, kAny,
           "Wall time of the training steps, without validation; after a resume only this "
           "process's part.");
  v.number("images_per_s", images_per_s, 0, kAny,
           "Training images of this process in this epoch, divided by `seconds`.");
}

void AlterationLine::describe(RecordVisitor& v) {
  count(v, "epoch", epoch, "The alteration was made before this epoch trained.");
  v.text("text", text,
         "`removed ID (L of N left)` or `shortened …`: L of the run's N alterations are still to "
         "come.");
  v.text("kind", kind, "`remove` or `shorten`.");
  v.text("skip", skip, "Id of the skip that was altered.");
  v.json("before", before, "The block's skips before, each `{id, from, to, kind}`.");
  v.json("after", after, "The block's skips after.");
  v.texts("erased", erased, "Tensors that went.");
  v.texts("added", added, "Tensors that came.");
  count(v, "parameters", parameters, "Trained parameters of the network afterwards.");
  percent(v, "validation_accuracy_before", validation_accuracy_before,
          "Per cent, before the alteration.");
  percent(v, "validation_accuracy_stale", validation_accuracy_stale,
          "Per cent, after it, with the running statistics of the network before it.");
  count(v, "statistics_images", statistics_images,
        "Training images on which the running statistics were then estimated again; 0: they were "
        "not.");
  percent(v, "validation_accuracy_after", validation_accuracy_after,
          "Per cent, with the statistics estimated again; as `_stale` where they were not.");
}

void RunSummary::describe(RecordVisitor& v) {
  auto accuracy = [](RecordVisitor& r, Accuracy& a) {
    percent(r, "validation_accuracy", a.validation, "Per cent.");
    percent(r, "test_accuracy", a.test, "Per cent.");
  };
  v.text("run", run, "Name of the run: its folder's name.");
  v.text("network", network, "`resnet20` …");
  v.text("join", join, "`before_activation` or `after_activation`.");
  count(v, "alterations", alterations, "Alterations of the run.");
  count(v, "skips", skips, "Skip connections at the end.");
  count(v, "skips_before", skips_before, "Skip connections at the start.");
  count(v, "parameters", parameters, "Trained parameters at the end.");
  count(v, "epochs", epochs, "Epochs of the run.");
  v.record(
      "last", [&](RecordVisitor& r) { accuracy(r, last); }, "Of `last.ckpt`.");
  bool has_best = best.has_value();
  Best found = best.value_or(Best());
  v.optional_record(
      "best", has_best,
      [&](RecordVisitor& r) {
        count(r, "epoch", found.epoch, "Its epoch.");
        accuracy(r, found);
      },
      "Of `best.ckpt`.");
  best = has_best ? std::optional<Best>(found) : std::nullopt;
  v.json("teacher", teacher,
         "`run`, `checkpoint` (file name), `test_accuracy` and, where known, "
         "`validation_accuracy` of the teacher; null without one.");
  v.number("seconds", seconds, 0, kAny,
           "Wall time of all processes of the run, validation and checkpoints included, the last "
           "test and the teacher's training not.");
  v.number("images_per_s", images_per_s, 0, kAny, "Training images × epochs / `seconds`.");
  v.text("weights_sha256", weights_sha256, "Digest of the weights of `last.ckpt`.");
}

}  // namespace tailor::run

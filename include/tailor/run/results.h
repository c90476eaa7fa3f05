// What a run writes down beside its checkpoints: a line an epoch, a line an alteration, and the
// summary that makes it finished. Accuracies are per cent; what there is not is null.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tailor/core/record.h"

namespace tailor::run {

/// A line of metrics.jsonl.
struct EpochMetrics {
  int64_t epoch = 0;
  double lr = 0, train_loss = 0, train_accuracy = 0;
  std::optional<double> validation_loss, validation_accuracy;
  int64_t skips = 0;
  double seconds = 0, images_per_s = 0;
  void describe(RecordVisitor& v);
};

/// A line of alterations.jsonl.
struct AlterationLine {
  int64_t epoch = 0;
  std::string text, kind, skip;
  Json before, after;  // the block's skips, as in a description
  std::vector<std::string> erased, added;
  int64_t parameters = 0;
  std::optional<double> validation_accuracy_before, validation_accuracy_stale,
      validation_accuracy_after;
  int64_t statistics_images = 0;
  void describe(RecordVisitor& v);
};

/// summary.json.
struct RunSummary {
  struct Accuracy {
    std::optional<double> validation, test;
  };
  struct Best : Accuracy {
    int64_t epoch = 0;
  };
  std::string run, network, join;
  int64_t alterations = 0, skips = 0, skips_before = 0, parameters = 0, epochs = 0;
  Accuracy last;
  std::optional<Best> best;
  Json teacher;  // null without one
  double seconds = 0, images_per_s = 0;
  std::string weights_sha256;
  void describe(RecordVisitor& v);
};

}  // namespace tailor::run

// What a run writes down beside its checkpoints: a line an epoch, a line an alteration, and the
// summary that makes it finished. Shares are per cent; what there is not is null.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tailor/core/record.h"
#include "tailor/task/task.h"

namespace tailor::run {

/// A figure of the run's task, whose name is in the keys. Where nobody says otherwise it is that of
/// classification.
struct RecordedFigure {
  std::string name = "accuracy";
  bool is_share = true;         // then the value is in per cent
  std::optional<double> value;  // null: not measured
};
RecordedFigure recorded(const Figure& figure);
/// Named as `kind` is, where there is no figure.
RecordedFigure recorded(const std::optional<Figure>& figure, const Figure& kind);

/// A line of metrics.jsonl.
struct EpochMetrics {
  int64_t epoch = 0;
  double lr = 0;
  std::vector<RecordedFigure> train = {{"loss", false, {}}, {}}, validation = train;
  /// The parts of the training loss before they are weighted; null without a teacher.
  std::optional<double> objective, distance;
  int64_t skips = 0;
  double seconds = 0, examples_per_s = 0;
  std::string unit = "image";  // one example, in the last key
  void describe(RecordVisitor& v);
};

/// A line of alterations.jsonl.
struct AlterationLine {
  int64_t epoch = 0;
  std::string text, kind, skip;
  Json before, after;  // the block's skips, as in a description
  std::vector<std::string> erased, added;
  int64_t parameters = 0;
  RecordedFigure validation_before, validation_stale, validation_after;
  int64_t statistics_images = 0;
  std::string edit = "cut";
  std::optional<double> block_error;  // of an edit that solves
  void describe(RecordVisitor& v);
};

struct RunSummary;
/// What the phases before a run came to, where it is the last of several.
struct EarlierPhases {
  int64_t phases = 0, epochs = 0, alterations = 0;
  int64_t skips_before = 0;  // of the first
  double seconds = 0;
  void add(const RunSummary& phase);
};

/// summary.json.
struct RunSummary {
  struct Judgement {
    RecordedFigure validation, test;
    std::optional<double> mean_bits;  // of the products of a network trained quantised
  };
  struct Best : Judgement {
    int64_t epoch = 0;
  };
  std::string run, network, join;
  int64_t alterations = 0, skips = 0, skips_before = 0, parameters = 0, epochs = 0;
  EarlierPhases earlier;
  Judgement last;
  std::optional<Best> best;
  Json teacher;  // null without one
  double seconds = 0, examples_per_s = 0;
  std::string weights_sha256;
  std::string unit = "image";
  void describe(RecordVisitor& v);
};
/// Whatever its task's figure. Throws Config where it is no summary.
RunSummary read_summary(const std::string& path);
/// The lines of metrics.jsonl and of alterations.jsonl, whatever the task's figures; none where the
/// file is not there. The two lines of a skip that has faded are one. A last line without its end
/// is still being written, and left out. Throws Data or Config naming the line that is damaged.
std::vector<EpochMetrics> read_metrics(const std::string& path);
std::vector<AlterationLine> read_alterations(const std::string& path);

}  // namespace tailor::run

// What tailor sensitivity makes of measured losses: the FIFO bits of designs, a plan, a table. The
// measuring is LibTorch's (src/cli/torch/sensitivity.cc).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/source.h"
#include "tailor/surgery/budget.h"
#include "tailor/task/task.h"

namespace tailor::cli {

/// FIFOs of the designs that an export section makes of a network.
class FifoBits {
 public:
  FifoBits(const GraphSource& source, const ExportConfig& config)
      : config_(config), magnitude_(magnitude_of(source)) {}
  int64_t operator()(const Lowered& lowered);
  /// "fused on u200, streams of ap_fixed<…>", of the last design.
  const std::string& text() const { return text_; }

 private:
  ExportConfig config_;
  double magnitude_;
  std::string text_;
};

struct Sensitivity {
  std::string title, data;      // of the checkpoint and of the data set
  std::string split, examples;  // "validation"; "1,000 validation images"
  int64_t count = 0;            // of those
  int64_t statistics = 0;       // training examples that statistics are estimated on
  Figure unaltered;             // with its own statistics
  Figure reference;             // with estimated ones: what losses count from
  std::string design;
  int64_t fifo_bits = 0;  // of the unaltered network
  struct Row {
    SkipEffect effect;
    Figure figure;
  };
  std::vector<Row> rows;  // the cheapest first
  std::vector<SkipPlan> plan;
  /// The plan's own, where it is for a budget.
  struct Budgeted {
    int64_t budget_bits = 0, fifo_bits = 0;
    double lost = 0;  // the sum of the single losses
    Figure figure;    // of all its alterations together
  };
  std::optional<Budgeted> budgeted;

  std::vector<SkipEffect> effects() const;
};

/// What `figure` is worse than `reference`, in points where it is a share.
double loss_of(const Figure& figure, const Figure& reference);

/// Writes the plan where a file is asked for, and prints the answer.
void answer_sensitivity(const Sensitivity& s, const SensitivityOptions& options);

}  // namespace tailor::cli

// What an export section makes of a network: a plan, a design with what it needs, and what its
// types cost it. `tailor export`, `evaluate` and `inspect` ask here, so that they speak of one
// design.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tailor/design/design.h"

namespace tailor::design {

/// The layout and types that the section asks for.
Plan plan_export(const Lowered& lowered, const ExportConfig& config, double input_magnitude);
/// The device and reuse factor that it asks for.
Budget budget_of(const ExportConfig& config);

/// A design with what it needs of its device.
struct SizedDesign {
  Design design;
  Device device;
  Cost cost;
  std::vector<Limit> limits;
};
SizedDesign design_export(const Lowered& lowered, const ExportConfig& config,
                          double input_magnitude);
/// What the record (provenance) and the manifest say of a design of this sizing.
Json design_options(const Plan& plan, const Sizing& sizing, const Device& device);

/// What a sizing needs, without a design: FIFOs and latency are not known. What would be refused
/// outright is one limit with its error, and has no costs.
struct SizingEstimate {
  Device device;
  std::optional<Cost> cost;
  Json options;  // as design_options
  std::vector<Limit> limits;
};
SizingEstimate estimate_export(const Lowered& lowered, const ExportConfig& config);

/// Inputs of a project's test bench and, once measured, the integers' answers.
struct TestVectors {
  std::string source;                          // "16 test images of cifar10"
  std::vector<std::vector<double>> inputs;     // HWC, after preprocessing
  std::vector<std::vector<int64_t>> expected;  // raw logits
  /// Cuts inputs of a map of one row to its first frames.
  void keep_frames(const MapShape& whole, int64_t frames);
};

/// What a design's types cost it, on its vectors: the manifest's `quantisation`. Counts are by
/// stage, and 0 is left out.
struct Quantisation {
  double rms_predicted = 0, rms_measured = 0, rms_bound = 0;  // to six digits
  RecordVisitor::Named<int64_t> overflows, weight_overflows;
  RecordVisitor::Named<int64_t> weight_underflows, lost_kernels, constant_channels;
  std::optional<bool> depends_on_input;
  std::vector<std::string> warnings;
  int64_t weights = 0;  // that are not 0 before rounding; not in the manifest
  void describe(RecordVisitor& v);
};
/// Runs the integers on every vector, filling `expected`, and float64 on the first
/// kQuantisationImages, on all cores.
Quantisation measure(const Design& design, TestVectors& vectors);

/// The sum over the stages.
int64_t total(const RecordVisitor::Named<int64_t>& counts);
/// To six digits, as files have what is measured.
double six_digits(double value);

}  // namespace tailor::design

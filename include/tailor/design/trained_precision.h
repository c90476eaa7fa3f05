// The types that a network was trained with, and the layout whose casts it has seen. It stands in
// the checkpoint, so that an export makes the very network that was trained.
#pragma once

#include <string>
#include <vector>

#include "tailor/core/record.h"
#include "tailor/design/design.h"
#include "tailor/emulate/witness.h"

namespace tailor::design {

/// Normalised sequences have deviation 1; what is beyond this saturates.
constexpr double kSequenceMagnitude = 16;

/// What stands for the W,I of weights of which there are two, with scales.
constexpr char kBinary[] = "binary";

/// W,I of the weights and of the stream of one stage of the graph, and uW,I of the scales of its
/// output channels; empty: the network's.
struct StageTypes {
  std::string stage, weights, activations, scales = {};
  /// Of each output channel's weights, before its batch norm, where they came with the weights (an
  /// imported model); empty: scales are the magnitude of the channel's weights.
  std::vector<double> steps = {};
};
void describe(RecordVisitor& v, StageTypes& s);
/// Throws Config at `pointer`/N where a stage has no name or is there twice, or the input no sign.
void verify_stages(const std::vector<StageTypes>& stages, const std::string& pointer,
                   const std::string& source);

/// The end of a stage's range as training learns it, and what its optimiser remembers.
struct LearnedRange {
  std::string stage;
  bool of_weights = false;
  double log2 = 0;  // of the magnitude at which the type saturates
  double mean = 0, square = 0;
  /// Log2 of its step, and of that the same; read where widths are learned.
  double log2_step = 0, step_mean = 0, step_square = 0;
};
void describe(RecordVisitor& v, LearnedRange& r);

struct TrainedPrecision {
  std::string weights = "8,3", activations = "8,3";  // W,I; weights also kBinary
  std::string scales;                                // uW,I; empty: channels have none
  Rounding rounding = Rounding::Rnd;
  Overflow overflow = Overflow::Sat;
  Layout layout = Layout::Fused;
  double input_magnitude = 0;  // largest |input|, which decides the input's type
  std::vector<StageTypes> stages;
  /// Whether training learns where the points of `stages` stand (Jain et al. 2020, TQT).
  bool learns_points = false;
  std::vector<LearnedRange> ranges;
  int64_t range_steps = 0;
  /// Widths are learned too, so that products have mean_bits x mean_bits bits on average; 0: they
  /// are given.
  double mean_bits = 0;
  /// Not of the record: false where the types were only chosen for a network (tailor calibrate).
  bool is_trained = true;
  /// Not of the record: false where modes or layout are others than those of training, so that no
  /// witness knows the answers.
  bool is_as_trained = true;

  /// Throws Config at /weights, … of `where` for what is no W,I.
  Precision precision(const std::string& where) const;
  /// "8,3", or "weights 4,1, activations 8,3", and how many stages have types of their own.
  std::string text() const;
  /// What differs from other types, the first of it: "layout stock instead of fused, weights of fc
  /// 8,1 instead of 6,2"; empty: nothing does.
  std::string changes_from(const TrainedPrecision& other) const;
};
void describe(RecordVisitor& v, TrainedPrecision& p);
Json write_trained_precision(const TrainedPrecision& p);
TrainedPrecision read_trained_precision(const Json& json, const std::string& source);

/// A network with these types, as it was trained and as it is exported.
Plan plan_trained(const Lowered& lowered, const TrainedPrecision& trained,
                  const PlanOptions& options = {});

/// Throws Mismatch unless the integers answer the witness's inputs with `quantised` bit for bit:
/// what LibTorch gave in float64 with the same casts. Without such outputs nothing is compared.
void verify_trained(const Plan& plan, const std::optional<Witness>& witness,
                    const std::string& where);

}  // namespace tailor::design

// Which types a network's stages need, looked at on data: ranges, and where the binary point stands
// best. For whoever quantises after training.
#pragma once

#include <string>
#include <vector>

#include "tailor/design/trained_precision.h"

namespace tailor::design {

/// What a stage is given: its largest magnitudes, the integer bits whose mean squared error is
/// least, and the shares that these types saturate.
struct StageRange {
  std::string stage;
  bool has_weights = true;  // false: a sum or a mean
  double largest_weight = 0, largest = 0;
  int weight_integer = 1, integer = 1;
  double saturated_weights_frac = 0, saturated_frac = 0;
};
struct TypeCalibration {
  TrainedPrecision types;  // with is_trained false
  std::vector<StageRange> stages;
};

/// Bits of a stage; 0: those of all others.
struct StageBits {
  std::string stage;
  int weights = 0, activations = 0;
};
struct CalibrationRequest {
  Layout layout = Layout::Fused;
  int weight_bits = 8, bits = 8;
  /// Of the scales of output channels, of up to twice the largest there is now; 0: there are none.
  int scale_bits = 0;
  double input_magnitude = 0;
  std::vector<StageBits> stages;
  /// Skips that fold into kernels count as parts of their weights: for weights that nothing trains
  /// any more.
  bool with_folded_skips = true;
};

/// Types of so many bits for every stage of the layout that rounds, each with its own binary point,
/// by images (HWC). What cannot be negative is without a sign. Integer bits are -8 to the width.
/// With scales, what is said of weights is in steps of them, no skip folds, and weights of one bit
/// are binary. Throws Usage without images or for other than 2 to 16 bits.
TypeCalibration calibrate(const Lowered& lowered, const CalibrationRequest& request,
                          const std::vector<std::vector<double>>& images);

}  // namespace tailor::design

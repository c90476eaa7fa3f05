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
  double largest_weight = 0, largest = 0;
  int weight_integer = 1, integer = 1;
  double saturated_weights_frac = 0, saturated_frac = 0;
};
struct TypeCalibration {
  TrainedPrecision types;  // with is_trained false
  std::vector<StageRange> stages;
};

/// Types of so many bits for every convolution and linear layer of the layout, each with its own
/// binary point, by images (HWC). Integer bits are 1 to the width. Throws Usage without images or
/// for fewer than 2 bits.
TypeCalibration calibrate(const Lowered& lowered, Layout layout, int weight_bits, int bits,
                          double input_magnitude, const std::vector<std::vector<double>>& images);

}  // namespace tailor::design

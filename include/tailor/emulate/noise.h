// How far a design's integers may be from its float64 run, predicted from types, weights and images
// alone: the manifest's quantisation bound. It knows nothing of the integer emulator, so that a
// wrong emulator cannot widen its own bound.
#pragma once

#include <vector>

#include "tailor/ir/graph.h"

namespace tailor::emulate {

/// Root of the mean squared error of the logits, over images and classes, of a float64 run that is
/// disturbed as the types would: weights and biases rounded, every value that a stage casts given a
/// rounding error drawn at random (uniform in one step, on the side that the mode rounds to) and
/// brought into its type's range. Few images are drawn for several times. Images are HWC.
double predict_rms_error(const Graph& design, const std::vector<std::vector<double>>& images);

/// The first so many images are predicted for, measured by the export, and checked again; more
/// would not change two digits.
constexpr size_t kQuantisationImages = 8;

/// The bound on the measured root mean square is this many times the prediction, because drawn
/// errors are not the real ones: measured ratios are 0.86 to 1.25 (tests/emulate/noise_test.cc).
constexpr double kQuantisationSafety = 3;

}  // namespace tailor::emulate

// How far a design's integers may be from its float64 run, predicted from types, weights and
// activations alone: the manifest's quantisation bound. It knows nothing of the integer emulator,
// so that a wrong emulator cannot widen its own bound.
#pragma once

#include <vector>

#include "tailor/ir/graph.h"

namespace tailor {

/// Root of the mean squared error of the logits, over images and classes. Image by image, two parts
/// are added: what overflowing does, from a float64 run with every value brought into its type's
/// range; and what rounding does, to first order: each cast adds a mean and a variance (uniform in
/// one step), each weight's error acts on the mean and the mean square of its input; both go
/// through the float64 weights, and through a ReLU by the share of active values. Images are CHW.
double predict_rms_error(const Graph& design, const std::vector<std::vector<double>>& images);

/// The first so many images are predicted for, measured by the export, and checked again; more
/// would not change two digits.
constexpr size_t kQuantisationImages = 8;

/// The bound on the measured root mean square is this many times the prediction: errors of
/// neighbouring pixels are not independent, and long skips add them coherently. Measured ratios are
/// 0.25 to 1.8 (tests/emulate/noise_test.cc), of trained networks 0.8 to 2.1.
constexpr double kQuantisationSafety = 5;

}  // namespace tailor

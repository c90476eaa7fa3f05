// The fewest bits of each stage for a given loss: what a stage's bits cost the logits is measured
// once, stage by stage, and then whatever is saved at the least harm is taken away.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tailor/design/calibrate.h"

namespace tailor::design {

/// A stage that multiplies weights. `input` is the stage whose type its input has.
struct StageProducts {
  std::string stage, input;
  int64_t count = 0, weights = 0;  // multiplications of an image
  int weight_bits = 0, input_bits = 0;
};
/// Of a graph with types; it needs no tensors.
std::vector<StageProducts> stage_products(const Graph& design);

/// What widths cost: Σ multiplications an image × bits of the weight × bits of what it multiplies,
/// and bits of all weights.
struct WidthCost {
  int64_t product_bits = 0, weight_bits = 0;
};
WidthCost width_cost(const Plan& plan);

/// b where products of weights and activations have b x b bits on average, over all multiplications
/// of an image; 0 where there is none. Of a graph with types.
double mean_product_bits(const Graph& design);

/// How to look for them.
struct WidthRequest {
  CalibrationRequest start;  // the widths from which it goes down
  int least = 2;
  bool corrects_biases = false;  // what a stage shifts the logits' means by does no harm then
  /// Whether types are good enough.
  std::function<bool(const TypeCalibration&)> is_good;
};
/// Weights and values of each stage on their own, as far as `is_good` allows, which is asked about
/// log2 of all bits that could go, and as far as the design keeps the stages that it begins with.
/// `probes` are images (HWC), by whose logits stages are compared; `ranges` know all widths. Throws
/// Unsupported where the start itself is not good.
CalibrationRequest fewest_bits(const Lowered& lowered, const StageRanges& ranges,
                               const WidthRequest& request,
                               const std::vector<std::vector<double>>& probes);

}  // namespace tailor::design

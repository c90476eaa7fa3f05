// Which types a network's stages need, looked at on data: ranges, and where the binary point stands
// best. For whoever quantises after training.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tailor/design/trained_precision.h"

namespace tailor::design {

/// Weights, or values of all images: the largest magnitude, the integer bits whose mean squared
/// error is least, and how many of how many such a type saturates.
struct Range {
  double largest = 0;
  int integer = 1;
  int64_t count = 0, saturated = 0;
  double saturated_frac() const {
    return count == 0 ? 0 : static_cast<double>(saturated) / static_cast<double>(count);
  }
};
/// What a stage is given.
struct StageRange {
  std::string stage;
  bool has_weights = true;  // false: a sum or a mean, whose `weights` are none
  Range weights, values;
};
struct TypeCalibration {
  TrainedPrecision types;  // with is_trained false; stages as below, then the input if it has any
  std::vector<StageRange> stages;
};

/// The name under which the input has bits of its own; else it has those of all values.
constexpr const char* kInputStage = "input";
/// The input has as many at least, unless a configuration says otherwise: pixels do.
constexpr int kPixelBits = 8;

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
  /// Types of kernels hold the skips that would else be stages, a projection or a pad, whatever
  /// that costs their other weights. Else a skip that saturates the type which is best stays out.
  bool holds_folded_skips = false;
};

/// What the weights and values of a network's stages are on images (HWC), looked at once.
class StageRanges {
 public:
  /// For types of the widths that the request asks for, and of all below them down to `least`.
  /// Throws Usage without images or for other than 2 to 16 bits.
  StageRanges(const Lowered& lowered, const CalibrationRequest& request,
              const std::vector<std::vector<double>>& images, int least = 16);
  /// Types of such widths for every stage that rounds in the design which they make, each with its
  /// own binary point. What cannot be negative is without a sign. Integer bits are -8 to the width.
  /// With scales, what is said of weights is in steps of them, no skip folds, and weights of one
  /// bit are binary.
  TypeCalibration types(const CalibrationRequest& request) const;

 private:
  struct Stage {
    std::string name, scales;  // uW,I of its channels' scales
    bool has_weights, writes_logits, is_signed;
    std::map<int, Range> weights, values;  // by width
    /// With all skips that could fold into it: what is best, and what saturates none of them.
    std::map<int, Range> folded = {}, held = {};
    size_t folds = 0;           // how many skips those are
    bool folds_stages = false;  // whether some of them would else be stages
  };
  using Names = std::set<std::string>;
  void look_at_folds(const Lowered& lowered, const CalibrationRequest& request, int least);
  const Range& weights_of(const Stage& stage, int bits, const CalibrationRequest& request,
                          const Names& without) const;
  /// Of all stages but those that are `absent`; kernels `without` their skips.
  TypeCalibration types_of(const CalibrationRequest& request, const Names& without,
                           const Names& absent) const;

  std::vector<Stage> stages_;
  std::optional<Graph> fused_;  // before skips fold; none: no skip does
};

/// The bits of a stage's weights and of what it writes. Throws Usage for other than 2 to 16.
StageBits bits_of(const CalibrationRequest& request, const std::string& stage);

/// StageRanges and its types at once.
TypeCalibration calibrate(const Lowered& lowered, const CalibrationRequest& request,
                          const std::vector<std::vector<double>>& images);

}  // namespace tailor::design

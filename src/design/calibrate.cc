#include "tailor/design/calibrate.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "tailor/core/strings.h"
#include "tailor/design/channel_scales.h"
#include "tailor/emulate/float64.h"

namespace tailor::design {
namespace {

/// So fine that they show the network as it is.
const FixedType kFine{20, 10}, kFineWithoutSign{20, 10, false};
/// One that holds no 1, so that no skip folds.
const FixedType kBelowOne{20, 1};

constexpr int kLeastInteger = -8;

/// What rounding to each place of the binary point costs values, summed up as they come.
class PointSearch {
 public:
  PointSearch(int bits, bool is_signed)
      : bits_(bits),
        is_signed_(is_signed),
        squares_(static_cast<size_t>(bits - kLeastInteger + 1), 0.0),
        beyond_(squares_.size(), 0) {}

  void add(Span<const double> values) {
    for (double v : values) largest_ = std::max(largest_, std::abs(v));
    count_ += static_cast<int64_t>(values.size());
    for (int integer = kLeastInteger; integer <= bits_; ++integer) {
      const double step = std::ldexp(1.0, integer - bits_),
                   low = is_signed_ ? -std::ldexp(1.0, integer - 1) : 0,
                   high = std::ldexp(1.0, is_signed_ ? integer - 1 : integer) - step;
      const auto at = static_cast<size_t>(integer - kLeastInteger);
      for (double v : values) {
        const double rounded = std::floor(v / step + 0.5) * step;
        const double error = std::clamp(rounded, low, high) - v;
        squares_[at] += error * error;
        beyond_[at] += rounded < low || rounded > high ? 1 : 0;
      }
    }
  }
  /// The fewest integer bits among the best; 1 where there is nothing but zeros.
  int best() const {
    if (largest_ == 0) return 1;
    return kLeastInteger +
           static_cast<int>(std::min_element(squares_.begin(), squares_.end()) - squares_.begin());
  }
  Range range() const {
    const int integer = best();
    return {largest_, integer, count_, beyond_[static_cast<size_t>(integer - kLeastInteger)]};
  }
  std::string type_text(int integer) const {
    return precision_text(FixedType{bits_, integer, is_signed_});
  }

 private:
  int bits_;
  bool is_signed_;
  std::vector<double> squares_;  // by integer bits, from kLeastInteger
  std::vector<int64_t> beyond_;
  double largest_ = 0;
  int64_t count_ = 0;
};

/// The bits of a stage's weights and of what it writes.
StageBits bits_of(const CalibrationRequest& request, const std::string& stage) {
  StageBits bits{stage, request.weight_bits, request.bits};
  for (const StageBits& s : request.stages) {
    if (s.stage != stage) continue;
    if (s.weights > 0) bits.weights = s.weights;
    if (s.activations > 0) bits.activations = s.activations;
  }
  if (bits.weights == 1 && request.scale_bits == 0) {
    fail(
        ErrorKind::Usage,
        "calibrate: expected 2 to 16 bits, got 1 for {}: binary weights need scales (--scale-bits)",
        stage);
  }
  const bool binary = bits.weights == 1;
  for (int width : {binary ? 2 : bits.weights, bits.activations}) {
    if (width < 2 || width > 16)
      fail(ErrorKind::Usage, "calibrate: expected 2 to 16 bits, got {} for {}", width, stage);
  }
  return bits;
}

/// Of a stage's weights.
void calibrate_weights(const Graph& graph, const Node& node, const CalibrationRequest& request,
                       StageRange& range, StageTypes& types) {
  const int bits = bits_of(request, node.name).weights;
  const Tensor& tensor = graph.tensor(node, "weight");
  std::vector<double> weights = tensor.to_doubles();
  if (request.scale_bits > 0) {
    const int64_t outputs = tensor.shape()[0];
    const std::vector<double> now = channel_magnitudes(weights, outputs, bits == 1);
    const FixedType type =
        scale_type(request.scale_bits, 2 * *std::max_element(now.begin(), now.end()));
    types.scales = precision_text(type);
    const std::vector<double> scales = channel_scales(weights, outputs, bits == 1, type);
    const size_t each = weights.size() / scales.size();
    for (size_t i = 0; i < weights.size(); ++i) weights[i] /= scales[i / each];
  }
  if (bits == 1) {
    types.weights = kBinary;
    return;
  }
  PointSearch search(bits, /*is_signed=*/true);
  search.add(weights);
  range.weights = search.range();
  types.weights = search.type_text(range.weights.integer);
}

}  // namespace

TypeCalibration calibrate(const Lowered& lowered, const CalibrationRequest& request,
                          const std::vector<std::vector<double>>& images) {
  if (images.empty()) fail(ErrorKind::Usage, "calibrate: expected at least one image, got none");
  bits_of(request, "all stages");
  Precision fine(kFineWithoutSign);
  const bool folds = request.with_folded_skips && request.scale_bits == 0;
  fine.weights = folds ? kFine : kBelowOne;
  fine.trained = !folds;
  const Plan wide = plan(lowered, request.layout, fine, request.input_magnitude);
  const Graph& graph = wide.graph();
  std::vector<const Node*> nodes;
  std::map<size_t, PointSearch> searches;  // by value
  for (const Node& node : graph.nodes) {
    if (node.outputs.empty() || node.traits().port || node.traits().keeps_type) continue;
    nodes.push_back(&node);
    const ValueId out = node.outputs[0];
    searches.emplace(out.index(), PointSearch(bits_of(request, node.name).activations,
                                              graph.value(out).type->is_signed));
  }
  const Float64Emulator emulator(graph);
  for (const std::vector<double>& image : images) {
    emulator.run(image, [&](ValueId id, Span<const double> values) {
      const auto found = searches.find(id.index());
      if (found != searches.end()) found->second.add(values);
    });
  }
  TypeCalibration result;
  TrainedPrecision& types = result.types;
  types.is_trained = false, types.layout = request.layout;
  types.input_magnitude = request.input_magnitude;
  for (const Node* node : nodes) {
    const PointSearch& of_values = searches.at(node->outputs[0].index());
    StageRange s;
    s.stage = node->name, s.has_weights = node->traits().has_weights;
    s.values = of_values.range();
    StageTypes t{node->name, "", ""};
    if (s.has_weights) calibrate_weights(graph, *node, request, s, t);
    if (node->outputs[0] != graph.output()) t.activations = of_values.type_text(s.values.integer);
    types.stages.push_back(t);
    result.stages.push_back(s);
  }
  // For what is not there yet: a projection that a later alteration brings; and the input, whose
  // point stands where its magnitude asks.
  types.activations = precision_text(FixedType{request.bits, std::min(request.bits, 3)});
  types.weights =
      request.weight_bits == 1 ? kBinary : precision_text(FixedType{request.weight_bits, 1});
  if (request.scale_bits > 0) types.scales = precision_text(scale_type(request.scale_bits, 1));
  return result;
}

}  // namespace tailor::design

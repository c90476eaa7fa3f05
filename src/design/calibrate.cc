#include "tailor/design/calibrate.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "tailor/core/strings.h"
#include "tailor/emulate/float64.h"

namespace tailor::design {
namespace {

/// So fine that it shows the network as it is.
const FixedType kFine{20, 10};

/// What rounding to each place of the binary point costs values, summed up as they come.
class PointSearch {
 public:
  explicit PointSearch(int bits)
      : bits_(bits), squares_(static_cast<size_t>(bits), 0.0), beyond_(squares_.size(), 0) {}

  void add(Span<const double> values) {
    for (double v : values) largest_ = std::max(largest_, std::abs(v));
    count_ += static_cast<int64_t>(values.size());
    for (int integer = 1; integer <= bits_; ++integer) {
      const double step = std::ldexp(1.0, integer - bits_), low = -std::ldexp(1.0, integer - 1),
                   high = -low - step;
      const auto at = static_cast<size_t>(integer - 1);
      for (double v : values) {
        const double rounded = std::floor(v / step + 0.5) * step;
        const double error = std::clamp(rounded, low, high) - v;
        squares_[at] += error * error;
        beyond_[at] += rounded < low || rounded > high ? 1 : 0;
      }
    }
  }
  /// The fewest integer bits among the best.
  int best() const {
    return 1 +
           static_cast<int>(std::min_element(squares_.begin(), squares_.end()) - squares_.begin());
  }
  /// Share of the values that those saturate.
  double beyond_frac() const {
    return static_cast<double>(beyond_[static_cast<size_t>(best() - 1)]) /
           static_cast<double>(std::max<int64_t>(count_, 1));
  }
  double largest() const { return largest_; }

 private:
  int bits_;
  std::vector<double> squares_;  // by integer bits, from 1
  std::vector<int64_t> beyond_;
  double largest_ = 0;
  int64_t count_ = 0;
};

std::string type_text(int bits, int integer) { return fmt::format("{},{}", bits, integer); }

}  // namespace

TypeCalibration calibrate(const Lowered& lowered, Layout layout, int weight_bits, int bits,
                          double input_magnitude, const std::vector<std::vector<double>>& images) {
  if (images.empty()) fail(ErrorKind::Usage, "calibrate: expected at least one image, got none");
  for (int width : {weight_bits, bits}) {
    if (width < 2 || width > 16)
      fail(ErrorKind::Usage, "calibrate: expected 2 to 16 bits, got {}", width);
  }
  const Plan wide = plan(lowered, layout, kFine, input_magnitude);
  const Graph& graph = wide.graph();
  std::vector<const Node*> nodes;
  std::map<size_t, PointSearch> searches;  // by value
  for (const Node& node : graph.nodes) {
    if (!node.traits().has_weights) continue;
    nodes.push_back(&node);
    searches.emplace(node.outputs[0].index(), PointSearch(bits));
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
  types.is_trained = false, types.layout = layout, types.input_magnitude = input_magnitude;
  int largest = 1;
  for (const Node* node : nodes) {
    const std::vector<double> weight = graph.tensor(*node, "weight").to_doubles();
    PointSearch of_weights(weight_bits);
    of_weights.add(weight);
    const PointSearch& of_values = searches.at(node->outputs[0].index());
    StageRange s{
        node->name,       of_weights.largest(),     of_values.largest(),    of_weights.best(),
        of_values.best(), of_weights.beyond_frac(), of_values.beyond_frac()};
    const bool logits = node->outputs[0] == graph.output();
    if (!logits) largest = std::max(largest, s.integer);
    types.stages.push_back({s.stage, type_text(weight_bits, s.weight_integer),
                            logits ? "" : type_text(bits, s.integer)});
    result.stages.push_back(s);
  }
  // For what no stage of products writes: a mean of maps, a sum.
  types.activations = type_text(bits, largest);
  types.weights = type_text(weight_bits, std::min(weight_bits, 2));
  return result;
}

}  // namespace tailor::design

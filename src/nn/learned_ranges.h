// Where the types of a quantised network end and how fine they are, as training learns it: a step
// of Adam on each, and with widths that are learned too, what their bits cost.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tailor/design/trained_precision.h"
#include "tailor/ir/graph.h"

namespace tailor::nn {

/// Of the loss, to log2 of the magnitude at which a type saturates, and to log2 of its step.
struct RangeGradient {
  double end = 0, step = 0;
};

/// Bits of the products of a graph with types: (bits of the weight) x (bits of the activation),
/// the mean over all products of an image, and what a bit more of one type adds to it.
class ProductBits {
 public:
  explicit ProductBits(const Graph& graph);
  double mean() const { return mean_; }
  double by_weights(const std::string& stage) const { return find(weights_, stage); }
  double by_values(const std::string& stage) const { return find(values_, stage); }

 private:
  using ByStage = std::map<std::string, double>;
  static double find(const ByStage& of, const std::string& stage) {
    const auto found = of.find(stage);
    return found == of.end() ? 0 : found->second;
  }
  double mean_ = 0;
  ByStage weights_, values_;
};

/// The range of a type that nothing has moved yet.
LearnedRange range_of(const std::string& stage, bool of_weights, const FixedType& type,
                      bool learns_width);

/// A step of Adam (TQT section 5.2) on every range of `p`, and the types that follow. With
/// p.mean_bits every bit has a price, which rises with the bits that products have beyond that.
/// True where a type changed.
bool step_ranges(TrainedPrecision& p, const Graph& graph,
                 const std::vector<RangeGradient>& gradients,
                 const std::function<FixedType(const LearnedRange&)>& type_of, double rate);

}  // namespace tailor::nn

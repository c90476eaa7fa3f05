// A network as its design computes it: the stages of the plan, in LibTorch, with every cast that
// the hardware makes. What is trained on it is therefore what is exported.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tailor/design/trained_precision.h"
#include "tailor/net/network.h"
#include "tailor/nn/parameters.h"

namespace tailor::nn {

/// How batch norm is computed. Folded: into weight and bias before they are cast, from the running
/// statistics, as in the design. Batch: statistics are the batch's, and move the running ones; the
/// weight is cast as it will be folded, with the running deviation, but for skips that fold into
/// kernels, whose weights are cast on their own, and for biases, which are not cast.
enum class Normalisation { Folded, Batch };

struct RangeGradient;

class QuantisedForm {
 public:
  /// Throws Unsupported where the network cannot be a design of these types, or masks padding.
  QuantisedForm(const Network& network, const TrainedPrecision& trained,
                at::Device device = at::kCPU);
  ~QuantisedForm();
  QuantisedForm(QuantisedForm&&) noexcept;
  QuantisedForm& operator=(QuantisedForm&&) noexcept;

  /// x as of Model::forward, float32, or float64 for results that are those of the integers, bit
  /// for bit, as long as sums have at most 53 bits. The answer is of x's type.
  at::Tensor forward(const at::Tensor& x, const Parameters& parameters, Normalisation normalisation,
                     double bn_momentum) const;

  /// The types as they stand; with TrainedPrecision::learns_points, as they are learnt.
  const TrainedPrecision& trained() const { return trained_; }

  /// A step of Adam on the learned ranges, by the gradients that backward passes have left since
  /// the last one; none of them is left. True where a type changed with it.
  bool step_ranges(double rate);

  /// b where products of weights and activations have b x b bits on average, over all of an image.
  double mean_bits() const;

 private:
  struct Stages;
  void begin_ranges();
  std::vector<RangeGradient> take_range_gradients();

  TrainedPrecision trained_;
  at::Device device_;
  std::unique_ptr<Stages> stages_;
};

}  // namespace tailor::nn

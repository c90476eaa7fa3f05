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

class QuantisedForm {
 public:
  /// Throws Unsupported where the network cannot be a design of these types, or masks padding.
  QuantisedForm(const Network& network, const TrainedPrecision& trained);
  ~QuantisedForm();
  QuantisedForm(QuantisedForm&&) noexcept;

  /// x as of Model::forward, float32, or float64 for results that are those of the integers, bit
  /// for bit, as long as sums have at most 53 bits. The answer is of x's type.
  at::Tensor forward(const at::Tensor& x, const Parameters& parameters, Normalisation normalisation,
                     double bn_momentum) const;

  const TrainedPrecision& trained() const { return trained_; }

 private:
  struct Stages;
  TrainedPrecision trained_;
  std::unique_ptr<const Stages> stages_;
};

}  // namespace tailor::nn

// What a batch norm does in eval mode, a factor and a shift a channel, and float32 values that do a
// given thing: a factor is a quotient of two of them, so that it is as exact as one likes.
#pragma once

#include <string>
#include <vector>

#include "tailor/net/network.h"

namespace tailor::net {

/// Channel c becomes scale[c] · x + shift[c].
struct ScaleShift {
  std::vector<double> scale, shift;
};
/// Of the batch norm whose tensors are `norm`.weight and so on.
ScaleShift scale_and_shift(const TensorMap& tensors, const std::string& norm, double epsilon);

/// A convolution's weight and bias, 0 where it has none, with the batch norm `norm` behind it (in
/// float64); an empty name is none.
struct FoldedConv {
  Tensor weight, bias;
};
FoldedConv fold_batch_norm(const TensorMap& tensors, const NamedLayer& conv,
                           const std::string& norm, double epsilon);

/// One channel of a batch norm.
struct NormChannel {
  float gamma = 1, beta = 0, mean = 0, variance = 1;
};
/// Multiplies by `scale` and adds `shift`, both to about 1e-11, and has nearly these statistics.
NormChannel norm_channel(double scale, double shift, double mean, double variance, double epsilon);
void set_norm_channel(TensorMap& tensors, const std::string& norm, size_t channel,
                      const NormChannel& values);

}  // namespace tailor::net

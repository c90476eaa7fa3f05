// The way back from a widened network: filters between the stages of a block go, those first that
// bring least. What it computes changes; training behind it is to make up for that.
#pragma once

#include <string>
#include <vector>

#include "tailor/net/network.h"

namespace tailor::surgery {

struct Narrowing {
  std::string conv;               // "stage1.block0.conv1"
  int64_t before = 0, after = 0;  // filters
};

struct NarrowedNetwork {
  Network network;
  TensorMap tensors;
  std::vector<Narrowing> convs;  // whose filters went; none: as wide as `like` already
};

/// Filters of convolutions that no skip reads go until there are as many as in `like`, or a share
/// `step` of the way (0 to 1], rounded up. A filter brings the mean square of its activation, its
/// batch norm's input taken as normal, times the squared weights by which the next convolution
/// reads it; those that bring least go, and what they bring on average goes into the mean of the
/// batch norm behind that.
///
/// Dirac kernels come back as weights. Throws Config where `like` has other blocks or stages, or is
/// wider anywhere; and where a wider convolution has groups, no batch norm behind it, a skip that
/// begins or ends behind it, or is not before another convolution in its block.
NarrowedNetwork narrow(const Network& network, const TensorMap& tensors, const Network& like,
                       double step = 1);

}  // namespace tailor::surgery

// Dirac kernels (Zagoruyko and Komodakis 2017, version 2): diag(alpha) · identity + diag(beta) ·
// weight / norm of each filter. A way to train plain networks; whoever computes has the kernel.
#pragma once

#include <utility>

#include "tailor/net/network.h"

namespace tailor::net {

/// [out, in, kernel rows, kernel columns]: the kernel of a convolution, its weight where it is not
/// dirac. A filter of norm 0 stays 0.
Tensor kernel_of(const TensorMap& tensors, const NamedLayer& conv);

/// The same network, all of whose kernels are its weights.
std::pair<Network, TensorMap> merge_dirac(Network network, TensorMap tensors);

}  // namespace tailor::net

// What a fixed-point type leaves of a network: weights that become 0, channels that stand still,
// and whether the logits still depend on the input. Counted on what the emulators compute, not
// estimated.
#pragma once

#include <string>
#include <vector>

#include "tailor/ir/graph.h"

namespace tailor::emulate {

/// What rounding makes 0 of one convolution or dense layer; all zero for other nodes.
struct Underflow {
  int64_t nonzero = 0;  // weights that are not 0 before rounding
  int64_t weights = 0;  // of them, those that are 0 after it
  int64_t kernels = 0;  // outputs whose weights were not all 0, and are
};
/// By node of a design.
std::vector<Underflow> count_underflows(const Graph& design);

/// By node of a design: outputs that are the same number at every pixel of every image in integers,
/// and are not in float64. Images are HWC; at most 8 are run. With fewer than two, all 0.
std::vector<int64_t> count_constant_channels(const Graph& design,
                                             const std::vector<std::vector<double>>& images);

/// Whether logits tell images apart.
struct InputDependence {
  bool known = false;    // two images differ
  bool depends = true;   // two integer results differ
  bool expected = true;  // two float64 results do, by more than 1e-9 of the largest
};
/// `raw` are the integers' logits of the images; `exact` float64's of the first exact.size() ones.
InputDependence input_dependence(const std::vector<std::vector<double>>& images,
                                 const std::vector<std::vector<int64_t>>& raw,
                                 const std::vector<std::vector<double>>& exact);

}  // namespace tailor::emulate

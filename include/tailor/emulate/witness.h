// A graph in float64 against what LibTorch computed: the check that the graph is the trained
// network and not a plausible other one.
#pragma once

#include <vector>

#include "tailor/ir/graph.h"

namespace tailor::emulate {

constexpr double kWitnessTolerance = 1e-4;

/// Largest difference of two vectors, relative to the largest magnitude of `expected`; infinite if
/// a value is not finite.
double relative_difference(const std::vector<double>& got, const std::vector<double>& expected);

/// Largest relative difference over the witness's images. Throws Data when there is no witness or
/// it does not fit the graph.
double witness_error(const Graph& graph);

}  // namespace tailor::emulate

// Raw integer weights of a design's nodes. Emulator and project writer both take them from here, so
// that they cannot differ.
#pragma once

#include <cstdint>
#include <vector>

#include "tailor/ir/graph.h"

namespace tailor::ir {

/// The type, or Data "NODE has no WHAT type: it is not a design".
const FixedType& required_type(const std::optional<FixedType>& type, const Node& node,
                               const char* what);

/// Weights of a conv or dense node in its weight type, in the order [out, ky, kx, in]; counts those
/// that do not fit.
std::vector<int64_t> quantised_weights(const Graph& graph, const Node& node,
                                       int64_t* overflows = nullptr);
/// The bias (zeros if there is none) in its bias type.
std::vector<int64_t> quantised_bias(const Graph& graph, const Node& node,
                                    int64_t* overflows = nullptr);

}  // namespace tailor::ir

// Description + tensors → inference graph, node for node as trained: nothing is folded or rounded here. The result is checked against the
// witness that LibTorch left in the checkpoint, so that a wrong graph is refused where it is made.
#pragma once

#include "tailor/ir/graph.h"
#include "tailor/net/network.h"

namespace tailor {

/// Throws Data if the tensors do not fit the description.
Graph lower_network(const Network& network, const TensorMap& tensors, const std::string& where);

/// Largest difference between the graph in float64 and the witness, relative to the image's largest logit.
double witness_error(const Graph& graph);

constexpr double kWitnessTolerance = 1e-4;

/// Throws Mismatch when witness_error exceeds kWitnessTolerance, Data when there is no witness.
void verify_witness(const Graph& graph, const std::string& where);

}  // namespace tailor

// Description + tensors → inference graph, node for node as trained: nothing is folded or rounded
// here. The result is checked against the witness that LibTorch left in the checkpoint, so that a
// wrong graph is refused where it is made.
#pragma once

#include "tailor/ir/graph.h"
#include "tailor/net/network.h"

namespace tailor {

/// Throws Data if the tensors do not fit the description.
Graph lower_network(const Network& network, const TensorMap& tensors, const std::string& where);

/// Throws Mismatch when witness_error (emulate/witness.h) exceeds kWitnessTolerance, Data when
/// there is no witness.
void verify_witness(const Graph& graph, const std::string& where);

}  // namespace tailor

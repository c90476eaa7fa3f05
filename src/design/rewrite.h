// What every rewriting pass needs: dropping nodes, with the values and tensors that go with them,
// and setting a float64 tensor.
#pragma once

#include <vector>

#include "tailor/ir/graph.h"

namespace tailor::design {

/// Removes the marked nodes and every value that no remaining node writes, and renumbers; tensors
/// of removed nodes must be gone already.
void remove_nodes(Graph& graph, const ByNode<bool>& dead);
/// Puts every node behind those that write what it reads.
void order_nodes(Graph& graph);
void set_tensor(Graph& graph, const Node& node, const char* part, const Shape& shape,
                const std::vector<double>& values);

}  // namespace tailor::design

// Description + tensors → inference graph, node for node as trained: nothing is folded or rounded
// here. The result is checked against the witness that LibTorch left in the checkpoint, so that a
// wrong graph is refused where it is made.
#pragma once

#include "tailor/ir/graph.h"
#include "tailor/net/network.h"

namespace tailor::design {

/// A graph as trained: nodes of the network, none fused, folded or typed. Whoever reads graphs
/// takes it as one; whoever makes a design of it takes nothing else.
class Lowered {
 public:
  /// Throws Usage where the graph is a design, Unsupported where a convolution has a ReLU or skips
  /// of its own, Data where it is no graph; `where` names it.
  Lowered(Graph graph, const std::string& where);
  const Graph& graph() const { return graph_; }
  operator const Graph&() const { return graph_; }  // NOLINT: reading only
  /// The graph back, to be given a witness or a provenance, and taken as Lowered again.
  Graph take() && { return std::move(graph_); }

 private:
  Graph graph_;
};

/// Throws Data if the tensors do not fit the description.
Lowered lower(const Network& network, const TensorMap& tensors, const std::string& where);

/// The same weights on an input of so many columns, for a network of frames that gives an answer at
/// each: all shapes are made anew, and LibTorch's witness goes, since it is of all frames. Throws
/// Usage where the input has several rows, more columns are asked for than there are, or a layer
/// takes a whole map.
Lowered on_frames(Lowered lowered, int64_t frames);

/// Throws Mismatch when witness_error (emulate/witness.h) exceeds kWitnessTolerance, Data when
/// there is no witness.
void verify_witness(const Graph& graph, const std::string& where);

}  // namespace tailor::design

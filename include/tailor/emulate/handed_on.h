// What a node that forwards its input writes behind its first output: pixels a stride apart.
#pragma once

#include <vector>

#include "tailor/ir/graph.h"

namespace tailor::emulate {

/// x, HWC, is the node's first input; returns the pixels at the first output's places, HWC.
template <class T>
std::vector<T> handed_on(const Graph& graph, const Node& node, const std::vector<T>& x) {
  const Size2 stride = stride_handed_on(node);
  if (stride.size() == 1) return x;
  const MapShape& from = graph.value(node.inputs[0]).shape;
  std::vector<T> y;
  for (int64_t row = 0; row < from.height; row += stride.height) {
    for (int64_t column = 0; column < from.width; column += stride.width) {
      const auto first = x.begin() + (row * from.width + column) * from.channels;
      y.insert(y.end(), first, first + from.channels);
    }
  }
  return y;
}

}  // namespace tailor::emulate

// Where a skip is, and what the edits ask of its block.
#pragma once

#include <string>
#include <vector>

#include "tailor/net/network.h"

namespace tailor::surgery {

/// A skip of a network: its block, the index there, and the shapes of the block's points.
struct Place {
  Block* block = nullptr;
  size_t index = 0;
  std::vector<MapShape> points;

  const MapShape& at(int64_t point) const { return points[static_cast<size_t>(point)]; }
};
/// Throws Config where there is none, listing those that there are.
Place find_skip(Network& network, const std::string& id);

/// A convolution without groups, a batch norm and perhaps a ReLU.
bool is_conv_norm(const std::vector<NamedLayer>& stage);
/// Whether it is a map of channels: the identity, a pick, or a pointwise convolution and perhaps a
/// batch norm.
bool is_linear(const Skip& skip);

}  // namespace tailor::surgery

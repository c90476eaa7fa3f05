// The layer of a kind in a chain, to look at or to change.
#pragma once

#include "support/rooms.h"
#include "tailor/net/network.h"

namespace tailor::testing {

/// The first one; throws std::bad_variant_access where there is none.
template <class L>
L& layer_of(Layers& layers) {
  for (Layer& layer : layers) {
    if (L* found = std::get_if<L>(&layer)) return *found;
  }
  throw std::bad_variant_access();
}
template <class L>
const L& layer_of(const Layers& layers) {
  return layer_of<L>(const_cast<Layers&>(layers));
}
inline ConvLayer& conv_of(Stage& stage) { return layer_of<ConvLayer>(stage.layers); }
inline const ConvLayer& conv_of(const Stage& stage) { return layer_of<ConvLayer>(stage.layers); }

template <class L>
bool has(const Layers& layers) {
  for (const Layer& layer : layers) {
    if (std::holds_alternative<L>(layer)) return true;
  }
  return false;
}

}  // namespace tailor::testing

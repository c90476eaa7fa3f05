// What one input of a network is called in messages.
#pragma once

#include "tailor/tensors/map_shape.h"

namespace tailor::tensors {

/// "sequence" for one row of frames or samples, else "image".
inline const char* input_noun(const MapShape& input) {
  return input.height == 1 && input.width > 1 ? "sequence" : "image";
}

}  // namespace tailor::tensors

// How far maps are from wanted ones, image by image, in one pass over both each way.
#pragma once

#include <ATen/core/Tensor.h>

#include "tailor/core/rooms.h"

namespace tailor::nn {

/// Of each image, float32 [n]: the sum of squared differences, which has a gradient to the map, and
/// the sum of the wanted map's squares, which has none.
struct SquaredErrors {
  at::Tensor apart, wanted;
};

/// Of maps [n, channels, rows, columns] of one shape.
SquaredErrors squared_errors(const at::Tensor& map, const at::Tensor& wanted);

}  // namespace tailor::nn

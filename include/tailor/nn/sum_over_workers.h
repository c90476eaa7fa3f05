// How layers add up what several workers have.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

#include "tailor/core/rooms.h"

namespace tailor::nn {

/// Makes a tensor, contiguous, the sum over all workers, in place. All call it alike.
using SumOverWorkers = std::function<void(const at::Tensor&)>;

}  // namespace tailor::nn

// Whether a device can compute in bfloat16.
#pragma once

#include <c10/core/Device.h>

#include "tailor/core/rooms.h"

namespace tailor::nn {

/// Convolutions forward and backward: oneDNN has them for some CPUs only, LibTorch nothing else.
/// Tried once, on a small one.
bool has_bfloat16(c10::Device device);

}  // namespace tailor::nn

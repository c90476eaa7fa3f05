// How much arithmetic this CPU can do: what speeds are measured against.
#pragma once

#include "tailor/core/rooms.h"

namespace tailor::nn {

/// Float32 operations a second that LibTorch's threads reach together in fused multiply-adds of
/// whole vectors, two operations each; measured for so many seconds.
double measure_peak_flops(double seconds);

}  // namespace tailor::nn

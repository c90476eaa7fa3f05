// The resampler's two ways, for the test that they agree: AVX2, or plain C++ for everything else.
#pragma once

#include "tailor/data/codec.h"

namespace tailor::data {

bool has_avx2();
/// resample(); avx2 only where has_avx2().
void resample_with(bool avx2, const uint8_t* pixels_hwc, Extent extent, int64_t channels,
                   RealWindow window, Extent size, uint8_t* out_hwc);

}  // namespace tailor::data

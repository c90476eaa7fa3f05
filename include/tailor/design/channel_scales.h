// The scale of each output channel of a stage's weights: a number that is no power of two, in
// whose steps the weights are quantised; found in the weights, or given with them. Training and
// export take it from here.
#pragma once

#include <vector>

#include "tailor/core/span.h"
#include "tailor/fixed/fixed_type.h"

namespace tailor::design {

/// The root mean square of each of `outputs` equal runs of weights, [out, …]; of binary weights the
/// mean magnitude, which is nearest to them (XNOR-Net, Eq. 6).
std::vector<double> channel_magnitudes(Span<const double> weights, int64_t outputs, bool binary);
/// The same, as the nearest numbers of the type.
std::vector<double> channel_scales(Span<const double> weights, int64_t outputs, bool binary,
                                   const FixedType& type);
/// Scales as the nearest numbers of their type.
void round_scales(Span<double> scales, const FixedType& type);
/// The type of `bits` that holds magnitudes up to `largest`, without a sign.
FixedType scale_type(int bits, double largest);

}  // namespace tailor::design

// Fake quantisation: values rounded to a fixed-point type and back, with a gradient that passes
// straight through (Bengio et al. 2013), clipped where the type saturates.
#pragma once

#include <ATen/core/Tensor.h>

#include "tailor/fixed/fixed_type.h"

namespace tailor::nn {

/// The values that fixed::quantise gives, in x's float32 or float64; exactly so where x, times
/// 2^fraction, has so few bits that adding 1/2 is exact. With `relu`, of max(x, 0). The gradient is
/// that of the identity, and 0 where the type saturates or the ReLU does; a type that wraps passes
/// all of it. Throws Unsupported for AP_WRAP_SM.
///
/// `range` is two numbers of float32, or undefined: log2 of the magnitude at which the type
/// saturates, and of its step. They are not read, the type says them already. Their gradients are
/// ln 2 times y where x saturates, and ln 2 times y - x where it is inside (Uhlich et al. 2020,
/// "Mixed precision DNNs", for powers of two). Where the width is given, one follows the other, and
/// the gradient is their sum (Jain et al. 2020, TQT, Eq. 8).
at::Tensor cast(const at::Tensor& x, const FixedType& type, bool relu = false,
                const at::Tensor& range = {});

/// The same by ATen's operations, on any device and in every mode; `mask` gets where the gradient
/// passes.
at::Tensor cast_on_device(const at::Tensor& x, const FixedType& type, bool relu, at::Tensor* mask);
/// And by a loop over dense float32 on the CPU: AP_RND, AP_SAT or AP_SAT_SYM only.
at::Tensor cast_on_host(const at::Tensor& x, const FixedType& type, bool relu, at::Tensor* mask);

}  // namespace tailor::nn

// The picture of tailor calibrate: what each stage's types reach, and what they would have to.
#pragma once

#include <string>

#include "tailor/design/calibrate.h"

namespace tailor::cli {

/// An SVG: a row a stage, for weights and values a bar of as many cells as the type has bits for
/// the magnitude, on a scale of powers of two, a mark at the largest magnitude and the share that
/// saturates.
std::string emit_ranges_svg(const TypeCalibration& calibration, const std::string& title);

}  // namespace tailor::cli

// The dataflow of a design as a picture: stages, FIFOs with depth and storage, skips.
#pragma once

#include <string>

#include "tailor/design/design.h"

namespace tailor::target {

/// SVG of the whole design, input at the top. The same design gives the same bytes.
std::string draw_dataflow(const Design& design);

}  // namespace tailor::target

// What a design needs of its card, in words: `tailor export` and `tailor inspect` say it alike.
#pragma once

#include <string>

#include "tailor/target/manifest.h"

namespace tailor::cli {

/// Multipliers and DSPs, LUTs, memories, and the cycles of an input; FIFOs and latency only where
/// the design was simulated.
std::string costs_text(const Manifest::Needs& needs, const Manifest::DesignOptions& design,
                       double clock_ns, const MapShape& input);

}  // namespace tailor::cli

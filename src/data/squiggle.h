// Simulated current of a nanopore: what a strand of random bases would read like in R9.4 chemistry,
// by a model of our own whose numbers were fitted to 50 real reads (lambda phage, 385,559 bases).
#pragma once

#include <array>

#include "tailor/data/sequences.h"

namespace tailor::data {

/// Bases that decide a level: two behind the one that is read and three before it.
constexpr size_t kPoreBases = 6;
/// Mean normalised current while `bases`[2] (0 to 3: A, C, G, T) is read. It explains 93.6 % of the
/// real levels' variance, where a table of all 4,096 has 95.2 %.
double pore_level(const std::array<uint8_t, kPoreBases>& bases);

/// `count` chunks of config.chunk samples, cut from strands of four chunks each; strand n is a
/// function of (seed, first + n). Normalised by the strand's median and MAD; a chunk's
/// labels are the bases that begin in it.
Sequences make_squiggle(const SignalConfig& config, int64_t count, int64_t first, int64_t seed);

}  // namespace tailor::data

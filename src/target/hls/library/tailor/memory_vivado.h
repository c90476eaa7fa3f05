// Part of tailor. You may use, copy and change this file without condition.
// Pragmas of memories, in Vivado HLS's words, beside those of profile.h: for projects with line
// buffers. It makes no FIFOs of UltraRAM.
#ifndef TAILOR_MEMORY_H_
#define TAILOR_MEMORY_H_

#include "profile.h"

// clang-format off
// A line buffer, written and read once a cycle; storage is lutram, bram or uram.
#define TAILOR_MEMORY_CORE_lutram RAM_S2P_LUTRAM
#define TAILOR_MEMORY_CORE_bram RAM_S2P_BRAM
#define TAILOR_MEMORY_CORE_uram XPM_MEMORY uram
#define TAILOR_MEMORY(name, storage) TAILOR_PRAGMA(HLS RESOURCE variable=name core=TAILOR_MEMORY_CORE_##storage)
#define TAILOR_FIFO_CORE_uram FIFO_BRAM
// Weights in the order of reading: a word of neighbours is one element for each multiplier.
#define TAILOR_WEIGHT_WORDS(name, multipliers) TAILOR_PRAGMA(HLS ARRAY_RESHAPE variable=name cyclic factor=multipliers)
// clang-format on

#endif  // TAILOR_MEMORY_H_

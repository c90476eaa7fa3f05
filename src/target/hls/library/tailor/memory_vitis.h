// Part of tailor. You may use, copy and change this file without condition.
// Pragmas of memories, in Vitis HLS's words, beside those of profile.h: for projects with line
// buffers.
#ifndef TAILOR_MEMORY_H_
#define TAILOR_MEMORY_H_

#include "profile.h"

// clang-format off
// A line buffer, written and read once a cycle; storage is lutram, bram or uram.
#define TAILOR_MEMORY(name, storage) TAILOR_PRAGMA(HLS BIND_STORAGE variable=name type=ram_s2p impl=storage)
// Weights in the order of reading: a word of neighbours is one element for each multiplier.
#define TAILOR_WEIGHT_WORDS(name, multipliers) TAILOR_PRAGMA(HLS ARRAY_RESHAPE variable=name cyclic factor=multipliers)
// clang-format on

#endif  // TAILOR_MEMORY_H_

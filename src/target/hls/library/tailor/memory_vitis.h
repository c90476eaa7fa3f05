// Part of tailor. You may use, copy and change this file without condition.
// Pragmas of memories, in Vitis HLS's words, beside those of profile.h: for projects with line
// buffers.
#ifndef TAILOR_MEMORY_H_
#define TAILOR_MEMORY_H_

#include "profile.h"

// clang-format off
// A line buffer, written and read once a cycle; storage is registers, lutram, bram or uram. A word is read again `iterations`
// after it was written, or later.
#define TAILOR_MEMORY(name, storage, iterations) TAILOR_MEMORY_##storage(name, iterations)
#define TAILOR_MEMORY_registers(name, iterations) TAILOR_REGISTERS(name)
#define TAILOR_MEMORY_lutram(name, iterations) TAILOR_MEMORY_IN(name, lutram, iterations)
#define TAILOR_MEMORY_bram(name, iterations) TAILOR_MEMORY_IN(name, bram, iterations)
#define TAILOR_MEMORY_uram(name, iterations) TAILOR_MEMORY_IN(name, uram, iterations)
#define TAILOR_MEMORY_IN(name, storage, iterations)                                  \
  TAILOR_PRAGMA(HLS BIND_STORAGE variable=name type=ram_s2p impl=storage)            \
  TAILOR_PRAGMA(HLS DEPENDENCE variable=name type=inter direction=RAW distance=iterations dependent=true)
// Weights and biases [word][multiplier or output] in the order of reading: a word is read at once.
#define TAILOR_WORDS(name) TAILOR_PRAGMA(HLS ARRAY_RESHAPE variable=name complete dim=2)
// clang-format on

#endif  // TAILOR_MEMORY_H_

// Part of tailor. You may use, copy and change this file without condition.
// Pragmas of memories, in Vivado HLS's words, beside those of profile.h: for projects with line
// buffers. It makes no FIFOs of UltraRAM.
#ifndef TAILOR_MEMORY_H_
#define TAILOR_MEMORY_H_

#include "profile.h"

// clang-format off
// A line buffer, written and read once a cycle; storage is registers, lutram, bram or uram. A word is read again `iterations`
// after it was written, or later.
#define TAILOR_MEMORY(name, storage, iterations) TAILOR_MEMORY_##storage(name, iterations)
#define TAILOR_MEMORY_registers(name, iterations) TAILOR_REGISTERS(name)
#define TAILOR_MEMORY_lutram(name, iterations) TAILOR_MEMORY_IN(name, RAM_S2P_LUTRAM, iterations)
#define TAILOR_MEMORY_bram(name, iterations) TAILOR_MEMORY_IN(name, RAM_S2P_BRAM, iterations)
#define TAILOR_MEMORY_uram(name, iterations) TAILOR_MEMORY_IN(name, XPM_MEMORY uram, iterations)
#define TAILOR_MEMORY_IN(name, memory, iterations)                                   \
  TAILOR_PRAGMA(HLS RESOURCE variable=name core=memory)                              \
  TAILOR_PRAGMA(HLS DEPENDENCE variable=name inter RAW distance=iterations true)
#define TAILOR_FIFO_CORE_uram FIFO_BRAM
// Weights and biases [word][multiplier or output] in the order of reading: a word is read at once.
#define TAILOR_WORDS(name) TAILOR_PRAGMA(HLS ARRAY_RESHAPE variable=name complete dim=2)
// clang-format on

#endif  // TAILOR_MEMORY_H_

// Part of tailor. You may use, copy and change this file without condition.
// Every pragma of the project stands here, in Vivado HLS's words, and in no other file; compiled by
// anything else they vanish.
#ifndef TAILOR_PROFILE_H_
#define TAILOR_PROFILE_H_

#if defined(__SYNTHESIS__)
#define TAILOR_PRAGMA_TEXT(text) _Pragma(#text)
#define TAILOR_PRAGMA(text) TAILOR_PRAGMA_TEXT(text)
#define TAILOR_COMPILE_WEIGHTS
// Names a loop in the tool's reports.
#define TAILOR_LOOP(name) \
  name:
#else
#define TAILOR_PRAGMA(text)
#define TAILOR_LOOP(name)
namespace tailor {
/// How often the one loop of a stage ran: a cycle each. C: the stage's own.
template <class C>
struct Iterations {
  static long long count;
};
template <class C>
long long Iterations<C>::count = 0;
}  // namespace tailor
#endif

// A pragma's key=value has no blanks:
// clang-format off
// The top function: tokens in, tokens out, all stages at once.
#define TAILOR_AXI_STREAM(port_name, tokens) TAILOR_PRAGMA(HLS INTERFACE axis port=port_name depth=tokens)
#define TAILOR_DATAFLOW TAILOR_PRAGMA(HLS DATAFLOW)
// A FIFO with its depth in tokens and where it is kept: srl or bram. Said explicitly, or a packed FIFO becomes block RAM.
#define TAILOR_FIFO_CORE_srl FIFO_SRL
#define TAILOR_FIFO_CORE_bram FIFO_BRAM
#define TAILOR_FIFO(name, tokens, storage)       \
  TAILOR_PRAGMA(HLS STREAM variable=name depth=tokens) \
  TAILOR_PRAGMA(HLS RESOURCE variable=name core=TAILOR_FIFO_CORE_##storage)
// A stage is a function of its own.
#define TAILOR_STAGE TAILOR_PRAGMA(HLS INLINE off)
#define TAILOR_INLINE TAILOR_PRAGMA(HLS INLINE)
// The loop of a stage, which takes an iteration a cycle. Off the FPGA it counts.
#if defined(__SYNTHESIS__)
#define TAILOR_PIPELINE(stage) TAILOR_PRAGMA(HLS PIPELINE II=1)
#else
#define TAILOR_PIPELINE(stage) ++::tailor::Iterations<stage>::count;
#endif
#define TAILOR_UNROLL TAILOR_PRAGMA(HLS UNROLL)
#define TAILOR_REGISTERS(name) TAILOR_PRAGMA(HLS ARRAY_PARTITION variable=name complete dim=0)
// Rows of tokens. What is written is read a row later, so that no iteration waits for the one before.
#define TAILOR_LINES(name)                                             \
  TAILOR_PRAGMA(HLS ARRAY_PARTITION variable=name complete dim=1)      \
  TAILOR_PRAGMA(HLS RESOURCE variable=name core=RAM_S2P_LUTRAM)        \
  TAILOR_PRAGMA(HLS DEPENDENCE variable=name inter false)
// A product that is a DSP's, however narrow its operands are.
#define TAILOR_DSP(name) TAILOR_PRAGMA(HLS RESOURCE variable=name core=DSP48)
// A product that takes no DSP, however wide its operands are.
#define TAILOR_FABRIC(name) TAILOR_PRAGMA(HLS RESOURCE variable=name core=Mul_LUT)
// Where the weights lie that multipliers share: lutram or bram. UltraRAM powers up as 0 and holds none.
#define TAILOR_ROM_CORE_lutram ROM_1P_LUTRAM
#define TAILOR_ROM_CORE_bram ROM_1P_BRAM
#define TAILOR_WEIGHTS(name, storage) TAILOR_PRAGMA(HLS RESOURCE variable=name core=TAILOR_ROM_CORE_##storage)
// Weights [multiplier][cycle] in words of one element for each multiplier.
#define TAILOR_WEIGHT_ROM(name) TAILOR_PRAGMA(HLS ARRAY_RESHAPE variable=name complete dim=1)
// clang-format on

#endif  // TAILOR_PROFILE_H_

// Graph to graph: each pass asks one question, and together they turn a lowered graph into a design
// that can be printed as it stands. Every decision about hardware is made here and written on the
// graph; nothing behind this room decides anything.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tailor/design/design.h"
#include "tailor/emulate/streams.h"
#include "tailor/ir/graph.h"
#include "tailor/ir/line_buffer.h"

namespace tailor::design {

/// Stages whose channels' steps are given (Precision::steps) have them as a tensor, which
/// fold_batch_norm folds as it does their weights. Throws Data where there are not as many as
/// channels.
void take_given_steps(Graph& graph, const Precision& precision);

/// conv – BN → conv with bias, in float64: w · γ/√(σ² + ε), β − μ · γ/√(σ² + ε). Every convolution
/// has a bias afterwards.
void fold_batch_norm(Graph& graph);

/// Pad, convolution, skips and ReLU become one node each (`hls.md` section 5). Adds and ReLUs
/// disappear.
void fuse_stages(Graph& graph);

/// A skip over one convolution of equal shape that starts at its input is read from the window.
/// Needs fuse_stages.
void take_window_skips(Graph& graph);

/// With the join before the activation, a skip over one convolution is linear: an identity adds 1
/// at tap (pad_top, pad_left) of w[o][o], a strided pad likewise, a 1×1 projection of the same
/// stride adds its weights there and its bias to the bias. Not done where the sum does not fit the
/// weight type (it saturates): then the skip stays as it is and is returned with the reason. Needs
/// fuse_stages.
std::vector<UnfoldedSkip> fold_identity_skips(Graph& graph, const Precision& precision);

/// A skip over several stages that starts at a convolution's input is handed on by that
/// convolution, from its window: no clone, and a FIFO of what the stages behind it swallow
/// (docs/design/0020). An identity, or any chain of stages that ends in a join; where the
/// convolution has a stride, a projection or pad of the same stride, which then reads every pixel.
/// Not by a convolution with a line buffer. After use_line_buffers.
void forward_skips(Graph& graph);

/// hls4ml's shape (paper, Fig. 2a): a pad stage before every padded convolution and max pool; adds
/// and ReLUs stay stages.
void split_stages(Graph& graph);

/// On maps of one row, convolutions of one group or as many as channels keep their frames in a line
/// buffer. A depthwise one then hands its input on at its centre tap, to the skip that starts there
/// and joins behind the pointwise convolution which follows: an identity, or a pointwise
/// projection. Only the fused layout asks for that (`forward`). After fold_identity_skips.
void use_line_buffers(Graph& graph, bool forward);

/// Between a depthwise convolution with a line buffer and the convolution that alone reads it there
/// is nothing that is not linear, so a channel's kernel may be any multiple of itself. Each becomes
/// so large, by a power of two, that its norm is above 1/2 and at most 1, and the next one's
/// weights as much smaller: exact in float64, and few bits are then spent on what trained kernels
/// happen to be. Needs use_line_buffers.
void balance_scales(Graph& graph);

/// Folds the values of convolutions with line buffers so that tokens have about `token_bits` bits
/// at most: the largest divisor of the channels that fits, or where that would be less than a
/// quarter of it the next one. What is folded alike is folded together. Needs types.
void fold_channels(Graph& graph, int64_t token_bits);

/// A value with several readers gets a clone; the copy that a skip takes is named by the skip's id.
void insert_clones(Graph& graph);

/// Gives every stage of weights that the precision wants it for its channels' scales
/// (channel_scales.h). Where steps were given, scales are the numbers of their type nearest to
/// them.
void scale_channels(Graph& graph, const Precision& precision);

/// Decision 8: streams of the precision's types, an input type that covers `input_magnitude` (wider
/// than the streams if it must; the streams' own where the input itself is added to one),
/// full-width accumulators, logits at full width. Throws Unsupported where an accumulator would
/// need more than 62 bits.
void infer_types(Graph& graph, const Precision& precision, double input_magnitude);

/// Accumulators of products become as narrow as their weights, biases and skips allow: whatever
/// comes in, and in whatever order it is summed, none overflows. Logits leave at full width.
void bound_accumulators(Graph& graph);

/// Marks every stage of narrow weights and activations whose outputs share activations: two of its
/// products share a DSP (ir/packing.h). Returns those with weights that cannot, and why. Throws
/// Unsupported where none can. Needs types.
std::vector<std::pair<std::string, std::string>> pack_products(Graph& graph);

/// Reuse factors for hls4ml's rule (`hls.md` section 6): valid ones of a layer with n_in inputs and
/// n_out outputs a product sum.
std::vector<int64_t> valid_reuse_factors(int64_t n_in, int64_t n_out);
/// The nearest valid one; the smaller on ties.
int64_t nearest_reuse_factor(int64_t n_in, int64_t n_out, int64_t wanted);
/// DSP slices of one multiplier: 0 below 10 bits, else ⌈larger/27⌉ · ⌈smaller/18⌉ (DSP48E2).
int64_t dsp_of_multiplier(int width_a, int width_b);

/// Depth of every FIFO: 2 tokens, and for each skip what the closed form asks (docs/design/0003),
/// run in the stream simulator, whose result it returns. Sets storage too.
StreamResult size_fifos(Graph& graph, const Device& device);
/// The value that waits in front of a skip's projection, if its pixels are as many and narrower
/// there; otherwise invalid.
ValueId narrower_input(const Graph& graph, const Node& projection, ValueId skip);
/// Where the FIFO of a value lies, so many tokens deep: in shift registers, in block RAM, or if it
/// is folded and very long in the device's UltraRAM.
FifoStorage fifo_storage(int64_t depth, const Value& value, const Device& device);
/// Where a line buffer lies: in LUTs, block RAM or the device's UltraRAM; in registers where a word
/// is read too soon after it was written.
FifoStorage line_storage(const LineMemory& memory, const Device& device);

/// Where the ROM of a stage's weights lies: in LUTs (one holds 64 words of a bit) or in block RAM
/// (RAMB18 of 512 x 36 to 16,384 x 1), whichever takes the smaller share of the device; above 512
/// words in block RAM. UltraRAM of UltraScale+ powers up as 0 (UG901) and is none. One word: Auto.
FifoStorage rom_storage(int64_t words, int64_t word_bits, const Device& device);
/// RAMB18 of a memory (estimator.md section 3).
int64_t ramb18_of(int64_t words, int64_t word_bits);

/// Freezes the C++ identifiers of stages and streams (ir/identifier.h), unique with all names made
/// of them.
void assign_identifiers(Graph& graph);

}  // namespace tailor::design

// Graph to graph: each pass asks one question, and together they turn a lowered graph into a design
// that can be printed as it stands. Every decision about hardware is made here and written on the
// graph; nothing behind this room decides anything.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tailor/design/config.h"
#include "tailor/ir/graph.h"

namespace tailor {

/// What a card has (before the shell takes its share). Alveo U200: AMD DS962.
struct Card {
  const char* name;
  const char* part;
  int64_t dsp, ramb18, lut, ff, uram;
};
const Card& find_card(const std::string& name);

struct DesignOptions {
  FixedType type;              // weights and activations
  double input_magnitude = 0;  // largest |input| after preprocessing
  Layout layout = Layout::Fused;
  std::optional<int64_t> reuse_factor;
  std::string card = "u200";
  bool quiet = false;  // no log lines: a look ahead, not the design itself
};

/// conv – BN → conv with bias, in float64: w · γ/√(σ² + ε), β − μ · γ/√(σ² + ε). Every convolution
/// has a bias afterwards.
void fold_batch_norm(Graph& graph);

/// Pad, convolution, skips and ReLU become one node each (`hls.md` section 5). A skip over one
/// convolution of equal shape that starts at its input is then read from the window. Adds and ReLUs
/// disappear.
void fuse_stages(Graph& graph);

/// With the join before the activation, a skip over one convolution is linear: an identity adds 1
/// at tap (pad_top, pad_left) of w[o][o], a strided pad likewise, a 1×1 projection of the same
/// stride adds its weights there and its bias to the bias. Not done where the sum does not fit the
/// weight type (it saturates) — then the skip stays as it is and a log line says so. Needs
/// fuse_stages.
void fold_identity_skips(Graph& graph, const FixedType& weight);

/// hls4ml's shape (paper, Fig. 2a): a pad stage before every padded convolution and max pool; adds
/// and ReLUs stay stages.
void split_stages(Graph& graph);

/// A value with several readers gets a clone; the copy that a skip takes is named by the skip's id.
void insert_clones(Graph& graph);

/// Decision 8: streams of `options.type`, an input type that covers the preprocessed range (wider
/// than the streams if it must; the streams' own where the input itself is added to one),
/// full-width accumulators, logits at full width. Throws Unsupported where an accumulator would
/// need more than 62 bits.
void infer_types(Graph& graph, const DesignOptions& options);

/// Reuse factors for hls4ml's rule (`hls.md` section 6): valid ones of a layer with n_in inputs and
/// n_out outputs a product sum.
std::vector<int64_t> valid_reuse_factors(int64_t n_in, int64_t n_out);
/// The nearest valid one; the smaller on ties.
int64_t nearest_reuse_factor(int64_t n_in, int64_t n_out, int64_t wanted);
/// Sets reuse factors, multipliers and cycles. Without a wanted factor: the smallest common stage
/// time within 70 % of the card's DSPs.
void choose_reuse_factors(Graph& graph, const DesignOptions& options);
/// DSP slices of one multiplier: 0 below 10 bits, else ⌈larger/27⌉ · ⌈smaller/18⌉ (DSP48E2).
int64_t dsp_of_multiplier(int width_a, int width_b);

/// Depth of every FIFO: 2 tokens, and for each skip what the closed form asks (docs/design/0003),
/// run in the stream simulator. Sets storage too.
void size_fifos(Graph& graph);

/// Freezes the C++ identifiers of stages and streams (ir/identifier.h), unique with all names made
/// of them.
void assign_identifiers(Graph& graph);

/// The passes up to the reuse factors: what is known of a design without running the stream
/// simulator, in milliseconds, from weights of any value. The graph's `provenance` gains the
/// options.
Graph plan_design(const Graph& lowered, const DesignOptions& options);
/// All of them, in order; verifies the graph after each.
Graph make_design(const Graph& lowered, const DesignOptions& options);

/// What a design needs, as the export prints it.
struct DesignSummary {
  int64_t stages = 0, multipliers = 0, dsp = 0, lut_multipliers = 0, weights = 0;
  int64_t fifo_bits = 0, skip_fifo_tokens = 0;
  int64_t interval_cycles = 0, latency_cycles = 0;  // (model): stream simulator, one image
  int64_t memory_bits = 0;                          // memory_bits()
};
DesignSummary summarise_design(const Graph& design);
/// Bits of block RAM, at least: weights that share multipliers, and the FIFOs that lie there.
int64_t memory_bits(const Graph& design);

/// Something that the card or its tool cannot do with a design.
struct Limit {
  std::string what;  // dsp, lut, memory, token_bits, weight_word, unroll, partition
  bool oversize;     // it cannot be built; otherwise nobody knows
  std::string text;  // a sentence: what, how much there is, what would make it fit
};
/// All of them, from a design or from what plan_design returns; empty where nothing is known.
/// Limits of the card: AMD DS962; of the tools: UG1399, and Vivado HLS's error texts (hls.md
/// section 12).
std::vector<Limit> design_limits(const Graph& design, HlsBackend backend);

}  // namespace tailor

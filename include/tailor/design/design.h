// From a network as trained to a design that can be printed: plan, size, cost, realise. Each state
// is a type. Weights are final in a Plan; a Sizing is numbers only, so that thousands can be asked
// for; nothing behind a Design decides anything.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tailor/design/config.h"
#include "tailor/design/device.h"
#include "tailor/design/lower.h"
#include "tailor/emulate/streams.h"
#include "tailor/ir/line_buffer.h"
#include "tailor/ir/operation.h"

namespace tailor::design {

/// Of folded tokens, about: a word of memory is as wide.
constexpr int64_t kFoldedTokenBits = 512;

/// Types of weights and streams: one for all stages, and exceptions.
struct Precision {
  struct Exception {
    std::optional<FixedType> weight, activation, scale = {};
    /// The step of each output channel's weights before its batch norm, where they came with one:
    /// its scale is then that step instead of its weights' magnitude. Empty: none was given.
    std::vector<double> steps = {};
  };
  FixedType type;  // of streams, and of weights but for these:
  std::optional<FixedType> weights;
  /// Output channels have scales of this type, and weights are in steps of them: of the channel's
  /// root mean square, or where they are binary (a weight's width of 1) their signs.
  std::optional<FixedType> scales;
  std::map<std::string, Exception> stages;  // by the stage's name in the graph
  /// Training has seen these types: skips fold wherever the weights' type holds a 1, and what does
  /// not fit saturates; scales are not balanced. So the graph depends on no weight's value.
  bool trained = false;

  Precision() = default;
  Precision(const FixedType& all) : type(all) {}  // NOLINT: one type is a precision
  const FixedType& weight(const std::string& stage) const;
  const FixedType& activation(const std::string& stage) const;
  /// Of the scale that each output channel of the stage has; none: it has none.
  const std::optional<FixedType>& scale(const std::string& stage) const;
  /// Given steps of its channels' weights; empty: none.
  const std::vector<double>& steps(const std::string& stage) const;
};

/// A stage of products, a convolution, a dense layer or the means of a pool, as sizing sees it.
struct ProductStage {
  NodeId node;
  StageLoop loop;
  int64_t n_in = 0, n_out = 0;  // of one product sum; products are n_in * n_out
  int64_t weights = 0;          // that lie in its memory
  int64_t in_bits = 0, weight_bits = 0;
  int64_t dsp = 0;          // slices of one multiplier; 0: it is made of LUTs
  double sum_luts = 0;      // of adding a packed product up outside of its DSP (model)
  double product_luts = 0;  // of one that is, and of adding its product up (model)
  /// Of multiplying a sum by its channel's scale (model): all of them together where every one is a
  /// constant, else each.
  double constant_scale_luts = 0, scale_luts = 0;
  int64_t longest_fixed = 0;  // loop that its C++ unrolls whatever the factor (conv2d.h, dense.h)
  std::vector<int64_t> factors;  // valid reuse factors, ascending
  /// Of a convolution with a line buffer, at each factor.
  struct Line {
    LineMemory memory;
    LineParallelism parallelism;
  };
  bool line_buffer = false;
  std::vector<Line> lines;
  const Line& line(int64_t factor) const;
  /// Of a stage that may pack, the wide multipliers at each factor (ir/packing.h); else empty.
  std::vector<int64_t> wide;
  /// Whether two products can share a DSP at that factor; the rest of them has one each.
  bool packs(int64_t factor) const;
  /// DSP slices, and multipliers that are made of LUTs; with `pack` where they can be packed.
  int64_t dsps(int64_t factor, bool pack = true) const;
  int64_t lut_multipliers(int64_t factor, bool pack = true) const;
  /// The ROM of its weights: a word a cycle. 0 words where they are wires: nothing shares them.
  int64_t rom_words(int64_t factor) const { return weights > 0 && factor > 1 ? factor : 0; }
  int64_t rom_word_bits(int64_t factor) const { return multipliers(factor) * weight_bits; }
  /// Where it lies, and the LUTs that it takes there (model).
  FifoStorage rom_storage(int64_t factor, const Device& device) const;
  int64_t rom_luts(int64_t factor, const Device& device) const;
  /// Multipliers that scales take: one for every sum that ends in a cycle, constant or not.
  int64_t scale_multipliers(int64_t factor) const;
  /// LUTs of the multipliers that are made of them (model; estimator.md section 4: uL, kA).
  double luts(int64_t factor, bool pack = true) const;
  int64_t cycles_per_output(int64_t factor) const;
  int64_t cycles(int64_t factor) const;
  int64_t multipliers(int64_t factor) const { return n_in * n_out / factor; }
  /// The largest valid factor with which an image takes at most `target` cycles; 0 if none does.
  int64_t factor_within(int64_t target) const;
  int64_t nearest_factor(int64_t wanted) const;
  /// Iterations of the longest loop that the C++ library unrolls for it (dot_product.h too).
  int64_t longest_unrolled(int64_t factor) const;

 private:
  size_t place(int64_t factor) const;  // among the factors
};

struct PlanOptions;

/// A skip that could be part of a convolution's kernel, but for the type of its weights.
struct UnfoldedSkip {
  std::string skip, stage, reason;
  bool is_stage = false;   // and has a FIFO; else the convolution adds it from its window
  bool by_scales = false;  // weights are in steps of scales: no other types would let it in
};

/// A network laid out and typed: everything but its sizes.
class Plan {
 public:
  /// Its graph: state "design", weights final (float64), without reuse factors, FIFOs and names.
  const Graph& graph() const { return graph_; }
  Layout layout() const { return layout_; }
  /// Of the fused layout.
  SkipForm skip_form() const { return skip_form_; }
  const Precision& precision() const { return precision_; }
  double input_magnitude() const { return input_magnitude_; }
  const std::vector<ProductStage>& products() const { return products_; }
  /// By node.
  const std::vector<StageLoop>& loops() const { return loops_; }
  /// FIFOs of skips, by counting tokens (docs/design/0003); no cycles are in them.
  const std::vector<SkipDepth>& skips() const { return skips_; }
  /// Whether products were to share DSPs, and the stages whose cannot, with the reason.
  bool packs() const { return packs_; }
  const std::vector<std::pair<std::string, std::string>>& unpacked() const { return unpacked_; }
  /// Skips that stay out of kernels because of types, though the skip form asks for it.
  const std::vector<UnfoldedSkip>& unfolded() const { return unfolded_; }
  /// Every stage time that some factor of some stage attains, ascending.
  const std::vector<int64_t>& targets() const { return targets_; }

 private:
  friend Plan plan(const Lowered&, Layout, const Precision&, double, const PlanOptions&);
  Plan() = default;
  Graph graph_;
  Layout layout_ = Layout::Fused;
  SkipForm skip_form_ = SkipForm::Folded;
  Precision precision_;
  double input_magnitude_ = 0;
  std::vector<ProductStage> products_;
  std::vector<StageLoop> loops_;
  std::vector<SkipDepth> skips_;
  bool packs_ = false;
  std::vector<std::pair<std::string, std::string>> unpacked_;
  std::vector<UnfoldedSkip> unfolded_;
  std::vector<int64_t> targets_;
};

struct PlanOptions {
  int64_t token_bits = kFoldedTokenBits;
  SkipForm skips = SkipForm::Folded;
  bool dsp_packing = false;
};

/// The passes up to the types (passes.h). `input_magnitude` is the largest |input| after
/// preprocessing; with `dsp_packing` two products share a DSP where types and outputs allow it.
/// Throws Unsupported where a layout or a type cannot be or nothing can be packed, Usage where an
/// exception of the precision names no stage.
Plan plan(const Lowered& lowered, Layout layout, const Precision& precision, double input_magnitude,
          const PlanOptions& options = {});

/// The type of weights and streams; where they are not all of one, what there is of them.
std::string types_text(const Plan& plan);

/// A sentence on Plan::unfolded(): which, why, and what would fold them; empty where there are
/// none.
std::string unfolded_text(const Plan& plan);

/// What a sizing may spend.
struct Budget {
  Device device;
  std::optional<int64_t> reuse_factor;  // of every stage, or the nearest valid; none: balanced
  double share = 0.70;  // of the device's DSP slices and of its LUTs, for balanced factors
  std::map<std::string, int64_t> stages = {};  // exceptions, by the stage's name in the graph
};

struct StageSize {
  int64_t reuse_factor = 1, multipliers = 0, cycles_per_output = 1;
  bool packed = false;            // two products share a DSP
  std::optional<int64_t> wanted;  // what was asked for
};
struct Sizing {
  std::optional<int64_t> wanted;      // Budget::reuse_factor
  double share = 0;                   // Budget::share; 0: nothing was balanced
  std::vector<std::string> own;       // stages with a factor of their own
  std::vector<StageSize> products;    // of Plan::products()
  std::vector<int64_t> stage_cycles;  // by node, for one image
  int64_t interval_cycles = 0;        // between images: the slowest stage's, or the simulator's
  int64_t latency_cycles = 0;         // of one image; 0 until realise has simulated it
  ByValue<int64_t> fifo_depths;       // by value; empty until realise has
};
/// Reuse factors: what is asked for, or the smallest common stage time within the budget. Touches
/// no graph. Throws Unsupported where no factors fit, Usage where an exception names no stage that
/// multiplies.
Sizing size(const Plan& plan, const Budget& budget);

/// What a sizing needs of a device. Before realise, FIFOs count 0 bits, and those of skips the
/// closed form's tokens.
struct Cost {
  int64_t stages = 0, multipliers = 0, dsp = 0, lut_multipliers = 0, weights = 0;
  int64_t packed_multipliers = 0;  // of stages where two share a DSP
  double luts_model = 0;           // of multipliers made of LUTs, and of adding their products
  int64_t rom_luts = 0;            // of weights that lie in LUTs (model)
  int64_t fifo_bits = 0, skip_fifo_tokens = 0;
  int64_t memory_bits =
      0;  // of block RAM, at least: weights, FIFOs and line buffers that lie there
  int64_t line_buffer_bits = 0;  // wherever they lie
  int64_t uram = 0;              // UltraRAMs: line buffers and FIFOs of folded tokens
  int64_t latency_cycles = 0, interval_cycles = 0;  // (model)
  double dsp_share = 0, lut_share = 0;              // of the device's
};
Cost cost(const Plan& plan, const Sizing& sizing, const Device& device);

/// Something that the device or its tool cannot do with a sizing.
struct Limit {
  // dsp, lut, memory, uram, token_bits, weight_word, unroll, partition, flush, packing,
  // folds
  std::string what;
  bool oversize;     // it cannot be built; otherwise nobody knows
  std::string text;  // a sentence: what, how much there is, what would make it fit
};
/// All of them; empty where nothing is known. Limits of the tools: UG1399, and Vivado HLS's error
/// texts (hls.md section 12).
std::vector<Limit> limits(const Plan& plan, const Sizing& sizing, const Device& device,
                          HlsBackend backend);

/// A design ready to print: sized, its FIFOs as deep as the stream simulator asks, its names
/// frozen.
class Design {
 public:
  const Graph& graph() const { return graph_; }
  operator const Graph&() const { return graph_; }  // NOLINT: reading only
  /// As it was realised with, and what the simulator added.
  const Sizing& sizing() const { return sizing_; }

 private:
  friend Design realise(const Plan&, const Sizing&, const Device&);
  Design() = default;
  Graph graph_;
  Sizing sizing_;
};
/// The device is for the record (provenance): the sizes are the sizing's.
Design realise(const Plan& plan, const Sizing& sizing, const Device& device);

}  // namespace tailor::design

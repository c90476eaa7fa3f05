#include "tailor/design/calibrate.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "tailor/core/interrupt.h"
#include "tailor/core/strings.h"
#include "tailor/design/channel_scales.h"
#include "tailor/design/passes.h"
#include "tailor/emulate/float64.h"
#include "tailor/ir/weights.h"

namespace tailor::design {
namespace {

/// So fine that they show the network as it is.
const FixedType kFine{20, 10}, kFineWithoutSign{20, 10, false};

constexpr int kLeastInteger = -8;

/// What rounding to each place of the binary point costs values, summed up as they come.
class PointSearch {
 public:
  PointSearch(int bits, bool is_signed)
      : bits_(bits),
        is_signed_(is_signed),
        squares_(static_cast<size_t>(bits - kLeastInteger + 1), 0.0),
        beyond_(squares_.size(), 0) {}

  void add(Span<const double> values) {
    for (double v : values) low_ = std::min(low_, v), high_ = std::max(high_, v);
    count_ += static_cast<int64_t>(values.size());
    for (int integer = kLeastInteger; integer <= bits_; ++integer) {
      const double step = std::ldexp(1.0, integer - bits_),
                   low = is_signed_ ? -std::ldexp(1.0, integer - 1) : 0,
                   high = std::ldexp(1.0, is_signed_ ? integer - 1 : integer) - step;
      const auto at = static_cast<size_t>(integer - kLeastInteger);
      for (double v : values) {
        const double rounded = std::floor(v / step + 0.5) * step;
        const double error = std::clamp(rounded, low, high) - v;
        squares_[at] += error * error;
        beyond_[at] += rounded < low || rounded > high ? 1 : 0;
      }
    }
  }
  /// The fewest integer bits among the best; 1 where there is nothing but zeros.
  int best() const {
    if (largest() == 0) return 1;
    return kLeastInteger +
           static_cast<int>(std::min_element(squares_.begin(), squares_.end()) - squares_.begin());
  }
  int bits() const { return bits_; }
  Range range() const { return range(best()); }
  /// Of the fewest integer bits that hold every value; none: not even all of them do.
  std::optional<Range> holding() const {
    for (int integer = kLeastInteger; integer <= bits_; ++integer) {
      const FixedType type{bits_, integer, is_signed_};
      if (low_ >= type.min_value() && high_ <= type.max_value()) return range(integer);
    }
    return std::nullopt;
  }

 private:
  double largest() const { return std::max(-low_, high_); }
  Range range(int integer) const {
    return {largest(), integer, count_, beyond_[static_cast<size_t>(integer - kLeastInteger)]};
  }

  int bits_;
  bool is_signed_;
  std::vector<double> squares_;  // by integer bits, from kLeastInteger
  std::vector<int64_t> beyond_;
  double low_ = 0, high_ = 0;
  int64_t count_ = 0;
};

/// One for each width that may be asked for.
class WidthSearch {
 public:
  WidthSearch(int bits, int least, bool is_signed) {
    for (int b = std::min(bits, least); b <= bits; ++b) searches_.emplace_back(b, is_signed);
  }
  void add(Span<const double> values) {
    for (PointSearch& search : searches_) search.add(values);
  }
  std::map<int, Range> ranges() const {
    std::map<int, Range> ranges;
    for (const PointSearch& search : searches_) ranges.emplace(search.bits(), search.range());
    return ranges;
  }
  std::map<int, Range> holding() const {
    std::map<int, Range> ranges;
    for (const PointSearch& search : searches_) {
      if (const auto range = search.holding()) ranges.emplace(search.bits(), *range);
    }
    return ranges;
  }

 private:
  std::vector<PointSearch> searches_;
};

}  // namespace

StageBits bits_of(const CalibrationRequest& request, const std::string& stage) {
  StageBits bits{stage, request.weight_bits, request.bits};
  for (const StageBits& s : request.stages) {
    if (s.stage != stage) continue;
    if (s.weights > 0) bits.weights = s.weights;
    if (s.activations > 0) bits.activations = s.activations;
  }
  if (bits.weights == 1 && request.scale_bits == 0) {
    fail(
        ErrorKind::Usage,
        "calibrate: expected 2 to 16 bits, got 1 for {}: binary weights need scales (--scale-bits)",
        stage);
  }
  const bool binary = bits.weights == 1;
  for (int width : {binary ? 2 : bits.weights, bits.activations}) {
    if (width < 2 || width > 16)
      fail(ErrorKind::Usage, "calibrate: expected 2 to 16 bits, got {} for {}", width, stage);
  }
  return bits;
}

namespace {

/// A stage's weights as their types take them: in steps of their channels' scales, whose type it
/// sets, if the request wants them.
std::vector<double> stage_weights(const Graph& graph, const Node& node,
                                  const CalibrationRequest& request, std::string& scales) {
  const Tensor& tensor = graph.tensor(node, "weight");
  std::vector<double> weights = tensor.to_doubles();
  if (request.scale_bits == 0) return weights;
  const bool binary = bits_of(request, node.name).weights == 1;
  const int64_t outputs = tensor.shape()[0];
  const std::vector<double> now = channel_magnitudes(weights, outputs, binary);
  const FixedType type =
      scale_type(request.scale_bits, 2 * *std::max_element(now.begin(), now.end()));
  scales = precision_text(type);
  const std::vector<double> by_channel = channel_scales(weights, outputs, binary, type);
  const size_t each = weights.size() / by_channel.size();
  for (size_t i = 0; i < weights.size(); ++i)
    weights[i] = ir::by_scale(weights[i], by_channel[i / each]);
  return weights;
}

Precision fine_types(const CalibrationRequest& request) {
  Precision fine(kFineWithoutSign);
  fine.weights = kFine;
  fine.trained = !request.with_folded_skips;
  return fine;
}

const Node* find_node(const Graph& graph, const std::string& name) {
  const auto found = std::find_if(graph.nodes.begin(), graph.nodes.end(),
                                  [&](const Node& node) { return node.name == name; });
  return found == graph.nodes.end() ? nullptr : &*found;
}

WidthSearch search_of_weights(const StageBits& bits, int least, Span<const double> weights) {
  WidthSearch search(std::max(bits.weights, 2), least, /*is_signed=*/true);
  search.add(weights);
  return search;
}

}  // namespace

StageRanges::StageRanges(const Lowered& lowered, const CalibrationRequest& request,
                         const std::vector<std::vector<double>>& images, int least) {
  if (images.empty()) fail(ErrorKind::Usage, "calibrate: expected at least one image, got none");
  bits_of(request, "all stages");
  const Precision fine = fine_types(request);
  PlanOptions no_folds;
  no_folds.skips = SkipForm::Window;
  const Plan wide = plan(lowered, request.layout, fine, request.input_magnitude, no_folds);
  const Graph& graph = wide.graph();
  std::map<size_t, WidthSearch> searches;  // by value
  std::vector<ValueId> written;            // by stage
  for (const Node& node : graph.nodes) {
    if (node.outputs.empty() || node.traits().port || node.traits().keeps_type) continue;
    const ValueId out = node.outputs[0];
    const StageBits bits = bits_of(request, node.name);
    Stage s{node.name,
            "",
            node.traits().has_weights,
            out == graph.output(),
            graph.value(out).type->is_signed,
            {},
            {}};
    if (s.has_weights) {
      const std::vector<double> weights = stage_weights(graph, node, request, s.scales);
      s.weights = search_of_weights(bits, least, weights).ranges();
    }
    searches.emplace(out.index(), WidthSearch(bits.activations, least, s.is_signed));
    written.push_back(out);
    stages_.push_back(std::move(s));
  }
  const Float64Emulator emulator(graph);
  for (const std::vector<double>& image : images) {
    throw_if_interrupted();
    emulator.run(image, [&](ValueId id, Span<const double> values) {
      const auto found = searches.find(id.index());
      if (found != searches.end()) found->second.add(values);
    });
  }
  for (size_t i = 0; i < stages_.size(); ++i)
    stages_[i].values = searches.at(written[i].index()).ranges();
  look_at_folds(lowered, request, least);
}

void StageRanges::look_at_folds(const Lowered& lowered, const CalibrationRequest& request,
                                int least) {
  if (!request.with_folded_skips || request.scale_bits > 0) return;
  const Plan wide = plan(lowered, request.layout, fine_types(request), request.input_magnitude);
  Graph fused = lowered.graph();
  fold_batch_norm(fused);
  fuse_stages(fused);
  take_window_skips(fused);
  for (Stage& stage : stages_) {
    const Node* node = find_node(wide.graph(), stage.name);
    const auto* conv = node ? node->op.get_if<ops::Conv2d>() : nullptr;
    if (!conv || conv->folded_skips.empty()) continue;
    const std::vector<double> weights = wide.graph().tensor(*node, "weight").to_doubles();
    const WidthSearch search = search_of_weights(bits_of(request, stage.name), least, weights);
    stage.folded = search.ranges(), stage.held = search.holding();
    stage.folds = conv->folded_skips.size();
    const auto& unfolded = find_node(fused, stage.name)->as<ops::Conv2d>();
    stage.folds_stages = unfolded.window_skips.size() < stage.folds;
    fused_ = fused;
  }
}

const Range& StageRanges::weights_of(const Stage& stage, int bits,
                                     const CalibrationRequest& request,
                                     const Names& without) const {
  if (stage.folds == 0 || without.count(stage.name) != 0) return stage.weights.at(bits);
  const auto held = stage.held.find(bits);
  const bool holds = request.holds_folded_skips && stage.folds_stages;
  return holds && held != stage.held.end() ? held->second : stage.folded.at(bits);
}

TypeCalibration StageRanges::types(const CalibrationRequest& request) const {
  TypeCalibration result = types_of(request, {}, {});
  if (!fused_) return result;
  Names without;
  for (;;) {
    Graph graph = *fused_;
    fold_identity_skips(graph, result.types.precision(graph.name));
    const size_t before = without.size();
    Names absent;
    for (const Stage& stage : stages_) {
      const Node* node = find_node(graph, stage.name);
      if (!node) {
        absent.insert(stage.name);
      } else if (stage.folds > 0 && node->as<ops::Conv2d>().folded_skips.size() < stage.folds) {
        without.insert(stage.name);
      }
    }
    if (without.size() == before) return types_of(request, without, absent);
    result = types_of(request, without, {});
  }
}

TypeCalibration StageRanges::types_of(const CalibrationRequest& request, const Names& without,
                                      const Names& absent) const {
  TypeCalibration result;
  TrainedPrecision& types = result.types;
  types.is_trained = false, types.layout = request.layout;
  types.input_magnitude = request.input_magnitude;
  for (const Stage& stage : stages_) {
    if (absent.count(stage.name) != 0) continue;
    const StageBits bits = bits_of(request, stage.name);
    StageRange s;
    s.stage = stage.name, s.has_weights = stage.has_weights;
    s.values = stage.values.at(bits.activations);
    StageTypes t{stage.name, "", ""};
    t.scales = stage.scales;
    if (s.has_weights && bits.weights == 1) {
      t.weights = kBinary;
    } else if (s.has_weights) {
      s.weights = weights_of(stage, bits.weights, request, without);
      t.weights = precision_text(FixedType{bits.weights, s.weights.integer});
    }
    if (!stage.writes_logits) {
      t.activations =
          precision_text(FixedType{bits.activations, s.values.integer, stage.is_signed});
    }
    types.stages.push_back(t);
    result.stages.push_back(s);
  }
  // The input's point stands where its magnitude asks.
  const int input_bits = bits_of(request, kInputStage).activations;
  if (std::any_of(request.stages.begin(), request.stages.end(),
                  [](const StageBits& s) { return s.stage == kInputStage; })) {
    types.stages.push_back(
        {kInputStage, "", precision_text(FixedType{input_bits, std::min(input_bits, 3)})});
  }
  // For what is not there yet: a projection that a later alteration brings; and the input.
  types.activations = precision_text(FixedType{request.bits, std::min(request.bits, 3)});
  types.weights =
      request.weight_bits == 1 ? kBinary : precision_text(FixedType{request.weight_bits, 1});
  if (request.scale_bits > 0) types.scales = precision_text(scale_type(request.scale_bits, 1));
  return result;
}

TypeCalibration calibrate(const Lowered& lowered, const CalibrationRequest& request,
                          const std::vector<std::vector<double>>& images) {
  return StageRanges(lowered, request, images).types(request);
}

}  // namespace tailor::design

#include "tailor/design/fewest_bits.h"

#include <algorithm>
#include <cmath>

#include "tailor/core/interrupt.h"
#include "tailor/core/threads.h"
#include "tailor/emulate/integer.h"

namespace tailor::design {
namespace {

WidthCost cost_of(const std::vector<StageProducts>& list) {
  WidthCost cost;
  for (const StageProducts& p : list) {
    cost.product_bits += p.count * p.weight_bits * p.input_bits;
    cost.weight_bits += p.weights * p.weight_bits;
  }
  return cost;
}

/// Weights or values of a stage, whose bits may become fewer.
struct Width {
  std::string stage;
  bool of_weights = false;
  int bits = 0;
  /// Of the logits, mean square, where only these are narrower; none: they must not be.
  std::map<int, double> errors = {};
};

/// The way down, a bit at a time.
class Descent {
 public:
  Descent(const Lowered& lowered, const StageRanges& ranges, const WidthRequest& request,
          const std::vector<std::vector<double>>& probes)
      : lowered_(lowered), ranges_(ranges), request_(request), probes_(probes) {
    const TypeCalibration start = ranges.types(request.start);
    for (size_t i = 0; i < start.stages.size(); ++i) {
      const std::string& stage = start.stages[i].stage;
      const StageBits bits = bits_of(request.start, stage);
      if (start.stages[i].has_weights) widths_.push_back({stage, true, bits.weights});
      if (!start.types.stages[i].activations.empty())
        widths_.push_back({stage, false, bits.activations});
    }
    measure();
    order();
  }
  int64_t steps() const { return static_cast<int64_t>(steps_.size()); }
  /// With so many bits less.
  CalibrationRequest at(int64_t steps) const {
    std::vector<Width> widths = widths_;
    for (int64_t i = 0; i < steps; ++i) --widths[steps_[static_cast<size_t>(i)]].bits;
    return request_of(widths);
  }

 private:
  CalibrationRequest request_of(const std::vector<Width>& widths) const {
    CalibrationRequest request = request_.start;
    for (const Width& w : widths)
      request.stages.push_back({w.stage, w.of_weights ? w.bits : 0, w.of_weights ? 0 : w.bits});
    return request;
  }
  std::vector<std::vector<double>> logits(const CalibrationRequest& request) const {
    throw_if_interrupted();
    const Plan plan = plan_trained(lowered_, ranges_.types(request).types);
    const IntegerEmulator emulator(plan.graph());
    std::vector<std::vector<double>> logits(probes_.size());
    parallel_for(static_cast<int64_t>(probes_.size()), 0, [&](int64_t i) {
      const auto at = static_cast<size_t>(i);
      logits[at] = emulator.run(probes_[at]).logits;
    });
    return logits;
  }
  /// Mean square of what logits differ by; with biases corrected of what is not their mean.
  double error_of(const std::vector<std::vector<double>>& got,
                  const std::vector<std::vector<double>>& wanted) const {
    double error = 0;
    const auto count = static_cast<double>(got.size());
    for (size_t c = 0; c < got[0].size(); ++c) {
      double sum = 0, squares = 0;
      for (size_t i = 0; i < got.size(); ++i) {
        const double difference = got[i][c] - wanted[i][c];
        sum += difference;
        squares += difference * difference;
      }
      error += squares / count;
      if (request_.corrects_biases) error -= sum / count * (sum / count);
    }
    return error / static_cast<double>(got[0].size());
  }
  /// Whether the design has the stages that the start's has: whatever else there were would have no
  /// widths of its own.
  bool has_same_stages(const TypeCalibration& start, const TypeCalibration& now) const {
    return std::equal(start.stages.begin(), start.stages.end(), now.stages.begin(),
                      now.stages.end(),
                      [](const StageRange& a, const StageRange& b) { return a.stage == b.stage; });
  }
  void measure() {
    const TypeCalibration types = ranges_.types(request_.start);
    const auto start = logits(request_.start);
    for (Width& width : widths_) {
      double worst = 0;  // fewer bits are never better: what says so is chance
      const int bits = width.bits;
      while (--width.bits >= request_.least) {
        const CalibrationRequest narrower = request_of(widths_);
        if (!has_same_stages(types, ranges_.types(narrower))) break;
        worst = std::max(worst, error_of(logits(narrower), start));
        width.errors[width.bits] = worst;
      }
      width.bits = bits;
    }
  }
  /// Whatever saves most for the error that it adds comes first. Errors of several add up, as those
  /// of independent noises.
  void order() {
    std::vector<StageProducts> products =
        stage_products(plan_trained(lowered_, ranges_.types(request_.start).types).graph());
    const WidthCost all = cost_of(products);
    std::vector<Width> widths = widths_;
    auto lowered = [&](const Width& w) {
      std::vector<StageProducts> less = products;
      for (StageProducts& p : less) {
        if (w.of_weights && p.stage == w.stage) --p.weight_bits;
        if (!w.of_weights && p.input == w.stage) --p.input_bits;
      }
      return less;
    };
    for (;;) {
      size_t best = widths.size();
      double best_price = HUGE_VAL;
      const WidthCost now = cost_of(products);
      for (size_t k = 0; k < widths.size(); ++k) {
        const Width& w = widths[k];
        if (w.errors.count(w.bits - 1) == 0) continue;
        const WidthCost then = cost_of(lowered(w));
        const double saved = static_cast<double>(now.product_bits - then.product_bits) /
                                 static_cast<double>(all.product_bits) +
                             static_cast<double>(now.weight_bits - then.weight_bits) /
                                 static_cast<double>(all.weight_bits);
        const double before = w.errors.count(w.bits) ? w.errors.at(w.bits) : 0;
        const double price = (w.errors.at(w.bits - 1) - before) / std::max(saved, 1e-12);
        if (price >= best_price) continue;
        best = k, best_price = price;
      }
      if (best == widths.size()) return;
      products = lowered(widths[best]);
      --widths[best].bits;
      steps_.push_back(best);
    }
  }

  const Lowered& lowered_;
  const StageRanges& ranges_;
  const WidthRequest& request_;
  const std::vector<std::vector<double>>& probes_;
  std::vector<Width> widths_;
  std::vector<size_t> steps_;  // which width loses a bit
};

}  // namespace

std::vector<StageProducts> stage_products(const Graph& design) {
  const ByValue<NodeId> writer = producers(design);
  std::vector<StageProducts> list;
  for (const Node& node : design.nodes) {
    if (!node.traits().has_weights) continue;
    const ValueId in = node.inputs[0].value;
    const StageLoop loop = stage_loop(design, node);
    const int64_t weights = loop.n_in * loop.n_out;
    list.push_back({node.name, typed_by(design, writer, in).name,
                    weights * design.value(node.outputs[0]).shape.pixels(), weights,
                    node.hardware.weight->width, design.value(in).type->width});
  }
  return list;
}

WidthCost width_cost(const Plan& plan) { return cost_of(stage_products(plan.graph())); }

double mean_product_bits(const Graph& design) {
  const std::vector<StageProducts> list = stage_products(design);
  int64_t count = 0;
  for (const StageProducts& p : list) count += p.count;
  return count == 0 ? 0
                    : std::sqrt(static_cast<double>(cost_of(list).product_bits) /
                                static_cast<double>(count));
}

CalibrationRequest fewest_bits(const Lowered& lowered, const StageRanges& ranges,
                               const WidthRequest& request,
                               const std::vector<std::vector<double>>& probes) {
  if (probes.empty()) fail(ErrorKind::Usage, "fewest bits: expected at least one image, got none");
  if (!request.is_good(ranges.types(request.start))) {
    fail(ErrorKind::Unsupported,
         "{}: {} bits of weights and {} of values lose more than is allowed; ask for more of them",
         lowered.graph().name, request.start.weight_bits, request.start.bits);
  }
  const Descent descent(lowered, ranges, request, probes);
  int64_t good = 0, bad = descent.steps() + 1;
  while (bad - good > 1) {
    const int64_t middle = (good + bad) / 2;
    (request.is_good(ranges.types(descent.at(middle))) ? good : bad) = middle;
  }
  return descent.at(good);
}

}  // namespace tailor::design

#include "tailor/design/correct_biases.h"

#include <algorithm>

#include "tailor/core/interrupt.h"
#include "tailor/core/threads.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/handed_on.h"
#include "tailor/ir/weights.h"

namespace tailor::design {
namespace {

using Map = std::vector<double>;

/// Where a channel's shift of a layer's output can go; empty: nowhere.
std::string bias_of(const Graph& lowered, const std::string& layer) {
  const auto readers = consumers(lowered);
  for (const Node& node : lowered.nodes) {
    if (node.name != layer || !node.traits().has_weights) continue;
    for (NodeId reader : readers[node.outputs[0]]) {
      if (lowered.node(reader).is<ops::BatchNorm>()) return lowered.node(reader).name + ".bias";
    }
    return lowered.has_tensor(node, "bias") ? node.name + ".bias" : "";
  }
  return "";
}

/// Stages as their ReLUs see them: without skips that come behind.
Graph up_to_activations(Graph graph) {
  for (Node& node : graph.nodes) {
    auto* conv = node.op.get_if<ops::Conv2d>();
    if (!conv) continue;
    if (conv->skips_after_activation) {
      conv->window_skips.clear();
      node.inputs.erase(node.inputs.begin() + 1, node.inputs.end());
    }
    conv->relu = conv->skips_after_activation = false;
  }
  return graph;
}

bool has_relu(const Node& node) {
  const auto* conv = node.op.get_if<ops::Conv2d>();
  return conv && conv->relu;
}

/// A design on all images at once, node by node.
class Lockstep {
 public:
  Lockstep(const Graph& design, const Graph& sums, bool rounds, size_t images)
      : design_(design),
        sums_graph_(sums),
        rounds_(rounds),
        whole_(design, rounding()),
        sums_(sums, rounding()),
        maps_(images, ByValue<Map>(design.values.size())) {}

  /// What node `n` sums up, of image `i`.
  Map sums(size_t n, size_t i, const Map& image) const {
    return sums_.evaluate(n, inputs(sums_graph_.nodes[n], i), image);
  }
  /// Goes on to the next node; with each channel's sums so much larger, where that is given.
  void advance(size_t n, size_t i, const Map& image, const Map& sums, const Map& shift) {
    const Node& node = design_.nodes[n];
    Map y = whole_.evaluate(n, inputs(node, i), image);
    auto activated = [&](double v) { return has_relu(node) ? std::max(v, 0.0) : v; };
    for (size_t k = 0; !shift.empty() && k < y.size(); ++k)
      y[k] += activated(sums[k] + shift[k % shift.size()]) - activated(sums[k]);
    const FixedType& type = *design_.value(node.outputs[0]).type;
    for (size_t k = 0; rounds_ && !node.traits().keeps_type && k < y.size(); ++k)
      y[k] = type.to_double(quantise(y[k], type));
    for (size_t k = 1; k < node.outputs.size(); ++k) {
      const bool forwards = node.traits().forwards_input;
      maps_[i][node.outputs[k]] =
          forwards ? handed_on(design_, node, maps_[i][node.inputs[0].value]) : y;
    }
    maps_[i][node.outputs[0]] = std::move(y);
  }
  void drop(ValueId id, size_t i) { maps_[i][id] = Map(); }

 private:
  Float64WeightChange rounding() const {
    if (!rounds_) return {};
    return [this](const Node& node, const char* part, Span<double> values) {
      ir::round_part(design_, node, part, values);
    };
  }
  std::vector<const Map*> inputs(const Node& node, size_t i) const {
    std::vector<const Map*> result;
    for (const Operand& operand : node.inputs) result.push_back(&maps_[i][operand.value]);
    return result;
  }

  const Graph &design_, &sums_graph_;
  bool rounds_;
  Float64Emulator whole_, sums_;
  std::vector<ByValue<Map>> maps_;  // by image
};

/// By channel.
Map mean_difference(const std::vector<Map>& exact, const std::vector<Map>& rounded,
                    size_t channels) {
  Map sum(channels, 0.0);
  double count = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    for (size_t k = 0; k < exact[i].size(); ++k) sum[k % channels] += exact[i][k] - rounded[i][k];
    count += static_cast<double>(exact[i].size()) / static_cast<double>(channels);
  }
  for (double& v : sum) v /= count;
  return sum;
}

/// What becomes of a shift where the bias is rounded with it.
Map rounded_shift(const Graph& design, const Node& node, const Map& shift) {
  const FixedType& type = *node.hardware.bias;
  const Map bias = design.tensor(node, "bias").to_doubles();
  Map rounded(shift.size());
  for (size_t c = 0; c < shift.size(); ++c) {
    rounded[c] = type.to_double(quantise(bias[c] + shift[c], type) - quantise(bias[c], type));
  }
  return rounded;
}

}  // namespace

BiasShifts bias_corrections(const Lowered& lowered, const Plan& plan,
                            const std::vector<std::vector<double>>& images) {
  if (images.empty())
    fail(ErrorKind::Usage, "bias correction: expected at least one image, got none");
  const Graph& design = plan.graph();
  const Graph sums = up_to_activations(design);
  Lockstep exact(design, sums, /*rounds=*/false, images.size()),
      rounded(design, sums, /*rounds=*/true, images.size());
  ByValue<size_t> last(design.values.size(), 0);
  for (size_t n = 0; n < design.nodes.size(); ++n) {
    for (ValueId id : design.nodes[n].inputs) last[id] = n;
  }
  BiasShifts shifts;
  for (size_t n = 0; n < design.nodes.size(); ++n) {
    const Node& node = design.nodes[n];
    if (node.outputs.empty()) break;
    const auto* conv = node.op.get_if<ops::Conv2d>();
    if (conv && conv->line_buffer)
      fail(ErrorKind::Unsupported, "bias correction: {} is a network of frames", design.name);
    throw_if_interrupted();
    const std::string bias = bias_of(lowered, node.name);
    std::vector<Map> of_exact(images.size()), of_rounded(images.size());
    Map shift;
    if (!bias.empty()) {
      parallel_for(static_cast<int64_t>(images.size()), 0, [&](int64_t i) {
        const auto at = static_cast<size_t>(i);
        of_exact[at] = exact.sums(n, at, images[at]);
        of_rounded[at] = rounded.sums(n, at, images[at]);
      });
      const int64_t channels = design.value(node.outputs[0]).shape.channels;
      shift = mean_difference(of_exact, of_rounded, static_cast<size_t>(channels));
      shifts[bias] = shift;
      shift = rounded_shift(design, node, shift);
    }
    parallel_for(static_cast<int64_t>(images.size()), 0, [&](int64_t i) {
      const auto at = static_cast<size_t>(i);
      exact.advance(n, at, images[at], {}, {});
      rounded.advance(n, at, images[at], of_rounded[at], shift);
      for (ValueId id : node.inputs) {
        if (last[id] != n) continue;
        exact.drop(id, at);
        rounded.drop(id, at);
      }
    });
  }
  return shifts;
}

void add_to_biases(TensorMap& tensors, const BiasShifts& shifts) {
  for (const auto& [name, shift] : shifts) {
    const auto bias = tensors.at(name).as<float>();
    TAILOR_CHECK(bias.size() == shift.size(), "{}: {} shifts", name, shift.size());
    for (size_t i = 0; i < shift.size(); ++i) bias[i] = static_cast<float>(bias[i] + shift[i]);
  }
}

}  // namespace tailor::design

// relu(W·x + b + x) = relu((W + δ)·x + b): a skip over one convolution, joined before the
// activation, is part of the kernel. 1.0 lies on every weight grid with I >= 2, so rounding
// commutes with the fold and the folded design is bit-exact (docs/design/0002).
#include <algorithm>
#include <optional>

#include "design/rewrite.h"
#include "tailor/core/log.h"
#include "tailor/design/passes.h"

namespace tailor::design {
namespace {

/// What a skip adds at one tap: weight [out][in], and to the bias.
struct TapTerm {
  std::vector<double> weight, bias;
};

bool fits(double value, const FixedType& type) {
  return value >= type.min_value() && value <= type.max_value();
}

/// A convolution that skips are folded into.
struct Target {
  Node& conv;
  const FixedType& weight_type;
  int64_t in, out, read, outputs;  // channels, and those of a group
  bool saturates;                  // what does not fit: training has seen that
};

/// Adds the term to the kernel, or leaves it as it is: a weight would not fit, or a group would
/// read what it does not read.
bool fold(Graph& graph, const Target& to, const std::string& id, const TapTerm& term) {
  auto& a = to.conv.as<ops::Conv2d>();
  std::vector<double> weight = graph.tensor(to.conv, "weight").to_doubles(),
                      bias = graph.tensor(to.conv, "bias").to_doubles();
  auto at = [&](int64_t o, int64_t i) {
    return static_cast<size_t>((o * to.read + i % to.read) * a.window.taps() +
                               centre_tap(a.window));
  };
  for (int64_t o = 0; o < to.out; ++o) {
    for (int64_t i = 0; i < to.in; ++i) {
      const double added = term.weight[static_cast<size_t>(o * to.in + i)];
      if (added != 0 && i / to.read != o / to.outputs) return false;  // the group does not read it
      if (added != 0 && !to.saturates && !fits(weight[at(o, i)] + added, to.weight_type)) {
        log_warn("passes",
                 "{}: not folded into {}: a weight of {:.4g} would become {:.4g}, beyond {}; "
                 "the skip stays",
                 id, to.conv.name, weight[at(o, i)], weight[at(o, i)] + added,
                 to_string(to.weight_type));
        return false;
      }
    }
  }
  for (int64_t o = 0; o < to.out; ++o) {
    for (int64_t i = o / to.outputs * to.read; i < (o / to.outputs + 1) * to.read; ++i)
      weight[at(o, i)] += term.weight[static_cast<size_t>(o * to.in + i)];
    if (!term.bias.empty()) bias[static_cast<size_t>(o)] += term.bias[static_cast<size_t>(o)];
  }
  set_tensor(graph, to.conv, "weight", graph.tensor(to.conv, "weight").shape(), weight);
  set_tensor(graph, to.conv, "bias", {to.out}, bias);
  a.folded_skips.push_back(id);
  return true;
}

TapTerm no_term(const Target& to) {
  return {std::vector<double>(static_cast<size_t>(to.out * to.in), 0.0), {}};
}

void fold_window_skips(Graph& graph, const Target& to) {
  auto& skips = to.conv.as<ops::Conv2d>().window_skips;
  if (skips.empty()) return;
  TapTerm identity = no_term(to);
  for (int64_t o = 0; o < to.out; ++o) identity.weight[static_cast<size_t>(o * to.in + o)] = 1;
  for (size_t s = 0; s < skips.size();) {
    if (fold(graph, to, skips[s], identity)) {
      skips.erase(skips.begin() + static_cast<std::ptrdiff_t>(s));
    } else {
      ++s;
    }
  }
}

/// What a stage on a skip computes, if it is linear in the pixel that the target's centre tap
/// reads.
std::optional<TapTerm> linear_term(const Graph& graph, const Target& to, const Node& skip) {
  const Window& window = to.conv.as<ops::Conv2d>().window;
  TapTerm term = no_term(to);
  if (skip.is<ops::ShortcutPad>()) {
    const auto& pad = skip.as<ops::ShortcutPad>();
    if (pad.stride != window.stride) return std::nullopt;
    for (int64_t i = 0; i < to.in; ++i)
      term.weight[static_cast<size_t>((i + pad.channel_offset) * to.in + i)] = 1;
    return term;
  }
  if (!skip.is<ops::Conv2d>()) return std::nullopt;
  const auto& p = skip.as<ops::Conv2d>();
  if (!p.window.is_pointwise() || !(p.window.stride == window.stride) || p.relu ||
      skip.inputs.size() != 1 || !p.window_skips.empty())
    return std::nullopt;
  const std::vector<double> weight = graph.tensor(skip, "weight").to_doubles();
  const int64_t part = to.in / p.groups;
  for (int64_t o = 0; o < to.out; ++o) {
    std::copy_n(weight.begin() + o * part, part,
                term.weight.begin() + o * to.in + o / (to.out / p.groups) * part);
  }
  term.bias = graph.tensor(skip, "bias").to_doubles();
  return term;
}

}  // namespace

void fold_identity_skips(Graph& graph, const Precision& precision) {
  const ByValue<NodeId> writer = producers(graph);
  const auto readers = consumers(graph);
  ByNode<bool> dead(graph.nodes.size(), false);
  for (Node& conv : graph.nodes) {
    if (!conv.is<ops::Conv2d>()) continue;
    const auto& a = conv.as<ops::Conv2d>();
    if (a.relu && a.skips_after_activation) continue;  // not linear
    if (!has_centre_tap(a.window)) continue;           // no tap reads the skip's pixel
    const int64_t in = graph.value(conv.inputs[0]).shape.channels,
                  out = graph.value(conv.outputs[0]).shape.channels;
    const FixedType& type = precision.weight(conv.name);
    if (precision.trained && !fits(1, type)) continue;  // an identity would not be one
    if (precision.scale(conv.name)) continue;           // nor in steps of a channel's scale
    const Target to{conv, type, in, out, in / a.groups, out / a.groups, precision.trained};
    fold_window_skips(graph, to);
    for (size_t s = 1; s < conv.inputs.size();) {
      const Operand operand = conv.inputs[s];
      const NodeId source = writer[operand];
      const Node& skip = graph.node(source);
      const bool same_pixels = readers[operand].size() == 1 && !skip.inputs.empty() &&
                               skip.inputs[0].value == conv.inputs[0].value;
      const bool scaled = precision.scale(skip.name).has_value();  // its weights have other steps
      const auto term = same_pixels && !scaled ? linear_term(graph, to, skip) : std::nullopt;
      if (!term || !fold(graph, to, operand.skip, *term)) {
        ++s;
        continue;
      }
      graph.tensors.erase(skip.name + ".weight");
      graph.tensors.erase(skip.name + ".bias");
      dead[source] = true;
      conv.inputs.erase(conv.inputs.begin() + static_cast<std::ptrdiff_t>(s));
    }
  }
  remove_nodes(graph, dead);
}

}  // namespace tailor::design

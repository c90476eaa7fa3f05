// relu(W·x + b + x) = relu((W + δ)·x + b): a skip over one convolution, joined before the
// activation, is part of the kernel. 1.0 lies on every weight grid with I >= 2, so rounding
// commutes with the fold and the folded design is bit-exact (docs/design/0002).
#include <algorithm>
#include <optional>

#include "design/rewrite.h"
#include "tailor/core/strings.h"
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

constexpr const char* kInScales = "its weights are in steps of scales";

/// Why the types let no skip into a stage's kernel; empty: they let some.
std::string why_none(const Precision& precision, const std::string& stage) {
  if (precision.scale(stage)) return kInScales;
  const FixedType& type = precision.weight(stage);
  if (!precision.trained || fits(1, type)) return "";  // an identity would not be one
  return fmt::format("{}, the type of its weights, holds no 1", precision_text(type));
}

/// A convolution that skips are folded into.
struct Target {
  Node& conv;
  const FixedType& weight_type;
  int64_t in, out, read, outputs;  // channels, and those of a group
  bool saturates;                  // what does not fit: training has seen that
  std::string why_none;
  std::vector<UnfoldedSkip>& unfolded;

  /// Of the kernel's centre tap.
  size_t at(int64_t o, int64_t i) const {
    const Window& window = conv.as<ops::Conv2d>().window;
    return static_cast<size_t>((o * read + i % read) * window.taps() + centre_tap(window));
  }
};

/// Whether each group reads what the term reads for its outputs.
bool reads(const Target& to, const TapTerm& term) {
  for (int64_t o = 0; o < to.out; ++o) {
    for (int64_t i = 0; i < to.in; ++i) {
      if (term.weight[static_cast<size_t>(o * to.in + i)] != 0 && i / to.read != o / to.outputs)
        return false;
    }
  }
  return true;
}

/// Why the kernel's type cannot have the term; empty: it can.
std::string why_not(const Target& to, const TapTerm& term, const std::vector<double>& weight) {
  if (!to.why_none.empty() || to.saturates) return to.why_none;
  for (int64_t o = 0; o < to.out; ++o) {
    for (int64_t i = 0; i < to.in; ++i) {
      const double added = term.weight[static_cast<size_t>(o * to.in + i)];
      if (added == 0 || fits(weight[to.at(o, i)] + added, to.weight_type)) continue;
      return fmt::format("a weight of {:.4g} would become {:.4g}, beyond {}", weight[to.at(o, i)],
                         weight[to.at(o, i)] + added, precision_text(to.weight_type));
    }
  }
  return "";
}

/// Adds the term to the kernel, or leaves it as it is: where there is a reason why, or there must
/// be one.
bool fold(Graph& graph, const Target& to, const std::string& id, const TapTerm& term, bool is_stage,
          std::string why = "") {
  std::vector<double> weight = graph.tensor(to.conv, "weight").to_doubles(),
                      bias = graph.tensor(to.conv, "bias").to_doubles();
  if (!reads(to, term)) return false;
  if (why.empty()) why = why_not(to, term, weight);
  if (!why.empty()) {
    const bool by_scales = why == kInScales;
    to.unfolded.push_back({id, to.conv.name, std::move(why), is_stage, by_scales});
    return false;
  }
  for (int64_t o = 0; o < to.out; ++o) {
    for (int64_t i = o / to.outputs * to.read; i < (o / to.outputs + 1) * to.read; ++i)
      weight[to.at(o, i)] += term.weight[static_cast<size_t>(o * to.in + i)];
    if (!term.bias.empty()) bias[static_cast<size_t>(o)] += term.bias[static_cast<size_t>(o)];
  }
  set_tensor(graph, to.conv, "weight", graph.tensor(to.conv, "weight").shape(), weight);
  set_tensor(graph, to.conv, "bias", {to.out}, bias);
  to.conv.as<ops::Conv2d>().folded_skips.push_back(id);
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
    if (fold(graph, to, skips[s], identity, /*is_stage=*/false)) {
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

std::vector<UnfoldedSkip> fold_identity_skips(Graph& graph, const Precision& precision) {
  std::vector<UnfoldedSkip> unfolded;
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
    const Target to{conv,
                    precision.weight(conv.name),
                    in,
                    out,
                    in / a.groups,
                    out / a.groups,
                    precision.trained,
                    why_none(precision, conv.name),
                    unfolded};
    fold_window_skips(graph, to);
    for (size_t s = 1; s < conv.inputs.size();) {
      const Operand operand = conv.inputs[s];
      const NodeId source = writer[operand];
      const Node& skip = graph.node(source);
      const bool same_pixels = readers[operand].size() == 1 && !skip.inputs.empty() &&
                               skip.inputs[0].value == conv.inputs[0].value;
      const auto term = same_pixels ? linear_term(graph, to, skip) : std::nullopt;
      const bool other_steps = skip.is<ops::Conv2d>() && precision.scale(skip.name);
      const std::string why = other_steps ? kInScales : "";
      if (!term || !fold(graph, to, operand.skip, *term, /*is_stage=*/true, why)) {
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
  return unfolded;
}

std::string unfolded_text(const Plan& plan) {
  constexpr size_t kNamed = 3;
  std::vector<UnfoldedSkip> skips = plan.unfolded();
  if (skips.empty()) return "";
  const auto stages = std::stable_partition(skips.begin(), skips.end(),
                                            [](const UnfoldedSkip& s) { return s.is_stage; }) -
                      skips.begin();
  std::vector<std::string> parts;
  for (size_t i = 0; i < std::min(skips.size(), kNamed); ++i)
    parts.push_back(fmt::format("{} (of {}: {})", skips[i].skip, skips[i].stage, skips[i].reason));
  if (skips.size() > kNamed) parts.push_back(fmt::format("and {} more", skips.size() - kNamed));
  const Precision& precision = plan.precision();
  const auto scaled = std::count_if(skips.begin(), skips.end(),
                                    [](const UnfoldedSkip& skip) { return skip.by_scales; });
  std::vector<std::string> advice;
  if (scaled > 0) advice.emplace_back("no kernel with scales takes a skip");
  if (scaled < static_cast<std::ptrdiff_t>(skips.size())) {
    advice.emplace_back(
        precision.trained
            ? "training with fixed points of 2 integer bits or more (quantization.points=fixed, "
              "quantization.precision=8,3) folds them"
            : "more integer bits for those weights fold them");
  }
  return fmt::format(
      "skips that kernels could take stay out of them, {} with a stage and a FIFO, {} with an "
      "adder a channel: {}; {}",
      stages, static_cast<std::ptrdiff_t>(skips.size()) - stages, join(parts, ", "),
      join(advice, "; "));
}

}  // namespace tailor::design

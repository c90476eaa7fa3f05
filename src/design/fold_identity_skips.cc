// relu(W·x + b + x) = relu((W + δ)·x + b): a skip over one convolution, joined before the
// activation, is part of the kernel. 1.0 lies on every weight grid with I >= 2, so rounding
// commutes with the fold and the folded design is bit-exact (docs/design/0002).
#include <algorithm>
#include <cmath>

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

}  // namespace

void fold_identity_skips(Graph& graph, const Precision& precision) {
  const ByValue<NodeId> writer = producers(graph);
  const auto readers = consumers(graph);
  ByNode<bool> dead(graph.nodes.size(), false);
  for (Node& conv : graph.nodes) {
    if (!conv.is<ops::Conv2d>()) continue;
    const FixedType& weight_type = precision.weight(conv.name);
    auto& a = conv.as<ops::Conv2d>();
    if (a.relu && a.skips_after_activation) continue;  // not linear
    const int64_t in = graph.value(conv.inputs[0]).shape.channels,
                  out = graph.value(conv.outputs[0]).shape.channels;
    if (!has_centre_tap(a.window)) continue;                       // no tap reads the skip's pixel
    const int64_t read = in / a.groups, outputs = out / a.groups;  // of a group

    auto fold = [&](const std::string& id, const TapTerm& term) {
      std::vector<double> weight = graph.tensor(conv, "weight").to_doubles(),
                          bias = graph.tensor(conv, "bias").to_doubles();
      auto at = [&](int64_t o, int64_t i) {
        return static_cast<size_t>((o * read + i % read) * a.window.taps() + centre_tap(a.window));
      };
      for (int64_t o = 0; o < out; ++o) {
        for (int64_t i = 0; i < in; ++i) {
          double added = term.weight[static_cast<size_t>(o * in + i)];
          if (added != 0 && i / read != o / outputs) return false;  // the group does not read it
          if (added != 0 && !fits(weight[at(o, i)] + added, weight_type)) {
            log_warn("passes",
                     "{}: not folded into {}: a weight of {:.4g} would become {:.4g}, beyond {}; "
                     "the skip stays",
                     id, conv.name, weight[at(o, i)], weight[at(o, i)] + added,
                     to_string(weight_type));
            return false;
          }
        }
      }
      for (int64_t o = 0; o < out; ++o) {
        for (int64_t i = o / outputs * read; i < (o / outputs + 1) * read; ++i)
          weight[at(o, i)] += term.weight[static_cast<size_t>(o * in + i)];
        if (!term.bias.empty()) bias[static_cast<size_t>(o)] += term.bias[static_cast<size_t>(o)];
      }
      set_tensor(graph, conv, "weight", graph.tensor(conv, "weight").shape(), weight);
      set_tensor(graph, conv, "bias", {out}, bias);
      a.folded_skips.push_back(id);
      return true;
    };

    for (size_t s = 0; s < a.window_skips.size();) {
      TapTerm identity{std::vector<double>(static_cast<size_t>(out * in), 0.0), {}};
      for (int64_t o = 0; o < out; ++o) identity.weight[static_cast<size_t>(o * in + o)] = 1;
      if (fold(a.window_skips[s], identity)) {
        a.window_skips.erase(a.window_skips.begin() + static_cast<std::ptrdiff_t>(s));
      } else {
        ++s;
      }
    }
    for (size_t s = 1; s < conv.inputs.size();) {
      const Operand operand = conv.inputs[s];
      const NodeId source = writer[operand];
      const Node& skip = graph.node(source);
      const bool same_pixels = readers[operand].size() == 1 && !skip.inputs.empty() &&
                               skip.inputs[0].value == conv.inputs[0].value;
      TapTerm term{std::vector<double>(static_cast<size_t>(out * in), 0.0), {}};
      bool linear = false;
      if (same_pixels && skip.is<ops::ShortcutPad>()) {
        const auto& pad = skip.as<ops::ShortcutPad>();
        linear = pad.stride == a.window.stride;
        for (int64_t i = 0; linear && i < in; ++i)
          term.weight[static_cast<size_t>((i + pad.channel_offset) * in + i)] = 1;
      } else if (same_pixels && skip.is<ops::Conv2d>()) {
        const auto& p = skip.as<ops::Conv2d>();
        linear = p.window.is_pointwise() && p.window.stride == a.window.stride && !p.relu &&
                 skip.inputs.size() == 1 && p.window_skips.empty();
        if (linear) {
          const std::vector<double> weight = graph.tensor(skip, "weight").to_doubles();
          const int64_t part = in / p.groups;
          for (int64_t o = 0; o < out; ++o) {
            std::copy_n(weight.begin() + o * part, part,
                        term.weight.begin() + o * in + o / (out / p.groups) * part);
          }
          term.bias = graph.tensor(skip, "bias").to_doubles();
        }
      }
      if (linear && fold(operand.skip, term)) {
        graph.tensors.erase(skip.name + ".weight");
        graph.tensors.erase(skip.name + ".bias");
        dead[source] = true;
        conv.inputs.erase(conv.inputs.begin() + static_cast<std::ptrdiff_t>(s));
      } else {
        ++s;
      }
    }
  }
  remove_nodes(graph, dead);
}

}  // namespace tailor::design

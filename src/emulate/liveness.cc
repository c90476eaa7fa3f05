#include "tailor/emulate/liveness.h"

#include <algorithm>
#include <cmath>

#include "tailor/core/interrupt.h"
#include "tailor/core/threads.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/integer.h"
#include "tailor/emulate/noise.h"
#include "tailor/ir/weights.h"

namespace tailor::emulate {
namespace {

constexpr double kSameLogits = 1e-9;  // two float64 runs differ by less

/// The numbers that each channel of each value has taken: none, one or several.
template <class T>
class ChannelRanges {
 public:
  explicit ChannelRanges(const Graph& graph) : channels_(graph.values.size()) {
    for (ValueId v : graph.value_ids())
      channels_[v].resize(static_cast<size_t>(graph.value(v).shape.channels));
  }
  void see(ValueId value, Span<const T> hwc) {
    auto& ranges = channels_[value];
    for (size_t i = 0; i < hwc.size(); ++i) ranges[i % ranges.size()].see(hwc[i], hwc[i]);
  }
  void merge(const ChannelRanges& other) {
    for (ValueId v : FirstIds<ValueId>(channels_.size())) {
      for (size_t c = 0; c < channels_[v].size(); ++c) {
        const Range& r = other.channels_[v][c];
        if (r.any) channels_[v][c].see(r.low, r.high);
      }
    }
  }
  bool constant(ValueId value, size_t channel) const {
    const Range& r = channels_[value][channel];
    return r.any && r.low == r.high;
  }

 private:
  struct Range {
    bool any = false;
    T low = 0, high = 0;
    void see(T from, T to) {
      low = any ? std::min(low, from) : from;
      high = any ? std::max(high, to) : to;
      any = true;
    }
  };
  ByValue<std::vector<Range>> channels_;
};

template <class T, class Emulator>
ChannelRanges<T> ranges_of(const Graph& design, const Emulator& emulator,
                           const std::vector<std::vector<double>>& images, size_t count) {
  std::vector<ChannelRanges<T>> seen(count, ChannelRanges<T>(design));
  parallel_for(static_cast<int64_t>(count), 0, [&](int64_t i) {
    if (pending_interrupt() != 0) return;
    const auto n = static_cast<size_t>(i);
    emulator.run(images[n], [&](ValueId value, Span<const T> hwc) { seen[n].see(value, hwc); });
  });
  throw_if_interrupted();
  for (size_t i = 1; i < count; ++i) seen[0].merge(seen[i]);
  return std::move(seen[0]);
}

template <class T>
bool all_equal(const std::vector<T>& list) {
  return std::all_of(list.begin(), list.end(), [&](const T& x) { return x == list.front(); });
}

}  // namespace

std::vector<Underflow> count_underflows(const Graph& design) {
  std::vector<Underflow> counts(design.nodes.size());
  for (size_t n = 0; n < design.nodes.size(); ++n) {
    const Node& node = design.nodes[n];
    if (!node.hardware.weight) continue;
    const Tensor& tensor = design.tensor(node, "weight");
    const std::vector<double> weights = weights_by_scale(design, node);
    const size_t outputs = static_cast<size_t>(tensor.shape()[0]),
                 each = weights.size() / std::max<size_t>(outputs, 1);
    for (size_t o = 0; o < outputs; ++o) {
      int64_t nonzero = 0, lost = 0;
      for (size_t i = o * each; i < (o + 1) * each; ++i) {
        if (weights[i] == 0) continue;
        ++nonzero;
        if (quantise_weight(weights[i], *node.hardware.weight) == 0) ++lost;
      }
      counts[n].nonzero += nonzero;
      counts[n].weights += lost;
      if (nonzero > 0 && nonzero == lost) ++counts[n].kernels;
    }
  }
  return counts;
}

std::vector<int64_t> count_constant_channels(const Graph& design,
                                             const std::vector<std::vector<double>>& images) {
  std::vector<int64_t> counts(design.nodes.size());
  const size_t count = std::min(images.size(), kQuantisationImages);
  if (count < 2) return counts;
  const auto raw = ranges_of<int64_t>(design, IntegerEmulator(design), images, count);
  const auto exact = ranges_of<double>(design, Float64Emulator(design), images, count);
  for (size_t n = 0; n < design.nodes.size(); ++n) {
    const Node& node = design.nodes[n];
    if (node.traits().port || node.is<ops::Clone>()) continue;
    const ValueId id = node.outputs[0];
    for (size_t c = 0; c < static_cast<size_t>(design.value(id).shape.channels); ++c)
      if (raw.constant(id, c) && !exact.constant(id, c)) ++counts[n];
  }
  return counts;
}

InputDependence input_dependence(const std::vector<std::vector<double>>& images,
                                 const std::vector<std::vector<int64_t>>& raw,
                                 const std::vector<std::vector<double>>& exact) {
  InputDependence d;
  const std::vector<std::vector<double>> few(
      images.begin(), images.begin() + static_cast<std::ptrdiff_t>(exact.size()));
  d.known = few.size() > 1 && !all_equal(few);
  if (!d.known) return d;
  d.depends = !all_equal(raw);
  double largest = 0, difference = 0;
  for (const std::vector<double>& logits : exact) {
    for (size_t k = 0; k < logits.size(); ++k) {
      largest = std::max(largest, std::abs(logits[k]));
      difference = std::max(difference, std::abs(logits[k] - exact[0][k]));
    }
  }
  d.expected = difference > kSameLogits * largest;
  return d;
}

}  // namespace tailor::emulate

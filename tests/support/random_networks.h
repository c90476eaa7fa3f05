// Small networks drawn from a seed, with everything that a description can say: 1-D and 2-D,
// rectangular, strided and dilated windows with four pads, stages of several layers, pools, chains
// as skips, all heads. Deterministic, and well-formed by construction.
#pragma once

#include <string>

#include "support/rooms.h"
#include "tailor/core/random.h"
#include "tailor/core/strings.h"
#include "tailor/net/network.h"

namespace tailor::testing {

class RandomNetwork {
 public:
  explicit RandomNetwork(int64_t seed)
      : random_(static_cast<uint64_t>(seed), RandomStream::Test, 20261129) {
    network_.name = fmt::format("random{}", seed);
  }

  Network draw() {
    const bool flat = one_in(2);
    at_.channels = 1 + below(4);
    at_.height = flat ? 1 : 5 + below(5);
    at_.width = flat ? 12 + below(18) : 6 + below(6);
    network_.input = at_;
    network_.join = one_in(2) ? Join::AfterActivation : Join::BeforeActivation;
    if (one_in(3)) network_.bn_epsilon = 1e-3;
    const int64_t blocks = 1 + below(3);
    for (int64_t b = 0; b < blocks; ++b) network_.blocks.push_back(block(b));
    network_.head = head();
    const auto findings = verify_network(network_);
    TAILOR_CHECK(findings.empty(), "{}: {}", network_.name, join(findings, "; "));
    return network_;
  }

 private:
  int64_t below(int64_t n) { return random_.below(n); }
  bool one_in(int64_t n) { return below(n) == 0; }

  /// Kernel, stride, dilation and pads of one direction in which the map is `n` long.
  struct Reach {
    int64_t kernel = 1, stride = 1, dilation = 1, begin = 0, end = 0;
  };
  Reach reach(int64_t n, bool may_stride, bool may_dilate) {
    Reach r;
    if (n == 1) return r;
    r.kernel = keeps_shape_ ? 1 + 2 * below(2) : 1 + below(4);
    if (may_dilate && r.kernel > 1 && one_in(3)) r.dilation = 2;
    const int64_t extent = (r.kernel - 1) * r.dilation + 1;
    r.begin = r.end = (extent - 1) / 2;
    if (one_in(3) && !keeps_shape_) {
      r.begin = below(extent);
      r.end = below(extent);
    }
    if (r.begin + n + r.end < extent) r.begin = r.end = extent - 1;
    if (may_stride && !keeps_shape_ && n > 3 && one_in(3)) r.stride = 2;
    return r;
  }
  Window window(bool may_stride = true, bool may_dilate = true) {
    const Reach y = reach(at_.height, may_stride, may_dilate),
                x = reach(at_.width, may_stride, may_dilate);
    return {{y.kernel, x.kernel},
            {y.stride, x.stride},
            {y.dilation, x.dilation},
            {y.begin, x.begin, y.end, x.end}};
  }

  void add(Layers& layers, const Layer& layer) {
    layers.push_back(layer);
    at_ = output_of(layer, at_);
  }

  /// A number that `groups` divides.
  int64_t filters(int64_t groups = 1) {
    if (keeps_shape_) return at_.channels;
    return groups * (1 + below(groups > 1 ? 2 : 6));
  }

  Stage convolution() {
    Stage s;
    const int64_t groups = at_.channels % 2 == 0 && one_in(4) ? 2 : 1;
    const bool norm = !one_in(4);
    const int64_t out = filters(groups);
    add(s.layers, ConvLayer{at_.channels, out, window(), groups, !norm});
    if (norm) add(s.layers, BatchNormLayer{});
    if (!one_in(4)) add(s.layers, ReluLayer{});
    return s;
  }

  /// QuartzNet's: a depthwise and a pointwise convolution with nothing between them.
  Stage separable() {
    Stage s;
    const int64_t multiplier = one_in(4) ? 2 : 1, in = at_.channels;
    const int64_t out = filters();
    add(s.layers, ConvLayer{in, in * multiplier, window(), in, one_in(4)});
    add(s.layers, ConvLayer{at_.channels, out, tensors::square_window(1), 1, false});
    add(s.layers, BatchNormLayer{});
    if (!one_in(4)) add(s.layers, ReluLayer{});
    return s;
  }

  /// Batch norm and ReLU come first, as in pre-activation networks.
  Stage preactivation() {
    Stage s;
    add(s.layers, BatchNormLayer{});
    add(s.layers, ReluLayer{});
    const int64_t out = filters();
    add(s.layers, ConvLayer{at_.channels, out, window(), 1, one_in(2)});
    return s;
  }

  Stage stage() {
    const int64_t which = below(8);
    if (which < 3) return convolution();
    if (which < 6) return separable();
    if (which < 7) return preactivation();
    Stage s;
    const PoolKind kind = one_in(2) ? PoolKind::Max : PoolKind::Average;
    add(s.layers, PoolLayer{kind, window(true, /*may_dilate=*/false)});
    return s;
  }

  Block block(int64_t index) {
    Block b;
    b.id = index == 0 ? "stem" : fmt::format("stage{}.block0", index);
    std::vector<MapShape> points = {at_};
    const int64_t stages = 1 + below(3);
    const bool keeps = one_in(2);
    for (int64_t i = 0; i < stages; ++i) {
      keeps_shape_ = i > 0 && keeps;
      b.stages.push_back(stage());
      points.push_back(at_);
    }
    keeps_shape_ = false;
    const int64_t skips = below(3);
    for (int64_t i = 0; i < skips; ++i) {
      Skip skip;
      skip.id = skip.tensors = fmt::format("{}.skip{}", b.id, i);
      skip.from = below(stages);
      skip.to = skip.from + 1 + below(stages - skip.from);
      const auto from = static_cast<size_t>(skip.from), to = static_cast<size_t>(skip.to);
      if (fill(skip.layers, points[from], points[to], stride_between(b, from, to)))
        b.skips.push_back(skip);
    }
    return b;
  }

  static Size2 stride_between(const Block& b, size_t from, size_t to) {
    Layers all;
    for (size_t p = from; p < to; ++p) {
      const Layers& own = b.stages[p].layers;
      all.insert(all.end(), own.begin(), own.end());
    }
    return stride_of(all);
  }

  /// Layers that lead from one map to another; false where none that are tried do.
  bool fill(Layers& layers, const MapShape& from, const MapShape& to, const Size2& stride) {
    const int64_t which = below(4);
    if (from == to && which == 0) return true;
    if (from == to && which == 1) {  // RepVGG's
      layers = {BatchNormLayer{}};
      return true;
    }
    const int64_t room = to.channels - from.channels;
    if (which == 2 && room >= 0) {
      layers = {PickLayer{to.channels, stride, below(room + 1)}};
    } else if (which == 3) {  // depthwise, then pointwise
      Window depthwise{{1, from.width > 2 ? 3 : 1}, stride, {1, 1}, {}};
      depthwise.pads.left = depthwise.pads.right = depthwise.kernel.width / 2;
      layers = {ConvLayer{from.channels, from.channels, depthwise, from.channels, one_in(2)},
                ReluLayer{}, ConvLayer{from.channels, to.channels, tensors::square_window(1), 1},
                BatchNormLayer{}};
    } else {
      layers = projection(from.channels, to.channels, stride, !one_in(3));
    }
    return output_of(layers, from) == to;
  }

  Layers head() {
    const int64_t classes = 2 + below(5);
    const int64_t which = below(4);
    if (which == 0) return linear_head(classes);
    if (which == 1) return linear_head(classes, /*average=*/false);
    Layers layers;
    if (which == 2) {  // a layer before the one that answers
      add(layers, ConvLayer{at_.channels, 3, window(/*may_stride=*/false), 1, false});
      add(layers, BatchNormLayer{});
      add(layers, ReluLayer{});
    }
    add(layers, ConvLayer{at_.channels, classes, tensors::square_window(1), 1, true});
    return layers;
  }

  CounterRandom random_;
  Network network_;
  MapShape at_;
  bool keeps_shape_ = false;  // of the next stage
};

inline Network random_network(int64_t seed) { return RandomNetwork(seed).draw(); }

}  // namespace tailor::testing

// Seeded lowered graphs of windows of every kind: rectangular, strided along one axis, dilated, of
// four pads, on maps of one row too, grouped, depthwise, pooled, under skips of every kind.
#pragma once

#include <string>
#include <vector>

#include "support/graphs.h"
#include "support/rooms.h"

namespace tailor::testing {

class RandomGraph {
 public:
  /// The largest kernel is of maps of up to 20 pixels a side; longer ones have 7.
  explicit RandomGraph(uint64_t seed, int64_t largest_kernel = 4)
      : largest_kernel_(largest_kernel),
        random_(seed, RandomStream::Test, 4711),
        b_("random-" + std::to_string(seed), input_shape(seed), seed) {}

  Graph make() {
    // Every kind of layer once, in an order of the seed's.
    for (int64_t kind : random_permutation(5, random_)) layer("l" + std::to_string(kind), kind);
    return b_.finish(3, /*pooled=*/below(2) == 0);
  }

 private:
  MapShape input_shape(uint64_t seed) {
    if (seed % 2 == 0) return {1 + below(3), 1, 24 + below(20)};
    return {1 + below(3), 6 + below(5), 7 + below(6)};
  }
  int64_t below(int64_t n) { return random_.below(n); }
  MapShape shape() const { return b_.graph.value(b_.at).shape; }

  /// Kernel and dilation; the extent is at most the map.
  Window taps() {
    Window w;
    const MapShape map = shape();
    auto axis = [&](int64_t side, int64_t& kernel, int64_t& dilation) {
      kernel = std::min(side, 1 + below(side > 20 ? 7 : largest_kernel_));
      dilation = kernel > 1 ? 1 + below(std::min<int64_t>(3, (side - 1) / (kernel - 1))) : 1;
    };
    axis(map.height, w.kernel.height, w.dilation.height);
    axis(map.width, w.kernel.width, w.dilation.width);
    return w;
  }
  /// Pads that keep the map's size at stride 1, cut between their sides at random; the skip's
  /// pixel is mostly under a tap.
  Window same() {
    Window w = taps();
    const Size2 extent = w.extent();
    const bool tap = below(4) > 0;
    w.pads.top = tap ? below(w.kernel.height) * w.dilation.height : below(extent.height);
    w.pads.left = tap ? below(w.kernel.width) * w.dilation.width : below(extent.width);
    w.pads.bottom = extent.height - 1 - w.pads.top;
    w.pads.right = extent.width - 1 - w.pads.left;
    return w;
  }
  Window any() {
    Window w = taps();
    const Size2 extent = w.extent();
    w.pads = {below(extent.height), below(extent.width), below(extent.height), below(extent.width)};
    stride(w);
    return w;
  }
  void stride(Window& w) {
    if (shape().height > 3) w.stride.height = 1 + below(2);
    if (shape().width > 3) w.stride.width = 1 + below(2);
  }
  ops::Conv2d attributes(const Window& w, int64_t groups = 1) {
    ops::Conv2d a;
    a.window = w;
    a.groups = groups;
    return a;
  }
  void activate(const std::string& name) {
    if (below(3) > 0) b_.relu(name + ".relu");
  }
  ValueId conv(const std::string& name, const ops::Conv2d& a, int64_t out) {
    return below(2) == 0 ? b_.conv(name, b_.at, a, out) : b_.conv_bn(name, b_.at, a, out);
  }

  void layer(const std::string& name, int64_t kind) {
    const int64_t channels = shape().channels;
    const ValueId from = b_.at;
    if (kind == 0) {  // any window
      conv(name, attributes(any()), 2 + below(4));
      activate(name);
    } else if (kind == 1) {  // a pool
      b_.at = b_.add(ops::MaxPool2d{any()}, name, {from});
    } else if (kind == 2) {  // depthwise, then pointwise, of more groups perhaps
      b_.conv(name + ".depthwise", from, attributes(any(), channels), channels * (1 + below(2)));
      conv(name + ".pointwise", attributes({}, below(2) == 0 ? 1 : channels), 2 * channels);
      activate(name);
    } else if (kind == 3) {  // a skip over one convolution, joined before or after the activation
      const bool after = below(2) == 0;
      conv(name, attributes(same(), below(2) == 0 ? 1 : channels), channels);
      if (after) b_.relu(name + ".relu");
      b_.skip(name + ".skip", from);
      if (!after) b_.relu(name + ".relu");
    } else {  // two convolutions under an identity or a projection
      Window first = same(), projection;
      const bool strided = below(2) == 0;
      if (strided) stride(first);
      const int64_t out = strided ? channels + 1 : channels;
      projection.stride = first.stride;
      const ValueId skip =
          strided ? b_.conv(name + ".projection", from, attributes(projection), out) : from;
      b_.at = from;
      conv(name + ".conv1", attributes(first), out);
      b_.relu(name + ".conv1.relu");
      conv(name + ".conv2", attributes(same()), out);
      b_.skip(name + ".skip", skip);
      activate(name);
    }
  }

  int64_t largest_kernel_;
  CounterRandom random_;
  GraphBuilder b_;
};

inline Graph random_graph(int64_t seed, int64_t largest_kernel = 4) {
  return RandomGraph(static_cast<uint64_t>(seed), largest_kernel).make();
}

}  // namespace tailor::testing

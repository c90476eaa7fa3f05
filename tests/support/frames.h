// Networks of frames as QuartzNet's are: stages of a depthwise and a pointwise convolution, skips
// over several of them, over each, or none.
#pragma once

#include <string>
#include <vector>

#include "support/graphs.h"
#include "tailor/net/network.h"

namespace tailor::testing {

using net::Join;

enum class FrameSkips { Long, Short, Removed };

/// A convolution of frames; `same`: pads so that stride 1 keeps the frames.
inline ops::Conv2d frame_conv(int64_t kernel, int64_t stride = 1, int64_t dilation = 1,
                              int64_t groups = 1) {
  ops::Conv2d a;
  const int64_t pad = dilation * (kernel / 2);
  a.window = {{1, kernel}, {1, stride}, {1, dilation}, {0, pad, 0, pad}};
  a.groups = groups;
  return a;
}

/// What a block of frames is: `repeat` stages of a kernel and a width.
struct FrameBlock {
  int64_t channels, kernel, repeat = 1, stride = 1, dilation = 1;
  bool separable = true, skip = true;
};

class FrameBuilder : public GraphBuilder {
 public:
  FrameBuilder(const std::string& name, int64_t channels, int64_t frames, FrameSkips skips,
               Join join)
      : GraphBuilder(name, {channels, 1, frames}), skips_(skips), join_(join) {}

  void block(const std::string& id, const FrameBlock& b) {
    const ValueId from = at;
    ValueId point = at;
    const bool before = join_ == Join::BeforeActivation;
    for (int64_t i = 0; i < b.repeat; ++i) {
      const std::string name = id + ".s" + std::to_string(i);
      const bool last = i + 1 == b.repeat;
      if (b.separable) {
        const int64_t in = channels();
        conv(name + ".dw", at, frame_conv(b.kernel, b.stride, b.dilation, in > 1 ? in : 1), in, 1);
        graph.tensors.erase(name + ".dw.bias");
        conv_bn(name + ".pw", at, frame_conv(1), b.channels);
      } else {
        conv_bn(name + ".pw", at, frame_conv(b.kernel, b.stride, b.dilation), b.channels);
      }
      if (before) join(name, b, last, from, point);
      relu(name + ".relu");
      if (!before) join(name, b, last, from, point);
      point = at;
    }
  }
  Graph finish_frames(int64_t labels) {
    conv("head", at, frame_conv(1), labels, 1);
    graph.add_node(ops::Output{}, "output", {at});
    return std::move(graph);
  }
  int64_t channels() const { return graph.value(at).shape.channels; }

 private:
  void join(const std::string& name, const FrameBlock& b, bool last, ValueId from, ValueId point) {
    if (!b.skip || skips_ == FrameSkips::Removed) return;
    if (skips_ == FrameSkips::Long && !last) return;
    const ValueId main = at, start = skips_ == FrameSkips::Long ? from : point;
    ValueId other = start;
    if (skips_ == FrameSkips::Long ||
        graph.value(start).shape.channels != graph.value(main).shape.channels)
      other = conv_bn(name + ".skip.projection", start, frame_conv(1), b.channels);
    at = main;
    skip(name + ".skip", other);
  }

  FrameSkips skips_;
  Join join_;
};

/// As for nanopore reads: one channel, a first convolution of stride 3, `scale` of the filters.
inline Graph dna_graph(FrameSkips skips, Join join, int64_t frames, int64_t width, int64_t repeat,
                       bool full_kernels = false) {
  FrameBuilder b("dna", 1, frames, skips, join);
  const std::vector<int64_t> kernels = full_kernels ? std::vector<int64_t>{33, 39, 51, 63, 75, 87}
                                                    : std::vector<int64_t>{5, 7, 9, 3, 11, 13};
  auto plain = [&](int64_t channels, int64_t kernel, int64_t stride, bool separable) {
    FrameBlock block{channels, kernel};
    block.stride = stride, block.separable = separable, block.skip = false;
    return block;
  };
  b.block("c1", plain(width, kernels[0], 3, false));
  for (size_t i = 0; i < 5; ++i)
    b.block("b" + std::to_string(i + 1), {i < 2 ? width : 2 * width, kernels[i], repeat});
  b.block("c2", plain(2 * width, kernels[5], 1, true));
  b.block("c3", plain(4 * width, 1, 1, false));
  return b.finish_frames(5);
}

/// As for speech: mel channels, a separable first convolution of stride 2, one of dilation 2.
inline Graph speech_graph(FrameSkips skips, Join join, int64_t frames, int64_t mels, int64_t width,
                          int64_t repeat) {
  FrameBuilder b("speech", mels, frames, skips, join);
  b.block("c1", {width, 5, 1, 2, 1, true, false});
  b.block("b1", {width, 7, repeat});
  b.block("b2", {2 * width, 9, repeat});
  b.block("c2", {2 * width, 11, 1, 1, 2, true, false});
  b.block("c3", {4 * width, 1, 1, 1, 1, false, false});
  return b.finish_frames(29);
}

/// Any network of frames: kernels, strides, dilations, pads, depthwise and full convolutions, skips
/// over one convolution or several, identities and projections, on either side of the ReLU.
inline Graph random_frames_graph(uint64_t seed) {
  CounterRandom random(seed, RandomStream::Test, 7);
  auto below = [&](int64_t n) {
    return std::min(n - 1, static_cast<int64_t>(random.uniform() * static_cast<double>(n)));
  };
  const int64_t channels[] = {1, 2, 3, 4, 6, 8, 10, 12};
  GraphBuilder b("frames", {channels[below(8)], 1, 17 + below(20)}, seed);
  auto shape = [&](ValueId v) { return b.graph.value(v).shape; };
  for (int64_t block = 0; block < 3; ++block) {
    const std::string id = "b" + std::to_string(block);
    const ValueId from = b.at;
    const int64_t stages = 1 + below(3);
    for (int64_t i = 0; i < stages; ++i) {
      const std::string name = id + ".s" + std::to_string(i);
      const int64_t in = shape(b.at).channels, frames = shape(b.at).width;
      const int64_t dilation = 1 + below(2), kernel = 1 + below(9);
      const int64_t stride = frames > 9 && below(3) == 0 ? 1 + below(3) : 1;
      ops::Conv2d a = frame_conv(kernel, stride, dilation);
      if (kernel % 2 == 0 || below(4) == 0) {  // pads of their own on each side
        a.window.pads.left = below(a.window.extent().width);
        a.window.pads.right = below(a.window.extent().width);
      }
      if (count_windows(a.window, shape(b.at)).width < 4) a = frame_conv(3);
      const ValueId before = b.at;
      const bool depthwise = in > 1 && below(3) > 0;
      if (depthwise) a.groups = in;
      b.conv(name + ".conv", b.at, a, depthwise ? in : channels[below(8)]);
      if (shape(b.at) == shape(before) && below(3) == 0) b.skip(name + ".over", before);
      if (below(2) == 0) b.relu(name + ".relu");
      if (below(2) == 0) b.conv_bn(name + ".pw", b.at, frame_conv(1), channels[below(8)]);
      if (below(3) == 0 && shape(b.at).width == shape(before).width) {
        const ValueId main = b.at;
        ValueId skip = before;
        if (shape(main) != shape(before) || below(2) == 0)
          skip = b.conv_bn(name + ".projection", before, frame_conv(1), shape(main).channels);
        b.at = main;
        b.skip(name + ".skip", skip);
      }
      if (below(2) == 0) b.relu(name + ".relu2");
      if (shape(b.at) == shape(before) && below(4) == 0) b.skip(name + ".after", before);
    }
    if (shape(b.at).width == shape(from).width) {
      const ValueId main = b.at;
      const ValueId skip = b.conv_bn(id + ".projection", from, frame_conv(1), shape(main).channels);
      b.at = main;
      b.skip(id + ".skip", skip);
    }
  }
  b.conv("head", b.at, frame_conv(1), 1 + below(7), 1);
  b.graph.add_node(ops::Output{}, "output", {b.at});
  return std::move(b.graph);
}

}  // namespace tailor::testing

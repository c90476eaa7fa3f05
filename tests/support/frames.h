// Networks of frames as QuartzNet's are: stages of a depthwise and a pointwise convolution, skips over
// several of them, over each, or none.
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
        conv(name + ".dw", at, frame_conv(b.kernel, b.stride, b.dilation, in > 1 ? in : 1),
             in, 1);
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
  const std::vector<int64_t> kernels =
      full_kernels ? std::vector<int64_t>{33, 39, 51, 63, 75, 87} : std::vector<int64_t>{5, 7, 9, 3, 11, 13};
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

}  // namespace tailor::testing

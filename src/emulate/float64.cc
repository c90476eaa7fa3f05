#include "tailor/emulate/float64.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tailor {
namespace {

using Map = std::vector<double>;

constexpr int64_t kTile = 8;     // outputs computed together
constexpr int64_t kBlock = 4;    // windows computed together
constexpr int64_t kBatch = 256;  // windows that share one pass over a tile's weights, about

/// sums[window][output] += x · w over the elements of kBlock windows, in their order: `count` runs
/// of `length`, at the offsets `runs`. Weights are [element][kTile]. Every sum has its own lane, so
/// that vectors do not change its order.
#if defined(__x86_64__)
__attribute__((target_clones("avx2", "default")))
#endif
void tile_sums(const double* const* windows, const int64_t* runs, int64_t count, int64_t length,
               const double* w, double* sums) {
  typedef double Lanes __attribute__((vector_size(32)));
  Lanes acc[kBlock][2];
  std::memcpy(acc, sums, sizeof acc);
  for (int64_t r = 0; r < count; ++r) {
    const double* x[kBlock];
    for (int64_t p = 0; p < kBlock; ++p) x[p] = windows[p] + runs[r];
    for (int64_t i = 0; i < length; ++i, w += kTile) {
      Lanes w0, w1;
      std::memcpy(&w0, w, sizeof w0);
      std::memcpy(&w1, w + kTile / 2, sizeof w1);
      for (int64_t p = 0; p < kBlock; ++p) {
        const Lanes both = {x[p][i], x[p][i], x[p][i], x[p][i]};
        acc[p][0] += both * w0;
        acc[p][1] += both * w1;
      }
    }
  }
  std::memcpy(sums, acc, sizeof acc);
}

void relu(Map& map) {
  for (double& v : map) v = std::max(v, 0.0);
}

void add(Map& map, const Map& other) {
  for (size_t i = 0; i < map.size(); ++i) map[i] += other[i];
}

/// [out, in / groups, taps] → [group][tile of outputs][tap][in / groups][kTile], zeros behind the
/// last output of a group.
std::vector<double> tile_weights(const std::vector<double>& w, int64_t out, int64_t in,
                                 int64_t taps, int64_t groups) {
  const int64_t outputs = out / groups, tiles = (outputs + kTile - 1) / kTile;
  std::vector<double> tiled(static_cast<size_t>(groups * tiles * taps * in * kTile), 0.0);
  for (int64_t o = 0; o < out; ++o) {
    const int64_t tile = o / outputs * tiles + o % outputs / kTile, lane = o % outputs % kTile;
    for (int64_t i = 0; i < in; ++i) {
      for (int64_t t = 0; t < taps; ++t) {
        tiled[static_cast<size_t>(((tile * taps + t) * in + i) * kTile + lane)] =
            w[static_cast<size_t>((o * in + i) * taps + t)];
      }
    }
  }
  return tiled;
}

Map conv(const ConvAttributes& a, const MapShape& in, const MapShape& out, const Map& x,
         const std::vector<double>& weight, const std::vector<double>& bias) {
  // A padded copy makes every window runs of consecutive elements: rows, or with groups or dilation
  // taps.
  const Window& w = a.window;
  const int64_t pitch = (in.width + w.pads.left + w.pads.right) * in.channels;
  Map padded(static_cast<size_t>((in.height + w.pads.top + w.pads.bottom) * pitch), 0.0);
  for (int64_t row = 0; row < in.height; ++row) {
    const double* from = x.data() + row * in.width * in.channels;
    std::copy(from, from + in.width * in.channels,
              padded.data() + (row + w.pads.top) * pitch + w.pads.left * in.channels);
  }
  const int64_t read = in.channels / a.groups, outputs = out.channels / a.groups;
  const bool rows = a.groups == 1 && w.dilation.width == 1;
  const int64_t length = rows ? w.kernel.width * read : read;
  std::vector<int64_t> runs;
  for (int64_t ky = 0; ky < w.kernel.height; ++ky) {
    for (int64_t kx = 0; kx < (rows ? 1 : w.kernel.width); ++kx)
      runs.push_back(ky * w.dilation.height * pitch + kx * w.dilation.width * in.channels);
  }
  const auto count = static_cast<int64_t>(runs.size());
  Map y(static_cast<size_t>(out.size()), 0.0);
  for (int64_t first = 0; first < out.pixels(); first += kBatch) {
    const int64_t last = std::min(first + kBatch, out.pixels());
    const double* tile = weight.data();
    for (int64_t o = 0; o < out.channels;) {
      const int64_t group = o / outputs, lanes = std::min(kTile, (group + 1) * outputs - o);
      for (int64_t p = first; p < last; p += kBlock) {
        const double* windows[kBlock];
        double sums[kBlock * kTile] = {};
        for (int64_t i = 0; i < kBlock; ++i) {
          const int64_t pixel = std::min(p + i, last - 1);
          windows[i] = padded.data() + pixel / out.width * w.stride.height * pitch +
                       pixel % out.width * w.stride.width * in.channels + group * read;
          if (!bias.empty()) std::copy_n(bias.begin() + o, lanes, sums + i * kTile);
        }
        tile_sums(windows, runs.data(), count, length, tile, sums);
        for (int64_t i = 0; i < std::min(kBlock, last - p); ++i)
          std::copy_n(sums + i * kTile, lanes, y.data() + (p + i) * out.channels + o);
      }
      tile += count * length * kTile;
      o += lanes;
    }
  }
  return y;
}

Map max_pool(const Window& w, const MapShape& in, const MapShape& out, const Map& x) {
  Map y(static_cast<size_t>(out.size()), -INFINITY);
  for (int64_t p = 0; p < out.pixels(); ++p) {
    const int64_t top = p / out.width * w.stride.height - w.pads.top,
                  left = p % out.width * w.stride.width - w.pads.left;
    double* best = y.data() + p * out.channels;
    for (int64_t ky = 0; ky < w.kernel.height; ++ky) {
      for (int64_t kx = 0; kx < w.kernel.width; ++kx) {
        const int64_t iy = top + ky * w.dilation.height, ix = left + kx * w.dilation.width;
        if (iy < 0 || iy >= in.height || ix < 0 || ix >= in.width) continue;
        const double* pixel = x.data() + (iy * in.width + ix) * in.channels;
        for (int64_t c = 0; c < in.channels; ++c) best[c] = std::max(best[c], pixel[c]);
      }
    }
  }
  return y;
}

}  // namespace

Float64Emulator::Float64Emulator(const Graph& graph, const Float64WeightChange& change)
    : weights_(graph.nodes.size()), biases_(graph.nodes.size()) {
  graph_.name = graph.name;
  graph_.state = graph.state;
  graph_.nodes = graph.nodes;
  graph_.values = graph.values;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (node.op == Op::Conv2d || node.op == Op::Dense) {
      const Tensor& tensor = graph.tensor(node, "weight");
      const Shape& shape = tensor.shape();
      const bool conv = node.op == Op::Conv2d;
      std::vector<double> weight = tensor.to_doubles();
      if (graph.has_tensor(node, "bias")) biases_[n] = graph.tensor(node, "bias").to_doubles();
      if (change) change(node, "weight", weight), change(node, "bias", biases_[n]);
      weights_[n] = tile_weights(weight, shape[0], shape[1], conv ? shape[2] * shape[3] : 1,
                                 conv ? node.conv().groups : 1);
    } else if (node.op == Op::BatchNorm) {
      prepare_batch_norm(n, graph);
    }
  }
}

void Float64Emulator::prepare_batch_norm(size_t n, const Graph& graph) {
  const Node& node = graph.nodes[n];
  auto gamma = graph.tensor(node, "weight").to_doubles(),
       beta = graph.tensor(node, "bias").to_doubles();
  auto mean = graph.tensor(node, "running_mean").to_doubles(),
       variance = graph.tensor(node, "running_var").to_doubles();
  const double epsilon = std::get<BatchNormAttributes>(node.attributes).epsilon;
  weights_[n].clear();
  biases_[n].clear();
  for (size_t c = 0; c < gamma.size(); ++c) {
    double scale = gamma[c] / std::sqrt(variance[c] + epsilon);
    weights_[n].push_back(scale);
    biases_[n].push_back(beta[c] - mean[c] * scale);
  }
}

std::vector<double> Float64Emulator::evaluate(size_t n, const std::vector<const Map*>& inputs,
                                              Span<const double> image) const {
  const Node& node = graph_.nodes[n];
  auto input = [&](size_t i) -> const Map& { return *inputs[i]; };
  const MapShape in = node.inputs.empty() ? MapShape{} : graph_.value(node.inputs[0]).shape;
  const MapShape out = node.outputs.empty() ? MapShape{} : graph_.value(node.outputs[0]).shape;
  Map y;
  switch (node.op) {
    case Op::Input:
      TAILOR_CHECK(static_cast<int64_t>(image.size()) == out.size(), "input of {} values for {}",
                   image.size(), to_string(out));
      return {image.begin(), image.end()};
    case Op::Conv2d: {
      const ConvAttributes& a = node.conv();
      y = conv(a, in, out, input(0), weights_[n], biases_[n]);
      if (a.activation == Activation::Relu && a.skip_position == SkipPosition::AfterActivation)
        relu(y);
      for (size_t s = 1; s < inputs.size(); ++s) add(y, input(s));
      for (size_t s = 0; s < a.window_skips.size(); ++s) add(y, input(0));
      if (a.activation == Activation::Relu && a.skip_position == SkipPosition::BeforeActivation)
        relu(y);
      return y;
    }
    case Op::BatchNorm:
      y = input(0);
      for (size_t i = 0; i < y.size(); ++i) {
        size_t c = i % static_cast<size_t>(out.channels);
        y[i] = y[i] * weights_[n][c] + biases_[n][c];
      }
      return y;
    case Op::Relu:
      y = input(0);
      relu(y);
      return y;
    case Op::Add:
      y = input(0);
      for (size_t i = 1; i < inputs.size(); ++i) add(y, input(i));
      return y;
    case Op::ShortcutPad: {
      const auto& a = std::get<ShortcutPadAttributes>(node.attributes);
      y.assign(static_cast<size_t>(out.size()), 0.0);
      for (int64_t oy = 0; oy < out.height; ++oy) {
        for (int64_t ox = 0; ox < out.width; ++ox) {
          const double* from =
              input(0).data() + (oy * a.stride * in.width + ox * a.stride) * in.channels;
          std::copy(from, from + in.channels,
                    y.data() + (oy * out.width + ox) * out.channels + a.channel_offset);
        }
      }
      return y;
    }
    case Op::MaxPool2d:
      return max_pool(std::get<MaxPoolAttributes>(node.attributes).window, in, out, input(0));
    case Op::GlobalAvgPool:
      y.assign(static_cast<size_t>(out.channels), 0.0);
      for (size_t i = 0; i < input(0).size(); ++i) y[i % y.size()] += input(0)[i];
      for (double& v : y) v /= static_cast<double>(in.pixels());
      return y;
    case Op::Dense:
      return conv({}, {in.size(), 1, 1}, out, input(0), weights_[n], biases_[n]);
    case Op::ZeroPad: {
      const auto& a = std::get<ZeroPadAttributes>(node.attributes);
      const Pads& p = a.pads;
      y.assign(static_cast<size_t>(out.size()), a.lowest ? -INFINITY : 0.0);
      for (int64_t row = 0; row < in.height; ++row) {
        const double* from = input(0).data() + row * in.width * in.channels;
        std::copy(from, from + in.width * in.channels,
                  y.data() + ((row + p.top) * out.width + p.left) * out.channels);
      }
      return y;
    }
    case Op::Clone:
    case Op::Output:
      return input(0);
  }
  return y;
}

std::vector<double> Float64Emulator::run(Span<const double> input, const Float64Tap& tap,
                                         const Float64Change& change) const {
  std::vector<Map> maps(graph_.values.size());
  // A value is dropped after its last reader, so that a deep network needs a few maps only.
  std::vector<size_t> last(graph_.values.size(), 0);
  for (size_t n = 0; n < graph_.nodes.size(); ++n) {
    for (int id : graph_.nodes[n].inputs) last[static_cast<size_t>(id)] = n;
  }
  for (size_t n = 0; n < graph_.nodes.size(); ++n) {
    const Node& node = graph_.nodes[n];
    std::vector<const Map*> inputs;
    for (int id : node.inputs) inputs.push_back(&maps[static_cast<size_t>(id)]);
    Map y = evaluate(n, inputs, input);
    if (node.op == Op::Output) return y;
    if (change) change(n, y);
    for (int id : node.outputs) {
      if (tap) tap(id, y);
      if (id != node.outputs.back()) maps[static_cast<size_t>(id)] = y;
    }
    maps[static_cast<size_t>(node.outputs.back())] = std::move(y);
    for (int id : node.inputs) {
      if (last[static_cast<size_t>(id)] == n) maps[static_cast<size_t>(id)] = Map();
    }
  }
  fail(ErrorKind::Internal, "graph {} has no output", graph_.name);
}

void calibrate_batch_norm(Graph& graph, const std::vector<std::vector<double>>& images) {
  Float64Emulator emulator(graph);
  std::vector<std::vector<Map>> maps(graph.values.size());  // by value, then by image
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (node.op == Op::BatchNorm) {
      auto channels = static_cast<size_t>(graph.value(node.inputs[0]).shape.channels);
      std::vector<double> sum(channels), squares(channels);
      double count = 0;
      for (const Map& map : maps[static_cast<size_t>(node.inputs[0])]) {
        for (size_t i = 0; i < map.size(); ++i) {
          sum[i % channels] += map[i];
          squares[i % channels] += map[i] * map[i];
        }
        const size_t pixels = map.size() / channels;
        count += static_cast<double>(pixels);
      }
      auto mean = graph.tensors.at(node.name + ".running_mean").as<float>();
      auto variance = graph.tensors.at(node.name + ".running_var").as<float>();
      for (size_t c = 0; c < channels; ++c) {
        double m = sum[c] / count;
        mean[c] = static_cast<float>(m);
        variance[c] = static_cast<float>(std::max(squares[c] / count - m * m, 1e-6));
      }
      emulator.prepare_batch_norm(n, graph);
    }
    if (node.op == Op::Output) return;
    for (size_t image = 0; image < images.size(); ++image) {
      std::vector<const Map*> inputs;
      for (int id : node.inputs) inputs.push_back(&maps[static_cast<size_t>(id)][image]);
      Map y = emulator.evaluate(n, inputs, images[image]);
      for (int id : node.outputs) maps[static_cast<size_t>(id)].push_back(y);
    }
  }
}

}  // namespace tailor

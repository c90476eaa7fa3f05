#include "tailor/emulate/float64.h"

#include <algorithm>
#include <cmath>

namespace tailor {
namespace {

using Map = std::vector<double>;

/// out[o] += x · w[o]; the loop over outputs vectorises without changing any sum's order.
#if defined(__x86_64__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
void add_scaled(double* out, const double* w, double x, int64_t n) {
  for (int64_t o = 0; o < n; ++o) out[o] += x * w[o];
}

void relu(Map& map) {
  for (double& v : map) v = std::max(v, 0.0);
}

void add(Map& map, const Map& other) {
  for (size_t i = 0; i < map.size(); ++i) map[i] += other[i];
}

Map conv(const ConvAttributes& a, const MapShape& in, const MapShape& out, const Map& x,
         const std::vector<double>& weight, const std::vector<double>& bias) {
  Map y(static_cast<size_t>(out.size()), 0.0);
  for (int64_t oy = 0; oy < out.height; ++oy) {
    for (int64_t ox = 0; ox < out.width; ++ox) {
      double* acc = y.data() + (oy * out.width + ox) * out.channels;
      if (!bias.empty()) std::copy(bias.begin(), bias.end(), acc);
      for (int64_t ky = 0; ky < a.kernel; ++ky) {
        const int64_t iy = oy * a.stride + ky - a.pad_top;
        if (iy < 0 || iy >= in.height) continue;
        for (int64_t kx = 0; kx < a.kernel; ++kx) {
          const int64_t ix = ox * a.stride + kx - a.pad_left;
          if (ix < 0 || ix >= in.width) continue;
          const double* pixel = x.data() + (iy * in.width + ix) * in.channels;
          const double* w = weight.data() + (ky * a.kernel + kx) * in.channels * out.channels;
          for (int64_t c = 0; c < in.channels; ++c)
            add_scaled(acc, w + c * out.channels, pixel[c], out.channels);
        }
      }
    }
  }
  return y;
}

}  // namespace

Float64Emulator::Float64Emulator(const Graph& graph, bool overflow)
    : overflow_(overflow), weights_(graph.nodes.size()), biases_(graph.nodes.size()) {
  TAILOR_CHECK(!overflow || graph.state == "design", "{} has no types", graph.name);
  graph_.name = graph.name;
  graph_.nodes = graph.nodes;
  graph_.values = graph.values;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (node.op == Op::Conv2d || node.op == Op::Dense) {
      const Tensor& tensor = graph.tensor(node, "weight");
      std::vector<double> w = tensor.to_doubles();
      const int64_t out = tensor.shape()[0], in = tensor.shape()[1],
                    taps = node.op == Op::Conv2d ? tensor.shape()[2] * tensor.shape()[3] : 1;
      weights_[n].resize(w.size());
      for (int64_t o = 0; o < out; ++o) {
        for (int64_t i = 0; i < in; ++i) {
          for (int64_t t = 0; t < taps; ++t) {
            weights_[n][static_cast<size_t>((t * in + i) * out + o)] =
                w[static_cast<size_t>((o * in + i) * taps + t)];
          }
        }
      }
      if (graph.has_tensor(node, "bias")) biases_[n] = graph.tensor(node, "bias").to_doubles();
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
      y.resize(image.size());
      for (int64_t c = 0; c < out.channels; ++c) {
        for (int64_t p = 0; p < out.pixels(); ++p) {
          y[static_cast<size_t>(p * out.channels + c)] =
              image[static_cast<size_t>(c * out.pixels() + p)];
        }
      }
      return y;
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
    case Op::GlobalAvgPool:
      y.assign(static_cast<size_t>(out.channels), 0.0);
      for (size_t i = 0; i < input(0).size(); ++i) y[i % y.size()] += input(0)[i];
      for (double& v : y) v /= static_cast<double>(in.pixels());
      return y;
    case Op::Dense:
      y = biases_[n];
      for (int64_t i = 0; i < in.channels; ++i) {
        add_scaled(y.data(), weights_[n].data() + i * out.channels,
                   input(0)[static_cast<size_t>(i)], out.channels);
      }
      return y;
    case Op::ZeroPad: {
      const auto& a = std::get<ZeroPadAttributes>(node.attributes);
      y.assign(static_cast<size_t>(out.size()), 0.0);
      for (int64_t row = 0; row < in.height; ++row) {
        const double* from = input(0).data() + row * in.width * in.channels;
        std::copy(from, from + in.width * in.channels,
                  y.data() + ((row + a.top) * out.width + a.left) * out.channels);
      }
      return y;
    }
    case Op::Clone:
    case Op::Output:
      return input(0);
  }
  return y;
}

std::vector<double> Float64Emulator::run(Span<const double> input_chw,
                                         const Float64Tap& tap) const {
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
    Map y = evaluate(n, inputs, input_chw);
    if (node.op == Op::Output) return y;
    if (overflow_) {
      const FixedType& type = *graph_.value(node.outputs[0]).type;
      for (double& v : y) v = into_range(v, type);
    }
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

// QONNX of scales that are no powers of two, as Brevitas writes it: the network that comes in has
// the model's integers. Models are made here, and what they answer is computed beside them.
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "support/designs.h"
#include "support/expect_error.h"
#include "support/networks.h"
#include "tailor/design/trained_precision.h"
#include "tailor/emulate/integer.h"
#include "tailor/ir/onnx.h"
#include "tailor/ir/weights.h"
#include "tailor/net/onnx.h"

namespace tailor::test::onnx_scales_test {
namespace {

using testing::expect_error;
using Ints = std::vector<int64_t>;

/// A value of the model, and what it is for the model's image: [channels, side, side].
struct Map {
  std::string name;
  int64_t channels = 0, side = 0;
  std::vector<double> values = {};
  double at(int64_t c, int64_t y, int64_t x) const {
    if (y < 0 || x < 0 || y >= side || x >= side) return 0;
    return values[static_cast<size_t>((c * side + y) * side + x)];
  }
};

/// Writes a model node by node, and computes what its values are.
class Writer {
 public:
  explicit Writer(int64_t seed) : random_(seed, RandomStream::Test, 5) { model.opsets[""] = 13; }

  Map input(int64_t channels, int64_t side) {
    model.inputs = {{"x", {1, channels, side, side}}};
    Map x{"x", channels, side};
    for (int64_t i = 0; i < channels * side * side; ++i) x.values.push_back(uniform(-2, 2));
    return x;
  }
  Map quant(Map x, double scale, int bits, bool is_signed) {
    const double low = is_signed ? -std::exp2(bits - 1) : 0,
                 high = std::exp2(is_signed ? bits - 1 : bits) - 1, step = single(scale);
    for (double& v : x.values) v = step * std::clamp(std::nearbyint(v / step), low, high);
    x.name = add("Quant",
                 {x.name, constant(Tensor::from<float>({}, {static_cast<float>(scale)})), zero(),
                  constant(Tensor::from<float>({}, {static_cast<float>(bits)}))},
                 {{"signed", int64_t{is_signed}}, {"narrow", int64_t{0}}});
    return x;
  }
  /// Weights of `bits` in steps that are one or one for each output.
  Map conv(const Map& x, int64_t out, int64_t kernel, int64_t stride,
           const std::vector<double>& steps, int bits = 8) {
    const std::string w = weights({out, x.channels, kernel, kernel}, steps, bits);
    const int64_t side = (x.side - 1) / stride + 1, pad = kernel / 2;
    Map y{"", out, side};
    for (int64_t o = 0; o < out; ++o) {
      for (int64_t i = 0; i < side * side; ++i)
        y.values.push_back(window(x, o, kernel, i / side * stride - pad, i % side * stride - pad));
    }
    y.name = add("Conv", {x.name, w}, {{"pads", Ints(4, pad)}, {"strides", Ints(2, stride)}});
    return y;
  }
  Map norm(Map x, bool with_negative = false) {
    std::vector<float> gamma, beta, mean, variance;
    for (int64_t c = 0; c < x.channels; ++c) {
      gamma.push_back(static_cast<float>(uniform(0.5, 1.5) * (with_negative && c % 2 ? -1 : 1)));
      beta.push_back(static_cast<float>(uniform(-0.3, 0.5)));
      mean.push_back(static_cast<float>(uniform(-0.3, 0.3)));
      variance.push_back(static_cast<float>(uniform(0.3, 2)));
    }
    const size_t each = x.values.size() / gamma.size();
    for (size_t i = 0; i < x.values.size(); ++i) {
      const size_t c = i / each;
      x.values[i] = (x.values[i] - mean[c]) / std::sqrt(variance[c] + 1e-5) * gamma[c] + beta[c];
    }
    x.name = add("BatchNormalization",
                 {x.name, vector(gamma), vector(beta), vector(mean), vector(variance)});
    return x;
  }
  Map relu(Map x) {
    for (double& v : x.values) v = std::max(v, 0.0);
    x.name = add("Relu", {x.name});
    return x;
  }
  Map sum(Map x, const Map& y) {
    for (size_t i = 0; i < x.values.size(); ++i) x.values[i] += y.values[i];
    x.name = add("Add", {x.name, y.name});
    return x;
  }
  Map mean(const Map& x) {
    Map y{add("Flatten", {add("GlobalAveragePool", {x.name})}), x.channels, 1};
    for (int64_t c = 0; c < x.channels; ++c) {
      double sum = 0;
      for (int64_t i = 0; i < x.side * x.side; ++i) sum += x.at(c, i / x.side, i % x.side);
      y.values.push_back(sum / static_cast<double>(x.side * x.side));
    }
    return y;
  }
  /// The answer.
  Map linear(const Map& x, int64_t out, const std::vector<double>& steps) {
    const std::string w = weights({out, x.channels}, steps, 8);
    std::vector<float> bias;
    Map y{"", out, 1};
    for (int64_t o = 0; o < out; ++o) {
      bias.push_back(static_cast<float>(uniform(-0.2, 0.2)));
      y.values.push_back(window(x, o, 1, 0, 0) + bias.back());
    }
    y.name = add("Gemm", {x.name, w, vector(bias)}, {{"transB", int64_t{1}}});
    model.outputs = {{y.name, {1, out}}};
    return y;
  }
  std::string constant(Tensor t) {
    const std::string name = fmt::format("c{}", model.initializers.size());
    model.initializers[name] = std::move(t);
    return name;
  }
  std::string add(const std::string& op, std::vector<std::string> inputs,
                  std::map<std::string, OnnxAttribute> attributes = {}) {
    const std::string out = fmt::format("v{}", model.nodes.size());
    model.nodes.push_back({op, "the " + out, "", std::move(inputs), {out}, std::move(attributes)});
    if (op == "Quant") model.nodes.back().domain = kQonnxDomain;
    return out;
  }
  std::string zero() { return constant(Tensor::from<float>({}, {0})); }

  OnnxModel model;
  /// Of each convolution and linear layer its outputs, and its weights [out, in, ky, kx].
  std::vector<std::pair<size_t, std::vector<int64_t>>> integers;

 private:
  double uniform(double low, double high) { return random_.uniform(low, high); }
  static double single(double v) { return static_cast<double>(static_cast<float>(v)); }
  std::string vector(const std::vector<float>& values) {
    return constant(Tensor::from<float>({static_cast<int64_t>(values.size())}, values));
  }
  /// Floats around a grid's numbers, and a Quant node with a narrow range.
  std::string weights(const Shape& shape, const std::vector<double>& steps, int bits) {
    const int64_t out = shape[0];
    int64_t each = 1;
    for (size_t i = 1; i < shape.size(); ++i) each *= shape[i];
    const double high = std::exp2(bits - 1) - 1;
    std::vector<float> floats, by_output;
    last_.clear(), integers.emplace_back(static_cast<size_t>(out), Ints());
    for (double s : steps) by_output.push_back(static_cast<float>(s));
    for (int64_t i = 0; i < out * each; ++i) {
      const double step = by_output[steps.size() == 1 ? 0 : static_cast<size_t>(i / each)];
      const auto q = static_cast<int64_t>(std::nearbyint(uniform(-high, high)));
      floats.push_back(static_cast<float>((static_cast<double>(q) + uniform(-0.4, 0.4)) * step));
      integers.back().second.push_back(q);
      last_.push_back(static_cast<double>(q) * step);
    }
    Shape scales(shape.size(), 1);
    scales[0] = static_cast<int64_t>(by_output.size());
    return add("Quant",
               {constant(Tensor::from<float>(shape, floats)),
                constant(Tensor::from<float>(scales, by_output)), zero(),
                constant(Tensor::from<float>({}, {static_cast<float>(bits)}))},
               {{"signed", int64_t{1}}, {"narrow", int64_t{1}}});
  }
  /// One sum of products with the last weights.
  double window(const Map& x, int64_t o, int64_t kernel, int64_t y, int64_t left) const {
    double sum = 0;
    for (int64_t c = 0; c < x.channels; ++c) {
      for (int64_t k = 0; k < kernel * kernel; ++k) {
        sum += last_[static_cast<size_t>((o * x.channels + c) * kernel * kernel + k)] *
               x.at(c, y + k / kernel, left + k % kernel);
      }
    }
    return sum;
  }

  CounterRandom random_;
  std::vector<double> last_;
};

std::vector<double> by_channel(int64_t channels, double first) {
  std::vector<double> steps;
  for (int64_t o = 0; o < channels; ++o)
    steps.push_back(first * (1 + 0.37 * static_cast<double>(o)));
  return steps;
}

/// Two residual blocks whose additions share a quantiser, one with a projection.
struct Residual {
  explicit Residual(int64_t seed, bool for_each_channel) : of(seed), image(of.input(3, 8)) {
    auto steps = [&](int64_t channels, double first) {
      return for_each_channel ? by_channel(channels, first) : std::vector<double>{first};
    };
    Map x = of.quant(image, 0.0171, 8, true);
    x = of.quant(of.relu(of.norm(of.conv(x, 4, 3, 1, steps(4, 0.0031)))), 0.0213, 8, false);
    for (int64_t stride : {1, 2}) {
      const int64_t out = x.channels * stride;
      Map y = of.conv(x, out, 3, stride, steps(out, 0.0017));
      y = of.quant(of.relu(of.norm(y, /*with_negative=*/true)), 0.0117, 8, false);
      y = of.norm(of.conv(y, out, 3, 1, steps(out, 0.0011)));
      const Map skip = stride == 1 ? x : of.norm(of.conv(x, out, 1, stride, steps(out, 0.0041)));
      y = of.sum(of.quant(y, 0.0291, 8, true), of.quant(skip, 0.0291, 8, true));
      x = of.quant(of.relu(y), 0.0191 * static_cast<double>(stride), 8, false);
    }
    answer = of.linear(of.mean(x), 5, steps(5, 0.0071));
  }
  Writer of;
  Map image, answer;
};

TrainedPrecision precision_of(const OnnxNetwork& made) {
  TrainedPrecision p;
  p.weights = p.activations = "8,3";
  p.rounding = Rounding::RndConv;
  p.layout = made.rounds_operands ? Layout::Stock : Layout::Fused;
  for (const OnnxStageTypes& s : made.types) {
    p.stages.push_back({s.stage, s.weights, s.activations, s.scales, s.steps});
    if (s.stage == "input") p.input_magnitude = parse_precision(s.activations, "x").max_value();
  }
  return p;
}

OnnxNetwork import(const OnnxModel& m, int scale_bits = kOnnxScaleBits) {
  return network_of_onnx(parse_onnx(print_onnx(m), "m.onnx"), "net", "m.onnx", {}, scale_bits);
}

/// Its answers to the model's image, whose channels come first.
std::vector<double> answers(const Graph& graph, const Map& image, double factor) {
  std::vector<double> pixels;
  for (int64_t i = 0; i < image.side * image.side; ++i) {
    for (int64_t c = 0; c < image.channels; ++c)
      pixels.push_back(factor * image.at(c, i / image.side, i % image.side));
  }
  return IntegerEmulator(graph).run(pixels).logits;
}

/// Integers of each channel up to their sign, in any order of the taps.
using Channels = std::multiset<std::vector<int64_t>>;
void add_channels(const std::vector<int64_t>& integers, size_t outputs, Channels& to) {
  const auto each = static_cast<std::ptrdiff_t>(integers.size() / outputs);
  for (auto first = integers.begin(); first != integers.end(); first += each) {
    std::vector<int64_t> own(first, first + each), other;
    for (int64_t q : own) other.push_back(-q);
    std::sort(own.begin(), own.end());
    std::sort(other.begin(), other.end());
    to.insert(std::min(own, other));
  }
}

size_t outputs_of(const Node& node, const Graph& graph) {
  return static_cast<size_t>(graph.tensor(node, "weight").shape()[0]);
}

/// Scales of 16 bits are up to 2^-16 off, so that a value of up to 255 steps that lies within 0.004
/// of the middle of two may become the other one: a logit is then 0.0191 · 2 / 16 · 0.9 off at
/// most. Of these networks one has such a value that does.
TEST(OnnxScales, AResidualNetworkComputesTheModelsIntegers) {
  int same = 0;
  for (const bool for_each_channel : {false, true}) {
    for (int64_t seed : {1, 2, 3}) {
      SCOPED_TRACE(fmt::format("{} {}", for_each_channel, seed));
      const Residual model(seed, for_each_channel);
      const OnnxNetwork made = import(model.of.model);
      EXPECT_TRUE(made.rounds_operands);
      const Plan plan = plan_trained(lower(made.network, made.tensors, "x"), precision_of(made));
      const auto got = answers(plan.graph(), model.image, made.input_factor);
      ASSERT_EQ(got.size(), model.answer.values.size());
      double difference = 0;
      for (size_t k = 0; k < got.size(); ++k)
        difference = std::max(difference, std::abs(got[k] - model.answer.values[k]));
      EXPECT_LT(difference, 0.0191 * 2 * 0.9);
      same += difference < 2e-4 ? 1 : 0;
      Channels expected, in_design;
      for (const auto& [outputs, integers] : model.of.integers)
        add_channels(integers, outputs, expected);
      for (const Node& node : plan.graph().nodes) {
        if (!node.hardware.weight || node.hardware.weight->width == 2) continue;  // of norms alone
        add_channels(quantised_weights(plan.graph(), node), outputs_of(node, plan.graph()),
                     in_design);
      }
      EXPECT_EQ(in_design, expected);
    }
  }
  EXPECT_GE(same, 5);
}

/// Each scale is the nearest number of its type to what the model multiplies by.
TEST(OnnxScales, FewerBitsAreFurtherOff) {
  const Residual model(4, true);
  double before = 0;
  for (int bits : {16, 9, 5}) {
    const OnnxNetwork made = import(model.of.model, bits);
    const Plan plan = plan_trained(lower(made.network, made.tensors, "x"), precision_of(made));
    double error = 0;
    for (const Node& node : plan.graph().nodes) {
      if (!node.hardware.scale) continue;
      EXPECT_EQ(node.hardware.scale->width, bits);
      const auto steps = plan.graph().tensor(node, "step").to_doubles(),
                 scales = plan.graph().tensor(node, "scale").to_doubles();
      for (size_t o = 0; o < steps.size(); ++o) {
        const double exact = steps[o] / node.hardware.weight->step();
        EXPECT_LE(std::abs(scales[o] - exact), 0.5 * node.hardware.scale->step() * 1.0000001);
        error = std::max(error, std::abs(scales[o] / exact - 1));
      }
    }
    EXPECT_GT(error, 2 * before) << bits;
    before = error;
  }
}

/// What a design's scales became in QONNX is what they become again.
TEST(OnnxScales, OurOwnComeBackBitForBit) {
  for (const Layout layout : {Layout::Fused, Layout::Stock}) {
    const Network network = testing::small_network(Join::BeforeActivation, Shortcut::Projection);
    TrainedPrecision p;
    p.weights = "4,3", p.activations = "7,3", p.scales = "u8,0";
    p.rounding = Rounding::RndConv;
    p.layout = layout;
    p.input_magnitude = 2.1;
    const Plan plan = plan_trained(lower(network, testing::random_tensors(network, 7), "x"), p);
    const OnnxNetwork back = import(onnx_of(plan.graph()).model);
    const Plan again = plan_trained(lower(back.network, back.tensors, "x"), precision_of(back));
    const auto image = testing::random_image(network.input, 8);
    EXPECT_EQ(back.input_factor, 1);
    EXPECT_EQ(IntegerEmulator(again.graph()).run(image).logits,
              IntegerEmulator(plan.graph()).run(image).logits);
  }
}

/// Additions of what nobody has rounded: their layout is fused, and what is on the skip is finer
/// there than the sum's type.
TEST(OnnxScales, WhatASkipAddsMayBeUnrounded) {
  for (int64_t seed : {1, 2, 3}) {
    Writer w(seed);
    const Map image = w.input(3, 8);
    Map x = w.quant(image, 0.0171, 8, true);
    x = w.quant(w.relu(w.norm(w.conv(x, 4, 3, 1, by_channel(4, 0.0031)))), 0.0213, 8, false);
    for (int64_t stride : {1, 2}) {
      const int64_t out = x.channels * stride;
      const Map y = w.norm(w.conv(x, out, 3, stride, by_channel(out, 0.0017)));
      const Map skip = stride == 1 ? x : w.norm(w.conv(x, out, 1, stride, by_channel(out, 0.0041)));
      x = w.quant(w.relu(w.sum(y, skip)), 0.0191 * static_cast<double>(stride), 8, false);
    }
    const Map answer = w.linear(w.mean(x), 5, by_channel(5, 0.0071));
    const OnnxNetwork made = import(w.model);
    EXPECT_FALSE(made.rounds_operands);
    EXPECT_EQ(skip_ids(made.network).size(), 2U);
    const Plan plan = plan_trained(lower(made.network, made.tensors, "x"), precision_of(made));
    const auto got = answers(plan.graph(), image, made.input_factor);
    // One of 8 · 16 numbers that is one step off.
    for (size_t k = 0; k < got.size(); ++k)
      EXPECT_NEAR(got[k], answer.values[k], 0.0191 * 2 / 16 * 0.0071 * 127 * 2.5);
  }
}

/// A small input is multiplied so that its type has a bit before the point.
TEST(OnnxScales, AnInputMayBeSmall) {
  Writer w(9);
  const Map image = w.input(2, 4);
  Map x = w.quant(image, 0.0007, 8, true);
  x = w.quant(w.relu(w.conv(x, 3, 3, 1, {0.9})), 0.0031, 8, false);
  const Map answer = w.linear(w.mean(x), 4, {0.011});
  const OnnxNetwork made = import(w.model);
  EXPECT_EQ(made.types.at(0).activations, "8,1");
  EXPECT_NEAR(made.input_factor * 0.0007, 1.0 / 128, 1e-8);
  const Plan plan = plan_trained(lower(made.network, made.tensors, "x"), precision_of(made));
  const auto got = answers(plan.graph(), image, made.input_factor);
  for (size_t k = 0; k < got.size(); ++k) EXPECT_NEAR(got[k], answer.values[k], 2e-5);
}

void refused(const OnnxModel& m, std::initializer_list<std::string> words) {
  testing::expect_words(testing::message_of(ErrorKind::Unsupported, [&] { import(m); }), words);
}

TEST(OnnxScales, OperandsOfASumMustShareThem) {
  for (const double other : {0.05, 0.0625}) {
    Writer w(1);
    Map x = w.quant(w.input(2, 4), 0.03, 8, true);
    x = w.quant(w.relu(w.conv(x, 3, 3, 1, {0.01})), 0.03, 8, false);
    const Map y = w.quant(w.conv(x, 3, 3, 1, {0.01}), other, 8, true);
    const std::string node = y.name;
    w.linear(w.mean(w.relu(w.sum(y, x))), 4, {0.01});
    refused(w.model,
            {fmt::format("node 'the {}' (Quant)", node), fmt::format("'the {}'", x.name),
             "0.0299999993", fmt::format("{:.9g}", static_cast<double>(static_cast<float>(other))),
             "a shared quantiser"});
  }
  Writer w(1);  // a power of two between them is a shift
  Map x = w.quant(w.input(2, 4), 0.03, 8, true);
  x = w.quant(w.relu(w.conv(x, 3, 3, 1, {0.01})), 0.03, 8, false);
  const Map y = w.quant(w.conv(x, 3, 3, 1, {0.01}), 0.06, 8, true);
  w.linear(w.mean(w.relu(w.sum(y, x))), 4, {0.01});
  EXPECT_EQ(import(w.model).network.classes(), 4);
}

TEST(OnnxScales, OfMapsOrInputChannelsAreRefused) {
  Writer by_input(1);
  Map x = by_input.quant(by_input.input(2, 4), 0.03, 8, true);
  x = by_input.conv(x, 3, 3, 1, {0.01});
  const std::string scale = by_input.model.nodes[1].inputs[1];
  by_input.model.initializers[scale] = Tensor::from<float>({1, 2, 1, 1}, {0.1F, 0.2F});
  by_input.linear(by_input.mean(by_input.relu(x)), 4, {0.01});
  refused(by_input.model, {"(Conv)", "scales [1, 2, 1, 1] of weights [3, 2, 3, 3]"});

  Writer by_map(1);
  x = by_map.quant(by_map.input(2, 4), 0.03, 8, true);
  by_map.model.initializers[by_map.model.nodes[0].inputs[1]] =
      Tensor::from<float>({1, 2, 1, 1}, {0.1F, 0.2F});
  by_map.linear(by_map.mean(by_map.relu(by_map.conv(x, 3, 3, 1, {0.01}))), 4, {0.01});
  refused(by_map.model, {"(Quant)", "scales of a map that differ from channel to channel"});
}

}  // namespace
}  // namespace tailor::test::onnx_scales_test

// ONNX out and in again: the network that comes back computes the same, and what is no residual
// classifier is refused by the node's name.
#include "tailor/net/onnx.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <set>

#include "support/designs.h"
#include "support/expect_error.h"
#include "support/networks.h"
#include "tailor/core/files.h"
#include "tailor/design/trained_precision.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/integer.h"
#include "tailor/ir/onnx.h"

namespace tailor::test::onnx_test {
namespace {

using testing::expect_error;

OnnxModel through_a_file(const OnnxModel& m) { return parse_onnx(print_onnx(m), "m.onnx"); }
OnnxNetwork import(const OnnxModel& m) { return network_of_onnx(m, "net", "m.onnx"); }

std::vector<double> answers(const Network& network, const TensorMap& tensors) {
  return Float64Emulator(lower(network, tensors, "x").graph())
      .run(testing::random_image(network.input, 3));
}

/// The largest difference of the answers.
double difference(const Network& network, const TensorMap& tensors, const OnnxNetwork& back) {
  const auto a = answers(network, tensors), b = answers(back.network, back.tensors);
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    largest = std::max(largest, std::abs(a[i] - b[i]) / std::max(1.0, std::abs(a[i])));
  return largest;
}

Json without_name(Network n) {
  n.name = "n";
  return write_network(n);
}

TEST(OnnxNetworks, ComeBackAsTheyWere) {
  for (const Join join : {Join::BeforeActivation, Join::AfterActivation}) {
    for (const Shortcut shortcut : {Shortcut::Projection, Shortcut::Pad, Shortcut::PadEnd}) {
      const Network network = testing::small_network(join, shortcut, 4, 14);
      const TensorMap tensors = testing::random_tensors(network, 5);
      const OnnxNetwork back =
          import(through_a_file(onnx_of(lower(network, tensors, "x").graph()).model));
      EXPECT_EQ(without_name(back.network), without_name(network));
      EXPECT_EQ(back.tensors, tensors);
      EXPECT_TRUE(back.remarks.empty() && back.types.empty());
    }
  }
}

TEST(OnnxNetworks, AfterSurgeryComputeTheSame) {
  using testing::Surgery;
  for (const Surgery surgery : {Surgery::Shortened, Surgery::Removed, Surgery::Mixed}) {
    Network network = testing::small_network();
    testing::alter(network, surgery);
    const TensorMap tensors = testing::random_tensors(network, 6);
    const OnnxNetwork back =
        import(through_a_file(onnx_of(lower(network, tensors, "x").graph()).model));
    EXPECT_LT(difference(network, tensors, back), 1e-9) << testing::to_string(surgery);
    EXPECT_EQ(skip_ids(back.network).size(), skip_ids(network).size());
  }
}

/// Random ones of every feature: most come back, and those compute the same.
TEST(OnnxNetworks, RandomOnesComputeTheSameOrAreRefused) {
  int same = 0;
  for (int64_t seed = 0; seed < 150; ++seed) {
    const Network network = testing::random_network(seed);
    const TensorMap tensors = testing::random_tensors(network, seed);
    const OnnxModel model = through_a_file(onnx_of(lower(network, tensors, "x").graph()).model);
    try {
      const OnnxNetwork back = import(model);
      EXPECT_LT(difference(network, tensors, back), 1e-5) << seed;
      ++same;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::Unsupported) << seed << ": " << e.what();
      testing::expect_words(e.what(), {"m.onnx: "});
    }
  }
  EXPECT_GE(same, 100);
}

TEST(OnnxNetworks, QuantisedComeBackBitForBit) {
  for (const Layout layout : {Layout::Fused, Layout::Stock}) {
    const Network network = testing::small_network(Join::BeforeActivation, Shortcut::Projection);
    const TensorMap tensors = testing::random_tensors(network, 7);
    const double magnitude = 2.1;
    testing::DesignOptions o;
    o.type = parse_precision("7,3", "x");
    o.input_magnitude = magnitude;
    o.layout = layout;
    o.type.type.rounding = Rounding::RndConv;
    const Plan plan = testing::make_plan(lower(network, tensors, "x").graph(), o);
    const OnnxExport out = onnx_of(plan.graph());
    const OnnxNetwork back = import(through_a_file(out.model));
    EXPECT_EQ(back.rounds_operands, layout == Layout::Stock);
    EXPECT_EQ(back.rounding, "ROUND");
    TrainedPrecision p;
    p.weights = p.activations = "7,3";
    p.rounding = Rounding::RndConv;
    p.layout = layout;
    p.input_magnitude = magnitude;
    for (const OnnxStageTypes& s : back.types)
      p.stages.push_back({s.stage, s.weights, s.activations});
    const Plan again = plan_trained(lower(back.network, back.tensors, "x"), p);
    const auto image = testing::random_image(network.input, 8);
    EXPECT_EQ(IntegerEmulator(again.graph()).run(image).logits,
              IntegerEmulator(plan.graph()).run(image).logits);
  }
}

/// Skips folded into kernels, points outside of the bits, no signs, a pool of its own type.
TEST(OnnxNetworks, TypesByStageComeBackAsTheyWereAndNoWider) {
  for (const Join join : {Join::BeforeActivation, Join::AfterActivation}) {
    Network network = testing::small_network(join, Shortcut::Projection);
    testing::alter(network, testing::Surgery::Shortened);
    TrainedPrecision p;
    p.weights = "8,2", p.activations = "u8,3";
    p.rounding = Rounding::RndConv;
    p.input_magnitude = 2.1;
    p.stages = {{"stage1.block0.conv2", "8,-1", "u8,2"}, {"pool", "", "u8,1"}, {"fc", "6,0", ""}};
    const Plan plan = plan_trained(lower(network, testing::random_tensors(network, 7), "x"), p);
    const OnnxNetwork back = import(through_a_file(onnx_of(plan.graph()).model));
    TrainedPrecision again = p;
    again.stages.clear();
    for (const OnnxStageTypes& s : back.types)
      again.stages.push_back({s.stage, s.weights, s.activations});
    const Plan other = plan_trained(lower(back.network, back.tensors, "x"), again);
    auto weights = [](const Plan& of) {
      std::multiset<std::string> types;
      for (const Node& node : of.graph().nodes) {
        if (node.hardware.weight) types.insert(to_string(*node.hardware.weight));
      }
      return types;
    };
    EXPECT_EQ(weights(other), weights(plan));
    const auto image = testing::random_image(network.input, 8);
    EXPECT_EQ(IntegerEmulator(other.graph()).run(image).logits,
              IntegerEmulator(plan.graph()).run(image).logits);
  }
}

TEST(OnnxNetworks, RoundingThatQonnxLacksIsAWarningAndWrappingIsRefused) {
  const Network network = testing::small_network();
  const Graph graph = lower(network, testing::random_tensors(network, 1), "x").graph();
  testing::DesignOptions o;
  o.type = parse_precision("8,3", "x");
  o.input_magnitude = 2;
  const auto warnings = onnx_of(testing::make_plan(graph, o).graph()).warnings;
  ASSERT_FALSE(warnings.empty());
  testing::expect_words(warnings[0], {"AP_RND is not QONNX's", "--rounding rnd_conv"});
  o.type.type.overflow = Overflow::Wrap;
  expect_error(ErrorKind::Unsupported, {"does not saturate at its ends", "--overflow sat"},
               [&] { onnx_of(testing::make_plan(graph, o).graph()); });
}

// ---- models by hand

OnnxNode node(const std::string& op, std::vector<std::string> inputs, const std::string& output,
              std::map<std::string, OnnxAttribute> attributes = {}) {
  return {op, "the " + output, "", std::move(inputs), {output}, std::move(attributes)};
}

using Ints = std::vector<int64_t>;

/// conv → relu → … → mean → flatten → linear on 2 × 4 × 5 pixels, 3 filters and 4 classes.
struct ByHand {
  ByHand() {
    model.opsets[""] = 13;
    model.inputs = {{"x", {1, 2, 4, 5}}};
    model.outputs = {{"y", {1, 4}}};
    constant("w", {3, 2, 3, 3});
    constant("v", {3, 3, 3, 3});
    constant("l", {3, 4});
    model.initializers["shape"] = Tensor::from<int64_t>({2}, {-1, 3});
    add(node("Conv", {"x", "w"}, "a", {{"pads", Ints{1, 1, 1, 1}}}));
    add(node("Relu", {"a"}, "b"));
  }
  void constant(const std::string& name, Shape shape) {
    Tensor t(DType::F32, std::move(shape));
    CounterRandom random(model.initializers.size(), RandomStream::Test, 3);
    for (float& v : t.as<float>()) v = static_cast<float>(random.uniform(-1, 1));
    model.initializers[name] = t;
  }
  void one(const std::string& name, float value) {
    model.initializers[name] = Tensor::from<float>({}, {value});
  }
  void add(OnnxNode n) { model.nodes.push_back(std::move(n)); }
  /// From this map on to the answer.
  OnnxModel end(const std::string& at) {
    add(node("GlobalAveragePool", {at}, "m"));
    add(node("Reshape", {"m", "shape"}, "f"));
    add(node("MatMul", {"f", "l"}, "y"));
    return model;
  }
  OnnxModel model;
};

void refused(const OnnxModel& m, std::initializer_list<std::string> words) {
  const std::string message =
      testing::message_of(ErrorKind::Unsupported, [&] { import(through_a_file(m)); });
  testing::expect_words(message, words);
  testing::expect_words(message, {"m.onnx: node 'the "});
}

TEST(OnnxNetworks, OfWhatIsNoLayerTheNodeAndTheReasonAreSaid) {
  const std::pair<OnnxNode, const char*> kNodes[] = {
      {node("Clip", {"b"}, "c"), "ReLU6"},
      {node("Sigmoid", {"b"}, "c"), "an operator that no layer"},
      {node("Concat", {"b", "b"}, "c", {{"axis", int64_t{1}}}), "an operator that no layer"},
      {node("Mul", {"a", "b"}, "c"), "multiplies two maps"},
      {node("Softmax", {"b"}, "c"), "in the middle of the network"},
      {node("Conv", {"b", "b"}, "c"), "its weight is no constant"},
      {node("Transpose", {"b"}, "c", {{"perm", Ints{0, 1, 3, 2}}}), "turns a map"},
      {node("AveragePool", {"b"}, "c", {{"kernel_shape", Ints{3, 3}}, {"pads", Ints{1, 1, 1, 1}}}),
       "count_include_pad 0"},
      {node("MaxPool", {"b"}, "c",
            {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}, {"ceil_mode", int64_t{1}}}),
       "windows that are not whole"},
      {node("Slice", {"b", "shape"}, "c"), "takes a part of a map"},
      {node("Flatten", {"b"}, "c", {{"axis", int64_t{2}}}), "flattens another axis"},
  };
  for (const auto& [n, why] : kNodes) {
    ByHand hand;
    hand.add(n);
    refused(hand.end("c"), {"node 'the c' (" + n.op_type + ")", why});
  }
  ByHand inner;  // of the two ways from b to d, the longer one has an addition of its own
  inner.add(node("Conv", {"b", "v"}, "s1", {{"pads", Ints{1, 1, 1, 1}}}));
  inner.add(node("Conv", {"s1", "v"}, "s2", {{"pads", Ints{1, 1, 1, 1}}}));
  inner.add(node("Conv", {"b", "v"}, "t1", {{"pads", Ints{1, 1, 1, 1}}}));
  inner.add(node("Add", {"t1", "b"}, "t2"));
  inner.add(node("Relu", {"t2"}, "t3"));
  inner.add(node("Add", {"s2", "t3"}, "d"));
  refused(inner.end("d"), {"an addition inside of a skip connection"});
}

TEST(OnnxNetworks, ADamagedGraphIsDataAndNamesTheNode) {
  ByHand missing;
  missing.add(node("Relu", {"nowhere"}, "c"));
  expect_error(ErrorKind::Data, {"node 'the c' (Relu)", "no node before it computes"},
               [&] { import(missing.end("c")); });
  ByHand wide;
  wide.constant("u", {3, 7, 1, 1});
  wide.add(node("Conv", {"b", "u"}, "c"));
  expect_error(ErrorKind::Data, {"weights [3, 7, 1, 1] in 1 groups on 3x4x5"},
               [&] { import(wide.end("c")); });
  ByHand no_size;
  no_size.model.inputs[0].shape = {1, 2, -1, -1};
  expect_error(ErrorKind::Unsupported, {"expected channels, rows and columns", "--image-size"},
               [&] { import(no_size.end("b")); });
}

/// As Keras' exporter leaves it: channels last at both ends, a bias of its own, pads of their own.
TEST(OnnxNetworks, ChannelsLastAreTurned) {
  ByHand first, last;
  first.constant("bias", {3});
  first.model.nodes[0].inputs.push_back("bias");
  OnnxModel turned = last.model;
  last.constant("bias", {3});
  turned = last.model;
  turned.inputs = {{"x", {1, 4, 5, 2}}};
  turned.initializers["around"] = Tensor::from<int64_t>({8}, {0, 1, 1, 0, 0, 1, 1, 0});
  turned.nodes = {node("Pad", {"x", "around"}, "p"),
                  node("Transpose", {"p"}, "n", {{"perm", Ints{0, 3, 1, 2}}}),
                  node("Conv", {"n", "w"}, "c0", {{"auto_pad", std::string("VALID")}}),
                  node("Transpose", {"c0"}, "c1", {{"perm", Ints{0, 2, 3, 1}}}),
                  node("Add", {"c1", "bias"}, "a"),
                  node("Relu", {"a"}, "b"),
                  node("ReduceMean", {"b"}, "f", {{"axes", Ints{1, 2}}, {"keepdims", int64_t{0}}}),
                  node("MatMul", {"f", "l"}, "logits"),
                  node("Softmax", {"logits"}, "y")};
  first.model.initializers["bias"] = turned.initializers["bias"];
  const OnnxNetwork a = import(first.end("b")), b = import(turned);
  EXPECT_EQ(write_network(a.network), write_network(b.network));
  EXPECT_EQ(a.tensors, b.tensors);
  ASSERT_EQ(b.remarks.size(), 1U);
  testing::expect_words(b.remarks[0], {"the y (Softmax): left out"});
}

/// As older exporters of PyTorch write view(size(0), -1).
TEST(OnnxNetworks, ShapesAreComputed) {
  ByHand hand;
  hand.model.initializers["zero"] = Tensor::from<int64_t>({}, {0});
  hand.model.initializers["axis"] = Tensor::from<int64_t>({1}, {0});
  hand.model.initializers["rest"] = Tensor::from<int64_t>({1}, {-1});
  hand.add(node("Shape", {"b"}, "s"));
  hand.add(node("Gather", {"s", "zero"}, "n0"));
  hand.add(node("Unsqueeze", {"n0", "axis"}, "n1"));
  hand.add(node("Concat", {"n1", "rest"}, "to", {{"axis", int64_t{0}}}));
  hand.add(node("GlobalAveragePool", {"b"}, "m"));
  hand.add(node("Reshape", {"m", "to"}, "f"));
  hand.add(node("MatMul", {"f", "l"}, "y"));
  EXPECT_EQ(import(hand.model).network.classes(), 4);
}

TEST(OnnxNetworks, OfQuantNodesOnlyThoseWithoutZeroPointAreTypes) {
  auto quantised = [](float scale, float zero, float bits, int64_t is_signed, const char* of) {
    ByHand hand;
    hand.one("s", scale), hand.one("z", zero), hand.one("n", bits);
    hand.add(node("Quant", {of, "s", "z", "n"}, "q", {{"signed", is_signed}}));
    hand.model.nodes.back().domain = kQonnxDomain;
    return hand.end("q");
  };
  const OnnxNetwork made = import(quantised(0.25F, 0, 4, 0, "b"));
  ASSERT_EQ(made.types.size(), 3U);  // of the convolution, the mean and the linear layer
  EXPECT_EQ(made.types[0].stage, "stem.conv1");
  EXPECT_EQ(made.types[0].activations, "u4,2");
  EXPECT_EQ(made.types[0].weights, "");
  refused(quantised(-0.3F, 0, 4, 0, "b"), {"a scale of -0.3", "expected a positive number"});
  refused(quantised(0.25F, 1, 4, 0, "b"), {"a zero point of 1, expected 0"});
  refused(quantised(0.25F, 0, 4.5F, 0, "b"), {"a width of 4.5 bits"});
  refused(quantised(0.25F, 0, 4, 0, "a"), {"an unsigned range where no ReLU stands"});
  EXPECT_EQ(import(quantised(0.0625F, 0, 3, 1, "b")).types[0].activations, "3,-1");
  refused(quantised(4, 0, 3, 1, "b"), {"no type W,I of ours"});
}

TEST(OnnxNetworks, AnUnsignedMeanHasABitMoreForItsSign) {
  ByHand hand;
  hand.one("s", 0.25F), hand.one("z", 0), hand.one("n", 4);
  hand.add(
      node("AveragePool", {"b"}, "p", {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}}));
  hand.add(node("Quant", {"p", "s", "z", "n"}, "q", {{"signed", int64_t{0}}}));
  hand.model.nodes.back().domain = kQonnxDomain;
  hand.add(node("GlobalAveragePool", {"q"}, "g"));
  hand.add(node("Quant", {"g", "s", "z", "n"}, "r", {{"signed", int64_t{0}}}));
  hand.model.nodes.back().domain = kQonnxDomain;
  hand.add(node("Reshape", {"r", "shape"}, "f"));
  hand.add(node("MatMul", {"f", "l"}, "y"));
  std::map<std::string, std::string> types;
  for (const OnnxStageTypes& t : import(hand.model).types) types[t.stage] = t.activations;
  EXPECT_EQ(types.at("stem.pool2"), "5,3");
  EXPECT_EQ(types.at("pool"), "5,3");  // of what has a sign
}

TEST(OnnxNetworks, QuantisedWeightsInFrontOfABatchNormKeepTheirBits) {
  ByHand hand;
  hand.one("s", 0.125F), hand.one("z", 0), hand.one("n", 4);
  for (const char* part : {"gamma", "beta", "mean", "variance"})
    hand.model.initializers[part] = Tensor::from<float>({3}, {4, 4, 4});
  hand.model.nodes.clear();
  hand.add(node("Quant", {"w", "s", "z", "n"}, "wq"));
  hand.add(node("Conv", {"x", "wq"}, "a"));
  hand.add(node("BatchNormalization", {"a", "gamma", "beta", "mean", "variance"}, "b"));
  hand.add(node("Quant", {"b", "s", "z", "n"}, "q"));
  hand.add(node("Relu", {"q"}, "r"));
  const OnnxNetwork made = import(hand.end("r"));
  // The batch norm doubles steps of 1/8: 1/4 is a scale just below 1 of steps of 1/4.
  EXPECT_EQ(made.types.at(0).weights, "4,2");
  EXPECT_EQ(made.types[0].scales, "u16,0");
  EXPECT_EQ(made.types[0].steps, std::vector<double>(3, 0.125));
  EXPECT_EQ(made.types[0].activations, "4,1");
  ASSERT_EQ(made.remarks.size(), 1U);
  testing::expect_words(made.remarks[0], {"sums of 1 stage are multiplied", "16 bits", "'the a'"});
}

TEST(OnnxNetworks, MessagesPrintNoBytesOfADamagedFile) {
  const std::string bytes = "\x1b[31m\x80" + std::string(200, 'x');
  for (const char* where : {"input", "domain", "output", "twice", "answer"}) {
    ByHand hand;
    const std::string at = where;
    if (at == "input") hand.add(node("Relu", {bytes}, "q"));
    if (at == "domain") hand.model.nodes.back().domain = bytes;
    if (at == "output") hand.add(node("Relu", {"b"}, bytes)), hand.add(node("Relu", {"b"}, bytes));
    if (at == "twice") hand.model.nodes.back().op_type = bytes;
    OnnxModel model = hand.end("b");
    if (at == "answer") model.outputs[0].name = bytes;
    try {
      import(model);
      ADD_FAILURE() << where;
    } catch (const Error& e) {
      const std::string text = e.what();
      EXPECT_EQ(text.find('\x1b'), std::string::npos) << where;
      EXPECT_EQ(text.find('\x80'), std::string::npos) << where;
      EXPECT_LT(text.size(), 300U) << where;
    }
  }
}

TEST(OnnxNetworks, TheFixturesAreRead) {
  const std::string folder = std::string(TAILOR_TEST_SOURCE) + "/net/fixtures/";
  for (const char* name : {"float", "quantised"}) {
    const std::string path = folder + name + ".onnx";
    const OnnxNetwork made = network_of_onnx(load_onnx(path), name, path);
    EXPECT_EQ(made.network.classes(), 3) << name;
    EXPECT_EQ(made.types.empty(), std::string(name) == "float");
  }
}

}  // namespace
}  // namespace tailor::test::onnx_test

#include "tailor/ir/graph.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <functional>

#include "support/expect_error.h"
#include "support/graphs.h"
#include "tailor/core/strings.h"

namespace tailor::test {
namespace {

using testing::every_op_graph;
using testing::message_of;
using testing::node_of;

TEST(Graph, BuilderInfersShapesAsItGoes) {
  const Graph g = every_op_graph();
  EXPECT_EQ(verify_graph(g), std::vector<std::string>{});
  std::string shapes;
  for (const Value& v : g.values) shapes += v.name + " " + to_string(v.shape) + "; ";
  EXPECT_EQ(shapes,
            "input 2x6x5; zeropad 2x8x7; conv 3x3x3; bn 3x3x3; relu 3x3x3; shortcut 3x3x3; add "
            "3x3x3; clone 3x3x3; "
            "clone.copy 3x3x3; twice 3x3x3; pool 3x1x1; fc 4x1x1; ");
  EXPECT_EQ(g.input_shape(), (MapShape{2, 6, 5}));
  EXPECT_EQ(g.classes(), 4);
}

TEST(Graph, ProducersAndConsumers) {
  Graph g = every_op_graph();
  std::vector<int> writers;
  for (NodeId n : producers(g)) writers.push_back(n.number());
  EXPECT_EQ(writers, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 7, 8, 9, 10}));
  auto readers = [&] {
    std::string text;
    for (const std::vector<NodeId>& list : consumers(g)) {
      for (NodeId n : list) text += std::to_string(n.number()) + " ";
      text += "| ";
    }
    return text;
  };
  EXPECT_EQ(readers(), "1 5 | 2 | 3 | 4 | 6 | 6 | 7 | 8 | 8 | 9 | 10 | 11 | ");
  const ValueId clone = node_of(g, "clone").outputs[0];
  node_of(g, "twice").inputs = {clone, {clone, "t.skip"}};
  EXPECT_EQ(consumers(g)[clone], (std::vector<NodeId>{NodeId(8), NodeId(8)}));  // it reads twice
}

TEST(Graph, TensorsAreFoundByNodeAndPart) {
  Graph g = every_op_graph();
  EXPECT_EQ(g.tensor(node_of(g, "fc"), "bias").shape(), (Shape{4}));
  EXPECT_FALSE(g.has_tensor(node_of(g, "conv"), "bias"));
  EXPECT_EQ(message_of(ErrorKind::Data, [&] { g.tensor(node_of(g, "conv"), "bias"); }),
            "the tensor 'conv.bias' is missing from graph every-op");
}

struct Shaped {
  MapShape shape;
  std::string skip;
  Shaped(MapShape map, std::string id = {}) : shape(map), skip(std::move(id)) {}  // NOLINT
};

/// What a node named n makes of inputs of these shapes.
MapShape shape_of(const Op& op, const std::vector<Shaped>& inputs, int64_t out_channels) {
  Graph g;
  Node node;
  node.op = op;
  node.name = "n";
  for (const Shaped& input : inputs)
    node.inputs.emplace_back(g.add_value("x", input.shape), input.skip);
  return infer_shape(g, node, out_channels);
}

TEST(InferShape, OfConvolutions) {
  ops::Conv2d a;
  auto shape = [&](int64_t kernel, int64_t stride, int64_t top, int64_t left, int64_t bottom,
                   int64_t right) {
    a.window = {{kernel, kernel}, {stride, stride}, {1, 1}, {top, left, bottom, right}};
    return shape_of(a, {MapShape{3, 10, 13}}, 5);
  };
  EXPECT_EQ(shape(3, 1, 1, 1, 1, 1), (MapShape{5, 10, 13}));
  EXPECT_EQ(shape(3, 2, 1, 1, 1, 1), (MapShape{5, 5, 7}));
  EXPECT_EQ(shape(3, 2, 0, 0, 1, 1), (MapShape{5, 5, 6}));
  EXPECT_EQ(shape(4, 3, 0, 2, 1, 0), (MapShape{5, 3, 4}));
  EXPECT_EQ(shape(10, 1, 0, 0, 0, 0), (MapShape{5, 1, 4}));
}

TEST(InferShape, OfMaxPools) {
  auto shape = [](int64_t height, int64_t width, ops::MaxPool2d a) {
    return shape_of(a, {MapShape{3, height, width}}, 0);
  };
  const ops::MaxPool2d stem = testing::square_window<ops::MaxPool2d>(3, 2, 1);
  EXPECT_EQ(shape(112, 112, stem), (MapShape{3, 56, 56}));
  EXPECT_EQ(shape(9, 12, stem), (MapShape{3, 5, 6}));
  ops::MaxPool2d a = testing::square_window<ops::MaxPool2d>(2, 2, 0);
  EXPECT_EQ(shape(9, 12, a), (MapShape{3, 4, 6}));
  a.window.pads.right = 1;
  EXPECT_EQ(shape(9, 12, a), (MapShape{3, 4, 6}));
  a.window.stride = {1, 1};
  EXPECT_EQ(shape(9, 12, a), (MapShape{3, 8, 12}));
}

TEST(InferShape, RefusesWhatDoesNotFitAndNamesTheNode) {
  const ops::Conv2d conv;
  auto changed = [&](const std::function<void(ops::Conv2d&)>& change) {
    ops::Conv2d a = conv;
    change(a);
    return a;
  };
  struct Case {
    std::vector<Shaped> inputs;
    Op op;
    const char* message;
  };
  const MapShape x{2, 6, 5};
  const Case cases[] = {
      {{}, ops::Relu{}, "graph: n (relu): expected 1 input, got 0"},
      {{x, x}, ops::Output{}, "graph: n (output): expected 1 input, got 2"},
      {{}, conv, "graph: n (conv2d): expected 1 input or more, got 0"},
      {{x},
       changed([](auto& a) {
         a.window.kernel = {6, 6};
       }),
       "graph: n (conv2d): a kernel of 6 does not fit on 2x6x5"},
      {{x},
       changed([](auto& a) {
         a.window.stride = {0, 1};
       }),
       "graph: n (conv2d): kernel, stride and dilation must be 1..1048576, pads 0..1048576"},
      {{x},
       changed([](auto& a) { a.window.pads.left = -1; }),
       "graph: n (conv2d): kernel, stride and dilation must be 1..1048576, pads 0..1048576"},
      {{x},
       changed([](auto& a) { a.window.pads.bottom = INT64_MAX; }),
       "graph: n (conv2d): kernel, stride and dilation must be 1..1048576, pads 0..1048576"},
      {{x},
       changed([](auto& a) { a.groups = 2; }),
       "graph: n (conv2d): 2 groups do not divide 2 channels in and 3 out"},
      {{x},
       changed([](auto& a) { a.groups = 0; }),
       "graph: n (conv2d): 0 groups do not divide 2 channels in and 3 out"},
      {{x, x}, conv, "graph: n (conv2d): 1 skip inputs, 0 skip ids"},
      {{x, {x, "s"}}, conv, "graph: n (conv2d): skip s has shape 2x6x5, expected 3x6x5"},
      {{x},
       changed([](auto& a) { a.window_skips = {"s"}; }),
       "graph: n (conv2d): a skip read from the window needs stride 1 and equal shapes"},
      {{x}, ops::Add{}, "graph: n (add): expected 2 inputs or more, got 1"},
      {{x, {{2, 6, 4}, "s"}}, ops::Add{}, "graph: n (add): adds 2x6x4 to 2x6x5"},
      {{{x, "s"}, {x, "t"}},
       ops::Add{},
       "graph: n (add): its input 0 has the id 's' and is no skip"},
      {{{x, "s"}}, ops::Relu{}, "graph: n (relu): its input 0 has the id 's' and is no skip"},
      {{x, x}, ops::Add{}, "graph: n (add): expected one skip id for each input but the first"},
      {{x}, ops::ShortcutPad{{1, 1}, 2}, "graph: n (shortcut_pad): channels do not fit"},
      {{x}, ops::ShortcutPad{{1, 1}, -1}, "graph: n (shortcut_pad): channels do not fit"},
      {{x}, ops::ShortcutPad{{1, 1}, INT64_MAX}, "graph: n (shortcut_pad): channels do not fit"},
      {{x}, ops::ShortcutPad{{1, 0}, 0}, "graph: n (shortcut_pad): channels do not fit"},
      {{x}, ops::ShortcutPad{{0, 1}, 0}, "graph: n (shortcut_pad): channels do not fit"},
      {{x},
       testing::square_window<ops::MaxPool2d>(2, 1, 2),
       "graph: n (max_pool2d): pads must be below the kernel of 2, or a window holds nothing"},
      {{x},
       testing::square_window<ops::MaxPool2d>(8, 1, 1),
       "graph: n (max_pool2d): a kernel of 8 does not fit on 2x6x5"},
      {{x},
       ops::MaxPool2d{{{0, 1}, {}, {}, {}}},
       "graph: n (max_pool2d): kernel, stride and dilation must be 1..1048576, pads 0..1048576"},
      {{x},
       ops::MaxPool2d{{{1, 2}, {1, 1}, {1, 6}, {0, 5, 0, 5}}},
       "graph: n (max_pool2d): a window of 1x2 dilated 1x6 steps over 2x6x5, so that one may hold "
       "nothing"},
      {{x, x}, ops::Dense{}, "graph: n (dense): expected 1 input, got 2"},
      {{x}, ops::ZeroPad{{0, 0, -1, 0}}, "graph: n (zero_pad): pads must be 0..1048576"},
      {{x}, ops::ZeroPad{{INT64_MAX, 0, 0, 0}}, "graph: n (zero_pad): pads must be 0..1048576"},
  };
  for (const Case& c : cases)
    EXPECT_EQ(message_of(ErrorKind::Data, [&] { shape_of(c.op, c.inputs, 3); }), c.message);
  EXPECT_EQ(shape_of(ops::ShortcutPad{{4, 4}, 1}, {x}, 3), (MapShape{3, 2, 2}));
  EXPECT_EQ(shape_of(ops::ShortcutPad{{1, 4}, 1}, {x}, 3), (MapShape{3, 6, 2}));
  EXPECT_EQ(shape_of(ops::ZeroPad{{1, 2, 3, 4}}, {x}, 0), (MapShape{2, 10, 11}));
}

TEST(VerifyGraph, FindsWhatIsBroken) {
  using Break = std::function<void(Graph&)>;
  const std::pair<Break, const char*> cases[] = {
      {[](Graph& g) { std::swap(g.nodes[3], g.nodes[4]); }, "relu reads bn before it is written"},
      {[](Graph& g) { node_of(g, "relu").inputs = {ValueId(4)}; },
       "relu reads relu before it is written; bn is read 0 times"},
      {[](Graph& g) { g.values[2].shape.height = 4; },
       "conv has shape 3x4x3, expected 3x3x3; bn has shape 3x3x3, expected 3x4x3"},
      {[](Graph& g) { g.values[11].shape.height = 2; }, "fc has shape 4x2x1, expected 4x1x1"},
      {[](Graph& g) { g.values[8].shape.channels = 2; },
       "clone.copy has shape 2x3x3, expected 3x3x3; graph: twice (add): adds 2x3x3 to 3x3x3"},
      {[](Graph& g) { g.values[0].shape.channels = 0; },
       "input has the shape 0x6x5, expected sizes 1..1048576 and at most 1073741824 elements"},
      {[](Graph& g) { g.values[9].shape.width = -1; },
       "twice has the shape 3x3x-1, expected sizes 1..1048576 and at most 1073741824 elements"},
      {[](Graph& g) {
         g.values[9].shape = {1, 1, 1048577};
       },
       "twice has the shape 1x1x1048577, expected sizes 1..1048576 and at most 1073741824 "
       "elements"},
      {[](Graph& g) {
         g.values[9].shape = {1025, 1024, 1024};
       },
       "twice has the shape 1025x1024x1024, expected sizes 1..1048576 and at most 1073741824 "
       "elements"},
      {[](Graph& g) { g.tensors.erase("conv.weight"); }, "the tensor conv.weight is missing"},
      {[](Graph& g) { g.tensors.erase("bn.running_var"); }, "the tensor bn.running_var is missing"},
      {[](Graph& g) { g.tensors.erase("fc.bias"); }, "the tensor fc.bias is missing"},
      {[](Graph& g) {
         g.tensors["fc.weight"] = Tensor(DType::F32, {3, 4});
       },
       "the tensor fc.weight has shape [3, 4], expected [4, 3]"},
      {[](Graph& g) { g.tensors["conv.bias"] = Tensor(DType::F32, {2}); },
       "the tensor conv.bias has shape [2], expected [3]"},
      {[](Graph& g) {
         node_of(g, "conv").as<ops::Conv2d>().window.kernel = {4, 4};
       },
       "conv has shape 3x3x3, expected 3x3x2; the tensor conv.weight has shape [3, 2, 3, 3], "
       "expected [3, 2, 4, 4]"},
      {[](Graph& g) {
         node_of(g, "conv").as<ops::Conv2d>().window.stride = {0, 0};
       },
       "graph: conv (conv2d): kernel, stride and dilation must be 1..1048576, pads 0..1048576"},
      {[](Graph& g) { node_of(g, "relu").name = "bn"; }, "two nodes are named bn"},
      {[](Graph& g) { node_of(g, "relu").inputs = {ValueId(12)}; },
       "relu reads value 12 of 12; bn is read 0 times"},
      {[](Graph& g) { node_of(g, "relu").inputs = {ValueId(-1)}; },
       "relu reads value -1 of 12; bn is read 0 times"},
      {[](Graph& g) { node_of(g, "fc").outputs = {ValueId(99)}; },
       "fc writes value 99 of 12; output reads fc before it is written; fc is never written"},
      {[](Graph& g) { node_of(g, "relu").outputs = {ValueId(3)}; },
       "bn is written twice; add reads relu before it is written; relu is never written"},
      {[](Graph& g) { node_of(g, "relu").outputs.clear(); }, "relu (relu) has 0 outputs"},
      {[](Graph& g) { node_of(g, "clone").outputs = {ValueId(7)}; }, "clone (clone) has 1 outputs"},
      {[](Graph& g) { node_of(g, "input").inputs = {ValueId(0)}; },
       "input reads input before it is written; input (input) has inputs"},
      {[](Graph& g) { g.nodes.pop_back(); },
       "1 inputs and 0 outputs, expected one of each; fc is read 0 times"},
      {[](Graph& g) {
         g.add_value("loose", {1, 1, 1});
       },
       "loose is never written; loose is read 0 times"},
      {[](Graph& g) { node_of(g, "zeropad").as<ops::ZeroPad>().lowest = true; },
       "conv (conv2d) reads zeropad, whose pads are for a max pool"},
      {[](Graph& g) { g.state = GraphState::Design; }, "input is read 2 times"},
  };
  for (const auto& [damage, expected] : cases) {
    Graph g = every_op_graph();
    damage(g);
    const std::string findings = join(verify_graph(g), "; ");
    // Where one mistake has many consequences, the first findings say what it is.
    EXPECT_EQ(findings.substr(0, std::string(expected).size()), expected) << findings;
  }
}

/// A strided convolution whose second output is its input at the places of the first.
Graph forwarding_graph(const MapShape& centre, const Window& window = square_window(3, 2, 1)) {
  testing::GraphBuilder b("forwarding", {3, 9, 8});
  ops::Conv2d a;
  a.window = window;
  b.conv("conv", b.at, a, 4);
  const ValueId handed_on = b.graph.add_value("centre", centre);
  node_of(b.graph, "conv").outputs.push_back(handed_on);
  b.conv("projection", handed_on, ops::Conv2d{}, 4);
  b.skip("s", ValueId(1));
  return b.finish(3);
}

TEST(VerifyGraph, AnInputAndAnOutputAloneAreNone) {
  Graph g;
  g.add_node(ops::Output{}, "output", {g.add_node(ops::Input{}, "input", {})});
  g.values[0].shape = {1, 2, 3};
  EXPECT_EQ(verify_graph(g),
            std::vector<std::string>{"there is nothing between the input and the output"});
}

TEST(VerifyGraph, AConvolutionMayHandItsInputOn) {
  EXPECT_EQ(join(verify_graph(forwarding_graph({3, 5, 4})), "; "), "");
  EXPECT_EQ(join(verify_graph(forwarding_graph({4, 5, 4})), "; "),
            "centre has shape 4x5x4, expected 3x5x4");
  EXPECT_EQ(
      join(verify_graph(forwarding_graph({3, 5, 4}, {{3, 3}, {2, 2}, {1, 2}, {1, 1, 1, 3}})), "; ")
          .substr(0, 85),
      "graph: conv (conv2d): handing x on needs a centre tap, and an output at every stride ");
  const Window shrinks = square_window(3, 1, 0);
  EXPECT_EQ(join(verify_graph(forwarding_graph({3, 7, 6}, shrinks)), "; ").substr(0, 54),
            "graph: conv (conv2d): handing x on needs a centre tap,");
}

}  // namespace
}  // namespace tailor::test

// Lowered graphs made by hand, for tests of what reads graphs: one with every operation, and those
// that no Network describes.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "support/rooms.h"
#include "tailor/core/random.h"
#include "tailor/ir/graph.h"

namespace tailor::testing {

inline Tensor random_tensor(const Shape& shape, uint64_t seed) {
  Tensor tensor(DType::F32, shape);
  CounterRandom random(seed, RandomStream::Test, 99);
  for (float& v : tensor.as<float>()) v = static_cast<float>(random.uniform(0.1, 1));
  return tensor;
}

/// input 2x6x5 → pad → conv (stride 2) 3x3x3 → bn → relu → add (shortcut_pad of input) → clone →
/// add → pool → fc of 4.
inline Graph every_op_graph() {
  Graph g;
  g.name = "every-op";
  const ValueId input = g.add_node(ops::Input{}, "input", {});
  g.value(input).shape = {2, 6, 5};
  const ValueId padded = g.add_node(ops::ZeroPad{{1, 1, 1, 1}}, "zeropad", {input});
  ops::Conv2d conv;
  conv.window = tensors::square_window(3, 2);
  ValueId x = g.add_node(conv, "conv", {padded}, 3);
  x = g.add_node(ops::BatchNorm{1e-3}, "bn", {x});
  x = g.add_node(ops::Relu{}, "relu", {x});
  const ValueId skip = g.add_node(ops::ShortcutPad{{2, 2}, 1}, "shortcut", {input}, 3);
  x = g.add_node(ops::Add{}, "add", {x, {skip, "s.skip"}});
  const ValueId clone = g.add_node(ops::Clone{}, "clone", {x});
  const ValueId copy = g.add_value("clone.copy", g.value(x).shape);
  g.nodes.back().outputs.push_back(copy);
  x = g.add_node(ops::Add{}, "twice", {clone, {copy, "t.skip"}});
  x = g.add_node(ops::GlobalAvgPool{}, "pool", {x});
  x = g.add_node(ops::Dense{}, "fc", {x}, 4);
  g.add_node(ops::Output{}, "output", {x});
  g.tensors["conv.weight"] = random_tensor({3, 2, 3, 3}, 1);
  for (const char* part : {"weight", "bias", "running_mean", "running_var"})
    g.tensors[std::string("bn.") + part] = random_tensor({3}, 2);
  g.tensors["fc.weight"] = random_tensor({4, 3}, 3);
  g.tensors["fc.bias"] = random_tensor({4}, 4);
  return g;
}

/// Lowered graphs beyond what a Network can describe, layer by layer. Weights are seeded by the
/// layer's name: uniform, of variance gain / products, so that activations keep their size.
class GraphBuilder {
 public:
  GraphBuilder(std::string name, const MapShape& input, uint64_t seed = 5) : seed_(seed) {
    graph.name = std::move(name);
    graph.provenance =
        Json::object({{"untrained", "random weights"}});  // so no witness is expected
    at = add(ops::Input{}, "input", {});
    graph.value(at).shape = input;
  }

  Graph graph;
  ValueId at;  // what the next layer reads

  ValueId add(Op op, const std::string& name, std::vector<Operand> inputs, int64_t out = 0) {
    return graph.add_node(std::move(op), name, std::move(inputs), out);
  }
  /// A convolution with a bias of its own.
  ValueId conv(const std::string& name, ValueId from, const ops::Conv2d& a, int64_t out,
               double gain = 2) {
    const int64_t in = graph.value(from).shape.channels / a.groups;
    fill(name + ".weight", {out, in, a.window.kernel.height, a.window.kernel.width}, gain);
    fill(name + ".bias", {out}, 0.1);
    return at = add(a, name, {from}, out);
  }
  /// A convolution without bias, and a batch norm: scales 0.8 to 1.2 times `scale`, shifts ±0.1.
  ValueId conv_bn(const std::string& name, ValueId from, const ops::Conv2d& a, int64_t out,
                  double scale = 1) {
    conv(name, from, a, out);
    graph.tensors.erase(name + ".bias");
    fill(name + ".bn.bias", {out}, 0.003);
    fill(name + ".bn.running_mean", {out}, 0.003);
    fill(name + ".bn.weight", {out}, 0.013);
    fill(name + ".bn.running_var", {out}, 0.013);
    for (float& v : graph.tensors.at(name + ".bn.weight").as<float>())
      v = static_cast<float>(scale) * (1 + v);
    for (float& v : graph.tensors.at(name + ".bn.running_var").as<float>()) v += 1;
    return at = add(ops::BatchNorm{}, name + ".bn", {at});
  }
  ValueId relu(const std::string& name) { return at = add(ops::Relu{}, name, {at}); }
  ValueId skip(const std::string& id, ValueId from) {
    return at = add(ops::Add{}, id + ".add", {at, {from, id}});
  }
  /// The last layer, on the mean of each channel or on the whole map.
  Graph finish(int64_t classes, bool pooled = true) {
    if (pooled) at = add(ops::GlobalAvgPool{}, "pool", {at});
    fill("fc.weight", {classes, graph.value(at).shape.size()}, 1);
    fill("fc.bias", {classes}, 0.1);
    at = add(ops::Dense{}, "fc", {at}, classes);
    graph.add_node(ops::Output{}, "output", {at});
    return std::move(graph);
  }

 private:
  void fill(const std::string& name, const Shape& shape, double gain) {
    Tensor tensor(DType::F32, shape);
    int64_t products = 1;
    for (size_t i = 1; i < shape.size(); ++i) products *= shape[i];
    const double limit = std::sqrt(3 * gain / static_cast<double>(products));
    CounterRandom random(seed_, RandomStream::Test, std::hash<std::string>()(name));
    for (float& v : tensor.as<float>()) v = static_cast<float>(random.uniform(-limit, limit));
    graph.tensors[name] = std::move(tensor);
  }
  uint64_t seed_;
};

/// Attributes of a convolution or a max pool with the pads that TensorFlow's "same" gives: of an
/// odd sum the larger half behind the image.
template <class A>
A same_window(const MapShape& x, int64_t kernel, int64_t stride) {
  auto sum = [&](int64_t n) {
    return std::max<int64_t>(((n + stride - 1) / stride - 1) * stride + kernel - n, 0);
  };
  A a;
  a.window = tensors::square_window(kernel, stride);
  Pads& pads = a.window.pads;
  pads.top = sum(x.height) / 2, pads.bottom = sum(x.height) - pads.top;
  pads.left = sum(x.width) / 2, pads.right = sum(x.width) - pads.left;
  return a;
}
/// The same pads on all sides.
template <class A>
A square_window(int64_t kernel, int64_t stride, int64_t pad) {
  A a;
  a.window = tensors::square_window(kernel, stride, pad);
  return a;
}

/// What a Network of one pad and one group cannot say: a max pool of negative values, a grouped and
/// a depthwise convolution under a skip, one-sided pads, an even kernel, projections without batch
/// norm, a pad shortcut, and skips over one convolution and a head on the whole map (`shortened`)
/// or over two and a head on its mean.
inline Graph windows_graph(int64_t height, int64_t width, bool shortened) {
  GraphBuilder b("windows", {3, height, width});
  auto shape = [&](ValueId value) { return b.graph.value(value).shape; };
  b.conv("stem", b.at, square_window<ops::Conv2d>(5, 1, 2), 6);
  b.at = b.add(square_window<ops::MaxPool2d>(3, 2, 1), "stem.pool", {b.at});
  ValueId from = b.at;
  auto end = [&](const std::string& name, bool last) {
    if (shortened || last) b.skip(name + ".skip", from);
    b.relu(name + ".relu");
    if (shortened) from = b.at;
  };
  ops::Conv2d a = square_window<ops::Conv2d>(3, 1, 1);
  a.groups = 3;
  b.conv_bn("b0.conv1", b.at, a, 6);
  end("b0.conv1", false);
  a.groups = 6;
  b.conv("b0.conv2", b.at, a, 6);
  end("b0.conv2", true);
  // Stride 2, a projection without batch norm; the skip's pixel is tap (pad_top, pad_left).
  ValueId x = from = b.at;
  ops::Conv2d one;
  one.window.stride = {2, 2};
  from = b.conv("b1.projection", from, one, 8);
  b.conv("b1.conv1", x, same_window<ops::Conv2d>(shape(x), 3, 2), 8);
  end("b1.conv1", false);
  b.conv("b1.conv2", b.at, same_window<ops::Conv2d>(shape(b.at), 2, 1), 8);
  end("b1.conv2", true);
  x = from = b.at;
  from = b.add(ops::ShortcutPad{{1, 1}, 1}, "b2.shortcut", {from}, 10);
  a = same_window<ops::Conv2d>(shape(x), 3, 1);
  a.groups = 2;
  b.conv("b2.conv1", x, a, 10);
  end("b2.conv1", false);
  b.conv("b2.conv2", b.at, same_window<ops::Conv2d>(shape(b.at), 3, 1), 10);
  end("b2.conv2", true);
  ops::MaxPool2d last;
  last.window = {{2, 2}, {}, {}, {1, 0, 0, 1}};
  b.at = b.add(last, "last.pool", {b.at});
  return b.finish(5, /*pooled=*/!shortened);
}

/// A skip over the convolutions "coarse" and "joined", and a head on the mean.
inline Graph fine_skip_graph() {
  GraphBuilder b("fine", {2, 4, 5});
  const auto same = square_window<ops::Conv2d>(3, 1, 1);
  const ValueId from = b.conv("stem", b.at, same, 4);
  b.conv("coarse", b.at, same, 4, /*gain=*/40);
  b.relu("coarse.relu");
  b.conv("joined", b.at, same, 4, /*gain=*/40);
  b.skip("s", from);
  return b.finish(3);
}

/// ResNet-50, -101 or -152 for ImageNet (v1.5: the stride is on the 3×3), `blocks` bottlenecks a
/// stage of `width` channels in the first: 25.5 M weights for {3, 4, 6, 3} and 64.
inline Graph bottleneck_graph(const MapShape& input,
                              const std::vector<int64_t>& blocks = {3, 4, 6, 3}, int64_t width = 64,
                              int64_t classes = 1000) {
  GraphBuilder b("bottlenecks", input);
  b.conv_bn("stem.conv1", b.at, square_window<ops::Conv2d>(7, 2, 3), width);
  b.relu("stem.relu1");
  b.at = b.add(square_window<ops::MaxPool2d>(3, 2, 1), "stem.pool", {b.at});
  for (size_t stage = 0; stage < blocks.size(); ++stage, width *= 2) {
    for (int64_t block = 0; block < blocks[stage]; ++block) {
      const std::string id = "stage" + std::to_string(stage + 1) + ".block" + std::to_string(block);
      const int64_t stride = stage > 0 && block == 0 ? 2 : 1;
      const ValueId from = b.at;
      ValueId skip = from;
      ops::Conv2d one;
      if (block == 0) {
        one.window.stride = {stride, stride};
        skip = b.conv_bn(id + ".skip", from, one, 4 * width);
        one.window.stride = {1, 1};
      }
      b.conv_bn(id + ".conv1", from, one, width);
      b.relu(id + ".relu1");
      b.conv_bn(id + ".conv2", b.at, square_window<ops::Conv2d>(3, stride, 1), width);
      b.relu(id + ".relu2");
      b.conv_bn(id + ".conv3", b.at, one, 4 * width, 0.25);
      b.skip(id + ".skip", skip);
      b.relu(id + ".relu3");
    }
  }
  return b.finish(classes);
}

/// The node of this name.
inline Node& node_of(Graph& graph, const std::string& name) {
  for (Node& node : graph.nodes) {
    if (node.name == name) return node;
  }
  fail(ErrorKind::Internal, "no node {}", name);
}

}  // namespace tailor::testing

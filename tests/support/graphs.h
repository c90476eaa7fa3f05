// A small lowered graph with every operation, for tests of what reads graphs.
#pragma once

#include <string>
#include <vector>

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
  g.state = "lowered";
  auto out = [&](size_t node) { return g.nodes[node].outputs[0]; };
  const int input = out(g.add_node(Op::Input, "input", {}));
  g.value(input).shape = {2, 6, 5};
  const int padded =
      out(g.add_node(Op::ZeroPad, "zeropad", {input}, ZeroPadAttributes{1, 1, 1, 1}));
  ConvAttributes conv;
  conv.kernel = 3;
  conv.stride = 2;
  int x = out(g.add_node(Op::Conv2d, "conv", {padded}, conv, 3));
  x = out(g.add_node(Op::BatchNorm, "bn", {x}, BatchNormAttributes{1e-3}));
  x = out(g.add_node(Op::Relu, "relu", {x}));
  const int skip =
      out(g.add_node(Op::ShortcutPad, "shortcut", {input}, ShortcutPadAttributes{2, 1}, 3));
  x = out(g.add_node(Op::Add, "add", {x, skip}, AddAttributes{{"s.skip"}}));
  const size_t clone = g.add_node(Op::Clone, "clone", {x});
  const int copy = g.add_value("clone.copy", g.value(x).shape);
  g.nodes[clone].outputs.push_back(copy);
  x = out(g.add_node(Op::Add, "twice", {out(clone), copy}, AddAttributes{{"t.skip"}}));
  x = out(g.add_node(Op::GlobalAvgPool, "pool", {x}));
  x = out(g.add_node(Op::Dense, "fc", {x}, {}, 4));
  g.add_node(Op::Output, "output", {x});
  g.tensors["conv.weight"] = random_tensor({3, 2, 3, 3}, 1);
  for (const char* part : {"weight", "bias", "running_mean", "running_var"})
    g.tensors[std::string("bn.") + part] = random_tensor({3}, 2);
  g.tensors["fc.weight"] = random_tensor({4, 3}, 3);
  g.tensors["fc.bias"] = random_tensor({4}, 4);
  return g;
}

/// The node of this name.
inline Node& node_of(Graph& graph, const std::string& name) {
  for (Node& node : graph.nodes) {
    if (node.name == name) return node;
  }
  fail(ErrorKind::Internal, "no node {}", name);
}

}  // namespace tailor::testing

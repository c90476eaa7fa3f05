//   conv → batch_norm → …        becomes        conv(w', b') → …
// in float64, before anything is rounded. The BN node goes; its output value becomes the
// convolution's.
#include <cmath>

#include "design/rewrite.h"
#include "tailor/design/passes.h"

namespace tailor::design {
namespace {

/// Given steps of weights (take_given_steps) have no sign.
void fold_steps(Graph& graph, const Node& conv, const std::vector<double>& factors) {
  if (!graph.has_tensor(conv, "step")) return;
  std::vector<double> steps = graph.tensor(conv, "step").to_doubles();
  for (size_t o = 0; o < steps.size(); ++o) steps[o] *= std::abs(factors[o]);
  set_tensor(graph, conv, "step", graph.tensor(conv, "step").shape(), steps);
}

}  // namespace

void fold_batch_norm(Graph& graph) {
  const ByValue<NodeId> writer = producers(graph);
  const auto readers = consumers(graph);
  ByNode<bool> dead(graph.nodes.size(), false);
  for (NodeId n : graph.node_ids()) {
    const Node bn = graph.node(n);
    if (!bn.is<ops::BatchNorm>()) continue;
    Node& conv = graph.node(writer[bn.inputs[0]]);
    if (!conv.is<ops::Conv2d>() || readers[bn.inputs[0]].size() != 1) {
      fail(ErrorKind::Unsupported,
           "{}: a batch norm that does not follow its own convolution cannot be folded", bn.name);
    }
    std::vector<double> gamma = graph.tensor(bn, "weight").to_doubles(),
                        beta = graph.tensor(bn, "bias").to_doubles();
    std::vector<double> mean = graph.tensor(bn, "running_mean").to_doubles(),
                        variance = graph.tensor(bn, "running_var").to_doubles();
    std::vector<double> weight = graph.tensor(conv, "weight").to_doubles();
    std::vector<double> bias = graph.has_tensor(conv, "bias")
                                   ? graph.tensor(conv, "bias").to_doubles()
                                   : std::vector<double>(gamma.size(), 0.0);
    const double epsilon = bn.as<ops::BatchNorm>().epsilon;
    const size_t per_output = weight.size() / gamma.size();
    std::vector<double> factors;
    for (size_t o = 0; o < gamma.size(); ++o) {
      const double scale = gamma[o] / std::sqrt(variance[o] + epsilon);
      factors.push_back(scale);
      for (size_t i = 0; i < per_output; ++i) weight[o * per_output + i] *= scale;
      bias[o] = (bias[o] - mean[o]) * scale + beta[o];
    }
    set_tensor(graph, conv, "weight", graph.tensor(conv, "weight").shape(), weight);
    set_tensor(graph, conv, "bias", {static_cast<int64_t>(bias.size())}, bias);
    fold_steps(graph, conv, factors);
    for (const char* part : {"weight", "bias", "running_mean", "running_var"})
      graph.tensors.erase(bn.name + "." + part);
    conv.outputs = bn.outputs;
    graph.value(bn.outputs[0]).name = conv.name;
    dead[n] = true;
  }
  for (const Node& node : graph.nodes) {
    if (node.is<ops::Conv2d>() && !graph.has_tensor(node, "bias")) {
      const int64_t channels = graph.value(node.outputs[0]).shape.channels;
      set_tensor(graph, node, "bias", {channels},
                 std::vector<double>(static_cast<size_t>(channels), 0.0));
    }
  }
  remove_nodes(graph, dead);
}

}  // namespace tailor::design

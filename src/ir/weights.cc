#include "tailor/ir/weights.h"

#include <algorithm>

namespace tailor::ir {

const FixedType& required_type(const std::optional<FixedType>& type, const Node& node,
                               const char* what) {
  if (!type) {
    fail(ErrorKind::Data, "graph: {} has no {} type: it is not a design (run tailor export on it)",
         node.name, what);
  }
  return *type;
}

std::vector<int64_t> quantised_weights(const Graph& graph, const Node& node, int64_t* overflows) {
  const Tensor& tensor = graph.tensor(node, "weight");
  const FixedType& type = required_type(node.hardware.weight, node, "weight");
  std::vector<double> w = tensor.to_doubles();
  const int64_t out = tensor.shape()[0], in = tensor.shape()[1],
                taps = tensor.size() / std::max<int64_t>(out * in, 1);
  std::vector<int64_t> raw(w.size());
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t t = 0; t < taps; ++t) {
      for (int64_t i = 0; i < in; ++i) {
        bool overflowed = false;
        raw[static_cast<size_t>((o * taps + t) * in + i)] =
            quantise(w[static_cast<size_t>((o * in + i) * taps + t)], type, &overflowed);
        if (overflows && overflowed) ++*overflows;
      }
    }
  }
  return raw;
}

std::vector<int64_t> quantised_bias(const Graph& graph, const Node& node, int64_t* overflows) {
  std::vector<int64_t> raw;
  if (!graph.has_tensor(node, "bias")) {
    raw.resize(static_cast<size_t>(graph.value(node.outputs[0]).shape.channels), 0);
    return raw;
  }
  const FixedType& type = required_type(node.hardware.bias, node, "bias");
  for (double v : graph.tensor(node, "bias").to_doubles()) {
    bool overflowed = false;
    raw.push_back(quantise(v, type, &overflowed));
    if (overflows && overflowed) ++*overflows;
  }
  return raw;
}

}  // namespace tailor::ir

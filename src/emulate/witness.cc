#include "tailor/emulate/witness.h"

#include <algorithm>
#include <cmath>

#include "tailor/emulate/float64.h"

namespace tailor {

double relative_difference(const std::vector<double>& got, const std::vector<double>& expected) {
  double worst = 0, largest = 1e-12;
  for (size_t k = 0; k < got.size(); ++k) {
    const double d = std::abs(got[k] - expected[k]);
    worst = std::isfinite(d) ? std::max(worst, d) : INFINITY;
    largest = std::max(largest, std::abs(expected[k]));
  }
  return worst / largest;
}

namespace {

/// Numbers in what the graph says of one input, at all its positions.
int64_t answer_size(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    if (node.op == Op::Output) return graph.value(node.inputs[0]).shape.size();
  }
  return graph.classes();
}

}  // namespace

double witness_error(const Graph& graph) {
  if (!graph.witness)
    fail(ErrorKind::Data, "graph {} has no witness to check it against", graph.name);
  const std::vector<double> inputs = graph.witness->inputs.to_doubles(),
                            outputs = graph.witness->outputs.to_doubles();
  const auto size = static_cast<size_t>(graph.input_shape().size()),
             classes = static_cast<size_t>(answer_size(graph));
  const size_t count = outputs.size() / std::max<size_t>(classes, 1);
  if (count == 0 || inputs.size() != count * size || outputs.size() != count * classes) {
    fail(ErrorKind::Data,
         "graph {}: witness of {} inputs and {} outputs, expected multiples of {} and {}",
         graph.name, inputs.size(), outputs.size(), size, classes);
  }
  Float64Emulator emulator(graph);
  double worst = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto first = outputs.begin() + static_cast<std::ptrdiff_t>(i * classes);
    worst = std::max(
        worst, relative_difference(emulator.run(Span<const double>(inputs).subspan(i * size, size)),
                                   {first, first + static_cast<std::ptrdiff_t>(classes)}));
  }
  return worst;
}

}  // namespace tailor

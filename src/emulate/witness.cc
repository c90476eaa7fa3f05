#include "tailor/emulate/witness.h"

#include <algorithm>
#include <cmath>

#include "tailor/emulate/float64.h"

namespace tailor::emulate {

double relative_difference(const std::vector<double>& got, const std::vector<double>& expected) {
  double worst = 0, largest = 1e-12;
  for (size_t k = 0; k < got.size(); ++k) {
    const double d = std::abs(got[k] - expected[k]);
    worst = std::isfinite(d) ? std::max(worst, d) : INFINITY;
    largest = std::max(largest, std::abs(expected[k]));
  }
  return worst / largest;
}

double witness_error(const Graph& graph) {
  if (!graph.witness)
    fail(ErrorKind::Data, "graph {} has no witness to check it against", graph.name);
  const std::vector<double> inputs = graph.witness->inputs.to_doubles(),
                            outputs = graph.witness->outputs.to_doubles();
  const MapShape input = graph.input_shape();
  const auto size = static_cast<size_t>(input.size()),
             classes = static_cast<size_t>(graph.value(graph.output()).shape.size());
  const size_t count = outputs.size() / std::max<size_t>(classes, 1);
  const Shape expected = {static_cast<int64_t>(count), input.height, input.width, input.channels};
  if (count == 0 || outputs.size() != count * classes ||
      graph.witness->inputs.shape() != expected) {
    fail(ErrorKind::Data,
         "graph {}: witness of inputs {} and {} outputs, expected [n, {}, {}, {}] and n x {}",
         graph.name, to_string(graph.witness->inputs.shape()), outputs.size(), input.height,
         input.width, input.channels, classes);
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

}  // namespace tailor::emulate

#include "tailor/emulate/float64.h"

#include <algorithm>

#include "tailor/emulate/handed_on.h"
#include "tailor/emulate/kernels.h"

namespace tailor::emulate {
namespace {

using Map = std::vector<double>;

}  // namespace

Float64Emulator::Float64Emulator(const Graph& graph, const Float64WeightChange& change)
    : stages_(graph.nodes.size()) {
  graph_.name = graph.name;
  graph_.state = graph.state;
  graph_.nodes = graph.nodes;
  graph_.values = graph.values;
  for (size_t n = 0; n < graph.nodes.size(); ++n) prepare(n, graph, change);
}

Float64Emulator::~Float64Emulator() = default;
Float64Emulator::Float64Emulator(Float64Emulator&&) noexcept = default;

void Float64Emulator::prepare(size_t n, const Graph& graph, const Float64WeightChange& change) {
  const Node& node = graph.nodes[n];
  if (node.traits().port) return;
  const Float64Kernel* kernel = find_float64_kernel(node.op.rules());
  TAILOR_CHECK(kernel, "{} ({}) has no float64 kernel", node.name, to_string(node.op));
  if (kernel->prepare) kernel->prepare(stages_[n], graph, node, change);
}

std::vector<double> Float64Emulator::evaluate(size_t n, const std::vector<const Map*>& inputs,
                                              Span<const double> image) const {
  const Node& node = graph_.nodes[n];
  if (node.is<ops::Input>()) {
    const MapShape& shape = graph_.value(node.outputs[0]).shape;
    TAILOR_CHECK(static_cast<int64_t>(image.size()) == shape.size(), "input of {} values for {}",
                 image.size(), to_string(shape));
    return {image.begin(), image.end()};
  }
  if (node.is<ops::Output>()) return *inputs[0];
  return find_float64_kernel(node.op.rules())->run({graph_, node, stages_[n], inputs});
}

std::vector<double> Float64Emulator::run(Span<const double> input, const Float64Tap& tap,
                                         const Float64Change& change) const {
  ByValue<Map> maps(graph_.values.size());
  // A value is dropped after its last reader, so that a deep network needs a few maps only.
  ByValue<size_t> last(graph_.values.size(), 0);
  for (size_t n = 0; n < graph_.nodes.size(); ++n) {
    for (ValueId id : graph_.nodes[n].inputs) last[id] = n;
  }
  for (size_t n = 0; n < graph_.nodes.size(); ++n) {
    const Node& node = graph_.nodes[n];
    std::vector<const Map*> inputs;
    for (ValueId id : node.inputs) inputs.push_back(&maps[id]);
    Map y = evaluate(n, inputs, input);
    if (node.outputs.empty()) return y;
    if (change) change(n, y);
    const bool forwards = node.traits().forwards_input;
    for (size_t i = 1; i < node.outputs.size(); ++i)
      maps[node.outputs[i]] = forwards ? handed_on(graph_, node, *inputs[0]) : y;
    maps[node.outputs[0]] = std::move(y);
    for (ValueId id : node.outputs) {
      if (tap) tap(id, maps[id]);
    }
    for (ValueId id : node.inputs) {
      if (last[id] == n) maps[id] = Map();
    }
  }
  fail(ErrorKind::Internal, "graph {} has no output", graph_.name);
}

void calibrate_batch_norm(Graph& graph, const std::vector<std::vector<double>>& images) {
  Float64Emulator emulator(graph);
  ByValue<std::vector<Map>> maps(graph.values.size());  // by value, then by image
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (node.is<ops::BatchNorm>()) {
      auto channels = static_cast<size_t>(graph.value(node.inputs[0]).shape.channels);
      std::vector<double> sum(channels), squares(channels);
      double count = 0;
      for (const Map& map : maps[node.inputs[0]]) {
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
      emulator.prepare(n, graph, {});
    }
    if (node.is<ops::Output>()) return;
    for (size_t image = 0; image < images.size(); ++image) {
      std::vector<const Map*> inputs;
      for (ValueId id : node.inputs) inputs.push_back(&maps[id][image]);
      Map y = emulator.evaluate(n, inputs, images[image]);
      for (ValueId id : node.outputs) maps[id].push_back(y);
    }
  }
}

}  // namespace tailor::emulate

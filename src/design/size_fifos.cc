// FIFO depths. A skip's FIFO must hold what its main branch swallows before it answers (the closed
// form), every other one what its stages' bursts ask for. The stream simulator has the last word:
// the design must run exactly as fast as with unbounded FIFOs.
#include <algorithm>

#include "tailor/design/passes.h"
#include "tailor/emulate/streams.h"

namespace tailor::design {
namespace {

constexpr int64_t kPlainDepth = 2;
/// Vivado's and Vitis' limit for shift registers (UG1399, auto_srl_max_bits), a channel; hls.md
/// section 4.4.
constexpr int64_t kSrlBits = 1024;

}  // namespace

FifoStorage fifo_storage(int64_t depth, const FixedType& type) {
  return depth <= kPlainDepth || depth * type.width <= kSrlBits ? FifoStorage::Srl
                                                                : FifoStorage::Bram;
}

StreamResult size_fifos(Graph& graph) {
  const StreamResult ideal = simulate_streams(graph, ByValue<int64_t>(graph.values.size(), 0), 2);
  StreamResult sized;
  auto full_speed = [&] {
    sized = simulate_streams(graph, fifo_depths(graph), 2);
    return !sized.deadlock && sized.latency_cycles <= ideal.latency_cycles &&
           sized.interval_cycles <= ideal.interval_cycles;
  };
  // Bursts: a strided stage takes rows faster than they come and slower than they come, in turn.
  const ByValue<int64_t> bursts = sufficient_depths(graph);
  for (ValueId v : graph.value_ids()) graph.value(v).fifo_depth = std::max(kPlainDepth, bursts[v]);
  const std::vector<SkipDepth> skips = skip_depths(graph);
  for (const SkipDepth& skip : skips)
    graph.value(skip.value).fifo_depth = std::max(kPlainDepth, skip.full_speed);
  if (!full_speed()) {
    for (const SkipDepth& skip : skips) {
      graph.value(skip.value).fifo_depth =
          std::max(graph.value(skip.value).fifo_depth, bursts[skip.value]);
    }
    TAILOR_CHECK(full_speed(), "the FIFO depths of {} stall", graph.name);
  }
  for (Value& v : graph.values) v.fifo_storage = fifo_storage(v.fifo_depth, *v.type);
  return sized;
}

}  // namespace tailor::design

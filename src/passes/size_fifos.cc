// FIFO depths. A skip's FIFO must hold what its main branch swallows before it answers (emulate/streams.h counts it); every other FIFO is 2 deep.
// The stream simulator then has the last word: the design must run as fast as with unbounded FIFOs.
#include <algorithm>

#include "tailor/core/log.h"
#include "tailor/emulate/streams.h"
#include "tailor/passes/passes.h"

namespace tailor {
namespace {

constexpr int64_t kPlainDepth = 2;
/// Vivado's and Vitis' limit for shift registers (UG1399, auto_srl_max_bits), a channel; hls.md section 4.4.
constexpr int64_t kSrlBits = 1024;

}  // namespace

void size_fifos(Graph& graph) {
  for (Value& v : graph.values) v.fifo_depth = kPlainDepth;
  for (const SkipDepth& depth : skip_depths(graph)) graph.value(depth.value).fifo_depth = std::max(kPlainDepth, depth.full_speed);

  const std::vector<int64_t> unbounded(graph.values.size(), 0);
  const StreamResult ideal = simulate_streams(graph, unbounded);
  StreamResult sized = simulate_streams(graph, fifo_depths(graph));
  if (sized.deadlock || sized.latency_cycles > ideal.latency_cycles) {
    // The closed form does not cover this shape: grow, one FIFO at a time, whichever FIFO alone still costs time.
    log_debug("passes", "closed-form FIFO depths {}: growing", sized.deadlock ? "deadlock (" + sized.deadlock_text + ")" : "stall");
    for (size_t v = 0; v < graph.values.size(); ++v) {
      auto alone = [&](int64_t depth) {
        std::vector<int64_t> depths = unbounded;
        depths[v] = depth;
        StreamResult r = simulate_streams(graph, depths);
        return !r.deadlock && r.latency_cycles <= ideal.latency_cycles;
      };
      int64_t& depth = graph.values[v].fifo_depth;
      if (alone(depth)) continue;
      int64_t low = depth, high = std::max<int64_t>(2 * depth, 4);
      while (!alone(high)) low = high, high *= 2;
      while (high - low > 1) {
        const int64_t middle = (low + high) / 2;
        (alone(middle) ? high : low) = middle;
      }
      depth = high;
    }
    sized = simulate_streams(graph, fifo_depths(graph));
    for (int round = 0; (sized.deadlock || sized.latency_cycles > ideal.latency_cycles) && round < 20; ++round) {
      for (Value& v : graph.values) v.fifo_depth += 1 + v.fifo_depth / 8;
      sized = simulate_streams(graph, fifo_depths(graph));
    }
  }
  if (sized.deadlock) fail(ErrorKind::Internal, "the FIFO depths of {} deadlock: {}", graph.name, sized.deadlock_text);

  for (Value& v : graph.values)
    v.fifo_storage = v.fifo_depth <= kPlainDepth || v.fifo_depth * v.type->width <= kSrlBits ? FifoStorage::Srl : FifoStorage::Bram;
}

}  // namespace tailor

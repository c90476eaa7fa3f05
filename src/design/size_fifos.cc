// FIFO depths. A skip's FIFO must hold what its main branch swallows before it answers (the closed
// form), every other one what its stages' bursts ask for. The stream simulator has the last word:
// the design must run exactly as fast as with unbounded FIFOs.
#include <algorithm>
#include <functional>

#include "tailor/design/passes.h"
#include "tailor/emulate/streams.h"

namespace tailor::design {
namespace {

constexpr int64_t kPlainDepth = 2;
/// Vivado's and Vitis' limit for shift registers (UG1399, auto_srl_max_bits), a channel; hls.md
/// section 4.4.
constexpr int64_t kSrlBits = 1024;
/// Words from which one URAM288 (4,096 of 72 bits) takes the place of several RAMB36.
constexpr int64_t kUramWords = 1024, kUramWordBits = 64;
/// Words below which a memory is made of LUTs.
constexpr int64_t kLutramWords = 64;
/// Cycles from writing a word to reading it that a memory surely bears.
constexpr int64_t kMemoryCycles = 3;

bool suits_uram(int64_t words, int64_t word_bits, const Device& device) {
  return device.uram > 0 && words > kUramWords && word_bits >= kUramWordBits;
}

}  // namespace

ValueId narrower_input(const Graph& graph, const Node& projection, ValueId skip) {
  const auto* a = projection.op.get_if<ops::Conv2d>();
  if (!a || projection.inputs.size() != 1 || projection.outputs.size() != 1 ||
      !a->window.is_pointwise())
    return {};
  const Value &in = graph.value(projection.inputs[0]), &out = graph.value(skip);
  const bool narrower = in.shape.pixels() == out.shape.pixels() &&
                        in.fold * in.token_bits() < out.fold * out.token_bits();
  return narrower ? ValueId(projection.inputs[0]) : ValueId();
}

namespace {

/// A long skip waits before its projection where its pixels are narrower: behind it two are left.
/// Not where the design would then stall.
void wait_before_projections(Graph& graph, const std::vector<SkipDepth>& skips,
                             const std::function<bool()>& full_speed) {
  const ByValue<NodeId> writer = producers(graph);
  for (const SkipDepth& skip : skips) {
    const ValueId before = narrower_input(graph, graph.node(writer[skip.value]), skip.value);
    if (!before.valid()) continue;
    Value &in = graph.value(before), &out = graph.value(skip.value);
    const int64_t in_depth = in.fifo_depth, out_depth = out.fifo_depth;
    in.fifo_depth = in_depth + (out_depth + out.fold - 1) / out.fold * in.fold;
    out.fifo_depth = std::max(kPlainDepth, 2 * out.fold);
    if (full_speed()) continue;
    in.fifo_depth = in_depth;
    out.fifo_depth = out_depth;
    full_speed();
  }
}

}  // namespace

FifoStorage fifo_storage(int64_t depth, const Value& value, const Device& device) {
  if (depth <= kPlainDepth || depth * value.type->width <= kSrlBits) return FifoStorage::Srl;
  return value.fold > 1 && suits_uram(depth, value.token_bits(), device) ? FifoStorage::Uram
                                                                         : FifoStorage::Bram;
}

FifoStorage line_storage(const LineMemory& memory, const Device& device) {
  if (memory.distance < kMemoryCycles) return FifoStorage::Registers;
  if (memory.words <= kLutramWords) return FifoStorage::Lutram;
  return suits_uram(memory.words, memory.word_bits, device) ? FifoStorage::Uram : FifoStorage::Bram;
}

StreamResult size_fifos(Graph& graph, const Device& device) {
  // Answering the last frames of a signal, a convolution of frames takes none of the next one. To
  // hold those would cost K/2 frames before each; it costs a few per cent of the interval.
  const bool frames = has_line_buffers(graph);
  const StreamResult ideal = simulate_streams(graph, ByValue<int64_t>(graph.values.size(), 0), 2);
  StreamResult sized;
  auto full_speed = [&] {
    sized = simulate_streams(graph, fifo_depths(graph), 2);
    return !sized.deadlock && sized.latency_cycles <= ideal.latency_cycles &&
           (frames || sized.interval_cycles <= ideal.interval_cycles);
  };
  // Bursts: a strided stage takes rows faster than they come and slower than they come, in turn.
  const ByValue<int64_t> bursts = sufficient_depths(graph, frames ? 1 : 3);
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
  wait_before_projections(graph, skips, full_speed);
  for (Value& v : graph.values) v.fifo_storage = fifo_storage(v.fifo_depth, v, device);
  return sized;
}

}  // namespace tailor::design

// Runs a graph, lowered or laid out, in float64: the reference between LibTorch's float32 and the
// integers. Sums run in a fixed order without contraction, so every machine gets the same bits.
#pragma once

#include <functional>
#include <vector>

#include "tailor/ir/graph.h"

namespace tailor::emulate {

struct Float64Stage;

/// Called with every value as it is computed: pixels × channels (HWC).
using Float64Tap = std::function<void(ValueId, Span<const double> hwc)>;
/// Called with what a node is about to write, which it may change.
using Float64Change = std::function<void(size_t node, Span<double> hwc)>;
/// Called with a layer's weight or bias before it is used, which it may change.
using Float64WeightChange = std::function<void(const Node&, const char* part, Span<double>)>;

class Float64Emulator {
 public:
  /// Keeps the reordered weights; the graph may go.
  explicit Float64Emulator(const Graph& graph, const Float64WeightChange& change = {});
  ~Float64Emulator();
  Float64Emulator(Float64Emulator&&) noexcept;
  Float64Emulator& operator=(Float64Emulator&&) = delete;
  /// One image, HWC; returns the logits. Thread-safe.
  std::vector<double> run(Span<const double> input, const Float64Tap& tap = {},
                          const Float64Change& change = {}) const;

  /// One node on given inputs (HWC); `image` is the network's input, HWC.
  std::vector<double> evaluate(size_t node, const std::vector<const std::vector<double>*>& inputs,
                               Span<const double> image) const;

 private:
  friend void calibrate_batch_norm(Graph& graph, const std::vector<std::vector<double>>& images);
  void prepare(size_t node, const Graph& graph, const Float64WeightChange& change);

  Graph graph_;                       // without its tensors
  std::vector<Float64Stage> stages_;  // by node
};

/// Replaces the running mean and variance of every batch norm by what the images give, from the
/// input on, so that an untrained network has activations of ordinary size. Images are HWC.
void calibrate_batch_norm(Graph& graph, const std::vector<std::vector<double>>& images);

}  // namespace tailor::emulate

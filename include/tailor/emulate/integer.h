// Runs a design in integers, bit for bit what the generated C++ computes: exact accumulators, one
// cast where the graph says a cast is, for every rounding and overflow mode. Overflows are counted
// where they happen.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "tailor/ir/graph.h"

namespace tailor::emulate {

/// Called with every value as it is computed: raw integers, pixels × channels (HWC).
using IntegerTap = std::function<void(ValueId, Span<const int64_t> hwc)>;

struct IntegerResult {
  std::vector<int64_t> logits_raw;
  std::vector<double> logits;      // exact: raw times the type's step
  std::vector<int64_t> overflows;  // by node: outputs that did not fit their type
};

class IntegerEmulator {
 public:
  /// Quantises the weights. Throws Data if the graph is not a design.
  explicit IntegerEmulator(const Graph& design);
  ~IntegerEmulator();
  IntegerEmulator(IntegerEmulator&&) noexcept;
  IntegerEmulator& operator=(IntegerEmulator&&) = delete;

  /// One image, HWC. Thread-safe.
  IntegerResult run(Span<const double> input, const IntegerTap& tap = {}) const;
  /// Weights and biases that did not fit their type, by node.
  const std::vector<int64_t>& weight_overflows() const;

 private:
  struct Plan;
  std::unique_ptr<Plan> plan_;
};

}  // namespace tailor::emulate

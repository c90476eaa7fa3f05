// The dataflow design as processes that read and write FIFOs of finite depth, token by token (one
// token a pixel): where it stalls, how full each FIFO gets, whether it deadlocks. Native
// hls::stream is unbounded, so nothing else would notice. Cycles are a model, not RTL.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tailor/ir/graph.h"

namespace tailor::emulate {

struct StreamAction {
  enum class Kind : uint8_t {
    Read,   // waits for a token in `value`
    Write,  // waits for space in `value`; the token is there `cycles` later
    Wait,   // takes `cycles`
    Fork,   // a clone's step: waits for a token and for space in every output, then moves it to all
            // at once
  };
  Kind kind;
  ValueId value;
  int64_t cycles = 0;
};

/// What a node's stage does for one image, in order.
std::vector<StreamAction> stream_program(const Graph& design, const Node& node);

struct StreamResult {
  bool deadlock = false;
  std::string deadlock_text;    // which stage waits for what
  int64_t latency_cycles = 0;   // until the first image's last token leaves
  int64_t interval_cycles = 0;  // between the last two images; 0 for one image
  ByValue<int64_t> high_water;  // most tokens it ever held
};

/// Runs `images` images through. A depth of 0 means unbounded. Deterministic: a Kahn
/// network has one outcome.
StreamResult simulate_streams(const Graph& design, const ByValue<int64_t>& depths, int images = 1);
/// The depths written on the graph.
ByValue<int64_t> fifo_depths(const Graph& design);

/// Depths with which the design is exactly as fast as with unbounded FIFOs, over `images` images:
/// the occupancy of the latest schedule that still delivers every image when the earliest one does.
/// A self-timed run is never later than a schedule that fits, so these are enough.
ByValue<int64_t> sufficient_depths(const Graph& design, int images = 3);

/// Closed form of a skip's FIFO, by counting tokens, whatever the strides are.
struct SkipDepth {
  ValueId value;  // the FIFO at the join
  /// Enough whatever the other FIFOs are: ⌊K/2⌋·(W+1) summed over the convolutions, plus 1, for an
  /// identity, where one less deadlocks. Before a projection tokens can wait too, so there one less
  /// deadlocks only if that FIFO holds none back.
  int64_t deadlock_free = 0;
  int64_t full_speed = 0;  // one more token for each convolution in flight
};
std::vector<SkipDepth> skip_depths(const Graph& design);

}  // namespace tailor::emulate

// The dataflow of a design as a figure: its stages in order from top to bottom, streams with depth,
// width and storage, skips as dashed ways beside them, and how busy each stage is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tailor/core/rooms.h"

namespace tailor::report {

struct FlowStage {
  std::string name, what;  // "stage1.block0.conv1", "conv2d, 16x32x32"
  int64_t cycles = 0, multipliers = 0;
};
/// From one stage to a later one, by their places; `skip` is the id of the skip that it brings.
struct FlowStream {
  size_t from = 0, to = 0;
  int64_t depth = 0, bits = 0;  // tokens; a token; depth 0: no FIFO, as at the ports
  std::string storage, skip;
};
struct Dataflow {
  std::string title;
  std::vector<FlowStage> stages;  // each behind what it reads
  std::vector<FlowStream> streams;
};

std::string emit_dataflow(const Dataflow& flow, int64_t width);

}  // namespace tailor::report

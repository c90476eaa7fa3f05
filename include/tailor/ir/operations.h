// The attributes of every built-in operation; its rules are in src/ir/operations/, a file each.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tailor/ir/operation.h"

namespace tailor::ir {
namespace ops {

/// 0 → 1: the network's input.
struct Input {
  static const Operation& operation();
};

/// x, skip… → y, or y and x as the window's centre tap passes it on: its pixel at each place of y.
/// Tensors NAME.weight [out, in / groups, rows, columns] and, once batch norm is folded, NAME.bias
/// [out].
struct Conv2d {
  Window window;
  /// Channels are cut into so many runs, inputs and outputs alike; a run of outputs reads its own
  /// run of inputs only.
  int64_t groups = 1;
  bool relu = false;
  /// Where the skips are added: relu(conv) + skips, and not relu(conv + skips).
  bool skips_after_activation = false;
  /// Ids of identity skips read from the window itself, at tap (pad_top, pad_left): no stream, no
  /// FIFO.
  std::vector<std::string> window_skips;
  /// Ids of skips whose 1 was added to the kernel; for the record, they cost nothing.
  std::vector<std::string> folded_skips;
  /// On a map of one row: its frames wait in a memory and are read tap by tap, and tokens may be
  /// folded. groups is then 1, or all channels.
  bool line_buffer = false;
  static const Operation& operation();
};

/// x → y. NAME.weight, .bias, .running_mean, .running_var [channels].
struct BatchNorm {
  double epsilon = 1e-5;
  static const Operation& operation();
};

/// x → y.
struct Relu {
  static const Operation& operation();
};

/// x, skip… → y.
struct Add {
  static const Operation& operation();
};

/// x → y: pixels a stride of rows and columns apart, the channels at an offset among zeros (option
/// A).
struct ShortcutPad {
  Size2 stride;
  int64_t channel_offset = 0;
  static const Operation& operation();
};

/// x → y: the largest value of each window, which always holds a real pixel. Padding never wins: it
/// is -infinity, or what is the same, left out of the window.
struct MaxPool2d {
  Window window;  // pads below its extent
  static const Operation& operation();
};

/// x → y of 1×1.
struct GlobalAvgPool {
  static const Operation& operation();
};

/// x → y of 1×1. NAME.weight [out, in], in pixel by pixel as x comes; NAME.bias [out].
struct Dense {
  static const Operation& operation();
};

/// x → y.
struct ZeroPad {
  Pads pads;
  /// Pads with the lowest value there is (-infinity; in integers the type's) instead of 0: for a
  /// max pool, its only reader.
  bool lowest = false;
  static const Operation& operation();
};

/// x → y, y…: the same tokens to several readers.
struct Clone {
  static const Operation& operation();
};

/// 1 → 0: the network's output.
struct Output {
  static const Operation& operation();
};

}  // namespace ops
}  // namespace tailor::ir

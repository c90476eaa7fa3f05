// The Quant nodes of a network whose layers have their names, as types of stages of the design.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "net/onnx_steps.h"

namespace tailor::net {

/// What the types are found in; by step but for `joined`.
struct OnnxTyping {
  const std::vector<OnnxStep>& steps;  // rescaled
  const std::map<size_t, std::string>& names;
  std::vector<char> on_main;   // else on a skip
  std::vector<size_t> joined;  // what skips are added to
  double epsilon;              // of all batch norms
  int scale_bits;
  const std::string& where;
  std::vector<std::vector<size_t>> readers = {};
};

/// Fills in types, rounding and remarks of `out`; leaves it as it is where nothing is rounded.
/// Throws Unsupported naming the node.
void add_types(const OnnxTyping& typing, OnnxNetwork& out);

}  // namespace tailor::net

// Weights under the names of other programs, for tests of the rules that read them.
#pragma once

#include <string>

#include "support/rooms.h"
#include "tailor/net/weight_rules.h"

namespace tailor::test {

inline Network network_of(const std::string& family, int64_t depth, Shortcut shortcut,
                          const MapShape& input = {3, 32, 32}) {
  NetworkConfig config;
  config.family = family;
  config.depth = depth;
  config.width = 4;
  config.shortcut = shortcut;
  return make_network(config, input, 7);
}

inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

/// What torchvision calls our tensor, written without the rules' templates.
inline std::string torchvision_name(const std::string& ours) {
  std::string name = replaced(ours, "stem.", "");
  if (name.compare(0, 5, "stage") == 0) name = "layer" + replaced(name.substr(5), ".block", ".");
  name = replaced(name, "skip.conv", "downsample.0");
  return replaced(name, "skip.bn", "downsample.1");
}

template <class Name>
TensorMap renamed(const TensorMap& tensors, const Name& name, const std::string& prefix = "") {
  TensorMap result;
  for (const auto& [ours, tensor] : tensors) result.emplace(prefix + name(ours), tensor);
  return result;
}

}  // namespace tailor::test

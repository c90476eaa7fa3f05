// A family of networks is one record in one file (src/net/family_*.cc) and one line in families.cc;
// configuration, names, errors and documentation take what they need of it from here.
#pragma once

#include <string>
#include <vector>

#include "tailor/net/network.h"

namespace tailor::net {

struct NetworkFamily {
  const char* name;   // "resnet_cifar", as `network.family` has it
  const char* about;  // what it is, as the reference of the configuration says it
  int64_t width;      // filters of the first stage where the configuration says 0

  /// Throws Config where the family has no such network, naming the key as /network/….
  void (*verify)(const NetworkConfig& config, const std::string& source);

  /// Keys of `network` that such a configuration does not read, separated by blanks, and why.
  struct Unread {
    std::string keys, why;
  };
  std::vector<Unread> (*unread)(const NetworkConfig& config);

  /// The network of a resolved configuration on such data; that it is well-formed is checked.
  Network (*make)(const NetworkConfig& config, const MapShape& input, int64_t classes);

  /// Networks that are known by name, with the data that they are known for.
  struct Named {
    std::string name;  // "resnet20"
    NetworkConfig config;
    MapShape input;
    int64_t classes;
  };
  std::vector<Named> (*named)();
};

/// The families there are, built-in ones first.
std::vector<const NetworkFamily*> network_families();
/// Adds one that lives as long as the program; its name must be new.
void register_family(const NetworkFamily& family);
/// Throws Internal where there is none of that name.
const NetworkFamily& find_family(const std::string& name);

// ---- what families are made of

/// Input, head and join of a configuration, without blocks.
Network empty_network(const NetworkConfig& config, const MapShape& input, int64_t classes);
/// The skip around a whole block: identity where the shapes agree, else the configured shortcut.
void add_block_skip(Block& block, Shortcut shortcut, bool batch_norm = true);

}  // namespace tailor::net

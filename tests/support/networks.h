// Small networks with random weights and batch norms for tests: every size differs from every
// other, so that swapped axes fail.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "support/random_networks.h"
#include "support/rooms.h"
#include "tailor/core/random.h"
#include "tailor/design/lower.h"
#include "tailor/net/network.h"
#include "tailor/surgery/surgery.h"

namespace tailor::testing {

/// Initial weights, and batch norms that do something: gamma 0.5…1.5, beta ±0.3, mean ±0.2,
/// variance 0.5…1.5.
inline TensorMap random_tensors(const Network& network, int64_t seed) {
  TensorMap tensors = initial_tensors(network, seed);
  for (const TensorSpec& spec : tensor_specs(network)) {
    CounterRandom random(static_cast<uint64_t>(seed), RandomStream::Test,
                         std::hash<std::string>()(spec.name));
    for (float& v : tensors.at(spec.name).as<float>()) {
      if (spec.role == TensorRole::BnWeight || spec.role == TensorRole::BnVariance)
        v = static_cast<float>(random.uniform(0.5, 1.5));
      if (spec.role == TensorRole::BnBias) v = static_cast<float>(random.uniform(-0.3, 0.3));
      if (spec.role == TensorRole::BnMean) v = static_cast<float>(random.uniform(-0.2, 0.2));
    }
  }
  return tensors;
}

inline std::vector<double> random_image(const MapShape& shape, int64_t seed) {
  CounterRandom random(static_cast<uint64_t>(seed), RandomStream::Test, 12345);
  std::vector<double> image(static_cast<size_t>(shape.size()));
  for (double& v : image) v = random.uniform(-2, 2.1);
  return image;
}

/// A ResNet-8 of `width` filters on 3 × 10 × 13 pixels with 7 classes.
inline Network small_network(Join join = Join::BeforeActivation,
                             Shortcut shortcut = Shortcut::Projection, int64_t width = 4,
                             int64_t depth = 8) {
  NetworkConfig config;
  config.depth = depth;
  config.width = width;
  config.join = join;
  config.shortcut = shortcut;
  return make_network(config, {3, 10, 13}, 7);
}

enum class Surgery { Traditional, Shortened, Removed, Mixed };
inline const char* to_string(Surgery s) {
  constexpr const char* kNames[] = {"Traditional", "Shortened", "Removed", "Mixed"};
  return kNames[static_cast<size_t>(s)];
}

inline void alter(Network& network, Surgery surgery) {
  int64_t i = 0;
  for (const std::string& id : skip_ids(network)) {
    if (surgery == Surgery::Shortened || (surgery == Surgery::Mixed && i % 3 == 0))
      apply_alteration(network, id, AlterationKind::Shorten);
    if (surgery == Surgery::Removed || (surgery == Surgery::Mixed && i % 3 == 1))
      apply_alteration(network, id, AlterationKind::Remove);
    ++i;
  }
}

struct Variant {
  Surgery surgery;
  Join join;
  Shortcut shortcut;
  std::string name() const {
    return std::string(to_string(surgery)) + (join == Join::BeforeActivation ? "Before" : "After") +
           (shortcut == Shortcut::Projection ? "Projection" : "Pad");
  }
};

inline std::vector<Variant> all_variants() {
  std::vector<Variant> variants;
  for (Surgery s : {Surgery::Traditional, Surgery::Shortened, Surgery::Removed, Surgery::Mixed}) {
    for (Join j : {Join::BeforeActivation, Join::AfterActivation}) {
      for (Shortcut c : {Shortcut::Projection, Shortcut::Pad}) variants.push_back({s, j, c});
    }
  }
  return variants;
}

inline Graph lowered_variant(const Variant& variant, int64_t seed = 3, int64_t width = 4) {
  Network network = small_network(variant.join, variant.shortcut, width);
  alter(network, variant.surgery);
  return lower(network, random_tensors(network, seed), "test");
}

}  // namespace tailor::testing

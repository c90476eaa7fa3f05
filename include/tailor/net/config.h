// What a configuration says of the network.
#pragma once

#include <string>
#include <vector>

#include "tailor/core/record.h"

namespace tailor::net {

/// Where a skip is added: relu(F(x) + x), the standard ResNet, or relu(F(x)) + x, the paper's
/// Eq. 2.
enum class Join { BeforeActivation, AfterActivation };
TAILOR_ENUMERATORS(Join, "before_activation", "after_activation")
/// What a skip does where the shape changes: a 1×1 convolution with BN, or a strided slice with
/// zero channels, half of them before and half behind (Pad) or all behind (PadEnd).
enum class Shortcut { Projection, Pad, PadEnd };
TAILOR_ENUMERATORS(Shortcut, "projection", "pad", "pad_end")
/// Which convolution of a strided bottleneck has the stride: the 3×3 (v1.5) or the first 1×1 (v1).
enum class StrideOn { Conv3x3, First1x1 };
TAILOR_ENUMERATORS(StrideOn, "3x3", "1x1")

/// Kinds of networks, as `family` has them (net/family.h).
std::vector<const char*> family_names();

struct NetworkConfig {
  std::string family = "resnet_cifar";
  std::string file;  // family "file": the description
  int64_t depth = 20;
  int64_t width = 0;  // filters of the first stage; 0: the family's
  StrideOn stride_on = StrideOn::Conv3x3;
  Shortcut shortcut = Shortcut::Projection;
  Join join = Join::BeforeActivation;
};
/// With the family's width in the place of 0.
NetworkConfig resolve_network_config(NetworkConfig config);

void describe(RecordVisitor& v, NetworkConfig& c);
/// Throws Config, naming the key as /network/….
void verify_config(const NetworkConfig& c, const std::string& source);
Json write_network_config(const NetworkConfig& config);

}  // namespace tailor::net

// What a configuration says of the network.
#pragma once

#include <optional>
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

/// What a QuartzNet hears. Speech: features, a separable first layer of stride 2, a dilated last
/// kernel, frames beyond an example's length masked, Xavier's initial weights (NeMo). DNA: the raw
/// signal, a dense first layer of stride 3, no masks, PyTorch's initial weights (Bonito).
enum class QuartzKind { Speech, Dna };
TAILOR_ENUMERATORS(QuartzKind, "speech", "dna")

/// Blocks of one kernel, `filters` times the network's width.
struct QuartzBlock {
  int64_t kernel = 33, filters = 1;
};
struct QuartzNetConfig {
  QuartzKind kind = QuartzKind::Speech;
  std::vector<QuartzBlock> blocks;  // empty: the five of the paper, 33, 39 and twice 51, 63, 75
  int64_t copies = 1;               // of each block, one behind the other
  int64_t repeat = 5;               // separable convolutions of a block: what its skip spans
  int64_t stem_kernel = 33, stem_stride = 0;  // stride 0: the kind's, 2 or 3
  int64_t context_kernel = 87;                // of the layer behind the blocks; 0: there is none
  int64_t last_filters = 4;                   // of the last 1x1 layer, times the width
};

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
  std::optional<QuartzNetConfig> quartznet;  // of the family quartznet
};
/// With the family's width in the place of 0, and what a QuartzNet leaves to its kind said.
NetworkConfig resolve_network_config(NetworkConfig config);

void describe(RecordVisitor& v, NetworkConfig& c);
void describe(RecordVisitor& v, QuartzNetConfig& c);
/// Throws Config, naming the key as /network/….
void verify_config(const NetworkConfig& c, const std::string& source);
Json write_network_config(const NetworkConfig& config);

}  // namespace tailor::net

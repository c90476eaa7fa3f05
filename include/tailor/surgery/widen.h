// A residual network as the equal plain one (Meng et al. 2021, "RMNet: Equivalently removing
// residual connection from networks", reserve and merge): what a skip brings rides through its
// stages on channels of their own. In eval mode nothing changes but skips, widths and weights.
#pragma once

#include <string>
#include <vector>

#include "tailor/net/network.h"

namespace tailor::surgery {

/// A batch norm whose channels from `first` on are new, or normalise what they did not before.
struct TouchedNorm {
  std::string name;
  size_t first = 0;
};

/// What became of one skip.
struct Widening {
  std::string skip_id;
  int64_t channels = 0;  // between its stages; 0: it is over one stage and is merged into it
  std::vector<TouchedNorm> norms;
};

struct WidenedNetwork {
  Network network;
  TensorMap tensors;
  std::vector<Widening> skips;
};

/// Of these skips, or of all. The first convolution gets a channel for each that the skip reads,
/// with a 1 at the tap of its pixel; the last one adds them back.
///
/// In float64 the outputs are those of before to 1e-9 where skips are identities or pads over two
/// stages or more: the weights that come are powers of two, and factors are those of batch norms,
/// which are as exact as one likes (net/batch_norm.h). The merged weights of a projection are
/// rounded to float32 once (1e-7), but with `split_projections` are sums of two, on twice as many
/// channels. A skip over one stage is rounded in any case.
///
/// A batch norm's statistics no longer say what it normalises: see settle_norm.
///
/// Throws Config where a skip is none of those three; is not over stages of a convolution without
/// groups, a batch norm and at most a ReLU, each with a tap at its pixel; has another skip at a
/// point between its ends; is added behind a ReLU; or would pass one with values below 0.
WidenedNetwork widen(const Network& network, const TensorMap& tensors,
                     const std::vector<std::string>& skip_ids, bool split_projections = false);

/// Gives a batch norm these statistics, by channel, of what it normalises, and changes its
/// parameters so that it computes what it did: training then begins with what evaluation gives.
void settle_norm(TensorMap& tensors, const TouchedNorm& norm, const std::vector<double>& mean,
                 const std::vector<double>& variance, double epsilon);

}  // namespace tailor::surgery

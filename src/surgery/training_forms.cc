// What plain networks have in training only, and export folds into their kernels: RepVGG's branches
// are skips over one stage each, DiracNet's identities part of the convolution.
#include "tailor/core/strings.h"
#include "tailor/surgery/surgery.h"

namespace tailor::surgery {
namespace {

/// Of a stage beside which a branch becomes one with its kernel: a convolution wider than a pixel,
/// padded so that its output is a 1x1's, a batch norm, and at most a ReLU.
ConvLayer* wide_conv(Stage& stage) {
  const size_t linear = stage.layers.size() - (ends_in_relu(stage.layers) ? 1 : 0);
  if (linear != 2 || !std::holds_alternative<BatchNormLayer>(stage.layers[1])) return nullptr;
  auto* conv = std::get_if<ConvLayer>(&stage.layers[0]);
  if (!conv || conv->window.taps() == 1 || !has_centre_tap(conv->window)) return nullptr;
  const Size2 extent = conv->window.extent();
  const Pads& p = conv->window.pads;
  const bool same_size =
      p.top + p.bottom + 1 == extent.height && p.left + p.right + 1 == extent.width;
  return same_size ? conv : nullptr;
}

Skip branch(const Block& block, size_t stage, const char* name, Layers layers) {
  Skip skip;
  skip.id = skip.tensors = fmt::format("{}.branch{}.{}", block.id, stage, name);
  skip.from = static_cast<int64_t>(stage) - 1, skip.to = static_cast<int64_t>(stage);
  skip.layers = std::move(layers);
  return skip;
}

Network verified(Network network, int64_t convolutions, const char* skips) {
  if (convolutions == 0) {
    fail(ErrorKind::Config,
         "train.skips \"{}\": {} has no stage of one padded convolution wider than 1x1 and a batch "
         "norm; choose another value",
         skips, network.name);
  }
  const auto findings = verify_network(network);
  TAILOR_CHECK(findings.empty(), "with {}: {}", skips, join(findings, "; "));
  return network;
}

}  // namespace

Network with_branches(Network network) {
  if (network.join != Join::BeforeActivation) {
    fail(ErrorKind::Config,
         "train.skips \"repvgg\": branches are added before activations, and {} adds behind them; "
         "set network.join to \"before_activation\"",
         network.name);
  }
  int64_t branches = 0;
  for (Block& block : network.blocks) {
    for (size_t i = 1; i <= block.stages.size(); ++i) {
      const ConvLayer* conv = wide_conv(block.stages[i - 1]);
      if (!conv) continue;
      ConvLayer pointwise{conv->in, conv->out, Window(), conv->groups};
      pointwise.window.stride = conv->window.stride;
      block.skips.push_back(branch(block, i, "pointwise", {pointwise, BatchNormLayer()}));
      if (conv->in == conv->out && conv->window.stride == Size2{1, 1})
        block.skips.push_back(branch(block, i, "identity", {BatchNormLayer()}));
      ++branches;
    }
  }
  return verified(std::move(network), branches, "repvgg");
}

Network with_dirac_kernels(Network network) {
  int64_t kernels = 0;
  for (Block& block : network.blocks) {
    for (Stage& stage : block.stages) {
      ConvLayer* conv = wide_conv(stage);
      if (!conv || conv->groups != 1) continue;
      conv->dirac = true;
      ++kernels;
    }
  }
  return verified(std::move(network), kernels, "dirac");
}

}  // namespace tailor::surgery

#include "tailor/net/dirac.h"

#include <cmath>

namespace tailor::net {

Tensor kernel_of(const TensorMap& tensors, const NamedLayer& conv) {
  Tensor kernel = tensors.at(conv.name + ".weight");
  const auto* layer = conv.as<ConvLayer>();
  if (!layer->dirac) return kernel;
  const auto alpha = tensors.at(conv.name + ".alpha").as<float>(),
             beta = tensors.at(conv.name + ".beta").as<float>();
  auto w = kernel.as<float>();
  const size_t filter = w.size() / alpha.size(), taps = static_cast<size_t>(layer->window.taps()),
               centre = static_cast<size_t>(centre_tap(layer->window));
  for (size_t o = 0; o < alpha.size(); ++o) {
    double square = 0;
    for (size_t i = o * filter; i < (o + 1) * filter; ++i)
      square += static_cast<double>(w[i]) * w[i];
    const double scale = square > 0 ? beta[o] / std::sqrt(square) : 0;
    for (size_t i = o * filter; i < (o + 1) * filter; ++i) w[i] = static_cast<float>(w[i] * scale);
    if (o < filter / taps) w[o * filter + o * taps + centre] += alpha[o];
  }
  return kernel;
}

std::pair<Network, TensorMap> merge_dirac(Network network, TensorMap tensors) {
  for (const PlacedLayer& layer : placed_layers(network)) {
    const auto* conv = layer.as<ConvLayer>();
    if (!conv || !conv->dirac) continue;
    tensors.insert_or_assign(layer.name + ".weight", kernel_of(tensors, layer));
    tensors.erase(layer.name + ".alpha");
    tensors.erase(layer.name + ".beta");
  }
  auto merge = [](Layers& layers) {
    for (Layer& layer : layers) {
      if (auto* conv = std::get_if<ConvLayer>(&layer)) conv->dirac = false;
    }
  };
  for (Block& block : network.blocks) {
    for (Stage& stage : block.stages) merge(stage.layers);
    for (Skip& skip : block.skips) merge(skip.layers);
  }
  merge(network.head);
  return {std::move(network), std::move(tensors)};
}

}  // namespace tailor::net

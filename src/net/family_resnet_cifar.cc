// ResNets for images of 32x32 pixels: those of He et al. 2015, section 4.2, and MLPerf Tiny's.
#include "tailor/net/family.h"

namespace tailor::net {
namespace {

constexpr const char* kNoBottlenecks =
    "only the bottlenecks of resnet_imagenet 50 and 101 have a choice";

/// A conv3x3, then three stages of so many basic blocks with width, 2 width and 4 width filters,
/// stride 2 at the start of the second and third.
void add_cifar_blocks(Network& network, const NetworkConfig& config, int64_t blocks,
                      bool batch_norm) {
  network.blocks.push_back({"stem", {conv_stage(network.input.channels, config.width, 3, 1)}, {}});
  int64_t channels = config.width;
  for (int64_t s = 0; s < 3; ++s) {
    const int64_t filters = config.width << s;
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t stride = s > 0 && b == 0 ? 2 : 1;
      Block block{fmt::format("stage{}.block{}", s + 1, b),
                  {conv_stage(channels, filters, 3, stride), conv_stage(filters, filters, 3, 1)},
                  {}};
      add_block_skip(block, config.shortcut, batch_norm);
      network.blocks.push_back(std::move(block));
      channels = filters;
    }
  }
}

Network make_resnet_cifar(const NetworkConfig& config, const MapShape& input, int64_t classes) {
  Network network = empty_network(config, input, classes);
  network.name = fmt::format("resnet{}", config.depth);
  add_cifar_blocks(network, config, (config.depth - 2) / 6, /*batch_norm=*/true);
  return network;
}

void verify_resnet_cifar(const NetworkConfig& c, const std::string& source) {
  if ((c.depth - 2) % 6 == 0) return;
  fail_config("/network/depth", "6n + 2 (8, 20, 32, 44, 56, 110, …)", std::to_string(c.depth),
              source);
}

/// MLPerf Tiny's image classification network, as Keras has it: ResNet-8 whose strided convolutions
/// pad below and right only, whose shortcuts have a bias and no batch norm, and with epsilon 1e-3.
Network make_resnet_mlperf_tiny(const NetworkConfig& config, const MapShape& input,
                                int64_t classes) {
  Network network = empty_network(config, input, classes);
  network.name = "resnet8_mlperf_tiny";
  network.bn_epsilon = 1e-3;
  network.bn_momentum = 0.01;
  add_cifar_blocks(network, config, 1, /*batch_norm=*/false);
  for (size_t b : {size_t{2}, size_t{3}}) {
    Pads& pads = std::get<ConvLayer>(network.blocks[b].stages[0].layers[0]).window.pads;
    pads.top = pads.left = 0;
  }
  return network;
}

std::vector<NetworkFamily::Named> cifar_networks() {
  std::vector<NetworkFamily::Named> named;
  for (int64_t depth : {8, 20, 32, 44, 56, 110}) {
    NetworkConfig c;
    c.depth = depth;
    named.push_back({fmt::format("resnet{}", depth), c, {3, 32, 32}, 10});
  }
  NetworkConfig tiny;
  tiny.family = "resnet_mlperf_tiny";
  tiny.depth = 8;
  named.push_back({"resnet8_mlperf_tiny", tiny, {3, 32, 32}, 10});
  return named;
}

}  // namespace

const NetworkFamily& resnet_cifar_family() {
  static const NetworkFamily family = {
      "resnet_cifar",
      "resnet_cifar is the ResNet for 32x32 images of He et al. 2015, section 4.2",
      16,
      verify_resnet_cifar,
      [](const NetworkConfig&) -> std::vector<NetworkFamily::Unread> {
        return {{"stride_on", kNoBottlenecks}};
      },
      make_resnet_cifar,
      cifar_networks};
  return family;
}

const NetworkFamily& resnet_mlperf_tiny_family() {
  static const NetworkFamily family = {
      "resnet_mlperf_tiny",
      "resnet_mlperf_tiny MLPerf Tiny's ResNet-8",
      16,
      [](const NetworkConfig&, const std::string&) {},
      [](const NetworkConfig&) -> std::vector<NetworkFamily::Unread> {
        return {{"depth", "the family resnet_mlperf_tiny has one depth"},
                {"stride_on", kNoBottlenecks}};
      },
      make_resnet_mlperf_tiny,
      [] { return std::vector<NetworkFamily::Named>(); }};  // among those of resnet_cifar
  return family;
}

}  // namespace tailor::net

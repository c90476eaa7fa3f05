// He et al. 2015, table 1: stem conv7x7 s2 and max pooling, four stages. A bottleneck (expansion 4)
// has its stride on the 3x3 convolution (v1.5, torchvision's) or on the first 1x1 (v1, paper's).
#include "tailor/net/family.h"

namespace tailor::net {
namespace {

struct ImagenetDepth {
  int64_t depth, blocks[4];
  bool bottleneck;
};
constexpr ImagenetDepth kImagenetDepths[] = {{18, {2, 2, 2, 2}, false},
                                             {34, {3, 4, 6, 3}, false},
                                             {50, {3, 4, 6, 3}, true},
                                             {101, {3, 4, 23, 3}, true}};

const ImagenetDepth* find_depth(int64_t depth) {
  for (const ImagenetDepth& row : kImagenetDepths) {
    if (row.depth == depth) return &row;
  }
  return nullptr;
}

std::string imagenet_name(int64_t depth, StrideOn stride_on) {
  return fmt::format("resnet{}{}", depth, stride_on == StrideOn::First1x1 ? "_v1" : "");
}

std::vector<Stage> imagenet_stages(const NetworkConfig& config, bool bottleneck, int64_t in,
                                   int64_t filters, int64_t stride) {
  if (!bottleneck) return {conv_stage(in, filters, 3, stride), conv_stage(filters, filters, 3, 1)};
  const bool on_first = config.stride_on == StrideOn::First1x1;
  return {conv_stage(in, filters, 1, on_first ? stride : 1),
          conv_stage(filters, filters, 3, on_first ? 1 : stride),
          conv_stage(filters, 4 * filters, 1, 1)};
}

Network make_resnet_imagenet(const NetworkConfig& config, const MapShape& input, int64_t classes) {
  Network network = empty_network(config, input, classes);
  network.name = imagenet_name(config.depth, config.stride_on);
  Block stem{"stem", {conv_stage(network.input.channels, config.width, 7, 2)}, {}};
  stem.stages.push_back(max_pool_stage(3, 2, 1));
  network.blocks.push_back(std::move(stem));
  const ImagenetDepth* row = find_depth(config.depth);
  if (!row) return network;
  int64_t channels = config.width;
  for (int64_t s = 0; s < 4; ++s) {
    const int64_t filters = config.width << s;
    for (int64_t b = 0; b < row->blocks[s]; ++b) {
      const int64_t stride = s > 0 && b == 0 ? 2 : 1;
      Block block{fmt::format("stage{}.block{}", s + 1, b),
                  imagenet_stages(config, row->bottleneck, channels, filters, stride),
                  {}};
      add_block_skip(block, config.shortcut);
      network.blocks.push_back(std::move(block));
      channels = row->bottleneck ? 4 * filters : filters;
    }
  }
  return network;
}

void verify_resnet_imagenet(const NetworkConfig& c, const std::string& source) {
  if (!find_depth(c.depth)) {
    fail_config("/network/depth", "18, 34, 50 or 101 (family resnet_imagenet)",
                std::to_string(c.depth), source);
  }
  if (c.stride_on == StrideOn::First1x1 && c.depth < 50) {
    fail_config("/network/stride_on", "\"3x3\": ResNet-18 and 34 have no bottlenecks", "\"1x1\"",
                source);
  }
}

std::vector<NetworkFamily::Named> imagenet_networks() {
  std::vector<NetworkFamily::Named> named;
  for (StrideOn stride_on : {StrideOn::Conv3x3, StrideOn::First1x1}) {
    for (const ImagenetDepth& row : kImagenetDepths) {
      if (stride_on == StrideOn::First1x1 && !row.bottleneck) continue;
      NetworkConfig c;
      c.family = "resnet_imagenet";
      c.depth = row.depth;
      c.stride_on = stride_on;
      named.push_back({imagenet_name(row.depth, stride_on), c, {3, 224, 224}, 1000});
    }
  }
  return named;
}

}  // namespace

const NetworkFamily& resnet_imagenet_family() {
  static const NetworkFamily family = {
      "resnet_imagenet",
      "resnet_imagenet the one of its table 1",
      64,
      verify_resnet_imagenet,
      [](const NetworkConfig& c) -> std::vector<NetworkFamily::Unread> {
        if (c.depth >= 50) return {};
        return {{"stride_on", "only the bottlenecks of resnet_imagenet 50 and 101 have a choice"}};
      },
      make_resnet_imagenet,
      imagenet_networks};
  return family;
}

}  // namespace tailor::net
